// rebar.cpp - REINFORCE with a relaxed control variate (Tucker et al. 2017).
//
// Distributions: with a relaxation (Poisson through a truncated one-hot). Unbiased for any eta and
// temperature T. Evaluations: three, two of them with a gradient in z, in two calls; 1 + 2 L in 1 +
// L calls for L layers. The cost must be differentiable at relaxed samples.
//     g = (f(b) - eta c(z~)) score(b) + eta d_a c(z) - eta d_a c(z~),   c(z) = f(soften(z, T))
//
// z, the perturbed parameter, hardens to b, so c(z) resembles f(b), and the gradient of its
// expectation is pathwise. Drawing z~ anew given b leaves the distribution of z as it is, so
// E c(z) = E_b E[c(z~) | b], whence
//     E[c(z~) score(b)] = d_a E c(z) - E[d_a c(z~)],
// the second derivative through z~ at fixed b and v. What g subtracts and adds therefore cancels.
// z~ depends on `a` also through the probabilities in its noise; detaching those is the classic
// mistake (71 % bias on bernoulli4).
//
// Training eta and T differentiates all of this once more, which costs as much as the estimate. Two
// numbers need no gradient from every step: they get one in every `tune_every`th call, as StyleGAN2
// (Karras et al. 2020) does with its regularisers. g is unbiased whatever they are.
//
// With several layers, f's layers above are sampled in the first call and relaxed in the other, at
// this layer's T, which they take as a constant when T is trained.
#include "stflow/estimators/rules/rebar.h"

#include <cmath>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/control_variate.h"
#include "stflow/estimators/rules/rules.h"
#include "stflow/tensor/math.h"

namespace stflow {

Var relaxed_control_variate_estimate(const Expectation& e, const ControlVariate& c,
                                     const Vars& parameters) {
  const bool tune = !parameters.empty();
  const Var a = Var::parameter(e.q.param().value());  // gradients stop at this layer's parameter
  const std::shared_ptr<Distribution> here = e.q.with_param(a);
  const Var z = here->perturbed(here->noise(e.scope.rng));
  const Tensor b = here->harden(z.value());
  const Var z_given_b = here->perturbed_given(b, here->noise(e.scope.rng));

  const Var f = e.cost(b, e.scope);
  // Both relaxed points are rows of one call, and their gradients are needed as a difference only.
  const Var both = c(*here, stack({z, z_given_b}));
  CHECK_ARG(both.shape() == f.shape().inserted(0, 2),
            "[rebar] the control variate of two points for "
            "each example must have shape ",
            f.shape().inserted(0, 2), ", it has ", both.shape());
  const Var c_z = select(both, 0, 0), c_given_b = select(both, 0, 1);
  const Var dc = grad({c_z - c_given_b}, {a}, /*create_graph=*/tune)[0];

  const Var residual = f.detach() - (tune ? c_given_b : c_given_b.detach());
  const Var ghat = per_row(residual) * here->score(b) + dc;
  train_for_low_variance(ghat, parameters);
  return f + attach(e.q.param(), ghat.value());
}

RelaxedCost::RelaxedCost(const RebarOptions& options, const std::string& name) : rule(name) {
  constexpr int64_t kMostCalls = 1 << 24;  // counted in a real
  require_temperature(rule, options.temperature);
  require_option(rule, "eta", options.eta, -1e6, 1e6);
  CHECK_ARG(options.tune_every >= 1 && options.tune_every <= kMostCalls, "rule '", rule,
            "': tune_every must be at least 1, got ", options.tune_every, "; at most ", kMostCalls,
            " calls are counted");
  const auto scalar = [&](double value) {
    const Tensor tensor = Tensor::scalar(value);
    return options.tune ? Var::parameter(tensor) : Var(tensor);
  };
  eta = scalar(options.eta);
  log_temperature = scalar(std::log(options.temperature));
  if (options.tune) parameters = {{"eta", eta}, {"log_temperature", log_temperature}};
}

std::vector<std::pair<std::string, double>> RelaxedCost::report() const {
  return {{"eta", eta.item()}, {"temperature", std::exp(log_temperature.item())}};
}

Var RelaxedCost::operator()(const Expectation& e, const Distribution& here, const Var& z) const {
  const Var temperature = exp(log_temperature);
  const Scope relaxed{e.scope.rng, Pass::relaxed, temperature.item()};
  const Var soft = here.soften(z, temperature);
  const Var f = e.cost(soft, relaxed);
  require_path(rule, f, soft);
  return eta * f;
}

Rule rebar(const RebarOptions& options) {
  const RelaxedCost relaxed_cost(options, "rebar");
  const Var calls(Tensor::scalar(0));  // since the last one that trains
  const auto apply = [=](const Expectation& e) {
    const ControlVariate c = [&](const Distribution& here, const Var& z) {
      return relaxed_cost(e, here, z);
    };
    const bool train = options.tune && calls.item() == 0;
    Var next = calls;
    fill_(next.mutable_value(), static_cast<real>(std::fmod(calls.item() + 1, options.tune_every)));
    return relaxed_control_variate_estimate(
        e, c, train ? Vars{relaxed_cost.eta, relaxed_cost.log_temperature} : Vars());
  };
  Rule rule{.name = "rebar",
            .apply = apply,
            .parameters = relaxed_cost.parameters,
            .takes = {.traits = {Trait::relaxation}},
            // Each step goes as far as those of the calls that do not train.
            .learning_rate_scale = 10 * static_cast<double>(options.tune_every),
            .report = [relaxed_cost] { return relaxed_cost.report(); }};
  if (options.tune) rule.buffers = {{"calls", calls}};
  return rule;
}

}  // namespace stflow
