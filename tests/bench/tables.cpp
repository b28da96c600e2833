#include "tests/bench/tables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "stflow/tensor/check.h"

namespace stflow::bench {
namespace {

/// Two decimals, or none where they would say nothing.
std::string number(double value) {
  if (std::isnan(value)) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", std::abs(value) < 100 ? 2 : 0, value);
  return text;
}

std::string cell(const Value& value) {
  if (const auto* real_number = std::get_if<double>(&value)) return number(*real_number);
  const auto* ratio = std::get_if<Record>(&value);
  if (ratio == nullptr) return text_of(value);
  const auto part = [&](size_t i) { return number(std::get<double>(ratio->at(i).value)); };
  return part(0) == "-" ? "-" : part(0) + " (" + part(1) + "-" + part(2) + ")";
}

std::vector<Record>& rows_of(Record& table) {
  return std::get<std::vector<Record>>(table[1].value);
}

}  // namespace

Record to_record(const Ratio& ratio) {
  return {{"median", ratio.median}, {"low", ratio.low}, {"high", ratio.high}};
}

void Tables::table(const std::string& title) {
  markdown_ << "\n" << title << "\n\n";
  tables_.push_back({{"title", title}, {"rows", std::vector<Record>{}}});
}

void Tables::row(const Record& cells) {
  std::vector<Record>& rows = rows_of(tables_.back());
  if (rows.empty()) {
    std::string names = "|", line = "|";
    for (const Field& field : cells) {
      names += " " + field.name + " |";
      line += " --- |";
    }
    markdown_ << names << "\n" << line << "\n";
  }
  markdown_ << "|";
  for (const Field& field : cells) markdown_ << " " << cell(field.value) << " |";
  markdown_ << std::endl;
  rows.push_back(cells);
}

void Tables::add_case(const Limit& limit, const Limit::Case& found) {
  auto place = std::ranges::find(limits_, limit.what, &Limit::what);
  if (place == limits_.end()) place = limits_.insert(place, limit);
  if (!std::isnan(found.found)) place->cases.push_back(found);
}

void Tables::at_least(double bound, const std::string& what, const std::string& where,
                      double found) {
  add_case({what, true, bound, {}}, {where, found});
}

void Tables::at_most(double bound, const std::string& what, const std::string& where,
                     double found) {
  add_case({what, false, bound, {}}, {where, found});
}

void Tables::limits() {
  table("Limits");
  for (Limit& limit : limits_) {
    const double sign = limit.least ? 1 : -1;
    std::ranges::sort(limit.cases, {}, [&](const auto& each) { return sign * each.found; });
    const auto missed = std::ranges::count_if(
        limit.cases, [&](const auto& each) { return sign * each.found < sign * limit.bound; });
    const size_t cases = limit.cases.size();
    row({{"what", limit.what},
         {"limit", (limit.least ? ">= " : "<= ") + number(limit.bound)},
         {"worst", cases == 0 ? std::nan("") : limit.cases[0].found},
         {"in", cases == 0 ? "-" : limit.cases[0].where},
         {"holds", cases == 0    ? "not measured"
                   : missed == 0 ? concat_message("yes, in all of ", cases)
                                 : concat_message("NO, not in ", missed, " of ", cases)}});
  }
}

}  // namespace stflow::bench
