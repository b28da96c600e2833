// arm.cpp - augment-REINFORCE-merge (Yin & Zhou 2019).
//
// Distributions: Bernoulli. Unbiased. Evaluations: two, the second without a graph; L + 1 calls for
// L layers. The cost need not be differentiable in z.
//     g = (f(1[u > sigmoid(-a)]) - f(1[u < sigmoid(a)])) (u - 1/2),   u ~ U(0,1)^D
//
// Why: with exponential noise, E f is an expectation of a law whose score in `a` is linear in u,
// and swapping the two noises of a unit turns u into 1 - u. Averaging the estimate with its
// antithetic twin leaves the difference of two costs, which is small exactly when the sample hardly
// matters. With several layers, this layer's pair shares the true path below it; each member
// resamples what is above (under NoGradGuard for the twin, so that inner layers cost one evaluation
// there).
#include "estimators/bernoulli.h"
#include "estimators/rules.h"

namespace stflow {

Rule arm() {
  const auto apply = [](const Distribution& q, const Scope& scope, const Cost& cost, const Var&) {
    const Bernoulli& law = require_bernoulli(q, "arm");
    const Tensor u = scope.rng.uniform(law.logits().shape());
    const Tensor z = greater(sigmoid(law.logits().value()), u);
    const Tensor twin = greater(u, sigmoid(neg(law.logits().value())));
    const Var f = cost(z, scope);
    Tensor f_twin;
    {
      const NoGradGuard no_grad;
      f_twin = cost(twin, scope).value();
    }
    const Tensor ghat = mul(per_row(sub(f_twin, f.value())), sub(u, Tensor::scalar(0.5)));
    return f + attach(law.logits(), ghat);
  };
  return {"arm", apply};
}

}  // namespace stflow
