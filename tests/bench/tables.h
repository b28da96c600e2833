// tables.h - rows and limits that become Markdown for people as they come, and a Record in the end.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "stflow/train/console/record.h"
#include "tests/bench/contest.h"

namespace stflow::bench {

/// {"median", "low", "high"}
Record to_record(const Ratio& ratio);

class Tables {
 public:
  explicit Tables(std::ostream& markdown) : markdown_(markdown) {}

  /// Begins a table; its columns are those of its first row.
  void table(const std::string& title);
  /// Numbers, texts and ratios. What was not measured is NaN, and a dash.
  void row(const Record& cells);

  /// One case of a limit, named by what is limited: a number that shall be >= `bound`, or <= it.
  void at_least(double bound, const std::string& what, const std::string& where, double found);
  void at_most(double bound, const std::string& what, const std::string& where, double found);
  /// A table of the limits so far: the worst case of each, and how many cases miss it.
  void limits();

  /// [{"title", "rows"}]
  const std::vector<Record>& all() const { return tables_; }

 private:
  struct Limit {
    std::string what;
    bool least;
    double bound;
    struct Case {
      std::string where;
      double found;
    };
    std::vector<Case> cases;
  };
  void add_case(const Limit& limit, const Limit::Case& found);

  std::ostream& markdown_;
  std::vector<Record> tables_;
  std::vector<Limit> limits_;
};

}  // namespace stflow::bench
