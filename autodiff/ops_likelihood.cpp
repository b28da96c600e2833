// ops_likelihood.cpp - log-likelihoods from unbounded parameters (logits, log rates), summed over
// the last axis. Written with softplus and log-softmax, they stay finite wherever the result is.
#include "autodiff/ops.h"

namespace stflow {

namespace {

// up (x - sigmoid(a)), the gradient of bernoulli_log_prob in the logits: one op, not four, because
// REBAR and RELAX differentiate it again for every pixel.
Var logits_gradient(const Var& up, const Var& logits, const Var& x, const Tensor& residual) {
  return make_node("bernoulli_log_prob_grad", mul(up.value(), residual), {up, logits, x},
                   [residual](const Var& out, const Var& g) -> std::vector<Var> {
                     const Var &each = out.input(0), &a = out.input(1), &values = out.input(2);
                     if (grad_enabled()) {
                       const Var p = sigmoid(a);
                       return {g * (values - p), -g * each * p * sigmoid(-a), g * each};
                     }
                     Tensor to_logits;
                     const Tensor to_rows =
                         bernoulli_residual_backward(g.value(), each.value(), a.value(), residual,
                                                     out.wants(1) ? &to_logits : nullptr);
                     return {Var(to_rows), to_logits.defined() ? Var(to_logits) : Var(),
                             out.wants(2) ? g * each : Var()};
                   });
}

}  // namespace

Var bernoulli_log_prob(const Var& logits, const Var& x) {
  Tensor residual;  // the derivative in the logits comes with the value
  const bool keep = grad_enabled() && logits.requires_grad();
  const Tensor value = bernoulli_log_prob(logits.value(), x.value(), keep ? &residual : nullptr);
  return make_node(
      "bernoulli_log_prob", value, {logits, x},
      [residual](const Var& out, const Var& up) -> std::vector<Var> {
        const Var each = reshape(up, up.shape().inserted(up.rank(), 1));
        return {out.wants(0) ? logits_gradient(each, out.input(0), out.input(1), residual) : Var(),
                out.wants(1) ? each * out.input(0) : Var()};
      });
}

Var categorical_log_prob(const Var& logits, const Var& x) {
  return sum(x * log_softmax(logits), {-1});
}

Var poisson_log_prob(const Var& log_rate, const Var& x) {
  return sum(x * log_rate - exp(log_rate) - polygamma(-1, x + 1), {-1});
}

Var cross_entropy(const Var& logits, const Tensor& labels) {
  CHECK_ARG(logits.rank() > 0 && labels.shape() == logits.shape().without(-1),
            "[cross_entropy] logits ", logits.shape(), " need labels of their leading shape, got ",
            labels.shape());
  return -categorical_log_prob(logits, one_hot(labels, logits.dim(-1)));
}

}  // namespace stflow
