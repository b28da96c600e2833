// poisson_gan - the paper's Figure 3 and Table 1: one number, the rate of a Poisson distribution,
// is trained against a small critic, by every rule and from many seeds.
//
// train_poisson_gan() is one run; the rest makes many of them and reports. Before you read the calm
// of rule mmd as a virtue, run --controls: most of it is a smaller step.
#include "examples/paper/poisson_gan.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>

#include "examples/paper/poisson_gan_results.h"
#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/nn/nn.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/text.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/console/progress.h"
#include "stflow/train/rule_trainer.h"

using namespace stflow;

namespace {

/// 1 - width - 1 with tanh: how real a count looks, as a logit. [B,1] -> [B]
struct Critic {
  Critic(const PoissonGanOptions& options, Rng& rng)
      : net({1, options.critic_width, 1}, rng, std::make_shared<nn::Tanh>()),
        scale(options.critic_scale) {
    for (auto& [name, parameter] : net.named_parameters()) {
      const int64_t inputs = name.starts_with("0.") ? 1 : options.critic_width;
      const Var bound = 1 / std::sqrt(static_cast<double>(inputs));
      parameter.mutable_value() = (bound * (2 * Var(rng.uniform(parameter.shape())) - 1)).value();
    }
  }
  Var operator()(const Var& z) { return select(net(z / scale), -1, 0); }

  nn::MLP net;
  double scale;
};

Var critic_loss(const std::string& objective, const Var& on_data, const Var& on_generated) {
  if (objective == "bce") return mean(softplus(-on_data)) + mean(softplus(on_generated));
  return mean(sigmoid(on_generated)) - mean(sigmoid(on_data));  // the paper's min-max, as it stands
}

/// lambda at the start and after each step. Ends early on Ctrl-C. Runs of the same seed share the
/// critic's first weights and the data, whatever the rule: each has a stream of its own.
std::vector<double> train_poisson_gan(const PoissonGanOptions& o, const std::string& rule_name,
                                      uint64_t seed) {
  Rng init_rng(seed, 0), data_rng(seed, 1), rng(seed, 2);
  Critic critic(o, init_rng);
  optim::Adam adam(critic.net.parameters(), {.lr = o.critic_lr});
  std::vector<Rule> rules{poisson_gan_rule(o, rule_name, seed)};
  RuleTrainer rule_trainer(rules, o.critic_lr);

  // One row a count, all with the same rate. Enumeration needs no second row, and leave-one-out
  // draws its samples on one.
  const int64_t rows = rule_name == "exact" || rule_name == "leave-one-out" ? 1 : o.samples;
  const Tensor context = Tensor::ones({rows, 1});  // there is nothing for a baseline to look at
  const Poisson truth(Tensor::full({o.data_samples, 1}, static_cast<real>(o.true_rate)));
  Var rate = Var::parameter(Tensor::full({1, 1}, static_cast<real>(o.init)));
  const auto cost = [&](const Var& z, const Scope&) { return -sigmoid(critic(z)); };

  std::vector<double> path{rate.item()};
  for (int64_t step = 0; step < o.epochs * o.epoch_steps && !interrupted(); ++step) {
    // The critic's turn: true counts and ours, which are data to it. No gradient goes to the rate.
    const Tensor x = truth.sample(data_rng);
    const Tensor z = Poisson(broadcast_to(rate, {o.samples, 1})).sample(rng);
    const Var loss = critic_loss(o.objective, critic(x), critic(z));
    adam.zero_grad();
    loss.backward();
    adam.step();

    // The generator's turn: how real do our counts look? They are whole numbers, so the critic's
    // slope cannot simply flow on into the rate; the rule says what does.
    const Poisson generator(broadcast_to(rate, {rows, 1}));
    const Var fooled = mean(expect(generator, rules[0], {rng}, cost, context));
    const double gradient = grad({fooled}, {rate})[0].item();
    rule_trainer.step();

    // Plain SGD, by hand, for the controls change the step as lambda moves. A rate is positive.
    const double next = rate.item() - o.lr * step_factor(o, rule_name, rate.item()) * gradient;
    fill_(rate.mutable_value(), static_cast<real>(std::clamp(next, o.rate_min, o.rate_max)));
    path.push_back(rate.item());
  }
  return path;
}

Record by_name(const std::vector<PoissonGanCase>& cases) {
  Record record;
  for (const PoissonGanCase& each : cases) {
    record.push_back({each.name, statistics_record(statistics_of(each))});
  }
  return record;
}

void run(int argc, char** argv) {
  PoissonGanOptions settings;
  std::string rule = "mmd,st,muprop,reinforce-mean", rule_option, out;
  int64_t seed = 1, seeds = 20, threads = num_threads();
  bool controls = false, json = false, quiet = false, no_plots = false;

  Options options(
      "poisson_gan",
      "Trains the rate of a Poisson distribution against a critic, by several rules and from "
      "several seeds: Figure 3 and Table 1 of the paper.");
  options.add("--rule", rule, "all, or with commas between: " + joined(poisson_gan_rules()),
              "NAMES");
  add_rule_option(options, rule_option, poisson_gan_rules(), settings.rules);
  options.add("--seed", seed, "the first seed; same seed, same numbers", between(0, 1e18));
  options.add("--seeds", seeds, "runs of each rule, with consecutive seeds",
              between(1, kMostSeeds));
  add_poisson_gan_options(options, settings);
  options.flag("--controls", controls,
               "run also what explains the calm of rule mmd: steps and starts exchanged");
  options.add("--threads", threads, "runs at a time", between(1, kMostThreads));
  options.add("--out", out, "new directory for the results; without it one below runs/", "DIR");
  options.flag("--quiet", quiet, "no progress on standard error");
  options.flag("--json", json, "print one line of JSON");
  options.flag("--no-plots", no_plots, "draw no picture");
  options.parse(argc, argv);
  if (settings.rate_min > settings.rate_max) {
    throw UsageError(concat_message("--rate-min ", settings.rate_min, " is above --rate-max ",
                                    settings.rate_max));
  }

  std::vector<std::string> rules = name_list("--rule", rule, poisson_gan_rules());
  for (const char* compared : {"mmd", "st"}) {
    if (controls && !std::ranges::count(rules, compared)) rules.emplace_back(compared);
  }
  PoissonGanOptions chosen = settings;
  set_rule_options(chosen.rules, rule_option, rules);
  std::vector<PoissonGanCase> cases;
  for (const std::string& name : rules) cases.push_back({name, name, chosen});
  if (controls) {
    const std::vector<PoissonGanCase> more = poisson_gan_controls(chosen);
    cases.insert(cases.end(), more.begin(), more.end());
  }

  for (const PoissonGanCase& each : cases) {  // before anything is written, or they throw
    poisson_gan_rule(each.options, each.rule, 0);
    step_factor(each.options, each.rule, each.options.init);
  }

  // Runs side by side share the threads; the loops inside one are too short to gain from a second.
  const int64_t runs = static_cast<int64_t>(cases.size()) * seeds;
  set_num_threads(static_cast<int>(std::min(threads, runs)));

  const bool ours = out.empty() || !std::filesystem::exists(out);
  const std::string directory = make_run_directory(out, options.program());
  Record config = options.values();
  std::erase_if(config, [](const Field& field) {  // what belongs to a machine or a console
    return std::set<std::string>{"threads", "out", "quiet", "json", "no_plots"}.count(field.name);
  });
  write_file(directory + "/config.json", to_json(config, 2) + "\n");
  if (!quiet) {
    tell(concat_message("poisson_gan: ", cases.size(), " cases, seeds ", seed, " to ",
                        seed + seeds - 1, ", ", threads, " threads, results in ", directory));
  }
  Progress progress(runs, Progress::standard_error(quiet));
  train_cases(cases, train_poisson_gan, seed, seeds, [&](const std::string& name) {
    if (!interrupted()) progress.advance(name);
  });
  progress.clear();
  if (interrupted()) {
    std::filesystem::remove(directory + "/config.json");  // and nothing that is not our own
    std::error_code not_empty;
    if (ours) std::filesystem::remove(directory, not_empty);
    tell("stopped before the last run had ended: nothing to report");
    return;
  }

  const std::vector<Record> rows = result_rows(cases);
  write_file(directory + "/table1.md", markdown_table(rows));
  write_file(directory + "/table1.csv", csv_table(rows));
  write_file(directory + "/runs.csv", csv_of_runs(cases));
  const auto first_control = cases.begin() + static_cast<int64_t>(rules.size());
  const std::vector<PoissonGanCase> trained(cases.begin(), first_control);
  const std::vector<PoissonGanCase> compared(first_control, cases.end());
  if (!no_plots) save_figures(directory, trained, compared);
  Record summary{{"rules", by_name(trained)}, {"seeds", seeds}, {"seed", seed}};
  if (controls) summary.push_back({"controls", by_name(compared)});
  summary.push_back({"options", config});
  summary.push_back({"version", STFLOW_VERSION});
  summary.push_back({"directory", directory});
  write_file(directory + "/summary.json", to_json(summary, 2) + "\n");
  std::cout << (json ? to_json(summary) + "\n" : markdown_table(rows));
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run); }
