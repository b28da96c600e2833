// record.h - a Record is an ordered list of named values: what programs log, print and save.
//
// Configurations, manifests, rows of metrics and final results are all Records, so one pair of
// functions turns any of them into JSON and back. The JSON library is seen by record.cpp alone,
// because it is slow to compile.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace stflow {

struct Field;
using Record = std::vector<Field>;
using Value = std::variant<bool, int64_t, double, std::string, Record, std::vector<Record>>;

struct Field {
  std::string name;
  Value value;
};

/// The value of that name, or nullptr.
const Value* find_value(const Record& record, const std::string& name);
/// The value of that name. Throws std::runtime_error, naming it and `source` (a path, or nothing),
/// when it is missing or no T.
template <typename T>
const T& get(const Record& record, const std::string& name, const std::string& source = "") {
  const Value* value = find_value(record, name);
  const T* found = value ? std::get_if<T>(value) : nullptr;
  if (!found) {
    throw std::runtime_error(
        (source.empty() ? "" : source + ": ") +
        (value ? "another kind of value than expected is named '" : "there is no value named '") +
        name + "'");
  }
  return *found;
}
/// Replaces the value of that name, or appends it.
void set_value(Record& record, const std::string& name, const Value& value);

/// {"name": value, ...} in the record's order, on one line or indented by `indent` columns. A
/// number that is not finite becomes null: JSON has no other word for it, and null is read as NaN.
std::string to_json(const Record& record, int indent = -1);
/// Reads a JSON object. Throws std::runtime_error that begins with `source` (a path) when the text
/// is no object, holds a list of anything but objects or a whole number beyond 64 bits, has a name
/// twice, is nested more than 8 deep, or has more than `max_values` values.
Record record_from_json(const std::string& text, const std::string& source,
                        size_t max_values = 1'000'000);
/// The same for a file.
Record read_record(const std::string& path);

/// A whole or real number. Throws std::runtime_error, with `source`, for anything else.
double as_number(const Value& value, const std::string& source = "");

/// Throws std::runtime_error that begins with `source` unless every row has numbers under these
/// names, in this order, and nothing else.
void check_rows(const std::vector<Record>& rows, const std::vector<std::string>& names,
                const std::string& source);

/// One value for people: numbers with six significant digits, truth as yes/no, NaN (not
/// measured) as a dash.
std::string text_of(const Value& value);

/// Header and rows, all with the same names, as comma-separated text that loses no digits.
std::string csv_header(const Record& row);
std::string csv_row(const Record& row);
/// The header and all rows, a line each. Throws when there is no row.
std::string csv_table(const std::vector<Record>& rows);
/// Reads such a table of numbers. Throws std::runtime_error that begins with `source` (a path) when
/// a row has other columns than the header, or no number where one belongs.
std::vector<Record> records_from_csv(const std::string& text, const std::string& source);

}  // namespace stflow
