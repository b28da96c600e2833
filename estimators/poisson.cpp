#include "estimators/poisson.h"

#include <cmath>
#include <numeric>

#include "tensor/parallel.h"

namespace stflow {
namespace {

constexpr int64_t kGrain = 1024;    // a draw or a sum costs about 100 elementwise steps
constexpr real kLargestRate = 1e6;  // float holds counts exactly up to 2^24

}  // namespace

PoissonTable poisson_table(double rate) {
  constexpr double kNegligible = 1e-18;
  const auto mode = static_cast<int64_t>(rate);
  std::vector<double> below;  // at mode-1, mode-2, ..., relative to the mode
  double p = 1;
  for (int64_t k = mode; k > 0 && p > kNegligible; --k) {
    p *= static_cast<double>(k) / rate;
    below.push_back(p);
  }
  PoissonTable table{mode - static_cast<int64_t>(below.size()), {below.rbegin(), below.rend()}};
  p = 1;
  for (int64_t k = mode; p > kNegligible; p *= rate / static_cast<double>(++k)) {
    table.pmf.push_back(p);
  }
  const double total = std::accumulate(table.pmf.begin(), table.pmf.end(), 0.0);
  for (double& probability : table.pmf) probability /= total;
  return table;
}

namespace {

/// Smallest count at which the distribution function reaches u.
int64_t quantile(const PoissonTable& table, double u) {
  double below = 0;
  for (size_t i = 0; i < table.pmf.size(); ++i) {
    below += table.pmf[i];
    if (below >= u) return table.first + static_cast<int64_t>(i);
  }
  return table.first + static_cast<int64_t>(table.pmf.size()) - 1;
}

}  // namespace

int64_t poisson_quantile(double rate, double u) { return quantile(poisson_table(rate), u); }

Tensor poisson_cdf_between(const Tensor& rate, const Tensor& z, const Tensor& v) {
  Tensor u(z.shape());
  real* out = u.data();
  parallel_for(z.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PoissonTable table = poisson_table(rate[i]);
      double below = 0, at = 0;
      for (size_t k = 0; k < table.pmf.size() && table.first + static_cast<int64_t>(k) <= z[i];
           ++k) {
        below += at;
        at = table.pmf[k];
      }
      out[i] = static_cast<real>(below + v[i] * at);
    }
  });
  return u;
}

int64_t poisson_support(double rate) {
  const double largest = std::ceil(rate + 6 * std::sqrt(rate) + 8);
  CHECK_ARG(largest <= 4096, "[poisson] a rate of ", rate, " needs counts up to ", largest,
            "; at most 4096 are enumerated");
  return static_cast<int64_t>(largest);
}

Poisson::Poisson(const Var& rate) : Distribution(rate) {
  for (int64_t i = 0; i < rate.value().numel(); ++i) {
    const real lambda = rate.value()[i];
    CHECK_ARG(lambda > 0 && lambda <= kLargestRate, "[Poisson] rate ", lambda, " at position ", i,
              " is not between 0 and ", kLargestRate);
  }
}

std::unique_ptr<Distribution> Poisson::with_param(const Var& rate) const {
  return std::make_unique<Poisson>(rate);
}

Tensor Poisson::sample(Rng& rng) const {
  const Tensor lambda = rate().value();
  const Tensor leading = rng.uniform(lambda.shape()), trailing = rng.uniform(lambda.shape());
  Tensor z(lambda.shape());
  real* out = z.data();
  parallel_for(z.numel(), kGrain, [&](int64_t begin, int64_t end) {
    PoissonTable table;
    for (int64_t i = begin; i < end; ++i) {
      // Many examples often have one rate.
      if (i == begin || lambda[i] != lambda[i - 1]) table = poisson_table(lambda[i]);
      // Uniforms are centres of cells of width 2^-23; the second one chooses a place within the
      // cell.
      const double u = leading[i] + (trailing[i] - 0.5) * 0x1p-23;
      out[i] = static_cast<real>(quantile(table, u));
    }
  });
  return z;
}

Tensor Poisson::score(const Tensor& z) const {
  return sub(div(z, rate().value()), Tensor::scalar(1));
}

Var Poisson::entropy() const {
  const Var log_factorial =
      poisson_expectation(rate(), [](double z) { return std::lgamma(z + 1); });
  return sum(rate() - rate() * log(rate()) + log_factorial, {-1});
}

Tensor Poisson::states() const {
  return all_states(poisson_support(max(rate().value()).item()) + 1, param().dim(-1), law());
}

Categorical Poisson::truncated() const {
  const int64_t counts = poisson_support(max(rate().value()).item()) + 1;
  const Tensor k = arange(counts);
  const Tensor log_factorial = polygamma(-1, add(k, Tensor::scalar(1)));
  const Var log_weight = per_row(log(rate())) * Var(k) - Var(log_factorial);  // log pmf + rate
  const Shape& shape = rate().shape();
  return {reshape(log_weight, shape.with(-1, shape[-1] * counts)), counts};
}

Tensor Poisson::noise(Rng& rng) const { return rng.uniform(truncated().param().shape()); }

Var Poisson::perturbed(const Tensor& u) const { return truncated().perturbed(u); }

Var Poisson::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Categorical law = truncated();
  return law.perturbed_given(one_hot(z, law.categories()).reshape(v.shape()), v);
}

Tensor Poisson::harden(const Tensor& perturbed) const {
  return argmax(truncated().split(perturbed).value());
}

Var Poisson::soften(const Var& perturbed, const Var& temperature) const {
  const Categorical law = truncated();
  return sum(law.split(law.soften(perturbed, temperature)) * Var(arange(law.categories())), {-1});
}

Var kl(const Poisson& q, const Poisson& p) {
  return sum(q.rate() * log(q.rate() / p.rate()) - q.rate() + p.rate(), {-1});
}

Var poisson_expectation(const Var& rate, const std::function<double(double)>& g) {
  const Tensor& lambda = rate.value();
  Tensor value(lambda.shape());
  real* out = value.data();
  parallel_for(value.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PoissonTable table = poisson_table(lambda[i]);
      double total = 0;
      for (size_t k = 0; k < table.pmf.size(); ++k) {
        total += table.pmf[k] * g(static_cast<double>(table.first) + static_cast<double>(k));
      }
      out[i] = static_cast<real>(total);
    }
  });
  return make_node("poisson_expectation", value, {rate},
                   [g](const Var& node, const Var& up) -> std::vector<Var> {
                     const auto difference = [g](double z) { return g(z + 1) - g(z); };
                     return {up * poisson_expectation(node.input(0), difference)};
                   });
}

}  // namespace stflow
