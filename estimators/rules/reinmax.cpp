// reinmax.cpp - ReinMax (Liu et al. 2023) and, for Poisson, its analogue Fini-2: straight-through
// to second order.
//
// Distributions: reinmax Bernoulli and Categorical, fini2 Poisson. Biased; exact when the cost is
// quadratic. Evaluations: one, with its gradient. The cost must be differentiable in z.
//     reinmax: g = 2 J((pi_t + z)/2) f'(z) - 1/2 J(pi) f'(z),   J(q) = diag(q) - q q^T, pi_t =
//     softmax(a/t) fini2:   g = 1/2 (1 + z/lambda) f'(z)
//
// Straight-through replaces a difference f(j) - f(i) by a tangent at one end; the trapezoidal rule
// takes the mean of the tangents at both (Heun's method), and its error is of third order. For a
// bit and t = 1 that is 1/2 |b - p| f'(b): the tangent at the state drawn, weighted by the
// probability of the other.
//
// In the paper's family these are the members for the *exact* Wasserstein distance: W2^2 between
// Bernoulli(p) and the pushed samples has a kink at the current p, and the mean of its one-sided
// derivatives, divided by 2 epsilon, is this estimate in expectation as epsilon -> 0.
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

/// J(q) v for one-of-K units, q and v [...,units,K].
Var jacobian_product(const Var& q, const Var& v) { return q * (v - sum(q * v, {-1}, true)); }

/// The same for bits, of which q is the probability of 1.
Var bit_jacobian_product(const Var& q, const Var& v) { return q * (1 - q) * v; }

template <typename Product>
Var second_order(const Var& pi, const Var& pi_t, const Var& z, const Var& v, Product product) {
  return 2 * product((pi_t + z) / 2, v) - 0.5 * product(pi, v);
}

}  // namespace

LocalRule reinmax(double temperature) {
  require_temperature("reinmax", temperature);
  return {
      "reinmax", [=](const Distribution& q, const Scope& scope, const std::shared_ptr<Tensor>&) {
        require_law<Bernoulli, Categorical>(
            q, "reinmax", "bernoulli and categorical",
            q.law() == "poisson" ? ": there it is called 'fini2'" : "");
        const std::shared_ptr<Distribution> here = q.with_param(q.param().detach());
        const auto backward = [=](const Var& z, const Var& up) -> Vars {
          const Var pi = here->mean();
          const Var pi_t = here->with_param(here->param() / temperature)->mean();
          const auto* law = dynamic_cast<const Categorical*>(here.get());
          if (law == nullptr) {
            return {second_order(pi, pi_t, z.detach(), up, bit_jacobian_product)};
          }
          return {law->join(second_order(law->split(pi), law->split(pi_t), law->split(z.detach()),
                                         law->split(up), jacobian_product))};
        };
        return sample_node(q, "reinmax", q.sample(scope.rng), q.param(), backward);
      }};
}

LocalRule fini2() {
  return {"fini2", [](const Distribution& q, const Scope& scope, const std::shared_ptr<Tensor>&) {
            const bool other =
                dynamic_cast<const Bernoulli*>(&q) || dynamic_cast<const Categorical*>(&q);
            require_law<Poisson>(q, "fini2", "poisson",
                                 other ? ": there it is called 'reinmax'" : "");
            const auto backward = [](const Var& z, const Var& up) {
              return Vars{0.5 * (1 + z.detach() / z.input(0).detach()) * up};
            };
            return sample_node(q, "fini2", q.sample(scope.rng), q.param(), backward);
          }};
}

}  // namespace stflow
