// record.cpp - Records as JSON, CSV and plain text.
//
// JSON goes through nlohmann's ordered object, because the order of fields is part of a Record. A
// path that is not UTF-8 is written with replacement characters rather than not at all.
#include "stflow/train/console/record.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "stflow/nn/binary_file.h"
#include "stflow/nn/json_reader.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 8;               // {"a":{"b":1}} has 2
constexpr size_t kMaxMembers = 1000;       // they are searched one after another
constexpr size_t kMaxFileSize = 64 << 20;  // bytes

Json json_of(const Record& record) {
  Json object = Json::object();
  for (const Field& field : record) {
    object[field.name] = std::visit(
        [](const auto& value) -> Json {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, Record>) {
            return json_of(value);
          } else if constexpr (std::is_same_v<T, std::vector<Record>>) {
            Json list = Json::array();
            for (const Record& item : value) list.push_back(json_of(item));
            return list;
          } else {
            return value;
          }
        },
        field.value);
  }
  return object;
}

Record record_of(const Json& json, const std::string& source);

Value value_of(const Json& json, const std::string& source) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object()) return record_of(json, source);
  if (json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<Record> list;
  for (const Json& item : json) list.push_back(record_of(item, source));
  return list;
}

Record record_of(const Json& json, const std::string& source) {
  if (!json.is_object()) {
    throw std::runtime_error(
        concat_message(source, ": expected a JSON object, found ", json.type_name()));
  }
  Record record;
  for (const auto& [name, value] : json.items()) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) {
      throw std::runtime_error(concat_message(source, ": '", name, "': ", value.dump(),
                                              " does not fit a whole number of 64 bits"));
    }
    record.push_back({name, value_of(value, source)});
  }
  return record;
}

/// Commas and quotes in a cell need quotes around it (RFC 4180).
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? "\"\"" : std::string(1, c);
  return cell + "\"";
}

}  // namespace

const Value* find_value(const Record& record, const std::string& name) {
  for (const Field& field : record) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

void set_value(Record& record, const std::string& name, const Value& value) {
  for (Field& field : record) {
    if (field.name == name) {
      field.value = value;
      return;
    }
  }
  record.push_back({name, value});
}

std::string to_json(const Record& record, int indent) {
  return json_of(record).dump(indent, ' ', false, Json::error_handler_t::replace);
}

Record record_from_json(const std::string& text, const std::string& source, size_t max_values) {
  const nn::JsonLimits limits{.depth = kMaxDepth, .values = max_values, .members = kMaxMembers};
  return record_of(nn::read_json<Json>(text, limits, source), source);
}

Record read_record(const std::string& path) {
  return record_from_json(nn::read_file(path, kMaxFileSize), path);
}

double as_number(const Value& value, const std::string& source) {
  if (const int64_t* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  if (const double* real_number = std::get_if<double>(&value)) return *real_number;
  throw std::runtime_error((source.empty() ? "" : source + ": ") + "expected a number, found '" +
                           text_of(value) + "'");
}

void check_rows(const std::vector<Record>& rows, const std::vector<std::string>& names,
                const std::string& source) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const Record& row = rows[i];
    if (!std::ranges::equal(row, names, {}, &Field::name)) {
      Record expected;
      for (const std::string& name : names) expected.push_back({name, 0.0});
      throw std::runtime_error(concat_message(source, ": expected the columns ",
                                              csv_header(expected), " in row ", i + 1, ", found ",
                                              csv_header(row)));
    }
    for (const Field& field : row) {
      if (std::holds_alternative<int64_t>(field.value) ||
          std::holds_alternative<double>(field.value))
        continue;
      throw std::runtime_error(concat_message(source, ": expected a number as '", field.name,
                                              "' in row ", i + 1, ", found ",
                                              text_of(field.value)));
    }
  }
}

std::string text_of(const Value& value) {
  if (const bool* truth = std::get_if<bool>(&value)) return *truth ? "yes" : "no";
  if (const int64_t* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const double* x = std::get_if<double>(&value)) {
    if (std::isnan(*x)) return "-";
    char digits[32];
    std::snprintf(digits, sizeof digits, "%#.6g", *x);
    return digits;
  }
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  if (const Record* record = std::get_if<Record>(&value)) {
    return std::to_string(record->size()) + " fields";
  }
  return std::to_string(std::get<std::vector<Record>>(value).size()) + " items";
}

std::string csv_header(const Record& row) {
  return joined(row, ",", [](const Field& field) { return csv_cell(field.name); });
}

std::string csv_row(const Record& row) {
  std::string line;
  for (const Field& field : row) {
    if (!line.empty()) line += ',';
    if (const double* x = std::get_if<double>(&field.value)) {
      char digits[32];
      line.append(digits, std::to_chars(digits, digits + sizeof digits, *x).ptr);
    } else {
      line += csv_cell(text_of(field.value));
    }
  }
  return line;
}

std::string csv_table(const std::vector<Record>& rows) {
  CHECK_ARG(!rows.empty(), "[csv_table] there is no row to take the names from");
  std::string text = csv_header(rows[0]) + "\n";
  for (const Record& row : rows) text += csv_row(row) + "\n";
  return text;
}

std::vector<Record> records_from_csv(const std::string& text, const std::string& source) {
  const auto cells_of = [](const std::string& line) {
    std::vector<std::string> cells(1);
    for (const char c : line) {
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    }
    return cells;
  };
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  const std::vector<std::string> names = cells_of(line);
  std::vector<Record> rows;
  while (std::getline(lines, line)) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != names.size()) {
      throw std::runtime_error(concat_message(source, ": line ", rows.size() + 2, " has ",
                                              cells.size(), " columns, the header ", names.size()));
    }
    Record row;
    for (size_t i = 0; i < cells.size(); ++i) {
      const char* end = cells[i].data() + cells[i].size();
      double number = 0;
      const auto read = std::from_chars(cells[i].data(), end, number);
      if (read.ec != std::errc() || read.ptr != end) {
        throw std::runtime_error(concat_message(source, ": line ", rows.size() + 2, ", column '",
                                                names[i], "': '", cells[i], "' is not a number"));
      }
      row.push_back({names[i], number});
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace stflow
