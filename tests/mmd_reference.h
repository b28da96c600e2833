// mmd_reference.h - the MMD projection from its definition, in double: a distribution is a list of
// atoms, the kernel a plain function, MMD^2 a double sum. No algebra is done, so that the rule's
// closed forms have something to be held against. One unit at a time.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "tests/estimator_problems.h"

namespace stflow::testing {

using Point = std::vector<double>;
using PlainKernel = std::function<double(const Point&, const Point&)>;

inline PlainKernel plain_rbf(double h) {
  return [h](const Point& x, const Point& y) {
    double square = 0;
    for (size_t i = 0; i < x.size(); ++i) square += (x[i] - y[i]) * (x[i] - y[i]);
    return std::exp(-square / (2 * h * h));
  };
}

inline double dot_product(const Point& x, const Point& y) {
  double total = 0;
  for (size_t i = 0; i < x.size(); ++i) total += x[i] * y[i];
  return total;
}

/// One unit with mean parameter theta (p; pi; lambda): where its atoms are, their
/// probabilities, and d probability / d theta_i.
struct PlainUnit {
  std::vector<Point> at;
  std::vector<double> p;
  std::vector<std::vector<double>> slope;
};

inline double plain_poisson_pmf(double rate, double k) {
  return k < 0 ? 0 : std::exp(k * std::log(rate) - rate - std::lgamma(k + 1));
}

/// The counts but Poisson, by their mean: binomial of 6 trials, negative binomial with r = 2.5.
inline double plain_count_pmf(const std::string& name, double mean, double k) {
  const double n = 6, r = name == "geometric" ? 1 : 2.5;
  if (name == "binomial") {
    if (k > n) return 0;
    const double ways = std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
    return std::exp(ways + k * std::log(mean / n) + (n - k) * std::log1p(-mean / n));
  }
  const double ways = std::lgamma(k + r) - std::lgamma(r) - std::lgamma(k + 1);
  return std::exp(ways + r * std::log(r / (r + mean)) + k * std::log(mean / (r + mean)));
}

/// What to project onto; only their kind matters, not their parameters.
namespace family {
using Any = std::shared_ptr<const Distribution>;
inline const Any bernoulli = std::make_shared<Bernoulli>(Tensor::zeros({1}));
inline const Any one_of_three = std::make_shared<Categorical>(Tensor::zeros({3}), 3);
inline const Any poisson = std::make_shared<Poisson>(Tensor::ones({1}));
inline const Any geometric = std::make_shared<Geometric>(Tensor::zeros({1}));
inline const Any binomial = std::make_shared<Binomial>(6, Tensor::zeros({1}));
inline const Any negative_binomial = std::make_shared<NegativeBinomial>(2.5, Tensor::zeros({1}));
inline const std::vector<Any> other_counts{geometric, binomial, negative_binomial};
}  // namespace family

/// theta of a categorical unit need not add up to one here: its derivatives are taken one by one.
inline PlainUnit plain_unit(const std::string& name, const Point& theta) {
  PlainUnit result;
  if (name == "bernoulli") return {{{0}, {1}}, {1 - theta[0], theta[0]}, {{-1, 1}}};
  if (name == "categorical") {
    for (size_t i = 0; i < theta.size(); ++i) {
      Point unit(theta.size());
      unit[i] = 1;
      result.at.push_back(unit);
      result.slope.push_back(unit);
    }
    result.p = theta;
    return result;
  }
  result.slope.resize(1);
  const double rate = theta[0], last = std::ceil(rate + 12 * std::sqrt(rate) + 20);
  for (double k = 0; k <= last; ++k) {
    result.at.push_back({k});
    result.p.push_back(plain_poisson_pmf(rate, k));
    result.slope[0].push_back(plain_poisson_pmf(rate, k - 1) - plain_poisson_pmf(rate, k));
  }
  return result;
}

/// MMD^2 between a unit and the empirical distribution of the pushed samples.
inline double mmd_squared(const PlainUnit& unit, const PlainKernel& kernel,
                          const std::vector<Point>& pushed) {
  const auto n = static_cast<double>(pushed.size());
  double total = 0;
  for (size_t i = 0; i < unit.at.size(); ++i) {
    for (size_t j = 0; j < unit.at.size(); ++j) {
      total += unit.p[i] * unit.p[j] * kernel(unit.at[i], unit.at[j]);
    }
    for (const Point& y : pushed) total -= 2 / n * unit.p[i] * kernel(unit.at[i], y);
  }
  for (const Point& x : pushed) {
    for (const Point& y : pushed) total += kernel(x, y) / (n * n);
  }
  return total;
}

/// Its derivative in theta, by central differences.
inline Point mmd_slope(const std::string& name, const Point& theta, const PlainKernel& kernel,
                       const std::vector<Point>& pushed) {
  Point slope;
  for (size_t i = 0; i < theta.size(); ++i) {
    const double step = 1e-5;
    Point above = theta, below = theta;
    above[i] += step;
    below[i] -= step;
    slope.push_back((mmd_squared(plain_unit(name, above), kernel, pushed) -
                     mmd_squared(plain_unit(name, below), kernel, pushed)) /
                    (2 * step));
  }
  return slope;
}

/// D(y) = d/d theta E_{c ~ unit} K(c, y).
inline Point mmd_witness(const PlainUnit& unit, const PlainKernel& kernel, const Point& y) {
  Point witness(unit.slope.size());
  for (size_t i = 0; i < witness.size(); ++i) {
    for (size_t m = 0; m < unit.at.size(); ++m) {
      witness[i] += unit.slope[i][m] * kernel(unit.at[m], y);
    }
  }
  return witness;
}

/// One draw's estimate in theta: 2 [D(z) - D(pushed)], or with E D(y) in place of D(z).
inline Point mmd_estimate(const PlainUnit& unit, const PlainKernel& kernel, const Point& z,
                          const Point& pushed, bool control_variate) {
  const Point after = mmd_witness(unit, kernel, pushed);
  Point before(after.size());
  if (control_variate) before = mmd_witness(unit, kernel, z);
  for (size_t m = 0; m < unit.at.size() && !control_variate; ++m) {
    const Point each = mmd_witness(unit, kernel, unit.at[m]);
    for (size_t i = 0; i < before.size(); ++i) before[i] += unit.p[m] * each[i];
  }
  for (size_t i = 0; i < before.size(); ++i) before[i] = 2 * (before[i] - after[i]);
  return before;
}

/// A distribution in its three roles: the library's, by the parameter whose gradient is wanted;
/// that parameter; and how a gradient in the mean becomes one in it.
struct MmdCase {
  std::string name;          // of the parameter
  std::string distribution;  // its name
  MakeDistribution make;
  Tensor param;  // [1,D], one unit
  std::function<Point(const Point& theta, const Point& gradient)> chain;
};

inline std::vector<MmdCase> mmd_cases() {
  const auto same = [](const Point&, const Point& g) { return g; };
  const auto jacobian = [](const Point& pi, const Point& g) {  // J(pi) g
    Point result;
    for (size_t i = 0; i < pi.size(); ++i) result.push_back(pi[i] * (g[i] - dot_product(pi, g)));
    return result;
  };
  return {
      {"probs", "bernoulli",
       [](const Var& p) { return std::make_unique<Bernoulli>(Bernoulli::from_probs(p)); },
       Tensor::full({1, 1}, real(.37)), same},
      {"logits", "bernoulli", make_bernoulli, Tensor::full({1, 1}, real(.8)),
       [](const Point& p, const Point& g) { return Point{p[0] * (1 - p[0]) * g[0]}; }},
      {"categorical logits", "categorical", make_triples,
       Tensor::from({real(.5), -1, real(.9)}, {1, 3}), jacobian},
      {"rate", "poisson", make_poisson, Tensor::full({1, 1}, real(3.2)), same},
      {"log rate", "poisson",
       [](const Var& r) { return std::make_unique<Poisson>(Poisson::from_log_rate(r)); },
       Tensor::full({1, 1}, real(.4)),
       [](const Point& rate, const Point& g) { return Point{rate[0] * g[0]}; }},
  };
}

inline Point row_of(const Tensor& x, int64_t row) {
  const Tensor one = x.rows(row, row + 1);
  return {one.data(), one.data() + one.numel()};
}

inline Point mean_parameter(const MmdCase& c) { return row_of(c.make(c.param)->mean().value(), 0); }

/// What a local rule makes of the upstream gradients `up`, one draw a row: samples and gradients
/// in the case's parameter, [rows,D] each.
struct Draws {
  Tensor z, gradient;
};
inline Draws draws(const MmdCase& c, const LocalRule& rule, const Tensor& up, Rng& rng) {
  const Var param = Var::parameter(copies(c.param, up.dim(0)));
  const Var z = draw(*c.make(param), rule, Scope{rng});
  return {z.value(), grad({z}, {param}, false, {Var(up)})[0].value()};
}

/// Every state of a layer [M,D], the noise that draws them, their probabilities [M,1].
struct Enumerated {
  std::vector<Tensor> noise;
  Tensor states, weight;
};

/// The counts of one unit with these probabilities up to where they are rarer than 1e-10.
inline Enumerated enumerate_counts(double mean, const std::function<double(double k)>& pmf_at) {
  std::vector<real> leading, trailing, weight;
  double below = 0;
  for (double k = 0; k < mean || pmf_at(k) > 1e-10; ++k) {
    // the middle of the count's interval of uniforms; what float cuts off goes into the second one
    const double pmf = pmf_at(k), u = below + pmf / 2;
    leading.push_back(static_cast<real>(u));
    trailing.push_back(static_cast<real>((u - leading.back()) * 0x1p23 + .5));
    weight.push_back(static_cast<real>(pmf));
    below += pmf;
  }
  const auto rows = static_cast<int64_t>(weight.size());
  return {{Tensor::from(leading, {rows, 1}), Tensor::from(trailing, {rows, 1})},
          arange(rows).reshape({rows, 1}),
          Tensor::from(weight, {rows, 1})};
}

inline Enumerated enumerate_counts(double rate) {
  return enumerate_counts(rate, [=](double k) { return plain_poisson_pmf(rate, k); });
}

/// All states of a Bernoulli or Categorical layer.
inline Enumerated enumerate_states(const Distribution& q) {
  const Tensor states = q.states(), weight = per_row(exp(q.log_prob(Var(states)).value()));
  if (q.name() == "bernoulli") {
    return {{noise_for_states(dynamic_cast<const Bernoulli&>(q))}, states, weight};
  }
  const Tensor gumbel_noise =
      where(states, Tensor::scalar(real(1 - 0x1p-20)), Tensor::scalar(real(.3)));
  return {{gumbel_noise}, states, weight};
}

}  // namespace stflow::testing
