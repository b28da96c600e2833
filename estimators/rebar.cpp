// rebar.cpp - REINFORCE with a relaxed control variate (Tucker et al. 2017).
//
// Distributions: Bernoulli. Unbiased for any eta and temperature T. Evaluations: three, two of them
// with a gradient in z; 1 + 2 L calls for L layers. The cost must be differentiable at relaxed
// samples.
//     g = (f(b) - eta c(z~)) score(b) + eta d_a c(z) - eta d_a c(z~),   c(z) = f(sigmoid(z / T))
//
// z = a + logit(u) is positive exactly when b = 1, so c(z) resembles f(b). Subtracting eta c(z)
// from f(b) and adding back its expectation's gradient, which is pathwise, changes nothing on
// average. The rest of the trick is z~, a fresh draw of z given b: E[c(z~) | b] is what the score
// need not see, and its own gradient, through z~ at fixed b and v, is the last term. z~ depends on
// `a` also through p inside its noise; detaching that is the classic mistake (71 % bias on
// bernoulli4). With several layers, f's layers above are sampled in the first call and relaxed in
// the other two.
#include <cmath>

#include "autodiff/grad.h"
#include "estimators/bernoulli.h"
#include "estimators/rules.h"

namespace stflow {
namespace {

// E[g g^T]'s trace is the variance plus a constant, because the mean of g does not depend on eta
// and T: their gradients of mean(|g|^2) train them for low variance.
void train_for_low_variance(const Var& ghat, const std::vector<Var>& parameters) {
  const Var second_moment = mean(sum(square(ghat), {-1}));
  const std::vector<Var> gradients = grad({second_moment}, parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    Var parameter = parameters[i];
    parameter.add_grad(gradients[i].value());
  }
}

}  // namespace

Rule rebar(const RebarOptions& options) {
  CHECK_ARG(options.temperature > 0, "rule 'rebar': temperature must be positive, got ",
            options.temperature);
  const Tensor eta_value = Tensor::scalar(static_cast<real>(options.eta));
  const Tensor log_t = Tensor::scalar(static_cast<real>(std::log(options.temperature)));
  const bool tune = options.tune;
  const Var eta = tune ? Var::parameter(eta_value) : Var(eta_value);
  const Var log_temperature = tune ? Var::parameter(log_t) : Var(log_t);
  const std::vector<Var> parameters =
      tune ? std::vector<Var>{eta, log_temperature} : std::vector<Var>{};

  const auto apply = [=](const Distribution& q, const Scope& scope, const Cost& cost, const Var&) {
    const Bernoulli& law = require_bernoulli(q, "rebar");
    const Var a = Var::parameter(law.logits().value());  // gradients stop at this layer's logits
    const Bernoulli here(a);
    const Var z = here.noisy_logits(scope.rng.uniform(a.shape()));
    const Tensor b = greater(z.value(), Tensor::scalar(0));
    const Var z_given_b = here.noisy_logits_given(b, scope.rng.uniform(a.shape()));

    const Var f = cost(b, scope);
    const Var temperature = exp(log_temperature);
    const Scope relaxed{scope.rng, Pass::relaxed, temperature.item()};
    const Var c = cost(sigmoid(z / temperature), relaxed);
    const Var c_given_b = cost(sigmoid(z_given_b / temperature), relaxed);
    const Var dc = grad({c}, {a}, /*create_graph=*/tune)[0];
    const Var dc_given_b = grad({c_given_b}, {a}, /*create_graph=*/tune)[0];

    const Var residual = f.detach() - eta * (tune ? c_given_b : c_given_b.detach());
    const Var ghat = per_row(residual) * here.score(b) + eta * (dc - dc_given_b);
    if (tune) train_for_low_variance(ghat, parameters);
    return f + attach(law.logits(), ghat.value());
  };
  return {"rebar", apply, parameters};
}

}  // namespace stflow
