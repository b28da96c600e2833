#include "stflow/estimators/rules/antithetic.h"

namespace stflow {

AntitheticPair evaluate_pair(const Distribution& q, const Scope& scope, const Cost& cost) {
  const Tensor logits = q.param().value();
  AntitheticPair pair;
  pair.u = scope.rng.uniform(logits.shape());
  pair.z = greater(sigmoid(logits), pair.u);
  pair.twin = greater(pair.u, sigmoid(-logits));
  pair.f = cost(pair.z, scope);
  const NoGradGuard no_grad;
  Scope compared = scope;
  compared.difference = true;
  pair.f_twin = cost(pair.twin, compared).value();
  return pair;
}

}  // namespace stflow
