// categorical.h - independent one-of-K units, written one-hot.
//
// D = units x K numbers lie flat in the last axis, unit after unit, so that the next layer takes
// them as they are. Sampling is the Gumbel-max trick: argmax(logits + Gumbel noise).
#pragma once

#include "stflow/estimators/distributions/distribution.h"

namespace stflow {

class Categorical : public Distribution {
 public:
  /// From logits [..., units * categories] (PyTorch's first argument is probs). One of -inf is a
  /// category that cannot be, and gets no gradient; a unit of nothing else is NaN throughout.
  /// Throws unless the last axis is a multiple of `categories` >= 2.
  Categorical(const Var& logits, int64_t categories);

  const Var& logits() const { return param(); }
  int64_t categories() const override { return categories_; }
  int64_t units() const { return param().dim(-1) / categories_; }
  Var probs() const { return mean(); }
  Categorical detach() const { return {logits().detach(), categories_}; }

  std::string name() const override { return "categorical"; }
  Support support() const override { return Support::one_hot; }
  bool has(Trait trait) const override {
    return trait == Trait::relaxation || Distribution::has(trait);
  }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override;
  Tensor sample(Rng& rng) const override;
  Var log_prob(const Var& z) const override;
  Tensor score(const Tensor& z) const override;  // z - pi
  Var mean() const override;                     // pi = softmax of each unit's logits
  Var variance() const override;                 // pi (1 - pi)
  Var entropy() const override;
  Tensor states() const override;
  Var second_order(const Var& z, const Var& up, double temperature) const override;  // ReinMax

  /// log pi + Gumbel noise: the sample is the largest of each unit.
  Var perturbed(const Tensor& u) const override;
  Var perturbed_given(const Tensor& z, const Tensor& v) const override;
  Tensor harden(const Tensor& perturbed) const override;
  /// softmax(perturbed / temperature) of each unit
  Var soften(const Var& perturbed, const Var& temperature) const override;

  /// [..., units * K] -> [..., units, K], and back.
  Var split(const Var& flat) const;
  Var join(const Var& split) const;

 private:
  int64_t categories_;
};

/// KL(q || p) summed over units, nats: [...], never negative. Infinite, and its gradient without
/// meaning, where q has mass and p has none. Throws when the numbers of categories differ.
Var kl(const Categorical& q, const Categorical& p);

}  // namespace stflow
