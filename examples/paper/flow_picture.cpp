// flow_picture.cpp - tables of flows, and the gnuplot script of the strip.
#include "examples/paper/flow_picture.h"

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <limits>
#include <sstream>

#include "stflow/train/console/files.h"
#include "stflow/train/console/pictures.h"

namespace stflow {
namespace {

std::string fixed(double x) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.2f", x);
  return digits;
}

double probability(const Atoms& atoms, double value) {
  const auto at = std::ranges::lower_bound(atoms.points(), value);
  if (at == atoms.points().end() || *at != value) return 0;
  return atoms.weights()[static_cast<size_t>(at - atoms.points().begin())];
}

/// A line of the table for each value that the particles, mu_k or mu_(k+1) reach.
std::vector<Record> table_of(const std::string& name, int64_t k, const FlowStep& step,
                             const Distribution& family) {
  const Atoms mu = atoms_of(family, step.theta.item()), next = atoms_of(family, step.next.item());
  const auto n = static_cast<double>(step.particles.numel());
  std::vector<Record> rows;
  for (double z = 0; z <= std::max(mu.points().back(), next.points().back()); ++z) {
    double share = 0, moved = std::numeric_limits<double>::quiet_NaN();
    for (int64_t i = 0; i < step.particles.numel(); ++i) {
      if (step.particles[i] != z) continue;
      share += 1 / n;
      moved = step.pushed[i];
    }
    const double before = probability(mu, z), after = probability(next, z);
    if (std::max({share, before, after}) < 5e-4) continue;  // too low to be seen
    rows.push_back({{"distance", name},
                    {"k", k},
                    {"z", z},
                    {"mu_k", before},
                    {"particles", share},
                    {"moved_to", moved},
                    {"mu_next", after}});
  }
  return rows;
}

/// What all panels share; three lines in the colours of what they name stand for a key.
std::string head(const std::string& name, size_t rows, size_t columns, double right, double top) {
  std::string text = concat_message(
      "# Draws ", name, ".png from ", name, ".csv; run it in this folder: gnuplot ", name,
      ".gp\nset terminal pngcairo size ", std::max<size_t>(560, 60 + 340 * columns), ",",
      90 + 250 * rows, " noenhanced font 'DejaVu Sans,11' background 'white'\nset output '", name,
      ".png'\nset datafile separator ','\nset datafile missing 'nan'\nunset key\nset border 3 lc "
      "rgb '#888888'\nset tics nomirror out textcolor rgb '#444444'\nset boxwidth 0.8\nset xtics ",
      right < 4 ? "1" : "autofreq", "\nset xrange [-0.7:", right + 0.7, "]\nset yrange [0:", top,
      "]\nset multiplot layout ", rows, ",", columns,
      " margins char 11, char 2, char 4, char 6 spacing char 7, char 6\n");
  const char* key[][2] = {{"grey bars: mu_k", "#777777"},
                          {"blue: particles; arrows: their move, -epsilon f'(z)", "#0072B2"},
                          {"orange frames: mu_(k+1), the nearest to them", "#D55E00"}};
  for (size_t i = 0; i < std::size(key); ++i) {
    text += concat_message("set label ", i + 1, " ", gnuplot_text(key[i][0]),
                           " at char 11, screen 1 offset 0,", -1.0 - static_cast<double>(i),
                           " tc rgb '", key[i][1], "'\n");
  }
  return text;
}

/// The panel of step k: `row` is the flow's distance.
std::string panel(const std::string& name, const std::string& row, size_t k, const FlowStep& step,
                  const FlowResults& results) {
  const std::string data =
      concat_message(gnuplot_text(name + ".csv"), " skip 1 using (stringcolumn(1) eq ",
                     gnuplot_text(row), " && $2 == ", k, " ? ");
  return concat_message(
      "set title ",
      gnuplot_text(concat_message("k = ", k - 1, ":  ", results.parameter, "  ",
                                  fixed(step.theta.item()), "  to  ", fixed(step.next.item()))),
      "\nset ylabel ",
      k == 1 ? gnuplot_text("by " + row) + " . \"\\n\" . 'probability'" : gnuplot_text(""),
      "\nset xlabel '", results.family->support() == Support::bits ? "value of the bit" : "count",
      "'\nplot ", data, "$3 : NaN):4 with boxes fs solid noborder lc rgb '#d0d0d0', \\\n     ",
      data, "$3 : NaN):7 with boxes fs empty border rgb '#D55E00' lw 2 lc rgb '#D55E00', \\\n     ",
      data, "$6 : NaN):5 with impulses lw 3 lc rgb '#0072B2', \\\n     ", data,
      "$3 : NaN):5:($6-$3):(0) with vectors head filled size char 0.8,20 lw 1.2 lc rgb '#000000'",
      "\nunset label\n");
}

bool save_strip(const std::string& directory, const FlowResults& results) {
  const std::string name = "strip";
  const size_t columns = std::min<size_t>(4, results.flows.at(0).steps.size());
  std::string table, panels;
  double right = 1, top = 0;
  for (const NamedFlow& flow : results.flows) {
    for (size_t k = 1; k <= columns; ++k) {
      const FlowStep& step = flow.steps.at(k - 1);
      for (const Record& line :
           table_of(flow.name, static_cast<int64_t>(k), step, *results.family)) {
        if (table.empty()) table = csv_header(line) + "\n";
        table += csv_row(line) + "\n";
        right = std::max(right, std::get<double>(line[2].value));
        for (const size_t height : {3, 4, 6})
          top = std::max(top, 1.05 * std::get<double>(line[height].value));
      }
      panels += panel(name, flow.name, k, step, results);
    }
  }
  write_file(directory + "/strip.csv", table);
  return save_gnuplot(directory + "/strip",
                      head(name, results.flows.size(), columns, right, top) + panels);
}

/// Where the paths end rather than where they begin, for there they differ.
Plot::Range near_least(const std::vector<FlowPath>& paths) {
  double least = paths[0].cost[0], last = paths[0].cost.back();
  for (const FlowPath& path : paths) {
    least = std::min(least, std::ranges::min(path.cost));
    last = std::max(last, path.cost.back());
  }
  const double shown = std::max(1.6 * (last - least), 1e-6);
  return {least - 0.1 * shown, least + shown};
}

/// A parameter and F against k for paths of one kind and the exact one.
void add_plots(const std::string& title, const FlowResults& results, std::vector<FlowPath> paths,
               std::vector<Plot>& plots) {
  paths.push_back(results.exact);
  Plot theta{.x_label = "step k", .y_label = results.parameter, .x = {}, .curves = {}};
  for (size_t k = 0; k < paths[0].theta.size(); ++k) theta.x.push_back(static_cast<double>(k));
  theta.title = title;
  Plot cost = theta;
  cost.y_label = "F(mu_k) = E f(z), near its least";
  for (const FlowPath& path : paths) {
    theta.curves.push_back({path.name, path.theta});
    cost.curves.push_back({"F " + path.name, path.cost});
  }
  cost.y_range = near_least(paths);
  theta.level = results.best;
  theta.level_name = "least F";
  plots.push_back(theta);
  plots.push_back(cost);
}

std::vector<FlowPath> projected(const FlowResults& results) {
  std::vector<FlowPath> paths;
  for (const NamedFlow& flow : results.flows) paths.push_back(flow.path);
  return paths;
}

/// Each path with the kind it is of.
std::vector<std::pair<std::string, FlowPath>> all_paths(const FlowResults& results) {
  std::vector<std::pair<std::string, FlowPath>> all;
  for (const FlowPath& path : projected(results)) all.emplace_back("projection", path);
  for (const FlowPath& path : results.descents) all.emplace_back("rule", path);
  all.emplace_back("exact", results.exact);
  return all;
}

Record row_at(const std::string& kind, const FlowPath& path, size_t k,
              const std::string& parameter) {
  return {{"kind", kind},
          {"name", path.name},
          {"k", static_cast<int64_t>(k)},
          {parameter, path.theta.at(k)},
          {"F", path.cost.at(k)}};
}

std::string block(const std::string& title, const std::string& parameter,
                  std::vector<FlowPath> paths) {
  std::ostringstream text;
  text << title << ": " << parameter << " and F after k steps\n   k" << std::fixed;
  for (const FlowPath& path : paths) text << std::setw(13) << path.name << std::setw(8) << "F";
  for (size_t k = 0; k < paths[0].theta.size(); k += k < 4 ? 1 : k < 10 ? 2 : 10) {
    text << "\n" << std::setw(4) << k;
    for (const FlowPath& path : paths) {
      text << std::setprecision(3) << std::setw(13) << path.theta.at(k) << std::setprecision(4)
           << std::setw(8) << path.cost.at(k);
    }
  }
  return text.str() + "\n";
}

}  // namespace

void FlowResults::measure(const std::function<double(double theta)>& cost_of) {
  const auto fill = [&](FlowPath& path) {
    for (const double theta : path.theta) path.cost.push_back(cost_of(theta));
  };
  for (NamedFlow& flow : flows) {
    flow.path = {flow.name, {flow.steps.at(0).theta.item()}};
    for (const FlowStep& step : flow.steps) flow.path.theta.push_back(step.next.item());
    fill(flow.path);
  }
  for (FlowPath& path : descents) fill(path);
  fill(exact);
}

std::string FlowResults::table() const {
  std::vector<FlowPath> by_rule = descents;
  by_rule.push_back(exact);
  return block("projected to the nearest distribution, by distance", parameter, projected(*this)) +
         "\n" + block("gradient steps by the rule of each distance", parameter, by_rule);
}

std::vector<Record> FlowResults::ends() const {
  std::vector<Record> rows;
  for (const auto& [kind, path] : all_paths(*this))
    rows.push_back(row_at(kind, path, path.theta.size() - 1, parameter));
  return rows;
}

bool save_flow(const std::string& directory, const FlowResults& results, bool pictures) {
  std::string table = csv_header(row_at("", results.exact, 0, results.parameter)) + "\n";
  for (const auto& [kind, path] : all_paths(results)) {
    for (size_t k = 0; k < path.theta.size(); ++k)
      table += csv_row(row_at(kind, path, k, results.parameter)) + "\n";
  }
  write_file(directory + "/flow.csv", table);
  if (!pictures) return true;
  std::vector<Plot> plots;
  add_plots("moved particles projected, by distance", results, projected(results), plots);
  add_plots("gradient steps by the rule of each distance", results, results.descents, plots);
  const bool strip = save_strip(directory, results);
  return save_plots(directory + "/paths", plots, 2) && strip;
}

}  // namespace stflow
