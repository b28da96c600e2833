// negative_binomial.h - independent counts of failures before the r-th success, each trial with
// P(success) = p = sigmoid(logits): P(z = k) = Gamma(k+r) / (Gamma(r) k!) p^r (1-p)^k.
//
// PyTorch's counts the successes before the r-th failure: there the logits have the other sign.
// Expectations are truncated sums, and their derivative is again one: with E_r over r,
//     d/da E_r g(z) = r (1-p) (E_r g(z) - E_(r+1) g(z+1))
#pragma once

#include <cmath>
#include <functional>

#include "stflow/estimators/distributions/counts.h"

namespace stflow {

class NegativeBinomial : public Counts {
 public:
  /// r > 0, at most 1e6, need not be whole. The mean r (1-p) / p may be 1e5 at most.
  NegativeBinomial(double r, const Var& logits);

  double r() const { return r_; }
  const Var& logits() const { return param(); }
  Var probs() const { return sigmoid(logits()); }

  std::string name() const override { return "negative_binomial"; }
  bool has(Trait trait) const override {
    return trait == Trait::measure_valued || trait == Trait::mean_parameter || Counts::has(trait);
  }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override;
  Var log_prob(const Var& z) const override;
  Tensor score(const Tensor& z) const override;  // r (1-p) - z p
  Var mean() const override { return r_ * exp(-logits()); }
  Var variance() const override { return mean() * (1 + exp(-logits())); }
  Var entropy() const override;
  CountTable table(double logit) const override;
  double param_of_mean(double mean) const override { return std::log(r_ / mean); }
  std::vector<double> tail_slopes(const CountTable& table, double) const override {
    return size_biased(table);
  }
  /// z + w + 1 for a geometric w, with weight -r (1-p).
  Difference measure_valued(const Tensor& z, Rng& rng) const override;

 private:
  double r_;
};

/// KL(q || p) summed over units, nats: [...], never negative; for Geometric, too. Throws when r
/// differs: then there is no closed form.
Var kl(const NegativeBinomial& q, const NegativeBinomial& p);

/// E g(z), elementwise in the logits; differentiable any number of times.
Var negative_binomial_expectation(double r, const Var& logits,
                                  const std::function<double(double)>& g);

}  // namespace stflow
