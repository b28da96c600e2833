// bernoulli.h - independent 0/1 units: P(z = 1) = p = sigmoid(logits).
//
// Besides the distribution itself: its relaxation by logistic noise (Maddison et al. 2017; Jang et
// al. 2017), and that noise conditioned on the sample it produced, which REBAR and RELAX need
// (Tucker et al. 2017).
#pragma once

#include "stflow/estimators/distributions/distribution.h"

namespace stflow {

class Bernoulli : public Distribution {
 public:
  /// From logits (PyTorch's first argument is probs: here from_probs). An infinite one is a certain
  /// bit, whose gradient is 0.
  explicit Bernoulli(const Var& logits) : Distribution(logits) {}
  /// From P(z = 1), which must lie strictly between 0 and 1.
  static Bernoulli from_probs(const Var& probs);

  const Var& logits() const { return param(); }
  Var probs() const { return sigmoid(logits()); }
  Bernoulli detach() const { return Bernoulli(logits().detach()); }

  std::string name() const override { return "bernoulli"; }
  Support support() const override { return Support::bits; }
  bool has(Trait trait) const override {
    return trait == Trait::relaxation || Distribution::has(trait);
  }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override;
  /// z = 1[u < p] for uniform noise u, a multiple of 2^-24: logits below -17 never fire.
  Tensor sample(Rng& rng) const override;
  Var log_prob(const Var& z) const override { return bernoulli_log_prob(logits(), z); }
  Tensor score(const Tensor& z) const override;  // z - p
  Var mean() const override { return probs(); }
  Var variance() const override;  // p (1 - p)
  Var entropy() const override;
  Tensor states() const override;
  Var second_order(const Var& z, const Var& up, double temperature) const override;  // ReinMax

  /// logits - logit(u), logistic noise: positive exactly when the sample from the same u is 1.
  Var perturbed(const Tensor& u) const override;
  Var perturbed_given(const Tensor& z, const Tensor& v) const override;
  Tensor harden(const Tensor& perturbed) const override;
  /// sigmoid(perturbed / temperature)
  Var soften(const Var& perturbed, const Var& temperature) const override;
};

/// KL(q || p) summed over units, nats: [...], never negative. Infinite, and its gradient without
/// meaning, where q has mass and p has none.
Var kl(const Bernoulli& q, const Bernoulli& p);

}  // namespace stflow
