// json_reader.h - the one function that reads JSON. A text may come from anywhere, so nothing in it
// is trusted.
//
// For .cpp files only: the library behind it is slow to compile.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "stflow/tensor/check.h"

namespace stflow::nn {

/// How much a text may hold: what is read in one walk must not overflow the stack, and a small file
/// must not fill the memory.
struct JsonLimits {
  int depth;       // of nesting; {"a":1} has 1
  size_t values;   // in all
  size_t members;  // of one object
};

/// Walks through a text and throws what read_json throws, but keeps nothing of it.
template <typename Json>
class JsonCheck {
 public:
  JsonCheck(std::string_view text, const JsonLimits& limits, const std::string& source)
      : text_(text), limits_(limits), source_(source) {}

  bool null() { return value(); }
  bool boolean(bool) { return value(); }
  bool number_integer(typename Json::number_integer_t) { return value(); }
  bool number_unsigned(typename Json::number_unsigned_t) { return value(); }
  bool number_float(typename Json::number_float_t, const std::string&) { return value(); }
  bool string(std::string&) { return value(); }
  bool binary(typename Json::binary_t&) { return value(); }
  bool start_object(size_t) {
    names_.emplace_back();
    return open();
  }
  bool end_object() {
    names_.pop_back();
    return close();
  }
  bool start_array(size_t) { return open(); }
  bool end_array() { return close(); }
  bool key(const std::string& name) {
    if (!names_.back().insert(name).second) fail("name '", name, "' occurs twice");
    if (names_.back().size() > limits_.members) {
      fail("not read: more than ", limits_.members, " names in one object");
    }
    return true;
  }
  bool parse_error(size_t byte, const std::string&, const nlohmann::detail::exception& error) {
    const std::string_view what = error.what();  // "[...] number overflow parsing '1e999'"
    if (dynamic_cast<const typename Json::out_of_range*>(&error)) {
      fail("not read: ", what.substr(what.find(']') + 2, 80));
    }
    if (byte > text_.size()) fail("not JSON: ends too early");
    broken_at(byte);
    return false;
  }
  [[noreturn]] void broken_at(size_t byte) const {
    fail("not JSON (byte ", byte, " of ", text_.size(), " is where it breaks)");
  }

 private:
  template <typename... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw std::runtime_error(concat_message(source_, ": ", parts...));
  }
  bool value() {
    if (++values_ > limits_.values) fail("not read: more than ", limits_.values, " values");
    return true;
  }
  bool open() {
    if (++depth_ > limits_.depth) fail("not read: nested too deeply, more than ", limits_.depth);
    return value();
  }
  bool close() {
    --depth_;
    return true;
  }

  std::string_view text_;
  const JsonLimits& limits_;
  const std::string& source_;
  std::vector<std::set<std::string>> names_;  // of the objects now open
  size_t values_ = 0;
  int depth_ = 0;
};

/// Reads one JSON value. Throws std::runtime_error that begins with `source` when the text is no
/// JSON, goes on after its end, passes a limit, has a name twice in one object or a number that no
/// double holds.
template <typename Json>
Json read_json(std::string_view text, const JsonLimits& limits, const std::string& source) {
  JsonCheck<Json> check(text, limits, source);
  // The library takes a NUL for the end of the text.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) check.broken_at(nul + 1);
  Json::sax_parse(text, &check);
  return Json::parse(text);
}

}  // namespace stflow::nn
