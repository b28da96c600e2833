// disarm.cpp - DisARM (Dong, Mnih & Tucker 2020), also "U2G" (Yin et al. 2020): ARM without the
// noise that the pair does not depend on.
//
// Distributions: Bernoulli. Unbiased. Evaluations: two, the second without a graph; L + 1 calls for
// L layers. The cost need not be differentiable in z.
//     g = 1/2 (f(b) - f(b~)) 1[b != b~] (-1)^{b~} sigmoid(|a|)
//
// ARM's estimate depends on u, but the costs only on the pair (b, b~). Taking the expectation of
// (u - 1/2) given the pair (Rao-Blackwell) cannot raise the variance. It is 0 where b = b~. Where
// they differ, u is uniform beyond max(p, 1-p) on one side, at a mean distance sigmoid(|a|) / 2
// from 1/2.
#include "stflow/estimators/rules/antithetic.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {

Rule disarm() {
  const auto apply = [](const Expectation& e) {
    const AntitheticPair pair = evaluate_pair(e);
    const Tensor sign = pair.z - pair.twin;  // 1[b != b~] (-1)^{b~}
    const Tensor half_difference = 0.5 * (pair.f.value() - pair.f_twin);
    const Tensor ghat = per_row(half_difference) * (sign * sigmoid(abs(e.q.param().value())));
    return pair.f + attach(e.q.param(), ghat);
  };
  return {.name = "disarm", .apply = apply, .takes = {.names = {"bernoulli"}}};
}

}  // namespace stflow
