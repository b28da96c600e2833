// projection_flow.cpp - the three steps of the projected flow: draw, move, project.
#include <algorithm>
#include <cmath>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/flow/units.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {
namespace {

constexpr int64_t kMostSteps = 1'000'000;

void check(const Tensor& theta, const FlowOptions& options) {
  check_projection(options.onto);
  CHECK_ARG(options.particles >= 1 && options.particles <= kMostSamples,
            "[flow_step] needs at least one particle and takes at most ", kMostSamples, ", got ",
            options.particles);
  const auto positive = [](double x) { return x > 0 && std::isfinite(x); };
  CHECK_ARG(positive(options.epsilon), "[flow_step] epsilon must be positive and finite, got ",
            options.epsilon);
  CHECK_ARG(!options.learning_rate || positive(*options.learning_rate),
            "[flow_step] the learning rate must be positive and finite, got ",
            *options.learning_rate);
  CHECK_ARG(theta.rank() == 1 && theta.numel() >= 1, "[flow_step] parameters are [D], got ",
            theta.shape());
  if (options.onto.family->support() != Support::one_hot) return;  // others: when drawn from
  const int64_t categories = options.onto.family->categories();
  CHECK_ARG(theta.numel() % categories == 0, "[flow_step] parameters ", theta.shape(),
            " are not units of ", categories, " categories");
  for (int64_t begin = 0; begin < theta.numel(); begin += categories) {
    double total = 0, least = 0;
    for (int64_t i = begin; i < begin + categories; ++i) {
      total += theta[i];
      least = std::min<double>(least, theta[i]);
    }
    CHECK_ARG(
        least >= 0 && std::abs(total - 1) < 1e-4,
        "[flow_step] probabilities of a unit are not negative and add up to 1, got a least of ",
        least, " and a sum of ", total);
  }
}

/// (A) [D] -> [N,D]
Tensor draw_particles(const Tensor& theta, const FlowOptions& options, Rng& rng) {
  const Distribution& family = *options.onto.family;
  const Tensor each = broadcast_to(theta, {options.particles, theta.dim(0)}).clone();
  switch (family.support()) {  // bits and one-hot units are known by their mean
    case Support::bits:
      return rng.bernoulli(each);
    case Support::one_hot:
      return Categorical(log(each), family.categories()).sample(rng);
    case Support::counts:
      break;
  }
  const auto param = [&](real mean) { return static_cast<real>(count_param(family, mean)); };
  return family.with_param(broadcast_to(map(param, theta), each.shape()).clone())->sample(rng);
}

/// (B) z - epsilon grad f(z), [N,D]
Tensor move(const Tensor& z, const ParticleCost& f, double epsilon) {
  CHECK_ARG(f, "[flow_step] the cost is an empty function");
  const GradMode record(true);
  const Var leaf = Var::parameter(z);
  const Var cost = f(leaf);
  CHECK_ARG(cost.defined() && cost.shape() == Shape{z.dim(0)}, "[flow_step] the cost of particles ",
            z.shape(), " must have shape [", z.dim(0), "], got ",
            cost.defined() ? cost.shape().str() : "an empty Var");
  CHECK_ARG(depends_on(cost, leaf),
            "[flow_step] no op leads from the cost back to the particles, so "
            "they would not move. Hint: a cost that is constant on purpose adds 0 * sum(z, {-1})");
  const Tensor slope = grad({cost}, {leaf})[0].value();
  return z - epsilon * slope;
}

/// The nearest parameters that the family has.
Tensor into_family(const Tensor& theta, const ProjectionOptions& options) {
  if (options.family->support() != Support::one_hot) {
    const auto [least, most] = mean_range(options);
    return clamp(theta, static_cast<real>(least), static_cast<real>(most));
  }
  const int64_t categories = options.family->categories();
  std::vector<real> result;
  for (int64_t begin = 0; begin < theta.numel(); begin += categories) {
    const real* unit = theta.data() + begin;
    const auto pi = project_to_simplex({unit, unit + categories});
    result.insert(result.end(), pi.begin(), pi.end());
  }
  return Tensor::from(result);
}

/// (C) [N,D] -> [D]
Tensor nearest(const Tensor& theta, const Tensor& z, const Tensor& pushed,
               const FlowOptions& options) {
  if (!options.learning_rate) return project(pushed, options.onto);
  const Tensor slope =
      distance_gradient(theta, options.control_variate ? z : Tensor(), pushed, options.onto);
  return into_family(theta - *options.learning_rate * slope, options.onto);
}

}  // namespace

FlowStep flow_step(const Tensor& theta, const ParticleCost& f, const FlowOptions& options,
                   Rng& rng) {
  check(theta, options);
  const Tensor z = draw_particles(theta, options, rng);
  const Tensor pushed = move(z, f, options.epsilon);
  return {theta, z, pushed, nearest(theta, z, pushed, options)};
}

std::vector<FlowStep> projected_flow(const Tensor& theta, const ParticleCost& f, int64_t steps,
                                     const FlowOptions& options, Rng& rng) {
  CHECK_ARG(steps >= 1 && steps <= kMostSteps,
            "[projected_flow] needs at least one step and takes "
            "at most ",
            kMostSteps, ", got ", steps);
  std::vector<FlowStep> path;
  while (static_cast<int64_t>(path.size()) < steps) {
    path.push_back(flow_step(path.empty() ? theta : path.back().next, f, options, rng));
  }
  return path;
}

}  // namespace stflow
