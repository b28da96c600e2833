// poisson_gan.h - the paper's Poisson experiment: a generator with one parameter, the rate lambda
// of a Poisson distribution, is trained against a critic until its counts look like those of the
// true rate.
//
// One training run is a function (settings, rule, seed) -> lambda after every step: it is in the
// program, examples/poisson_gan.cpp. What the figure and the table say about many runs is computed
// here; they are made in poisson_gan_results.h.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stflow/estimators/estimators.h"
#include "stflow/train/console/options.h"

namespace stflow {

/// The protocol. The paper gives no learning rate, batch size, epsilon, bandwidth or critic; the
/// defaults are a choice under which its Figure 3 appears.
struct PoissonGanOptions {
  double true_rate = 5, init = 1;          // lambda of the data, and where ours starts
  double rate_min = 0.05, rate_max = 25;   // lambda is clamped to these
  int64_t samples = 1000;                  // N: counts we generate a step
  int64_t data_samples = 1000;             // M: counts of the true rate a step, always new
  int64_t epochs = 100, epoch_steps = 10;  // an epoch is so many steps
  double lr = 1.75;                        // of lambda, by plain SGD, the same for all rules
  std::string objective = "bce";           // or wasserstein
  double critic_lr = 0.01;                 // by Adam
  int64_t critic_width = 10;               // hidden tanh units
  double critic_scale = 5;                 // the critic sees z / critic_scale
  RuleOptions rules = {.mmd = {.bandwidth = 1, .epsilon = 10, .st_scale = false},
                       .rebar = {.tune_every = 1},
                       .inputs = 1,
                       .latents = 1};
  bool no_control_variate = false;  // of rule mmd
  bool match_step = false;          // divide the step of rule mmd by 2 epsilon mmd_gain
  bool gain_schedule = false;       // multiply the step of the other rules by it
};

/// All of them as options of the command line.
void add_poisson_gan_options(Options& options, PoissonGanOptions& values);

/// Names of the rules that fit and can learn.
std::vector<std::string> poisson_gan_rules();

/// E[D'(z)] of mmd.cpp: MMD's gradient is straight-through's times 2 epsilon mmd_gain while pushes
/// are small. About h / (2 lambda + h^2)^1.5, so it falls as lambda grows.
double mmd_gain(double rate, double bandwidth);

/// The rule of that name with these settings.
Rule poisson_gan_rule(const PoissonGanOptions& options, const std::string& name, uint64_t seed);

/// What lr is multiplied by at this lambda. Throws where mmd_gain is wanted and is not known.
double step_factor(const PoissonGanOptions& options, const std::string& rule, double rate);

/// A training run: lambda at the start and after each step.
using PoissonGanTraining = std::function<std::vector<double>(
    const PoissonGanOptions& options, const std::string& rule, uint64_t seed)>;

/// A rule, the settings it ran with, and its runs, one a seed.
struct PoissonGanCase {
  std::string name, rule;
  PoissonGanOptions options;
  int64_t first_seed = 0;
  std::vector<std::vector<double>> runs = {};
};

/// Controls that explain the small variance of rule mmd: straight-through with mmd's step sizes,
/// mmd with straight-through's, mmd without its control variate, and all from twice the true rate.
std::vector<PoissonGanCase> poisson_gan_controls(const PoissonGanOptions& options);

/// Trains every case with seeds first, first + 1, ..., several runs at a time; `done` is called
/// after each with the name of its case, by one thread at a time.
void train_cases(std::vector<PoissonGanCase>& cases, const PoissonGanTraining& train,
                 int64_t first_seed, int64_t seeds,
                 const std::function<void(const std::string&)>& done = {});

struct PoissonGanStatistics {
  double mean;       // over seeds, of lambda at the end
  double late_mean;  // over seeds and the last 30 % of the epochs
  double within;     // rms over seeds of lambda's standard deviation over these epochs
  double seed_std;   // standard deviation over seeds of lambda at the end; NaN for one seed
  double hit;        // epoch at which lambda first is within 5 % of the true rate; infinite: never
  double settle;     // epoch at which it last is not; both medians over seeds
};
PoissonGanStatistics statistics_of(const PoissonGanCase& trained);

}  // namespace stflow
