// counts.h - what distributions over 0, 1, 2, ... share: a table of probabilities in double, from
// which come samples, expectations and sums over states.
//
// A sample is the inverse of the distribution function at a uniform, computed in double outward
// from the mode: the probability of 0 underflows long before the parameters do that people use.
#pragma once

#include <numeric>

#include "stflow/estimators/distributions/distribution.h"
#include "stflow/tensor/parallel.h"

namespace stflow {

/// Each unit's count depends on that unit's parameter alone. A class gives its table, the range of
/// its parameter and formulas.
class Counts : public Distribution {
 public:
  Support support() const override { return Support::counts; }
  /// Takes two uniform tensors from `rng`: the first gives the leading bits, the second the
  /// trailing ones.
  Tensor sample(Rng& rng) const override;
  /// Counts 0..N of every unit, N the last of the longest table. Throws where N is above 4096.
  Tensor states() const override;
  CountTable table(double param) const override = 0;

 protected:
  using Distribution::Distribution;
};

/// Smallest count at which the distribution function reaches u.
int64_t quantile(const CountTable& table, double u);

/// (k + 1) P(k + 1) / mean for each k of the table. These are the tail_slopes() wherever
/// P(k + 1) / P(k) = (a + b k) / (k + 1).
std::vector<double> size_biased(const CountTable& table);

/// The table around `mode`, of all probabilities that are not below 1e-18 of the largest, from
/// below(k) = P(k-1) / P(k) and above(k) = P(k+1) / P(k).
template <typename Below, typename Above>
CountTable count_table(int64_t mode, Below below, Above above) {
  constexpr double kNegligible = 1e-18;
  std::vector<double> lower;  // at mode-1, mode-2, ..., relative to the mode
  double p = 1;
  for (int64_t k = mode; k > 0 && p > kNegligible; --k) {
    p *= below(static_cast<double>(k));
    lower.push_back(p);
  }
  CountTable table{mode - static_cast<int64_t>(lower.size()), {lower.rbegin(), lower.rend()}};
  p = 1;
  for (int64_t k = mode; p > kNegligible; ++k) {
    table.pmf.push_back(p);
    p *= above(static_cast<double>(k));
  }
  const double total = std::accumulate(table.pmf.begin(), table.pmf.end(), 0.0);
  for (double& probability : table.pmf) probability /= total;
  return table;
}

/// E g(z)
template <typename Function>
double mean_over(const CountTable& table, Function g) {
  double total = 0, z = static_cast<double>(table.first);
  for (const double p : table.pmf) total += p * g(z++);
  return total;
}

inline constexpr int64_t kCountGrain = 1024;  // a draw or a sum costs 100 elementwise steps

/// f(parameter, its table) for each parameter.
template <typename Table, typename Function>
Tensor for_each_table(const Tensor& param, Table table, Function f) {
  Tensor result(param.shape());
  real* out = result.data();
  parallel_for(param.numel(), kCountGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[i] = static_cast<real>(f(double{param[i]}, table(double{param[i]})));
    }
  });
  return result;
}

}  // namespace stflow
