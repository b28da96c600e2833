// reinforce.cpp - the score-function estimator (Williams 1992), plain and with two baselines.
//
// Distributions: all. Unbiased. Evaluations: one. The cost need not be differentiable in z.
//     g = (f(z) - beta) score(z),   score(z) = d log q(z) / d param
//
// d E f = sum_z f(z) dq(z) = E[f(z) d log q(z)]. Because E[score] = 0, any beta that does not
// depend on z may be subtracted, and one near E f makes the product small: the running mean of past
// costs (reinforce-mean), or a network's guess from the layer's input (reinforce-net; Mnih & Gregor
// 2014), here trained for the variance itself.
#include "stflow/estimators/rules/control_variate.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

/// f + attach((f - beta) score), with beta [...,B] or a scalar; trains `parameters`, if any.
Var score_estimate(const Expectation& e, const Var& beta, const Vars& parameters = {}) {
  const Tensor z = e.q.sample(e.scope.rng);
  const Var f = e.cost(z, e.scope);
  CHECK_ARG(broadcasts_to(beta.shape(), f.shape()), "rule 'reinforce-net': a context for examples ",
            beta.shape(), " does not fit a cost of shape ", f.shape());
  const Var ghat = per_row(f.detach() - beta) * e.q.score(z);
  train_for_low_variance(ghat, parameters);
  return f + attach(e.q.param(), ghat.value());
}

}  // namespace

Rule reinforce() {
  return {"reinforce", [](const Expectation& e) { return score_estimate(e, 0.0); }};
}

Rule reinforce_mean(double decay) {
  CHECK_ARG(decay >= 0 && decay < 1, "rule 'reinforce-mean': decay must lie in [0, 1), got ",
            decay);
  Var baseline(Tensor::scalar(0));
  const auto apply = [=](const Expectation& e) {
    const Var used(baseline.value().clone());
    const Var estimate = score_estimate(e, used);
    if (estimate.value().numel() == 0) return estimate;
    Var kept = baseline;
    const double now = mean(estimate.value()).item();
    fill_(kept.mutable_value(), static_cast<real>(decay * used.item() + (1 - decay) * now));
    return estimate;
  };
  return {.name = "reinforce-mean", .apply = apply, .buffers = {{"mean_cost", baseline}}};
}

Rule reinforce_net(const std::shared_ptr<nn::Module>& network) {
  CHECK_ARG(network != nullptr, "rule 'reinforce-net' needs a network");
  const Vars parameters = network->parameters();
  const auto apply = [=](const Expectation& e) {
    CHECK_ARG(e.context.defined(),
              "rule 'reinforce-net' needs a context: what its baseline looks at");
    return score_estimate(
        e, per_example(*network, replace_inf(e.context.detach(), 0), "reinforce-net"), parameters);
  };
  return {.name = "reinforce-net", .apply = apply, .parameters = network_parameters(*network)};
}

}  // namespace stflow
