// muprop.cpp - MuProp (Gu, Levine, Sutskever & Mnih 2016): REINFORCE with a first-order Taylor
// control variate around the mean.
//
// Distributions: all. Unbiased. Evaluations: two, the one at the mean with a gradient in z; L + 1
// calls for L layers. The cost must be differentiable at the mean.
//     g = (f(z) - f(mu) - f'(mu).(z - mu)) score(z) + f'(mu) dmu/d(param)
//
// The score sees only what the tangent at the mean leaves over; the tangent's own gradient is
// known, because E[(z - mu) score] = dmu/d(param). Any numbers F and G that do not depend on z
// could take the place of f(mu) and f'(mu), so layers above may be replaced by their means in that
// pass (Pass::mean).
#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {

Rule muprop() {
  const auto apply = [](const Expectation& e) {
    const Tensor z = e.q.sample(e.scope.rng);
    const Var f = e.cost(z, e.scope);

    const Var param = Var::parameter(e.q.param().value());  // gradients stop at this layer
    const Var mu = e.q.with_param(param)->mean();
    const Var at_mean = Var::parameter(mu.value());
    const Var f_mean = e.cost(at_mean, Scope{e.scope.rng, Pass::mean});
    require_path("muprop", f_mean, at_mean);
    const Var slope = grad({f_mean}, {at_mean})[0];
    const Var tangent = f_mean.detach() + sum(slope * (z - mu.detach()), {-1});
    const Var through_mean = grad({mu}, {param}, /*create_graph=*/false, {slope})[0];

    const Var ghat = per_row(f.detach() - tangent) * e.q.score(z) + through_mean;
    return f + attach(e.q.param(), ghat.value());
  };
  return {"muprop", apply};
}

}  // namespace stflow
