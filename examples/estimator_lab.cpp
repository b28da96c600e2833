// estimator_lab - rules against enumeration on a small problem: bias with its error, a verdict,
// variance, cost. Your own problem is a Problem as in estimators/lab/diagnostics.h: see
// problems.cpp.
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "stflow/estimators/lab/problems.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/pictures.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"

using namespace stflow;

namespace {

Record row_of(const std::string& rule, const Diagnosis& found) {
  return {{"rule", rule},
          {"relative_bias", found.relative_bias},
          {"bias_error", found.bias_error},
          {"biased", found.biased()},
          {"p_value", found.p_value},
          {"cosine", found.cosine},
          {"trace_variance", found.trace_variance},
          {"evaluations", found.evaluations},
          {"microseconds", found.microseconds}};
}

void print_line(const Record& row, bool names) {
  std::cout << std::left << std::setw(18) << (names ? row[0].name : text_of(row[0].value))
            << std::right;
  for (size_t i = 1; i < row.size(); ++i) {
    std::ostringstream cell;
    const double* number = std::get_if<double>(&row[i].value);
    if (names || !number || std::isnan(*number))
      cell << (names ? row[i].name : text_of(row[i].value));
    else
      cell << std::setprecision(3) << *number;
    std::cout << std::setw(static_cast<int>(std::max<size_t>(row[i].name.size(), 8) + 2))
              << cell.str();
  }
  std::cout << std::endl;
}

void run_lab(int argc, char** argv) {
  std::string name = "bernoulli4", rule = "all", rule_option, out;
  int64_t draws = 100'000, seed = 1, train = 0;
  bool json = false, no_plots = false;
  RuleOptions rule_options{.rebar = {.tune_every = 1}};
  std::vector<std::string> names, all_rules;
  for (const Problem& each : problems()) names.push_back(each.name);
  for (const RuleInfo& each : rule_registry()) all_rules.push_back(each.name);
  Options options("estimator_lab", "Compares gradient rules with enumeration on a small problem.");
  options.choice("--problem", name, names, "what is differentiated");
  options.add("--rule", rule,
              "all that fit the problem, or names with commas between, such as st,arm,rebar",
              "NAMES");
  add_rule_option(options, rule_option, all_rules, rule_options);
  options.add("--draws", draws, "independent estimates by each rule", between(2, kMostSteps));
  options.add("--train", train, "steps for rules with parameters, before they are judged",
              between(0, kMostSteps));
  options.add("--seed", seed, "same seed, same numbers", between(0, kLargestSeed));
  options.add("--out", out, "new directory for the results; without it one below runs/", "DIR");
  options.flag("--json", json, "print one line of JSON");
  options.flag("--no-plots", no_plots, "draw no picture");
  options.parse(argc, argv);
  set_num_threads(1);  // or the times of such small work would be those of waking threads

  const Problem& chosen = problem(name);
  const std::vector<std::string> rules = name_list("--rule", rule, rule_names(chosen));
  set_rule_options(rule_options, rule_option, rules);
  for (const std::string& each : rules) rules_for(chosen, each, rule_options);  // or throws
  const std::string directory = make_run_directory(out, options.program());
  std::vector<Record> rows;
  Scatter picture{"relative bias (an unbiased rule: its sampling error)", "trace variance", {}};
  for (const std::string& each : rules) {
    if (interrupted()) break;
    Rng rng(static_cast<uint64_t>(seed));
    const std::vector<Rule> layers = rules_for(chosen, each, rule_options);
    if (!layers[0].parameters.empty()) train_rules(chosen, layers, train, rng);
    const Diagnosis found = diagnose(chosen, layers, draws, rng);
    rows.push_back(row_of(each, found));
    if (found.relative_bias > 0 && found.trace_variance > 0)
      picture.points.push_back({each, found.relative_bias, found.trace_variance});
    if (!json && rows.size() == 1) print_line(rows[0], true);
    if (!json) print_line(rows.back(), false);
  }
  if (rows.empty()) return;
  write_file(directory + "/estimators.csv", csv_table(rows));
  const Record summary{{"program", options.program()},
                       {"version", STFLOW_VERSION},
                       {"problem", name},
                       {"rule_option", rule_option},
                       {"draws", draws},
                       {"train", train},
                       {"seed", seed},
                       {"false_alarm_rate", kFalseAlarmRate},
                       {"rules", rows},
                       {"directory", directory}};
  write_file(directory + "/summary.json", to_json(summary, 2) + "\n");
  if (!no_plots && !picture.points.empty()) save_scatter(directory + "/bias_variance", picture);
  if (json)
    std::cout << to_json(summary) << "\n";
  else
    std::cout << "biased: an unbiased rule is called so once in " << 1 / kFalseAlarmRate
              << "; results in " << directory << "\n";
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run_lab); }
