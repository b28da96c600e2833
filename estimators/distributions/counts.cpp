#include "stflow/estimators/distributions/counts.h"

#include <algorithm>
#include <utility>

namespace stflow {

int64_t quantile(const CountTable& table, double u) {
  const auto& pmf = table.pmf;
  size_t i = 0;
  if (u <= 0.5) {
    for (double below = pmf[0]; below < u && i + 1 < pmf.size();) below += pmf[++i];
  } else {  // from above, where 1 - u has digits that a sum of nearly 1 has not
    i = pmf.size() - 1;
    for (double above = pmf[i]; above <= 1 - u && i > 0;) above += pmf[--i];
  }
  return table.first + static_cast<int64_t>(i);
}

std::vector<double> size_biased(const CountTable& table) {
  const double mean = mean_over(table, [](double k) { return k; });
  if (mean == 0) return {1};
  std::vector<double> result;
  auto k = static_cast<double>(table.first);
  for (size_t i = 1; i < table.pmf.size(); ++i) result.push_back(++k * table.pmf[i] / mean);
  result.push_back(0);
  return result;
}

Tensor Counts::sample(Rng& rng) const {
  const Tensor each = param().value();
  const Tensor leading = rng.uniform(each.shape()), trailing = rng.uniform(each.shape());
  Tensor z(each.shape());
  real* out = z.data();
  parallel_for(z.numel(), kCountGrain, [&](int64_t begin, int64_t end) {
    CountTable now;
    for (int64_t i = begin; i < end; ++i) {
      // Many examples often have one parameter.
      if (i == begin || each[i] != each[i - 1]) now = table(each[i]);
      // Uniforms are centres of cells of width 2^-23; the second one chooses a place within the
      // cell.
      const double u = leading[i] + (trailing[i] - 0.5) * 0x1p-23;
      out[i] = static_cast<real>(quantile(now, u));
    }
  });
  return z;
}

Tensor Counts::states() const {
  constexpr int64_t kMost = 4096;
  const Tensor each = param().value();
  int64_t last = 0;
  for (int64_t i = 0; i < each.numel(); ++i) {
    if (i > 0 && each[i] == each[i - 1]) continue;
    const CountTable now = table(each[i]);
    last = std::max(last, now.first + static_cast<int64_t>(now.pmf.size()) - 1);
    CHECK_ARG(last <= kMost, "[", name(), "] a parameter of ", each[i], " needs counts up to ",
              last, "; at most ", kMost, " are enumerated");
  }
  return all_states(last + 1, param().dim(-1), name());
}

// ---- what distribution.h asks of counts, from states(), log_prob() and score() ----

CountTable Distribution::table(double param) const {
  const auto one = with_param(Var(Tensor::full({1, 1}, static_cast<real>(param))));
  const Tensor states = one->states(), weight = exp(one->log_prob(states).value());
  CountTable result{static_cast<int64_t>(states[0]), {}};
  for (int64_t k = 0; k < weight.numel(); ++k) result.pmf.push_back(weight[k]);
  return result;
}

std::vector<double> Distribution::table_slopes(const CountTable& table, double param) const {
  const auto rows = static_cast<int64_t>(table.pmf.size());
  const Tensor counts = add(arange(rows), Tensor::scalar(static_cast<real>(table.first)));
  const Tensor score = with_param(Var(Tensor::full({rows, 1}, static_cast<real>(param))))
                           ->score(counts.reshape({rows, 1}));
  std::vector<double> slopes;
  for (int64_t k = 0; k < rows; ++k) slopes.push_back(table.pmf[static_cast<size_t>(k)] * score[k]);
  return slopes;
}

std::vector<double> Distribution::tail_slopes(const CountTable& table, double param) const {
  std::vector<double> slopes = table_slopes(table, param);
  double tail = 0, mean_slope = 0;
  for (auto slope = slopes.rbegin(); slope != slopes.rend(); ++slope) {
    mean_slope += tail;
    tail += std::exchange(*slope, tail);
  }
  slopes.resize(table.pmf.size());
  for (double& slope : slopes) slope /= mean_slope;
  return slopes;
}

Distribution::Inverse Distribution::inverse_given(const Tensor& z, const Tensor& v) const {
  const Tensor each = param_.value();
  Inverse found{Tensor(z.shape()), Tensor(z.shape())};
  real *u_out = found.u.data(), *slope_out = found.slope.data();
  parallel_for(z.numel(), /*grain=*/256, [&](int64_t begin, int64_t end) {
    CountTable now;
    std::vector<double> slopes;
    for (int64_t i = begin; i < end; ++i) {
      if (i == begin || each[i] != each[i - 1]) {
        now = table(each[i]);
        slopes = table_slopes(now, each[i]);
      }
      double u = 0, slope = 0;
      for (size_t k = 0; k < now.pmf.size(); ++k) {
        const double from_z = static_cast<double>(now.first) + double(k) - z[i];
        if (from_z > 0) break;
        const double share = from_z < 0 ? 1 : double{v[i]};
        u += share * now.pmf[k];
        slope += share * slopes[k];
      }
      u_out[i] = static_cast<real>(u);
      slope_out[i] = static_cast<real>(slope);
    }
  });
  return found;
}

}  // namespace stflow
