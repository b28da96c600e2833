// arm.cpp - augment-REINFORCE-merge (Yin & Zhou 2019).
//
// Distributions: Bernoulli. Unbiased. Evaluations: two, the second without a graph; L + 1 calls for
// L layers. The cost need not be differentiable in z.
//     g = (f(1[u > sigmoid(-a)]) - f(1[u < sigmoid(a)])) (u - 1/2),   u ~ U(0,1)^D
//
// Why, for one unit (given the others): d E f / da = p (1-p) (f(1) - f(0)). Also
// E[(1 - 2u) f(1[u < p])] = f(1) (p - p^2) - f(0) (p - p^2): the same, so (1 - 2u) f(1[u < p]) is
// unbiased. So is its twin with 1 - u for u, (2u - 1) f(1[u > 1-p]). The mean of the two is g: a
// difference of costs, small exactly when the sample hardly matters.
//
// With several layers, this layer's pair shares the true path of the outer layers; each member
// resamples the inner ones (under NoGradGuard for the twin: they cost one evaluation there).
#include <cmath>

#include "stflow/estimators/rules/antithetic.h"
#include "stflow/estimators/rules/rules.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {

Rule arm() {
  const auto apply = [](const Expectation& e) {
    const AntitheticPair pair = evaluate_pair(e);
    // A logit that is not a number stays one.
    const Tensor side = map([](real u, real a) { return std::isnan(a) ? a : u - real(0.5); },
                            pair.u, e.q.param().value());
    const Tensor ghat = per_row(pair.f_twin - pair.f.value()) * side;
    return pair.f + attach(e.q.param(), ghat);
  };
  return {.name = "arm", .apply = apply, .takes = {.names = {"bernoulli"}}};
}

}  // namespace stflow
