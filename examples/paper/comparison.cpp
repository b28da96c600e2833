#include "examples/paper/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <set>

#include "stflow/tensor/statistics.h"

namespace stflow {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double number_in(const Record& record, const std::string& name, const std::string& source = "") {
  const Value* value = find_value(record, name);
  return value == nullptr ? kNaN : as_number(*value, source + name);
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

/// Of one architecture, or of all.
std::vector<Group> groups_of(const Campaign& campaign, const std::vector<Cell>& cells,
                             const std::string& arch = "") {
  std::vector<Group> groups;
  for (const Cell& cell : cells) {
    if ((!arch.empty() && cell.arch != arch) || !campaign.finished(cell)) continue;
    const auto same = [&](const Group& g) { return g.arch == cell.arch && g.rule == cell.rule; };
    auto group = std::ranges::find_if(groups, same);
    if (group == groups.end()) group = groups.insert(group, {cell.arch, cell.rule, {}});
    group->cells.push_back(cell);
  }
  return groups;
}

/// After how many epochs cells are compared: as many as the campaign asks for, or, where it does
/// not say, as all of them have.
size_t compared_epochs(const Campaign& campaign, const std::vector<Group>& groups) {
  if (campaign.epochs() > 0) return static_cast<size_t>(campaign.epochs());
  size_t least = std::numeric_limits<size_t>::max();
  for (const Group& group : groups) {
    for (const Cell& cell : group.cells) least = std::min(least, campaign.metrics(cell).size());
  }
  return least;
}

/// Rows that a run has written, of its metrics or its variance.
using Log = std::vector<Record> (Campaign::*)(const Cell&) const;

/// Mean over seeds of a column of a log, one number a row, as far as all of them go.
std::vector<double> mean_curve(const Campaign& campaign, const Group& group, Log log,
                               const std::string& column) {
  std::vector<double> curve;
  for (size_t cell = 0; cell < group.cells.size(); ++cell) {
    const std::vector<Record> rows = (campaign.*log)(group.cells[cell]);
    curve.resize(cell == 0 ? rows.size() : std::min(curve.size(), rows.size()));
    for (size_t i = 0; i < curve.size(); ++i)
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

/// A column of a log against another one, a curve for each group, on one x axis.
Plot curves_of(const Campaign& campaign, const std::vector<Group>& groups, Log log,
               const std::string& against, const std::string& column) {
  constexpr int kPoints = 200;
  std::vector<std::vector<double>> x;
  double end = 0;
  for (const Group& group : groups) {
    x.push_back(mean_curve(campaign, group, log, against));
    if (!x.back().empty()) end = std::max(end, x.back().back());
  }
  Plot plot{.x_label = against, .y_label = column, .x = {}, .curves = {}};
  for (int i = 1; i <= kPoints; ++i) plot.x.push_back(i == kPoints ? end : end * i / kPoints);
  // A curve of one point is drawn as a point, where it is.
  if (std::ranges::any_of(x, [](const auto& each) { return each.size() == 1; }) && end > 0) {
    std::set<double> places;
    for (const std::vector<double>& each : x)
      std::ranges::copy_if(each, std::inserter(places, places.end()),
                           [](double at) { return std::isfinite(at); });
    plot.x.assign(places.begin(), places.end());
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    const std::vector<double> y = mean_curve(campaign, groups[g], log, column);
    Plot::Curve curve{groups[g].rule, {}};
    for (const double at : plot.x) curve.y.push_back(read_off(x[g], y, at));
    plot.curves.push_back(curve);
  }
  return plot;
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

/// What the curves span after the first twentieth of each, which would take most of the height.
std::optional<Plot::Range> settled_range(const std::vector<Plot::Curve>& curves) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Plot::Range range{kInfinity, -kInfinity};
  for (const Plot::Curve& curve : curves) {
    std::vector<double> y = curve.y;
    std::erase_if(y, [](double each) { return !std::isfinite(each); });
    for (size_t i = y.size() / 20; i < y.size(); ++i) {
      range.low = std::min(range.low, y[i]);
      range.high = std::max(range.high, y[i]);
    }
  }
  if (!(range.low < range.high)) return {};
  return range;
}

}  // namespace

Interval interval_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  if (values.size() < 2) return {mean_of(values), kNaN};
  // 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom; from 10 on the expansion from
  // the normal one (Abramowitz & Stegun 26.7.5), good to .003.
  constexpr double kQuantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  const double freedom = n - 1, z = 1.959964;
  const double t = freedom < 10 ? kQuantiles[values.size() - 2]
                                : z + (std::pow(z, 3) + z) / (4 * freedom) +
                                      (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) /
                                          (96 * freedom * freedom);
  return {mean_of(values), t * deviation_of(values) / std::sqrt(n)};
}

std::vector<Record> compare(const Campaign& campaign, const std::vector<Cell>& cells) {
  std::vector<Record> rows;
  const std::vector<Group> groups = groups_of(campaign, cells);
  const size_t epochs = compared_epochs(campaign, groups);
  const auto interval_in = [&](const Group& group, const std::string& name) {
    std::vector<double> values;
    for (const Cell& cell : group.cells) {
      const std::string source = campaign.path("cells/" + cell.name() + "/summary.json: ");
      values.push_back(number_in(campaign.summary(cell), name, source));
    }
    return interval_of(values);
  };
  for (const Group& group : groups) {
    const auto st = std::ranges::find_if(
        groups, [&](const Group& g) { return g.arch == group.arch && g.rule == "st"; });
    const double step_ms = interval_in(group, "step_ms_median").mean;
    std::vector<double> results;
    bool trained_longer = false;  // the bound is that of a later epoch
    for (const Cell& cell : group.cells) {
      const std::vector<Record> log = campaign.metrics(cell);
      results.push_back(number_in(log.at(epochs - 1), "test_neg_elbo"));
      trained_longer = trained_longer || log.size() > epochs;
    }
    const Interval result = interval_of(results);
    rows.push_back({{"arch", group.arch},
                    {"rule", group.rule},
                    {"seeds", static_cast<int64_t>(group.cells.size())},
                    {"epochs", static_cast<int64_t>(epochs)},
                    {"test_neg_elbo", result.mean},
                    {"half_width", result.half_width},
                    {"test_nll", trained_longer ? kNaN : interval_in(group, "test_nll").mean},
                    {"step_ms", step_ms},
                    {"step_ratio",
                     st == groups.end() ? kNaN : step_ms / interval_in(*st, "step_ms_median").mean},
                    {"seconds_per_epoch", interval_in(group, "seconds_per_epoch").mean}});
  }
  return rows;
}

namespace {

/// Test -ELBO in the paper's Table 2, nats per image; NaN where the paper has none. Its columns
/// other than mmd (pWGF) and st seem taken from Yin & Zhou 2019.
double published_neg_elbo(const std::string& arch, const std::string& rule) {
  struct Row {
    const char* rule;
    double linear, two_layer, nonlinear;
  };
  constexpr Row kRows[] = {{"mmd", 119.8, 108.3, 104.6},   {"st", 119.1, 107.6, 104.2},
                           {"arm", 110.3, 98.2, 101.3},    {"relax", 122.1, 114.0, 110.9},
                           {"rebar", 123.2, 113.7, 111.6}, {"gumbel-softmax", 129.2, kNaN, 112.5}};
  const auto row = std::ranges::find(kRows, rule, &Row::rule);
  if (row == std::end(kRows)) return kNaN;
  return arch == "linear" ? row->linear : arch == "two-layer" ? row->two_layer : row->nonlinear;
}

}  // namespace

std::string markdown(const std::vector<Record>& rows, bool published) {
  double seeds = 0;
  for (const Record& row : rows) seeds = std::max(seeds, number_in(row, "seeds"));
  const auto result = [&](const Record& row) {
    const double here = number_in(row, "seeds");
    const double half_width = number_in(row, "half_width");
    const double there = published_neg_elbo(text_in(row, "arch"), text_in(row, "rule"));
    return fixed(number_in(row, "test_neg_elbo"), 2) +
           (std::isnan(half_width) ? "" : " ± " + fixed(half_width, 2)) +
           (here < seeds ? " [" + fixed(here, 0) + " of " + fixed(seeds, 0) + " seeds]" : "") +
           (!published || std::isnan(there) ? "" : " (" + fixed(there, 1) + ")");
  };
  const auto cost = [](const Record& row) {
    const double ratio = number_in(row, "step_ratio");
    return fixed(number_in(row, "step_ms"), 2) +
           (std::isnan(ratio) ? "" : " (" + fixed(ratio, 2) + " x)");
  };
  return "Test -ELBO (nats per image) after " + text_in(rows.at(0), "epochs") +
         " epochs, mean over seeds and its 95 % interval" + (published ? " (published)" : "") +
         ":\n\n" + table(rows, result) +
         "\nMilliseconds a training step on one thread (relative to st):\n\n" + table(rows, cost);
}

Plot learning_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch, const std::string& against) {
  const std::vector<Group> groups = groups_of(campaign, cells, arch);
  Plot plot = curves_of(campaign, groups, &Campaign::metrics, against, "test_neg_elbo");
  plot.y_range = settled_range(plot.curves);
  plot.y_label = "test -ELBO (nats per image)";
  plot.title = arch;
  return plot;
}

Plot variance_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch) {
  std::vector<Group> groups = groups_of(campaign, cells, arch);
  std::erase_if(groups, [&](const Group& group) {
    return mean_curve(campaign, group, &Campaign::variance, "step").empty();
  });
  Plot plot = curves_of(campaign, groups, &Campaign::variance, "step", "encoder_variance");
  plot.y_label = "trace of the covariance of the encoder's gradient";
  plot.title = arch;
  plot.log_y = true;
  return plot;
}

}  // namespace stflow
