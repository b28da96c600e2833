// ops_likelihood.cpp - log-likelihoods from unbounded parameters (logits, log rates), summed over
// the last axis. Written with softplus and log-softmax, they stay finite wherever the result is.
#include "autodiff/ops.h"

namespace stflow {

Var bernoulli_log_prob(const Var& logits, const Var& x) {
  // The derivative in the logits comes with the value; one to be differentiated again is written
  // in ops.
  Tensor residual;
  const bool keep = grad_enabled() && logits.requires_grad();
  const Tensor value = bernoulli_log_prob(logits.value(), x.value(), keep ? &residual : nullptr);
  return make_node(
      "bernoulli_log_prob", value, {logits, x},
      [residual](const Var& out, const Var& up) -> std::vector<Var> {
        const Var &a = out.input(0), &values = out.input(1);
        const Var each = reshape(up, up.shape().inserted(up.rank(), 1));
        const auto slope = [&] { return grad_enabled() ? values - sigmoid(a) : Var(residual); };
        return {out.wants(0) ? each * slope() : Var(), out.wants(1) ? each * a : Var()};
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
