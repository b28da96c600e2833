// measure_valued.cpp - the measure-valued derivative (Pflug 1989; Mohamed et al. 2020, section 6).
//
// Distributions: Poisson. Unbiased. Evaluations: one with its graph, and one call with D samples
// stacked without. The cost need not be differentiable in z.
//     g_i = f(z + e_i) - f(z)
//
// d/d lambda of Poisson(lambda) is the difference of two laws: one more event, minus as it is. So
// the derivative of the expectation is the expected effect of one more count in unit i.
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {

Rule measure_valued() {
  const auto apply = [](const Distribution& q, const Scope& scope, const Cost& cost, const Var&) {
    require_law<Poisson>(q, "measure-valued", "poisson");
    const Tensor z = q.sample(scope.rng);
    const Var f = cost(z, scope);

    // [D,...,B,D]: in copy i, unit i has one count more.
    const int64_t units = z.dim(-1);
    Shape one_more{units, units};
    for (int axis = 1; axis < z.rank(); ++axis) one_more = one_more.inserted(1, 1);
    const Tensor unit = one_hot(arange(units), units).reshape(one_more);
    Tensor f_more;
    {
      const NoGradGuard no_grad;
      Scope compared = scope;
      compared.difference = true;
      f_more = cost(add(z, unit), compared).value();
    }
    const Tensor effect = sub(f_more, f.value()).reshape({units, -1});  // one row a unit
    return f + attach(q.param(), transpose(effect).reshape(z.shape()));
  };
  return {"measure-valued", apply};
}

}  // namespace stflow
