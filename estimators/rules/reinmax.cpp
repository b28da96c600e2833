// reinmax.cpp - ReinMax (Liu et al. 2023) and, for counts, its analogue Fini-2: straight-through to
// second order.
//
// Distributions: reinmax Bernoulli and Categorical, fini2 counts. Biased; exact at t = 1
// when the cost is quadratic. Evaluations: one, with its gradient. The cost must be differentiable
// in z.
//     reinmax: g = 2 J((pi_t + z)/2) f'(z) - 1/2 J(pi) f'(z),   J(q) = diag(q) - q q^T,
//              pi_t = softmax(a/t), pi = pi_1; for a bit pi = p and J(q) = q (1 - q)
//     fini2:   g = [m' + (z - m) v' / (2 v)] f'(z) with mean m and variance v; for Poisson that is
//              1/2 (1 + z/lambda) f'(z)
//
// Straight-through replaces a difference f(j) - f(i) by a tangent at one end; the trapezoidal rule
// takes the mean of the tangents at both (Heun's method), and its error is of third order. For a
// bit and t = 1 that is 1/2 |b - p| f'(b): the tangent at the state drawn, weighted by the
// probability of the other.
//
// In the family of Cheng, Liu et al. (estimators/flow/) these are the members for the *exact*
// Wasserstein distance: W2^2 between Bernoulli(p) and the pushed samples has a kink at the current
// p, and the mean of its one-sided derivatives, divided by 2 epsilon, is this estimate in
// expectation as epsilon -> 0.
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

LocalRule second_order(const std::string& name, double temperature, const Takes& takes) {
  const auto draw = [=](const Distribution& q, const Scope& scope) {
    const std::shared_ptr<Distribution> here = q.with_param(q.param().detach());
    const auto backward = [=](const Var& z, const Var& up) {
      return Vars{here->second_order(z.detach(), up, temperature)};
    };
    return sample_node(q, name, q.sample(scope.rng), q.param(), backward);
  };
  return {.name = name, .draw = draw, .takes = takes};
}

}  // namespace

LocalRule reinmax(double temperature) {
  require_temperature("reinmax", temperature);
  return second_order(
      "reinmax", temperature,
      {.names = {"bernoulli", "categorical"}, .why = "; for counts it is called 'fini2'"});
}

LocalRule fini2() {
  return second_order("fini2", 1,
                      {.supports = {Support::counts},
                       .why = "; for bernoulli and categorical it is called 'reinmax'"});
}

}  // namespace stflow
