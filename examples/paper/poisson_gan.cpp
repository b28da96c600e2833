// poisson_gan.cpp - the training run, and what is measured on many.
#include "examples/paper/poisson_gan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/estimators.h"
#include "stflow/nn/nn.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"

namespace stflow {
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

Rule rule_of(const PoissonGanOptions& o, const std::string& name, uint64_t seed) {
  if (name == "reinforce-mean") return reinforce_mean(o.baseline_decay);
  RuleOptions settings{.tune_every = 1, .inputs = 1, .latents = 1, .seed = seed};
  settings.mmd = {.bandwidth = o.bandwidth,
                  .epsilon = o.epsilon,
                  .control_variate = !o.no_control_variate,
                  .st_scale = false};
  if (name == "leave-one-out") settings.samples = o.samples;  // each against all others
  return make_rule(name, settings);
}

/// What lr is multiplied by at this lambda.
double step_factor(const PoissonGanOptions& o, const std::string& rule, double rate) {
  const bool asked = rule == "mmd" ? o.match_step : o.gain_schedule;
  if (!asked) return 1;
  const double gain = 2 * o.epsilon * mmd_gain(rate, o.bandwidth);
  return rule == "mmd" ? 1 / gain : gain;
}

double mean_of(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

/// Of a sample, with n - 1; NaN for one number.
double deviation_of(const std::vector<double>& x) {
  const double centre = mean_of(x);
  double squares = 0;
  for (const double each : x) squares += (each - centre) * (each - centre);
  return std::sqrt(squares / (static_cast<double>(x.size()) - 1));
}

double median_of(std::vector<double> x) {
  std::ranges::sort(x);
  return (x[(x.size() - 1) / 2] + x[x.size() / 2]) / 2;
}

}  // namespace

void add_poisson_gan_options(Options& options, PoissonGanOptions& o) {
  options.choice("--objective", o.objective, {"bce", "wasserstein"},
                 "of the critic: cross entropy, or the min-max linear in its output");
  options.add("--true-rate", o.true_rate, "lambda of the data", of_scale());
  options.add("--init", o.init, "lambda at the start", of_scale());
  options.add("--rate-min", o.rate_min, "lambda is clamped to at least this", of_scale());
  options.add("--rate-max", o.rate_max, "lambda is clamped to at most this", of_scale());
  options.add("--samples", o.samples, "counts generated a step, N", between(2, kMostAtOnce));
  options.add("--data-samples", o.data_samples, "counts of the true law a step, M",
              between(1, kMostAtOnce));
  options.add("--epochs", o.epochs, "epochs of a run", between(1, kMostAtOnce));
  options.add("--epoch-steps", o.epoch_steps, "steps of an epoch", between(1, kMostSteps));
  options.add("--lr", o.lr, "learning rate of lambda (SGD), for all rules", above(0));
  options.add("--critic-lr", o.critic_lr, "learning rate of the critic (Adam)", above(0));
  options.add("--critic-width", o.critic_width, "hidden units of the critic", between(1, 1e4));
  options.add("--critic-scale", o.critic_scale, "the critic sees z divided by this", of_scale());
  options.add("--epsilon", o.epsilon, "step of rule mmd's flow", of_scale());
  options.add("--bandwidth", o.bandwidth, "of rule mmd's kernel, h", of_scale());
  options.flag("--no-control-variate", o.no_control_variate, "rule mmd without it");
  options.add("--baseline-decay", o.baseline_decay, "of rule reinforce-mean", between(0, 0.9999));
  options.flag("--match-step", o.match_step,
               "divide rule mmd's step by its gain over straight-through, 2 epsilon g(lambda, h)");
  options.flag("--gain-schedule", o.gain_schedule, "multiply the other rules' steps by that gain");
}

std::vector<std::string> poisson_gan_rules() {
  std::vector<std::string> names = rule_names("poisson");
  std::erase(names, "none");
  return names;
}

double mmd_gain(double rate, double bandwidth) {
  // E over y, c ~ Poisson(rate) of d/dy [K(c+1,y) - K(c,y)]; the second term is odd in c - y.
  const CountTable table = poisson_table(rate);
  double gain = 0;
  for (size_t y = 0; y < table.pmf.size(); ++y) {
    for (size_t c = 0; c < table.pmf.size(); ++c) {
      const double distance = static_cast<double>(c) + 1 - static_cast<double>(y);
      const double in_bandwidths = distance / bandwidth;
      gain +=
          table.pmf[y] * table.pmf[c] * distance * std::exp(-0.5 * in_bandwidths * in_bandwidths);
    }
  }
  return gain / (bandwidth * bandwidth);
}

std::vector<double> train_poisson_gan(const PoissonGanOptions& o, const std::string& rule_name,
                                      uint64_t seed) {
  Rng init_rng(seed, 0), data_rng(seed, 1), rng(seed, 2);
  Critic critic(o, init_rng);
  optim::Adam adam(critic.net.parameters(), {.lr = o.critic_lr});
  std::vector<Rule> rules{rule_of(o, rule_name, seed)};
  RuleTrainer rule_trainer(rules, o.critic_lr, /*tune_every=*/1);

  // One row a count, all with the same rate. Enumeration needs no second row, and leave-one-out
  // draws its samples on one.
  const int64_t rows = rule_name == "exact" || rule_name == "leave-one-out" ? 1 : o.samples;
  const Tensor context = Tensor::ones({rows, 1});  // there is nothing for a baseline to look at
  const Poisson truth(Tensor::full({o.data_samples, 1}, static_cast<real>(o.true_rate)));
  Var rate = Var::parameter(Tensor::full({1, 1}, static_cast<real>(o.init)));
  const auto cost = [&](const Var& z, const Scope&) { return -sigmoid(critic(z)); };

  std::vector<double> path{rate.item()};
  for (int64_t step = 0; step < o.epochs * o.epoch_steps && !interrupted(); ++step) {
    const Tensor x = truth.sample(data_rng);
    const Tensor z = Poisson(broadcast_to(rate, {o.samples, 1})).sample(rng);
    const Var loss = critic_loss(o.objective, critic(x), critic(z));
    adam.zero_grad();
    loss.backward();
    adam.step();

    const Poisson generator(broadcast_to(rate, {rows, 1}));
    const Var fooled = mean(expect(generator, rules[0], {rng}, cost, context));
    const double gradient = grad({fooled}, {rate})[0].item();
    rule_trainer.step();
    const double next = rate.item() - o.lr * step_factor(o, rule_name, rate.item()) * gradient;
    fill_(rate.mutable_value(), static_cast<real>(std::clamp(next, o.rate_min, o.rate_max)));
    path.push_back(rate.item());
  }
  return path;
}

std::vector<PoissonGanCase> poisson_gan_controls(const PoissonGanOptions& options) {
  PoissonGanOptions gain = options, match = options, plain = options;
  gain.gain_schedule = match.match_step = plain.no_control_variate = true;
  std::vector<PoissonGanCase> cases{{"st-gain", "st", gain},
                                    {"mmd-matched", "mmd", match},
                                    {"mmd-no-control-variate", "mmd", plain},
                                    {"st-from-above", "st", options},
                                    {"mmd-from-above", "mmd", options},
                                    {"st-gain-from-above", "st", gain}};
  for (PoissonGanCase& each : cases) {
    if (each.name.ends_with("-from-above")) each.options.init = 2 * options.true_rate;
  }
  return cases;
}

void train_cases(std::vector<PoissonGanCase>& cases, int64_t first_seed, int64_t seeds,
                 const std::function<void(const std::string&)>& done) {
  for (PoissonGanCase& each : cases) {
    each.first_seed = first_seed;
    each.runs.resize(static_cast<size_t>(seeds));
  }
  std::mutex done_mutex;
  const auto runs = static_cast<int64_t>(cases.size()) * seeds;
  parallel_for(runs, /*grain=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      PoissonGanCase& trained = cases[static_cast<size_t>(i / seeds)];
      const auto seed = static_cast<uint64_t>(first_seed + i % seeds);
      trained.runs[static_cast<size_t>(i % seeds)] =
          train_poisson_gan(trained.options, trained.rule, seed);
      const std::lock_guard lock(done_mutex);
      if (done) done(trained.name);
    }
  });
}

PoissonGanStatistics statistics_of(const PoissonGanCase& trained) {
  const PoissonGanOptions& o = trained.options;
  const double tolerance = 0.05 * o.true_rate;
  double late_squares = 0;
  std::vector<double> last, late_means, hits, settles;
  for (const std::vector<double>& path : trained.runs) {
    std::vector<double> late;
    for (int64_t epoch = o.epochs * 7 / 10 + 1; epoch <= o.epochs; ++epoch) {
      late.push_back(path.at(static_cast<size_t>(epoch * o.epoch_steps)));
    }
    last.push_back(path.back());
    late_means.push_back(mean_of(late));
    late_squares += deviation_of(late) * deviation_of(late);

    const auto near = [&](double rate) { return std::abs(rate - o.true_rate) <= tolerance; };
    const auto first = std::ranges::find_if(path, near);
    const auto after_last = std::find_if_not(path.rbegin(), path.rend(), near).base();
    const double never = std::numeric_limits<double>::infinity();
    const auto epochs_to = [&](auto place) {
      return static_cast<double>(place - path.begin()) / static_cast<double>(o.epoch_steps);
    };
    hits.push_back(first == path.end() ? never : epochs_to(first));
    settles.push_back(after_last == path.begin() ? 0 : epochs_to(after_last - 1));
  }
  return {.mean = mean_of(last),
          .late_mean = mean_of(late_means),
          .within = std::sqrt(late_squares / static_cast<double>(trained.runs.size())),
          .seed_std = deviation_of(last),
          .hit = median_of(hits),
          .settle = median_of(settles)};
}

}  // namespace stflow
