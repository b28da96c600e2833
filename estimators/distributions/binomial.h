// binomial.h - independent counts of successes among n trials, each with P(success) = p =
// sigmoid(logits): P(z = k) = n! / (k! (n-k)!) p^k (1-p)^(n-k).
//
// The derivative of an expectation is again one: with E_n over n trials,
//     d/da E_n g(z) = n p (1-p) E_(n-1)[g(z+1) - g(z)]
#pragma once

#include <cmath>
#include <functional>

#include "stflow/estimators/distributions/counts.h"

namespace stflow {

class Binomial : public Counts {
 public:
  /// 1 <= n <= 1e6. Throws where a logit is NaN.
  Binomial(int64_t n, const Var& logits);

  int64_t n() const { return n_; }
  const Var& logits() const { return param(); }
  Var probs() const { return sigmoid(logits()); }

  std::string name() const override { return "binomial"; }
  bool has(Trait trait) const override {
    return trait == Trait::measure_valued || trait == Trait::mean_parameter || Counts::has(trait);
  }
  double largest() const override { return trials(); }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override;
  Var log_prob(const Var& z) const override;
  Tensor score(const Tensor& z) const override;  // z - n p
  Var mean() const override { return trials() * probs(); }
  Var variance() const override { return mean() * sigmoid(-logits()); }
  Var entropy() const override;
  CountTable table(double logit) const override;
  double param_of_mean(double mean) const override { return std::log(mean / (trials() - mean)); }
  std::vector<double> tail_slopes(const CountTable& table, double) const override {
    return size_biased(table);
  }
  /// One trial, the other way: z - 1 or z + 1, with weight -n p (1-p) or n p (1-p).
  Difference measure_valued(const Tensor& z, Rng& rng) const override;

 private:
  double trials() const { return static_cast<double>(n_); }
  int64_t n_;
};

/// KL(q || p) summed over units, nats: [...], never negative: n times that of Bernoulli. Throws
/// when the numbers of trials differ: then there is no closed form.
Var kl(const Binomial& q, const Binomial& p);

/// E g(z), elementwise in the logits; differentiable any number of times. n may be 0.
Var binomial_expectation(int64_t n, const Var& logits, const std::function<double(double)>& g);

}  // namespace stflow
