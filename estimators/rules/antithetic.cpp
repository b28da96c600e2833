#include "stflow/estimators/rules/antithetic.h"

namespace stflow {

AntitheticPair evaluate_pair(const Distribution& q, const Scope& scope, const Cost& cost,
                             const std::string& rule) {
  const Bernoulli& law = require_bernoulli(q, rule);
  AntitheticPair pair;
  pair.u = scope.rng.uniform(law.logits().shape());
  pair.z = greater(sigmoid(law.logits().value()), pair.u);
  pair.twin = greater(pair.u, sigmoid(neg(law.logits().value())));
  pair.f = cost(pair.z, scope);
  const NoGradGuard no_grad;
  Scope compared = scope;
  compared.difference = true;
  pair.f_twin = cost(pair.twin, compared).value();
  return pair;
}

}  // namespace stflow
