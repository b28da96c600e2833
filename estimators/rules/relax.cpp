// relax.cpp - RELAX (Grathwohl et al. 2018): REBAR's estimate with a learned control variate.
//
// Distributions: counts, and others with a relaxation. Unbiased for any network r. Evaluations:
// three, two of them with a gradient in z, in two calls; 1 + L calls for L layers; for counts one.
// The cost must be differentiable at relaxed samples (not for counts).
//     c(z) = eta f(soften(z, T)) + r(z),   g = (f(b) - c(z~)) score(b) + d_a c(z) - d_a c(z~)
//
// eta, T and r are trained together to make mean(|g|^2) small: a gradient of a gradient estimate,
// which is why every backward rule of stflow is written in differentiable ops.
//
// Counts need no relaxation. A sample is z = F^-1(u); given z, u is u~ = F(z-1) + v pmf(z). With
// c = r(u) alone, d c(u) = 0, because u does not depend on the parameter a:
//     g = (f(z) - r(u~)) score(z) - r'(u~) du~/da
// For Poisson, dF(k)/d lambda = -pmf(k) makes du~/d lambda = -pmf(z-1) (1-v) - v pmf(z).
#include "stflow/autodiff/grad.h"
#include "stflow/estimators/rules/control_variate.h"
#include "stflow/estimators/rules/rebar.h"

namespace stflow {
namespace {

Var inverse_estimate(const Expectation& e, nn::Module& network, const Vars& parameters) {
  const Tensor z = e.q.sample(e.scope.rng);
  const Var f = e.cost(z, e.scope);
  const Distribution::Inverse given = e.q.inverse_given(z, e.scope.rng.uniform(z.shape()));
  const Var u = Var::parameter(given.u);
  const Var r = per_example(network, u, "relax");
  const Var dr = grad({r}, {u}, /*create_graph=*/true)[0];
  const Var ghat = per_row(f.detach() - r) * e.q.score(z) - dr * given.slope;
  train_for_low_variance(ghat, parameters);
  return f + attach(e.q.param(), ghat.value());
}

}  // namespace

Rule relax(const std::shared_ptr<nn::Module>& network, const RebarOptions& options) {
  CHECK_ARG(network != nullptr, "rule 'relax' needs a network");
  RebarOptions tuned = options;
  tuned.tune = true;
  const RelaxedCost relaxed_cost(tuned, "relax");
  const Vars of_network = network->parameters();
  Vars trained = of_network;
  trained.push_back(relaxed_cost.eta);
  trained.push_back(relaxed_cost.log_temperature);
  NamedVars parameters = network_parameters(*network);
  parameters.insert(parameters.end(), relaxed_cost.parameters.begin(),
                    relaxed_cost.parameters.end());

  const auto apply = [=](const Expectation& e) {
    if (e.q.has(Trait::inverse)) return inverse_estimate(e, *network, of_network);
    const ControlVariate c = [&](const Distribution& here, const Var& z) {
      return relaxed_cost(e, here, z) + per_example(*network, replace_inf(z, 0), "relax");
    };
    return relaxed_control_variate_estimate(e, c, trained);
  };
  return {.name = "relax",
          .apply = apply,
          .parameters = parameters,
          .takes = {.traits = {Trait::relaxation, Trait::inverse}},
          .learning_rate_scale = 0.1,  // its network is large (Grathwohl et al. 2018)
          .report = [relaxed_cost] { return relaxed_cost.report(); }};
}

}  // namespace stflow
