#include "examples/common/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace stflow {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double number_in(const Record& record, const std::string& name) {
  const Value* value = find_value(record, name);
  return value == nullptr ? kNaN : as_number(*value);
}

std::string text_in(const Record& record, const std::string& name) {
  return text_of(*find_value(record, name));
}

std::string fixed(double number, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, number);
  return text;
}

/// Finished cells of one architecture and rule.
struct Group {
  std::string arch, rule;
  std::vector<Cell> cells;
};

std::vector<Group> groups_of(const Campaign& campaign, const std::vector<Cell>& cells) {
  std::vector<Group> groups;
  for (const Cell& cell : cells) {
    if (!campaign.finished(cell)) continue;
    const auto same = [&](const Group& g) { return g.arch == cell.arch && g.rule == cell.rule; };
    auto group = std::ranges::find_if(groups, same);
    if (group == groups.end()) group = groups.insert(group, {cell.arch, cell.rule, {}});
    group->cells.push_back(cell);
  }
  return groups;
}

/// Mean over seeds of a column of the metrics, one number an epoch.
std::vector<double> mean_curve(const Campaign& campaign, const Group& group,
                               const std::string& column) {
  std::vector<double> curve;
  for (const Cell& cell : group.cells) {
    const std::vector<Record> rows = campaign.metrics(cell);
    curve.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i)
      curve[i] += number_in(rows[i], column) / static_cast<double>(group.cells.size());
  }
  return curve;
}

/// y(x) read off a curve by straight lines between its points; NaN outside.
double read_off(const std::vector<double>& x, const std::vector<double>& y, double at) {
  const auto right = static_cast<size_t>(std::ranges::lower_bound(x, at) - x.begin());
  if (right == x.size() || at < x[0]) return kNaN;
  if (right == 0) return y[0];
  const double share = (at - x[right - 1]) / (x[right] - x[right - 1]);
  return y[right - 1] + share * (y[right] - y[right - 1]);
}

/// A line for each rule, a column for each architecture, in the order they first appear.
template <typename Cell_>
std::string table(const std::vector<Record>& rows, Cell_ cell) {
  std::vector<std::string> rules, archs;
  for (const Record& row : rows) {
    const std::string rule = text_in(row, "rule"), arch = text_in(row, "arch");
    if (!std::ranges::count(rules, rule)) rules.push_back(rule);
    if (!std::ranges::count(archs, arch)) archs.push_back(arch);
  }
  std::string text = "| rule |", line = "| --- |";
  for (const std::string& arch : archs) {
    text += " " + arch + " |";
    line += " --- |";
  }
  text += "\n" + line + "\n";
  for (const std::string& rule : rules) {
    text += "| " + rule + " |";
    for (const std::string& arch : archs) {
      const auto row = std::ranges::find_if(rows, [&](const Record& each) {
        return text_in(each, "rule") == rule && text_in(each, "arch") == arch;
      });
      text += " " + (row == rows.end() ? "-" : cell(*row)) + " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace

Interval interval_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  if (values.size() < 2) return {mean, kNaN};
  // 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom; from 10 on the expansion from
  // the normal one (Abramowitz & Stegun 26.7.5), good to .003.
  constexpr double kQuantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  const double freedom = n - 1, z = 1.959964;
  const double t = freedom < 10 ? kQuantiles[values.size() - 2]
                                : z + (std::pow(z, 3) + z) / (4 * freedom) +
                                      (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) /
                                          (96 * freedom * freedom);
  return {mean, t * std::sqrt(squares / freedom / n)};
}

std::vector<Record> compare(const Campaign& campaign, const std::vector<Cell>& cells) {
  std::vector<Record> rows;
  const std::vector<Group> groups = groups_of(campaign, cells);
  const auto mean_of = [&](const Group& group, const std::string& name) {
    std::vector<double> values;
    for (const Cell& cell : group.cells) values.push_back(number_in(campaign.summary(cell), name));
    return interval_of(values);
  };
  for (const Group& group : groups) {
    const auto st = std::ranges::find_if(
        groups, [&](const Group& g) { return g.arch == group.arch && g.rule == "st"; });
    const double step_ms = mean_of(group, "step_ms_median").mean;
    const Interval result = mean_of(group, "test_neg_elbo");
    rows.push_back(
        {{"arch", group.arch},
         {"rule", group.rule},
         {"seeds", static_cast<int64_t>(group.cells.size())},
         {"test_neg_elbo", result.mean},
         {"half_width", result.half_width},
         {"test_nll", mean_of(group, "test_nll").mean},
         {"step_ms", step_ms},
         {"step_ratio", st == groups.end() ? kNaN : step_ms / mean_of(*st, "step_ms_median").mean},
         {"seconds_per_epoch", mean_of(group, "seconds_per_epoch").mean}});
  }
  return rows;
}

std::string markdown(const std::vector<Record>& rows) {
  const auto result = [](const Record& row) {
    const double half_width = number_in(row, "half_width");
    return fixed(number_in(row, "test_neg_elbo"), 2) +
           (std::isnan(half_width) ? "" : " ± " + fixed(half_width, 2));
  };
  const auto cost = [](const Record& row) {
    const double ratio = number_in(row, "step_ratio");
    return fixed(number_in(row, "step_ms"), 2) +
           (std::isnan(ratio) ? "" : " (" + fixed(ratio, 2) + " x)");
  };
  return "Test -ELBO (nats per image), mean over seeds and its 95 % interval:\n\n" +
         table(rows, result) +
         "\nMilliseconds a training step on one thread (relative to st):\n\n" + table(rows, cost);
}

Plot learning_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch, const std::string& against) {
  constexpr int kPoints = 200;  // of the common x axis
  std::vector<Group> groups = groups_of(campaign, cells);
  std::erase_if(groups, [&](const Group& group) { return group.arch != arch; });
  std::vector<std::vector<double>> x;
  double end = 0;
  for (const Group& group : groups) {
    x.push_back(mean_curve(campaign, group, against));
    if (!x.back().empty()) end = std::max(end, x.back().back());
  }
  Plot plot{.x_label = against, .y_label = "test -ELBO (nats per image)", .x = {}, .curves = {}};
  plot.title = arch;
  for (int i = 1; i <= kPoints; ++i) plot.x.push_back(i == kPoints ? end : end * i / kPoints);
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<double> y = mean_curve(campaign, groups[g], "test_neg_elbo");
    Plot::Curve curve{groups[g].rule, {}};
    for (const double at : plot.x) curve.y.push_back(read_off(x[g], y, at));
    plot.curves.push_back(curve);
  }
  return plot;
}

}  // namespace stflow
