#include "stflow/estimators/distributions/poisson.h"

#include <cmath>

#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

constexpr real kLargestRate = 1e6;  // float holds counts exactly up to 2^24

/// How many counts, from 0 on, enumeration considers for all of the rates; there may be none.
int64_t count_of_counts(const Tensor& rates) {
  const double rate = rates.numel() > 0 ? max(rates).item() : 0;
  const double largest = std::ceil(rate + 6 * std::sqrt(rate) + 8);
  CHECK_ARG(largest <= 4096, "[poisson] a rate of ", rate, " needs counts up to ", largest,
            "; at most 4096 are enumerated");
  return static_cast<int64_t>(largest) + 1;
}

/// F(z - 1) + v pmf(z) for v in (0,1), elementwise: a uniform that inverts to z.
Tensor cdf_between(const Tensor& rate, const Tensor& z, const Tensor& v) {
  Tensor u(z.shape());
  real* out = u.data();
  parallel_for(z.numel(), kCountGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const CountTable table = poisson_table(rate[i]);
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

}  // namespace

CountTable poisson_table(double rate) {
  constexpr double kLargest = 1e9;  // half a million counts
  CHECK_ARG(rate >= 0 && rate <= kLargest, "[poisson_table] rate ", rate, " is not between 0 and ",
            kLargest);
  return count_table(
      static_cast<int64_t>(rate), [rate](double k) { return k / rate; },
      [rate](double k) { return rate / (k + 1); });
}

int64_t poisson_quantile(double rate, double u) { return quantile(poisson_table(rate), u); }

Poisson::Poisson(const Var& rate) : Counts(rate) {
  for (int64_t i = 0; i < rate.value().numel(); ++i) {
    const real lambda = rate.value()[i];
    CHECK_ARG(lambda > 0 && lambda <= kLargestRate, "[Poisson] rate ", lambda, " at position ", i,
              " is not between 0 and ", kLargestRate);
  }
}

std::unique_ptr<Distribution> Poisson::with_param(const Var& rate) const {
  return std::make_unique<Poisson>(rate);
}

bool Poisson::has(Trait trait) const {
  return trait == Trait::relaxation || trait == Trait::measure_valued ||
         trait == Trait::mean_parameter || Counts::has(trait);
}

Tensor Poisson::score(const Tensor& z) const { return (z - rate().value()) / rate().value(); }

Var Poisson::second_order(const Var& z, const Var& up, double) const {
  return 0.5 * (1 + z / rate().detach()) * up;
}

CountTable Poisson::table(double rate) const { return poisson_table(rate); }

std::vector<double> Poisson::table_slopes(const CountTable& table, double) const {
  std::vector<double> slopes;
  double before = 0;
  for (const double p : table.pmf) {
    slopes.push_back(before - p);
    before = p;
  }
  slopes.push_back(before);
  return slopes;
}

// dF(k)/d lambda = -pmf(k)
Distribution::Inverse Poisson::inverse_given(const Tensor& z, const Tensor& v) const {
  const Var lambda(rate().value()), k(z);
  const Var at = exp(poisson_log_pmf(lambda, k));  // pmf(z)
  const Var below = at * k / lambda;               // pmf(z - 1)
  const Var slope = -(below * (1 - Var(v)) + at * Var(v));
  return {cdf_between(rate().value(), z, v), slope.value()};
}

// d/d lambda of Poisson(lambda) is the difference of two distributions: one more event, minus as it
// is.
Distribution::Difference Poisson::measure_valued(const Tensor& z, Rng&) const {
  return {z + 1, Tensor::ones(z.shape())};
}

namespace {

/// f(rate, its table) for each rate.
template <typename Function>
Tensor for_each_rate(const Tensor& rate, Function f) {
  return for_each_table(rate, poisson_table, f);
}

// d entropy / d lambda = E log((z+1) / lambda), about 1/(2 lambda): the difference of E log(z+1)
// and log lambda has no digits left in float. Its own derivative is E log(1 + 1/(z+1)) - 1/lambda,
// less E 1/(z+1) = (1 - e^-lambda) / lambda on both sides of the minus.
Var entropy_slope(const Var& rate) {
  const auto slope = [](double lambda, const CountTable& table) {
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
  const auto each = [](double lambda, const CountTable& table) {
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
  return all_states(count_of_counts(rate().value()), param().dim(-1), name());
}

namespace {

/// log pmf(k) for k = 0, ..., counts - 1: [...] -> [...,counts]
Var log_pmf_table(const Var& rate, int64_t counts) {
  std::vector<double> log_factorial;
  for (int64_t k = 0; k < counts; ++k) log_factorial.push_back(polygamma(-1, double(k) + 1));
  Tensor value(rate.shape().inserted(rate.rank(), counts));
  parallel_for(rate.value().numel(), kCountGrain, [&](int64_t begin, int64_t end) {
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
    return Vars{sum(up * (arange(counts) - per_row(lambda)), {-1}) / lambda};
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
  const Categorical choice = truncated();
  return choice.perturbed_given(one_hot(z, choice.categories()).reshape(v.shape()), v);
}

Tensor Poisson::harden(const Tensor& perturbed) const {
  return argmax(truncated().split(perturbed).value());
}

Var Poisson::soften(const Var& perturbed, const Var& temperature) const {
  const Categorical choice = truncated();
  return sum(choice.split(choice.soften(perturbed, temperature)) * arange(choice.categories()),
             {-1});
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
  const auto expected = [&](double, const CountTable& table) { return mean_over(table, g); };
  return make_node("poisson_expectation", for_each_rate(rate.value(), expected), {rate},
                   [g](const Var& node, const Var& up) -> Vars {
                     const auto difference = [g](double z) { return g(z + 1) - g(z); };
                     return {up * poisson_expectation(node.input(0), difference)};
                   });
}

}  // namespace stflow
