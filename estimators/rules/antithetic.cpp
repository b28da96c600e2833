#include "stflow/estimators/rules/antithetic.h"

namespace stflow {

AntitheticPair evaluate_pair(const Expectation& e) {
  const Tensor logits = e.q.param().value();
  AntitheticPair pair;
  pair.u = e.scope.rng.uniform(logits.shape());
  pair.z = greater(sigmoid(logits), pair.u);
  pair.twin = greater(pair.u, sigmoid(-logits));
  pair.f = e.cost(pair.z, e.scope);
  const NoGradGuard no_grad;
  Scope compared = e.scope;
  compared.difference = true;
  pair.f_twin = e.cost(pair.twin, compared).value();
  return pair;
}

}  // namespace stflow
