// measure_valued.cpp - the measure-valued derivative (Pflug 1989; Mohamed et al. 2020, section 6).
//
// Distributions: those that have the derivative (Poisson, Binomial, NegativeBinomial, Geometric).
// Unbiased. Evaluations: one with its graph, and one call with D samples stacked without. The cost
// need not be differentiable in z.
//     g_i = w_i (f(z with z'_i for z_i) - f(z))
//
// The derivative of a distribution in its parameter is a number times the difference of two
// distributions, and the one may be drawn from the other: for Poisson(lambda) it is one more event,
// minus as it is, z' = z + 1 with w = 1. The derivative of the expectation is the expected effect
// of that exchange in unit i. Each distribution derives its z' and w in its own file.
#include "stflow/estimators/rules/rules.h"

namespace stflow {

Rule measure_valued() {
  const auto apply = [](const Expectation& e) {
    const Tensor z = e.q.sample(e.scope.rng);
    const Var f = e.cost(z, e.scope);

    // [D,...,B,D]: in copy i, unit i has its other value.
    const Distribution::Difference exchange = e.q.measure_valued(z, e.scope.rng);
    const int64_t units = z.dim(-1);
    Shape copies{units, units};
    for (int axis = 1; axis < z.rank(); ++axis) copies = copies.inserted(1, 1);
    const Tensor unit = one_hot(arange(units), units).reshape(copies);
    Tensor f_other;
    {
      const NoGradGuard no_grad;
      Scope compared = e.scope;
      compared.difference = true;
      f_other = e.cost(z + unit * (exchange.other - z), compared).value();
    }
    const Tensor effect = (f_other - f.value()).reshape({units, -1});  // one row a unit
    return f + attach(e.q.param(), exchange.weight * transpose(effect).reshape(z.shape()));
  };
  return {.name = "measure-valued", .apply = apply, .takes = {.traits = {Trait::measure_valued}}};
}

}  // namespace stflow
