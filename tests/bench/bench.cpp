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
#include "examples/common/pictures.h"
#include "examples/common/program.h"
#include "examples/common/rule_options.h"
#include "examples/common/vae.h"
#include "tensor/parallel.h"
#include "tests/bench/step.h"

using namespace stflow;
using namespace stflow::bench;

namespace {

struct Settings {
  std::string arch = "linear", rules = "st";
  int64_t batch = 50, rounds = 20, steps = 10, threads = 1;
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

/// Generated digits, as bits or grey.
std::vector<Tensor> batches_of(int64_t size, bool bits) {
  const Dataset grey = generate_digits(4000, 1, Split::train);
  const DataLoader loader(bits ? binarize(grey, Binarize::static_) : grey,
                          {.batch_size = size, .drop_last = true});
  std::vector<Tensor> batches;
  for (const Batch& batch : loader.epoch(1)) batches.push_back(batch.x);
  return batches;
}

void append(std::vector<Candidate>& candidates, const std::vector<Candidate>& more) {
  candidates.insert(candidates.end(), more.begin(), more.end());
}

std::vector<Record> vae_step(const Settings& settings) {
  const auto threads = static_cast<int>(settings.threads);
  set_num_threads(threads);
  std::vector<Candidate> candidates =
      vae_steps(settings.arch, name_list("--rule", settings.rules, scalable_rules("bernoulli")));
  if (settings.peers) {
    append(candidates, torch_vae_steps(settings.arch, threads));
    append(candidates, vae_products(settings.arch, settings.batch, threads));
  }
  return measure(candidates, batches_of(settings.batch, /*bits=*/true), settings);
}

std::vector<Record> mlp_step(Settings settings) {
  settings.arch = "mlp";
  set_num_threads(static_cast<int>(settings.threads));
  std::vector<Candidate> candidates = mlp_steps();
  if (settings.peers) append(candidates, torch_mlp_steps(static_cast<int>(settings.threads)));
  return measure(candidates, batches_of(settings.batch, /*bits=*/false), settings);
}

/// Everything, for every architecture, batch and number of threads.
std::vector<Record> all_steps(Settings settings) {
  std::vector<Record> rows;
  const auto add = [&](const std::vector<Record>& more) {
    rows.insert(rows.end(), more.begin(), more.end());
  };
  settings.peers = true;
  settings.rules = "st,mmd,arm,rebar";
  for (const int64_t threads : {1, 2}) {
    settings.threads = threads;
    for (const std::string& arch : table2_architectures()) {
      settings.arch = arch;
      for (const int64_t batch : {50, 100, 200}) {
        settings.batch = batch;
        add(vae_step(settings));
      }
    }
    for (const int64_t batch : {64, 128}) {
      settings.batch = batch;
      add(mlp_step(settings));
    }
  }
  return rows;
}

std::vector<Record> bits(const Settings& settings, const std::string& picture) {
  const std::vector<Record> rows =
      bits_against_products(settings.batch, 784, 200, 10 * settings.rounds);
  if (picture.empty()) return rows;
  Plot plot{.x_label = "share of ones", .y_label = "microseconds", .x = {}, .curves = {}};
  for (const Record& row : rows) plot.x.push_back(std::get<double>(row[0].value));
  for (size_t column = 1; column < rows[0].size(); ++column) {
    plot.curves.push_back({rows[0][column].name, {}});
    for (const Record& row : rows)
      plot.curves.back().y.push_back(std::get<double>(row[column].value));
  }
  plot.title = concat_message("784 bits to 200 units, batches of ", settings.batch);
  save_plot(picture, plot);
  return rows;
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
  std::string name = "all", picture;
  bool json = false;
  Settings settings;
  Options options("bench", "Times training steps; candidates take turns in one process.");
  options.choice("--case", name, {"all", "vae-step", "mlp-step", "bits"},
                 "all: every step, beside LibTorch's; vae-step: the Bernoulli VAE's; mlp-step: a "
                 "classifier's; bits: sums of rows against matrix products");
  options.choice("--arch", settings.arch, table2_architectures(), "of the VAE");
  options.add("--rule", settings.rules, "all, or names with commas between", "NAMES");
  options.add("--batch", settings.batch, "images a step", between(1, 4000));
  options.add("--rounds", settings.rounds, "turns of each candidate", at_least(1));
  options.add("--steps", settings.steps, "in a turn", at_least(1));
  options.add("--threads", settings.threads, "of each candidate", at_least(1));
  options.flag("--peers", settings.peers, "also LibTorch's step and the matrix products alone");
  options.add("--picture", picture, "where --case bits draws its curves: PATH.png", "PATH");
  options.only_with("--case", {"bits"}, {"--picture"});
  options.flag("--json", json, "print one line of JSON");
  options.parse(argc, argv);
  set_num_threads(static_cast<int>(settings.threads));

  const std::vector<Record> rows = name == "all"        ? all_steps(settings)
                                   : name == "vae-step" ? vae_step(settings)
                                   : name == "mlp-step" ? mlp_step(settings)
                                                        : bits(settings, picture);
  if (rows.empty()) return;
  if (json) {
    Record result = options.values();
    set_value(result, "threads", settings.threads);
    if (const Value* first = find_value(rows[0], "step_ms_median"))
      result.push_back({"step_ms_median", *first});
    result.push_back({"rows", rows});
    std::cout << to_json(result) << "\n";
  } else {
    print(rows);
  }
}

}  // namespace

namespace stflow::bench {

double quantile(std::vector<double> values, double fraction) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(
                                       fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace stflow::bench

int main(int argc, char** argv) { return run_main(argc, argv, run); }
