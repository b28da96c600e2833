#include "stflow/estimators/distributions/poisson.h"

#include <cmath>
#include <numeric>

#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

constexpr int64_t kGrain = 1024;    // a draw or a sum costs about 100 elementwise steps
constexpr real kLargestRate = 1e6;  // float holds counts exactly up to 2^24

/// How many counts, from 0 on, enumeration considers for all of the rates; there may be none.
int64_t count_of_counts(const Tensor& rate) {
  return poisson_support(rate.numel() > 0 ? max(rate).item() : 0) + 1;
}

}  // namespace

PoissonTable poisson_table(double rate) {
  constexpr double kNegligible = 1e-18, kLargest = 1e9;  // half a million counts
  CHECK_ARG(rate >= 0 && rate <= kLargest, "[poisson_table] rate ", rate, " is not between 0 and ",
            kLargest);
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

Tensor Poisson::score(const Tensor& z) const { return div(sub(z, rate().value()), rate().value()); }

namespace {

/// f(rate, its table) for each rate.
template <typename Function>
Tensor for_each_rate(const Tensor& rate, Function f) {
  Tensor result(rate.shape());
  real* out = result.data();
  parallel_for(rate.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[i] = static_cast<real>(f(double{rate[i]}, poisson_table(rate[i])));
    }
  });
  return result;
}

/// E g(z)
template <typename Function>
double mean_over(const PoissonTable& table, Function g) {
  double total = 0, z = static_cast<double>(table.first);
  for (const double p : table.pmf) total += p * g(z++);
  return total;
}

// d entropy / d lambda = E log((z+1) / lambda), about 1/(2 lambda): the difference of E log(z+1)
// and log lambda has no digits left in float. Its own derivative is E log(1 + 1/(z+1)) - 1/lambda,
// less E 1/(z+1) = (1 - e^-lambda) / lambda on both sides of the minus.
Var entropy_slope(const Var& rate) {
  const auto slope = [](double lambda, const PoissonTable& table) {
    return mean_over(table, [=](double z) { return std::log1p((z + 1 - lambda) / lambda); });
  };
  return make_node("entropy_slope", for_each_rate(rate.value(), slope), {rate},
                   [](const Var& out, const Var& up) -> Vars {
                     const Var& lambda = out.input(0);
                     const auto g = [](double z) { return std::log1p(1 / (z + 1)) - 1 / (z + 1); };
                     return {up * (poisson_expectation(lambda, g) - exp(-lambda) / lambda)};
                   });
}

}  // namespace

Var Poisson::entropy() const {
  // For small rates the table ends too early to know -E log pmf(z).
  const auto each = [](double lambda, const PoissonTable& table) {
    if (lambda < 1) {
      const auto log_factorial = [](double z) { return polygamma(-1, z + 1); };
      return lambda - lambda * std::log(lambda) + mean_over(table, log_factorial);
    }
    double total = 0;
    for (const double p : table.pmf) total -= p * std::log(p);
    return total;
  };
  return sum(make_node("entropy", for_each_rate(rate().value(), each), {rate()},
                       [](const Var& out, const Var& up) {
                         return Vars{up * entropy_slope(out.input(0))};
                       }),
             {-1});
}

Tensor Poisson::states() const {
  return all_states(count_of_counts(rate().value()), param().dim(-1), law());
}

namespace {

/// log pmf(k) for k = 0, ..., counts - 1: [...] -> [...,counts]
Var log_pmf_table(const Var& rate, int64_t counts) {
  std::vector<double> log_factorial;
  for (int64_t k = 0; k < counts; ++k) log_factorial.push_back(polygamma(-1, double(k) + 1));
  Tensor value(rate.shape().inserted(rate.rank(), counts));
  parallel_for(rate.value().numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double lambda = rate.value()[i], log_rate = std::log(lambda);
      real* row = value.data() + i * counts;
      for (size_t k = 0; k < log_factorial.size(); ++k) {
        row[k] = static_cast<real>(static_cast<double>(k) * log_rate - lambda - log_factorial[k]);
      }
    }
  });
  return make_node("log_pmf_table", value, {rate}, [counts](const Var& out, const Var& up) {
    const Var& lambda = out.input(0);
    return Vars{sum(up * (Var(arange(counts)) - per_row(lambda)), {-1}) / lambda};
  });
}

}  // namespace

Categorical Poisson::truncated() const {
  const int64_t counts = count_of_counts(rate().value());
  const Shape& shape = rate().shape();
  return {reshape(log_pmf_table(rate(), counts), shape.with(-1, shape[-1] * counts)), counts};
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

namespace {

/// log(a/b), with all digits also where a is near b.
Var log_ratio(const Var& a, const Var& b) {
  const auto each = [](real x, real y) {
    const double apart = double{x} - y;
    return static_cast<real>(std::abs(apart) < y / 2 ? std::log1p(apart / y)
                                                     : std::log(double{x} / y));
  };
  return make_node("log_ratio", map(each, a.value(), b.value()), {a, b},
                   [](const Var& out, const Var& up) {
                     return Vars{up / out.input(0), -up / out.input(1)};
                   });
}

}  // namespace

Var kl(const Poisson& q, const Poisson& p) {
  const Shape shape = broadcast_shapes(q.rate().shape(), p.rate().shape(), "kl");
  const auto each = [](real a, real b) {
    return static_cast<real>(deviance(a, b, std::log(double{a} / b)));
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var &a = out.input(0), &b = out.input(1);
    return Vars{up * log_ratio(a, b), up * ((b - a) / b)};
  };
  const Var a = broadcast_to(q.rate(), shape), b = broadcast_to(p.rate(), shape);
  return sum(make_node("kl", map(each, a.value(), b.value()), {a, b}, backward), {-1});
}

Var poisson_expectation(const Var& rate, const std::function<double(double)>& g) {
  CHECK_ARG(g, "[poisson_expectation] g is an empty function");
  const auto expected = [&](double, const PoissonTable& table) { return mean_over(table, g); };
  return make_node("poisson_expectation", for_each_rate(rate.value(), expected), {rate},
                   [g](const Var& node, const Var& up) -> Vars {
                     const auto difference = [g](double z) { return g(z + 1) - g(z); };
                     return {up * poisson_expectation(node.input(0), difference)};
                   });
}

}  // namespace stflow
