// projected_flow - the paper's scheme, step by step: draw particles from mu_k, move each down its
// cost, and take for mu_(k+1) the distribution of the family that is nearest to them.
//
// What "nearest" means decides which gradient estimator this is; each should lower F = E f(z). Both
// costs are parabolas. F is least elsewhere than the parabola, because no distribution of the
// family sits at its bottom alone. With --init 4.75 a count starts between the two, and by mean or
// mmd F rises.
#include <algorithm>
#include <iostream>
#include <map>

#include "examples/paper/flow_picture.h"
#include "stflow/autodiff/grad.h"
#include "stflow/estimators/estimators.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/program.h"

using namespace stflow;

namespace {

struct Case {
  std::string parameter;
  std::shared_ptr<const Distribution> family;
  std::function<std::unique_ptr<Distribution>(const Var& theta)> of_mean;
  ParticleCost f;
  double init, bandwidth, best;  // F is least at `best`
  double low, high;              // rules stay between: ReinMax is noisy near p = 0
};
// F = ((lambda-5)^2 + lambda) / 2: a high rate is a high variance too, and that costs.
const ParticleCost kCountCost = [](const Var& z) { return sum(square(z - 5), {-1}) / 2; };
// F = p f(1) + (1-p) f(0) falls towards p = 0; the slopes of f at 0 and 1 lead to p = 0.45.
const ParticleCost kBitCost = [](const Var& b) { return sum(square(b - 0.45), {-1}); };
const std::map<std::string, Case> kCases{
    {"poisson",
     {"lambda", std::make_shared<Poisson>(Tensor::ones({1})),
      [](const Var& rate) { return std::make_unique<Poisson>(rate); }, kCountCost, 1, 4, 4.5, 0.01,
      1e4}},
    {"bernoulli",
     {"p", std::make_shared<Bernoulli>(Tensor::zeros({1})),
      [](const Var& p) { return std::make_unique<Bernoulli>(Bernoulli::from_probs(p)); }, kBitCost,
      0.25, 1, 0, 0.01, 0.99}}};

/// F and its gradient with respect to theta, by a rule. `exact` sums over all states.
std::pair<double, double> gradient(const Case& c, double theta, const Rule& rule, Rng& rng) {
  const double inside = std::clamp(theta, 1e-6, std::min(c.family->largest() - 1e-6, 1e4));
  const Var parameter = Var::parameter(Tensor::full({1}, static_cast<real>(inside)));
  const Cost f = [&](const Var& z, const Scope&) { return c.f(z); };
  const Var cost = expect(*c.of_mean(parameter), rule, {rng}, f);
  return {cost.item(), grad({cost}, {parameter})[0].item()};
}

/// Steps by a rule, which never leave the family: theta minus epsilon times its gradient.
FlowPath descend(const Case& c, const Rule& rule, double epsilon, int64_t steps, Rng rng) {
  FlowPath path{"rule " + rule.name, {c.init}};
  for (int64_t k = 1; k <= steps; ++k) {
    const double slope = gradient(c, path.theta.back(), rule, rng).second;
    path.theta.push_back(std::clamp(path.theta.back() - epsilon * slope, c.low, c.high));
  }
  return path;
}

void run_flow(int argc, char** argv) {
  std::string name = "poisson", distance = "all", out;
  FlowOptions flow{.particles = 10'000, .epsilon = 0.2};
  double bandwidth = 0, init = 0;
  int64_t steps = 30, seed = 1;
  bool json = false, no_plots = false;
  Options options("projected_flow", "Moves particles down a cost f, projects them, and again.");
  options.choice("--case", name, {"poisson", "bernoulli"}, "f = (z-5)^2/2 or f = (b-0.45)^2");
  options.add("--distance", distance, "all, or some of mean,mmd,wasserstein", "NAMES");
  options.add("--epsilon", flow.epsilon, "how far particles move: epsilon f'(z)", of_scale());
  options.add("--bandwidth", bandwidth, "of mmd; 0: poisson 4, bernoulli 1", between(0, 1e6));
  options.add("--particles", flow.particles, "drawn at each step", between(1, 1e6));
  options.add("--steps", steps, "of each path", between(1, 1e5));
  options.add("--init", init, "lambda or p at k = 0; 0: 1 or 0.25", at_least(0));
  options.add("--seed", seed, "same seed, same numbers", between(0, kLargestSeed));
  options.add("--out", out, "new directory for the results; without it one below runs/", "DIR");
  options.flag("--json", json, "print one line of JSON");
  options.flag("--no-plots", no_plots, "draw no picture");
  options.parse(argc, argv);
  Case c = kCases.at(name);
  if (init > 0) c.init = init;
  if (c.init > c.high)
    throw UsageError(concat_message("--init: expected at most ", c.high, ", got ", c.init));
  const double h = bandwidth > 0 ? bandwidth : c.bandwidth;
  const auto names = name_list("--distance", distance, {"mean", "mmd", "wasserstein"});
  const std::string directory = make_run_directory(out, options.program());

  const bool of_bits = c.family->support() == Support::bits;
  const std::map<std::string, std::pair<Distance, LocalRule>> by{
      {"mean", {Distance::mean, st()}},
      {"mmd", {Distance::mmd, mmd({.bandwidth = h, .epsilon = flow.epsilon})}},
      {"wasserstein", {Distance::wasserstein, of_bits ? reinmax() : fini2()}}};
  const Rng rng(static_cast<uint64_t>(seed));  // each path has a copy: the same first particles
  const Tensor start = Tensor::full({1}, static_cast<real>(c.init));
  FlowResults results{c.family, c.parameter, c.best};
  for (const std::string& each : names) {
    flow.onto = {.family = c.family, .distance = by.at(each).first, .bandwidth = h};
    const Rule rule = from_local(by.at(each).second, flow.particles);
    Rng own = rng;
    results.flows.push_back({each, projected_flow(start, c.f, steps, flow, own)});
    results.descents.push_back(descend(c, rule, flow.epsilon, steps, rng));
    if (interrupted()) return;
  }
  results.exact = descend(c, exact(), flow.epsilon, steps, rng);
  results.measure([&, unused = rng](double theta) mutable {
    return gradient(c, theta, exact(), unused).first;
  });

  Record summary = options.values();
  for (const char* word : {"out", "json", "no_plots"})
    std::erase_if(summary, [&](const Field& field) { return field.name == word; });
  set_value(summary, "version", STFLOW_VERSION);
  set_value(summary, "bandwidth", h);
  set_value(summary, "init", c.init);
  set_value(summary, "paths", results.ends());
  set_value(summary, "directory", directory);
  write_file(directory + "/summary.json", to_json(summary, 2) + "\n");
  save_flow(directory, results, !no_plots);
  std::cout << (json ? to_json(summary) : results.table() + "results in " + directory) << "\n";
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run_flow); }
