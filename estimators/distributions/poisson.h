// poisson.h - independent counts: P(z = k) = lambda^k e^-lambda / k!.
//
// Expectations are truncated sums, and their derivative is again an expectation:
//     d/dlambda E g(z) = E[g(z+1) - g(z)]
#pragma once

#include <functional>

#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/counts.h"

namespace stflow {

class Poisson : public Counts {
 public:
  /// Rates must be positive and at most a million.
  explicit Poisson(const Var& rate);
  static Poisson from_log_rate(const Var& log_rate) { return Poisson(exp(log_rate)); }

  const Var& rate() const { return param(); }
  Poisson detach() const { return Poisson(rate().detach()); }

  std::string name() const override { return "poisson"; }
  bool has(Trait trait) const override;
  std::unique_ptr<Distribution> with_param(const Var& rate) const override;
  Var log_prob(const Var& z) const override { return sum(poisson_log_pmf(rate(), z), {-1}); }
  Tensor score(const Tensor& z) const override;  // (z - lambda) / lambda
  Var mean() const override { return rate(); }
  Var variance() const override { return rate(); }
  Var entropy() const override;
  /// Counts 0..N of every unit, N = ceil(rate + 6 sqrt(rate) + 8) for the largest rate. Throws
  /// where N is above 4096.
  Tensor states() const override;

  Var second_order(const Var& z, const Var& up, double) const override;  // 1/2 (1 + z/lambda) f'
  CountTable table(double rate) const override;
  /// pmf(k-1) - pmf(k), one more than the table has.
  std::vector<double> table_slopes(const CountTable& table, double rate) const override;
  double param_of_mean(double mean) const override { return mean; }
  std::vector<double> tail_slopes(const CountTable& table, double) const override {
    return table.pmf;
  }
  Inverse inverse_given(const Tensor& z, const Tensor& v) const override;
  Difference measure_valued(const Tensor& z, Rng& rng) const override;  // one more, weight 1

  // Relaxed as a one-hot choice among the counts 0..N: its softmax is the weight of each count.
  Tensor noise(Rng& rng) const override;
  Var perturbed(const Tensor& u) const override;
  Var perturbed_given(const Tensor& z, const Tensor& v) const override;
  Tensor harden(const Tensor& perturbed) const override;
  Var soften(const Var& perturbed, const Var& temperature) const override;

 private:
  /// The counts 0..N as a Categorical of D units: [..., D (N+1)].
  Categorical truncated() const;
};

/// KL(q || p) summed over units, nats: [...], never negative.
Var kl(const Poisson& q, const Poisson& p);

/// The probabilities of counts first, first + 1, ...: all of them that are not below 1e-18 of the
/// largest. Throws unless the rate lies in [0, 1e9].
CountTable poisson_table(double rate);

/// Smallest k with P(z <= k) >= u.
int64_t poisson_quantile(double rate, double u);

/// E g(z) for z ~ Poisson(rate), elementwise in rate; differentiable any number of times.
Var poisson_expectation(const Var& rate, const std::function<double(double)>& g);

}  // namespace stflow
