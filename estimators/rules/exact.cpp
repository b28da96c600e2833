// exact.cpp - enumeration: the sum over all states, with which every other rule is compared.
//
// Distributions: all that can be enumerated (counts truncated far in their tail). Unbiased, and
// without variance. Evaluations: one call with all M states stacked, M <= 2^16. The cost need not
// be differentiable in z.
//     E f = sum_m q(z_m) f(z_m)
#include "stflow/estimators/rules/rules.h"

namespace stflow {

Rule exact() {
  const auto apply = [](const Expectation& e) {
    // [M,D] -> [M,...,B,D], the shape of M samples
    const Tensor states = e.q.states();
    Shape shape = states.shape();
    for (int axis = 1; axis < e.q.param().rank(); ++axis) shape = shape.inserted(1, 1);
    const Var z(
        broadcast_to(states.reshape(shape), e.q.param().shape().inserted(0, states.dim(0))));
    const Var weight = exp(e.q.log_prob(z));
    // What a state costs that cannot be is nobody's business: it may be NaN.
    const Var f = e.cost(z, e.scope);
    return sum(weight * (all_finite(f.value()) ? f : where(weight.value(), f, 0.0)), {0});
  };
  return {
      .name = "exact", .apply = apply, .enumerates = true, .takes = {.traits = {Trait::states}}};
}

}  // namespace stflow
