// poisson_gan.cpp - settings, rules and steps of a training run, and what is measured on many.
#include "examples/paper/poisson_gan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "stflow/estimators/distributions/poisson.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/statistics.h"

namespace stflow {
namespace {

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
  options.add("--data-samples", o.data_samples, "counts of the true rate a step, M",
              between(1, kMostAtOnce));
  options.add("--epochs", o.epochs, "epochs of a run", between(1, kMostAtOnce));
  options.add("--epoch-steps", o.epoch_steps, "steps of an epoch", between(1, kMostSteps));
  options.add("--lr", o.lr, "learning rate of lambda (SGD), for all rules", above(0));
  options.add("--critic-lr", o.critic_lr, "learning rate of the critic (Adam)", above(0));
  options.add("--critic-width", o.critic_width, "hidden units of the critic", between(1, 1e4));
  options.add("--critic-scale", o.critic_scale, "the critic sees z divided by this", of_scale());
  options.add("--epsilon", o.rules.mmd.epsilon, "step of rule mmd's flow", of_scale());
  options.add("--bandwidth", *o.rules.mmd.bandwidth, "of rule mmd's kernel, h", of_scale());
  options.flag("--no-control-variate", o.no_control_variate, "rule mmd without it");
  options.add("--baseline-decay", o.rules.reinforce_mean.decay, "of rule reinforce-mean",
              between(0, 0.9999));
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

Rule poisson_gan_rule(const PoissonGanOptions& o, const std::string& name, uint64_t seed) {
  RuleOptions settings = o.rules;
  settings.seed = seed;
  if (o.no_control_variate) settings.mmd.control_variate = false;
  if (name == "leave-one-out" && settings.samples == 0) settings.samples = o.samples;
  return make_rule(name, settings);
}

double step_factor(const PoissonGanOptions& o, const std::string& rule, double rate) {
  const bool asked = rule == "mmd" ? o.match_step : o.gain_schedule;
  if (!asked) return 1;
  const MmdOptions& mmd = o.rules.mmd;
  CHECK_ARG(mmd.kernel == Kernel::rbf && mmd.bandwidth,
            "[step_factor] rule mmd's gain is known for kernel rbf with a fixed bandwidth only");
  const double gain = 2 * mmd.epsilon * mmd_gain(rate, *mmd.bandwidth);
  return rule == "mmd" ? 1 / gain : gain;
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

void train_cases(std::vector<PoissonGanCase>& cases, const PoissonGanTraining& train,
                 int64_t first_seed, int64_t seeds,
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
      trained.runs[static_cast<size_t>(i % seeds)] = train(trained.options, trained.rule, seed);
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
