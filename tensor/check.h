// check.h - how stflow reports mistakes: one macro, one exception type for each kind of cause.
//
// A wrong argument throws std::invalid_argument, a bad file or format std::runtime_error. A message
// begins with a [tag] that names the function, then says what was expected and what was found.
// Checks come first in a function, before any work and before any parallel loop.
#pragma once

#include <charconv>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace stflow {

/// Six digits of a number, or all that it has where these would be another number: a value just
/// beyond a bound must not read like the bound.
template <typename Number>
std::string digits_of(Number number) {
  if constexpr (!std::is_same_v<Number, float>) {
    const auto narrow = static_cast<float>(number);  // a float has its own digits
    if (narrow == number) return digits_of(narrow);
  }
  char text[64];
  char* end = std::to_chars(text, text + sizeof text, number, std::chars_format::general, 6).ptr;
  Number six{};
  std::from_chars(text, end, six);
  if (six != number) end = std::to_chars(text, text + sizeof text, number).ptr;
  return std::string(text, end);
}

/// Joins its arguments with operator<<, numbers by digits_of: concat_message("got ", 3, " rows") ==
/// "got 3 rows".
template <typename... Parts>
std::string concat_message(const Parts&... parts) {
  std::ostringstream text;
  const auto append = [&text](const auto& part) {
    if constexpr (std::is_floating_point_v<std::decay_t<decltype(part)>>)
      text << digits_of(part);
    else
      text << part;
  };
  (append(parts), ...);
  return text.str();
}

}  // namespace stflow

/// Throws std::invalid_argument with the joined message unless `condition` holds.
#define CHECK_ARG(condition, ...)                                         \
  do {                                                                    \
    if (!(condition)) {                                                   \
      throw std::invalid_argument(::stflow::concat_message(__VA_ARGS__)); \
    }                                                                     \
  } while (false)
