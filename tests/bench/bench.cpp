// bench - what a training step costs, measured so that a noisy machine does not decide the result.
//
// All candidates run in one process and take turns: a few steps each, round after round. A ratio is
// the median over rounds of two candidates' times in the same round, so that what slows a whole
// round down drops out.
#include <algorithm>
#include <iomanip>
#include <iostream>

#include "datasets/binarize.h"
#include "datasets/data_loader.h"
#include "datasets/digits.h"
#include "examples/common/measure.h"
#include "examples/common/options.h"
#include "examples/common/program.h"
#include "examples/common/rule_options.h"
#include "examples/common/vae.h"
#include "tensor/parallel.h"
#include "tests/bench/step.h"

using namespace stflow;
using namespace stflow::bench;

namespace {

double quantile(std::vector<double> values, double fraction) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(
                                       fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Settings {
  std::string arch = "linear", rules = "st";
  int64_t batch = 50, rounds = 40, steps = 10, threads = 1;
  bool peers = false;
};

/// Each candidate's median, and its ratio to the first one's.
std::vector<Record> measure(const std::vector<Candidate>& candidates,
                            const std::vector<Tensor>& batches, const Settings& settings) {
  size_t next = 0;
  std::vector<std::vector<double>> ms(candidates.size());
  for (int64_t round = 0; round <= settings.rounds && !interrupted(); ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double start = seconds_now();
      for (int64_t n = 0; n < settings.steps; ++n)
        candidates[i].step(batches[next++ % batches.size()]);
      if (round > 0)  // the first one warms up
        ms[i].push_back(1000 * (seconds_now() - start) / static_cast<double>(settings.steps));
    }
  }
  std::vector<Record> rows;
  for (size_t i = 0; i < candidates.size() && !ms.back().empty(); ++i) {
    std::vector<double> ratio;
    for (size_t round = 0; round < ms.back().size(); ++round)
      ratio.push_back(ms[i][round] / ms[0][round]);
    rows.push_back({{"arch", settings.arch},
                    {"batch", settings.batch},
                    {"threads", settings.threads},
                    {"candidate", candidates[i].name},
                    {"step_ms_median", quantile(ms[i], 0.5)},
                    {"ratio", quantile(ratio, 0.5)},
                    {"ratio_low", quantile(ratio, 0.1)},
                    {"ratio_high", quantile(ratio, 0.9)}});
  }
  return rows;
}

std::vector<Record> vae_step(const Settings& settings) {
  const Dataset data = binarize(generate_digits(4000, 1, Split::train), Binarize::static_);
  const DataLoader loader(data, {.batch_size = settings.batch, .drop_last = true});
  std::vector<Tensor> batches;
  for (const Batch& batch : loader.epoch(1)) batches.push_back(batch.x);

  const auto threads = static_cast<int>(settings.threads);
  std::vector<Candidate> candidates =
      vae_steps(settings.arch, name_list("--rule", settings.rules, scalable_rules("bernoulli")));
  if (settings.peers) {
    for (const auto& more : {torch_vae_steps(settings.arch, threads),
                             vae_products(settings.arch, settings.batch, threads)})
      candidates.insert(candidates.end(), more.begin(), more.end());
  }
  return measure(candidates, batches, settings);
}

void print(const std::vector<Record>& rows) {
  for (const Field& field : rows.at(0)) std::cout << std::setw(22) << field.name;
  std::cout << "\n";
  for (const Record& row : rows) {
    for (const Field& field : row) std::cout << std::setw(22) << text_of(field.value);
    std::cout << "\n";
  }
}

void run(int argc, char** argv) {
  std::string name = "vae-step";
  bool json = false;
  Settings settings;
  Options options("bench", "Times training steps; candidates take turns in one process.");
  options.choice("--case", name, {"vae-step"}, "vae-step: the Bernoulli VAE's step by each rule");
  options.choice("--arch", settings.arch, table2_architectures(), "of the VAE");
  options.add("--rule", settings.rules, "all, or names with commas between", "NAMES");
  options.add("--batch", settings.batch, "images a step", between(1, 4000));
  options.add("--rounds", settings.rounds, "turns of each candidate", at_least(1));
  options.add("--steps", settings.steps, "in a turn", at_least(1));
  options.add("--threads", settings.threads, "of each candidate", at_least(1));
  options.flag("--peers", settings.peers, "also LibTorch's step and the matrix products alone");
  options.flag("--json", json, "print one line of JSON");
  options.parse(argc, argv);
  set_num_threads(static_cast<int>(settings.threads));

  const std::vector<Record> rows = vae_step(settings);
  if (rows.empty()) return;
  if (json) {
    Record result = options.values();
    set_value(result, "threads", settings.threads);
    result.push_back({"rows", rows});
    std::cout << to_json(result) << "\n";
  } else {
    print(rows);
  }
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run); }
