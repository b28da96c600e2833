// compare_estimators - trains the Bernoulli VAE by several rules from several seeds, and puts the
// results side by side: a table, and curves against epochs, seconds and evaluations of the cost.
//
// Every run is a process of bernoulli_vae (paper/campaign.h); what is left here is which runs, and
// what is told about them.
#include <algorithm>
#include <iostream>

#include "examples/models/vae.h"
#include "examples/paper/campaign.h"
#include "examples/paper/comparison.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/text.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"

using namespace stflow;

namespace {

struct Report {
  bool json = false, no_plots = false, published = false;
};

/// results.csv, results.md, and for each architecture its pictures; also on the console.
void write_report(const Campaign& campaign, const std::vector<Cell>& cells, const Report& report) {
  const std::vector<Record> rows = compare(campaign, cells);
  if (rows.empty()) return;
  std::vector<std::string> archs;
  for (const Record& row : rows) {
    const std::string arch = text_of(row[0].value);
    if (!std::ranges::count(archs, arch)) archs.push_back(arch);
  }
  write_file(campaign.path("results.csv"), csv_table(rows));
  write_file(campaign.path("results.md"), markdown(rows, report.published));
  for (const std::string& arch : archs) {
    if (report.no_plots) continue;
    for (const std::string against : {"epoch", "seconds", "evaluations"})
      save_plot(campaign.path(arch + "_" + against),
                learning_curves(campaign, cells, arch, against));
    const Plot variance = variance_curves(campaign, cells, arch);
    if (!variance.curves.empty()) save_plot(campaign.path(arch + "_variance"), variance);
  }
  const std::string directory = campaign.path("");
  if (report.json)
    std::cout << to_json({{"rows", rows}, {"directory", directory}}) << "\n";
  else
    std::cout << markdown(rows, report.published) << "\ntables and curves in " << directory << "\n";
}

void run_campaign(int argc, char** argv) {
  char** const end = std::find(argv, argv + argc, std::string("--"));
  const std::vector<std::string> passed_on(std::min(end + 1, argv + argc), argv + argc);
  std::string arch = "linear", out = "runs/compare_estimators";
  std::string rule = "st,mmd,reinmax,gumbel-softmax,leave-one-out,muprop,arm,disarm,rebar,relax";
  int64_t seeds = 3, jobs = num_threads();
  bool quiet = false;
  Report report;
  Options options("compare_estimators",
                  "Trains the Bernoulli VAE by several rules from several seeds and compares them. "
                  "What follows -- is passed on to bernoulli_vae: -- --epochs 10 --dataset mnist");
  options.add("--arch", arch, "all, or with commas between: " + joined(table2_architectures()),
              "NAMES");
  options.add("--rule", rule, "all, or with commas between: " + joined(scalable_rules("bernoulli")),
              "NAMES");
  options.add("--seeds", seeds, "runs of each, from seed 1 on", between(1, kMostSeeds));
  options.add("--jobs", jobs, "runs at a time, each with one thread", between(1, kMostThreads));
  options.add("--out", out, "directory of the results; what has finished there is kept", "DIR");
  options.flag("--published", report.published, "print the paper's Table 2 beside the results");
  options.flag("--json", report.json, "print one line of JSON");
  options.flag("--quiet", quiet, "print nothing while it runs");
  options.flag("--no-plots", report.no_plots, "draw no picture");
  options.parse(static_cast<int>(end - argv), argv);

  std::vector<Cell> cells;
  for (const std::string& each : name_list("--arch", arch, table2_architectures())) {
    for (const std::string& name : name_list("--rule", rule, scalable_rules("bernoulli"))) {
      for (int64_t seed = 1; seed <= seeds; ++seed) cells.push_back({each, name, seed});
    }
  }
  const Campaign campaign(out, passed_on);
  const bool complete = campaign.run(cells, jobs, quiet);
  if (interrupted()) report.no_plots = true;
  write_report(campaign, cells, report);
  if (interrupted()) tell("stopped; the same command goes on from here");
  if (!complete && !interrupted()) throw std::runtime_error("not all runs have finished");
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run_campaign); }
