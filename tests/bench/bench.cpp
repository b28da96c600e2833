// bench - what a training step costs, measured so that a noisy machine does not decide the result.
//
// All candidates run in one process and take turns: a few steps each, round after round. A ratio is
// the median over rounds of two candidates' times in the same round, so that what slows a whole
// round down drops out.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>

#include "datasets/binarize.h"
#include "datasets/data_loader.h"
#include "datasets/digits.h"
#include "examples/common/measure.h"
#include "examples/common/options.h"
#include "examples/common/program.h"
#include "examples/common/rule_options.h"
#include "examples/common/vae.h"
#include "tensor/parallel.h"

using namespace stflow;

namespace {

double quantile(std::vector<double> values, double fraction) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(
                                       fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// The training step of bernoulli_vae.
class VaeStep {
 public:
  VaeStep(const VaeOptions& model, const std::string& rule)
      : init_(1), rng_(2), vae_(model, init_), adam_(vae_.weights(), {.lr = 1e-4}) {
    RuleChoice choice;
    choice.name = rule;
    vae_.rules = make_rules(choice, model.sizes);
    rule_trainer_.emplace(vae_.rules, 1e-4);
    if (model.learned_prior)
      prior_.emplace(std::vector{vae_.prior_logits}, optim::SGDOptions{.lr = 0.01});
  }

  void operator()(const Tensor& x) {
    const Var loss = mean(vae_.neg_elbo(x, {rng_}));
    vae_.zero_grad();
    loss.backward();
    adam_.step();
    rule_trainer_->step();
    if (prior_) prior_->step();
  }

 private:
  Rng init_, rng_;
  Vae vae_;
  optim::Adam adam_;
  std::optional<RuleTrainer> rule_trainer_;
  std::optional<optim::SGD> prior_;
};

struct Settings {
  std::string arch = "linear", rules = "all";
  int64_t batch = 50, rounds = 40, steps = 10;
};

/// The step by each rule, beside the first one's.
std::vector<Record> vae_step(const Settings& settings) {
  const Dataset data = binarize(generate_digits(4000, 1, Split::train), Binarize::static_);
  const DataLoader loader(data, {.batch_size = settings.batch, .drop_last = true});
  std::vector<Tensor> batches;
  for (const Batch& batch : loader.epoch(1)) batches.push_back(batch.x);

  const std::vector<std::string> rules = name_list("--rule", settings.rules, scalable_rules("bernoulli"));
  const VaeOptions model = table2_vae(settings.arch, data.features());
  std::vector<std::unique_ptr<VaeStep>> step;
  for (const std::string& rule : rules) step.push_back(std::make_unique<VaeStep>(model, rule));

  size_t next = 0;
  std::vector<std::vector<double>> ms(rules.size());
  for (int64_t round = 0; round <= settings.rounds && !interrupted(); ++round) {
    for (size_t i = 0; i < rules.size(); ++i) {
      const double start = seconds_now();
      for (int64_t n = 0; n < settings.steps; ++n) (*step[i])(batches[next++ % batches.size()]);
      if (round > 0)  // the first one warms up
        ms[i].push_back(1000 * (seconds_now() - start) / static_cast<double>(settings.steps));
    }
  }
  std::vector<Record> rows;
  for (size_t i = 0; i < rules.size() && !ms.back().empty(); ++i) {
    std::vector<double> ratio;
    for (size_t round = 0; round < ms.back().size(); ++round)
      ratio.push_back(ms[i][round] / ms[0][round]);
    rows.push_back({{"rule", rules[i]},
                    {"step_ms_median", quantile(ms[i], 0.5)},
                    {"ratio", quantile(ratio, 0.5)},
                    {"ratio_low", quantile(ratio, 0.1)},
                    {"ratio_high", quantile(ratio, 0.9)}});
  }
  return rows;
}

void print(const std::vector<Record>& rows) {
  for (const Field& field : rows.at(0)) std::cout << std::setw(18) << field.name;
  std::cout << "\n";
  for (const Record& row : rows) {
    for (const Field& field : row) std::cout << std::setw(18) << text_of(field.value);
    std::cout << "\n";
  }
}

void run(int argc, char** argv) {
  std::string name = "vae-step";
  int64_t threads = 1;
  bool json = false;
  Settings settings;
  Options options("bench", "Times training steps; candidates take turns in one process.");
  options.choice("--case", name, {"vae-step"}, "vae-step: the Bernoulli VAE's step by each rule");
  options.choice("--arch", settings.arch, table2_architectures(), "of the VAE");
  options.add("--rule", settings.rules, "all, or names with commas between", "NAMES");
  options.add("--batch", settings.batch, "images a step", between(1, 4000));
  options.add("--rounds", settings.rounds, "turns of each candidate", at_least(1));
  options.add("--steps", settings.steps, "in a turn", at_least(1));
  options.add("--threads", threads, "of each candidate", at_least(1));
  options.flag("--json", json, "print one line of JSON");
  options.parse(argc, argv);
  set_num_threads(static_cast<int>(threads));

  const std::vector<Record> rows = vae_step(settings);
  if (rows.empty()) return;
  if (json) {
    Record result = options.values();
    set_value(result, "threads", threads);
    result.push_back({"rows", rows});
    std::cout << to_json(result) << "\n";
  } else {
    print(rows);
  }
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run); }
