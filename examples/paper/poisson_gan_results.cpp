// poisson_gan_results.cpp - tables and pictures of the Poisson experiment.
#include "examples/paper/poisson_gan_results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "stflow/tensor/statistics.h"
#include "stflow/train/console/pictures.h"

namespace stflow {
namespace {

/// The paper's Table 1: lambda after 100 epochs, true rate 5. It does not say whether REINFORCE had
/// a baseline.
struct Published {
  std::string rule;
  double mean, std;
};
const std::vector<Published>& published() {
  static const std::vector<Published> table{{"mmd", 5.0076, 0.013},
                                            {"st", 5.1049, 0.161},
                                            {"muprop", 5.0196, 0.159},
                                            {"reinforce-mean", 4.9452, 0.173},
                                            {"reinforce", 4.9452, 0.173}};
  return table;
}

const Published* published_of(const std::string& rule) {
  const auto found = std::ranges::find(published(), rule, &Published::rule);
  return found == published().end() ? nullptr : &*found;
}

std::string cell(const Value& value) {
  const double* number = std::get_if<double>(&value);
  if (!number) return text_of(value);
  if (std::isnan(*number)) return "-";
  if (std::isinf(*number)) return "never";
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.3f", *number);
  return digits;
}

/// Mean over seeds at the end of each epoch, with one standard deviation around it.
Plot::Curve curve_of(const PoissonGanCase& trained) {
  Plot::Curve curve{trained.name, {}};
  const PoissonGanOptions& o = trained.options;
  for (int64_t epoch = 0; epoch <= o.epochs; ++epoch) {
    const auto step = static_cast<size_t>(epoch * o.epoch_steps);
    std::vector<double> rates;
    for (const auto& path : trained.runs) rates.push_back(path.at(step));
    const double mean = mean_of(rates), deviation = deviation_of(rates);
    curve.y.push_back(mean);
    if (std::isnan(deviation)) continue;
    curve.lower.push_back(mean - deviation);
    curve.upper.push_back(mean + deviation);
  }
  return curve;
}

/// lambda against epochs for those of the named cases that there are.
Plot plot_of(const std::vector<PoissonGanCase>& cases, const std::vector<std::string>& names) {
  Plot plot{.x_label = "epoch", .y_label = "rate lambda, counts", .x = {}, .curves = {}};
  for (const std::string& name : names) {
    const auto found = std::ranges::find(cases, name, &PoissonGanCase::name);
    if (found != cases.end()) plot.curves.push_back(curve_of(*found));
  }
  const PoissonGanOptions& o = cases.at(0).options;
  for (int64_t epoch = 0; epoch <= o.epochs; ++epoch) plot.x.push_back(static_cast<double>(epoch));
  plot.level = o.true_rate;
  plot.level_name = "true rate";
  return plot;
}

/// The same close to the true rate.
Plot zoomed(Plot plot) {
  const double rate = *plot.level;
  plot.y_range = Plot::Range{0.9 * rate, 1.1 * rate};
  return plot;
}

void save_figure3(const std::string& directory, const std::vector<PoissonGanCase>& rules) {
  Plot plot = plot_of(rules, {"mmd", "st", "muprop", "reinforce-mean"});
  if (plot.curves.empty()) return;
  const double end = plot.x.back();
  if (*plot.level == 5) {  // the rate of the published numbers
    for (size_t i = 0; i < plot.curves.size(); ++i) {
      const Published* paper = published_of(plot.curves[i].name);
      const double x = end * (1.02 + 0.025 * static_cast<double>(i));
      plot.marks.push_back({i, x, paper->mean, paper->std});
    }
    plot.marks_name = "published";
    plot.x_range = Plot::Range{0, 1.12 * end};
  }
  Plot late = zoomed(plot);
  late.x_range = Plot::Range{0.4 * end, plot.x_range ? plot.x_range->high : end};
  plot.title = "mean and standard deviation over seeds; mmd is the paper's pWGF";
  late.title = "near the true rate, bands of mmd and st only";
  for (Plot::Curve& curve : late.curves) {
    if (curve.name != "mmd" && curve.name != "st") curve.lower = curve.upper = {};
  }
  save_plots(directory + "/figure3", {plot, late}, 2);
}

void save_each(const std::string& directory, const std::vector<PoissonGanCase>& rules) {
  std::vector<Plot> plots;
  Plot::Range range{0, 0};  // one for all, to compare them
  for (const PoissonGanCase& rule : rules) {
    plots.push_back(plot_of({rule}, {rule.name}));
    const Plot::Curve& curve = plots.back().curves[0];
    range.high =
        std::max(range.high, 1.05 * std::ranges::max(curve.upper.empty() ? curve.y : curve.upper));
  }
  for (Plot& plot : plots) plot.y_range = range;
  save_plots(directory + "/rules", plots, 3);
}

void save_controls(const std::string& directory, const std::vector<PoissonGanCase>& cases) {
  const auto panel = [&](const std::string& title, const std::vector<std::string>& names) {
    Plot plot = plot_of(cases, names);
    plot.title = title;
    return plot;
  };
  save_plots(
      directory + "/controls",
      {panel("st with the gain of mmd, no MMD at all", {"mmd", "st", "st-gain"}),
       panel("from twice the true rate", {"mmd-from-above", "st-from-above", "st-gain-from-above"}),
       zoomed(panel("mmd with the effective step of st", {"mmd", "st", "mmd-matched"})),
       zoomed(panel("mmd without its control variate", {"mmd", "st", "mmd-no-control-variate"}))},
      2);
}

}  // namespace

Record statistics_record(const PoissonGanStatistics& s) {
  return {{"mean", s.mean},     {"late_mean", s.late_mean},
          {"within", s.within}, {"seed_std", s.seed_std},
          {"hit", s.hit},       {"settle", s.settle}};
}

std::vector<Record> result_rows(const std::vector<PoissonGanCase>& cases) {
  std::vector<Record> rows;
  for (const PoissonGanCase& each : cases) {
    Record row = statistics_record(statistics_of(each));
    row.insert(row.begin(), {"rule", each.name});
    const Published* paper = published_of(each.name);
    row.push_back({"published_mean", paper ? paper->mean : std::nan("")});
    row.push_back({"published_std", paper ? paper->std : std::nan("")});
    rows.push_back(row);
  }
  return rows;
}

std::string markdown_table(const std::vector<Record>& rows) {
  std::string text;
  const auto line = [&](const Record& row, const auto& text_of_field) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string word = text_of_field(row[i]);
      const size_t width = i == 0 ? 22 : std::max<size_t>(row[i].name.size(), 7);
      const std::string space(width > word.size() ? width - word.size() : 0, ' ');
      text += "| " + (i == 0 ? word + space : space + word) + " ";
    }
    text += "|\n";
  };
  line(rows.at(0), [](const Field& field) { return field.name; });
  for (size_t i = 0; i < rows[0].size(); ++i) text += i == 0 ? "| --- " : "| ---: ";
  text += "|\n";
  for (const Record& row : rows) line(row, [](const Field& field) { return cell(field.value); });
  return text;
}

std::string csv_of_runs(const std::vector<PoissonGanCase>& cases) {
  std::string text = "case,seed,epoch,rate\n";
  for (const PoissonGanCase& each : cases) {
    for (size_t run = 0; run < each.runs.size(); ++run) {
      for (int64_t epoch = 0; epoch <= each.options.epochs; ++epoch) {
        const double rate =
            each.runs[run].at(static_cast<size_t>(epoch * each.options.epoch_steps));
        text += csv_row({{"case", each.name},
                         {"seed", each.first_seed + static_cast<int64_t>(run)},
                         {"epoch", epoch},
                         {"rate", rate}}) +
                "\n";
      }
    }
  }
  return text;
}

void save_figures(const std::string& directory, const std::vector<PoissonGanCase>& rules,
                  const std::vector<PoissonGanCase>& controls) {
  save_figure3(directory, rules);
  save_each(directory, rules);
  if (controls.empty()) return;
  std::vector<PoissonGanCase> all = rules;
  all.insert(all.end(), controls.begin(), controls.end());
  save_controls(directory, all);
}

}  // namespace stflow
