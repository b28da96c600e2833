// reinforce.cpp - the score-function estimator (Williams 1992), without a baseline.
//
// Distributions: all. Unbiased. Evaluations: one. The cost need not be differentiable in z.
//     d E f(z) = E[f(z) d log q(z)]
#include "estimators/rules.h"

namespace stflow {

Rule reinforce() {
  const auto apply = [](const Distribution& q, const Scope& scope, const Cost& cost, const Var&) {
    const Tensor z = q.sample(scope.rng);
    const Var f = cost(z, scope);
    return f + attach(q.param(), mul(per_row(f.value()), q.score(z)));
  };
  return {"reinforce", apply};
}

}  // namespace stflow
