// estimator_problems.h - the means by which tests hold a rule against the problems of
// estimators/lab/problems.h: known exact gradients, many independent estimates in one call, and
// expectations without random draws.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/estimators.h"
#include "tests/testing.h"

namespace stflow::testing {

inline Tensor bernoulli4_logits() { return problem("bernoulli4").param; }
inline Tensor bernoulli4_exact() {
  return Tensor::from({real(.450250), real(-.023752), real(-.495491), real(.193429)}, {1, 4});
}

inline Cost ignoring_scope(const std::function<Var(const Var&)>& f) {
  return [f](const Var& z, const Scope&) { return f(z); };
}

using MakeDistribution = std::function<std::unique_ptr<Distribution>(const Var& param)>;

inline std::unique_ptr<Distribution> make_bernoulli(const Var& logits) {
  return std::make_unique<Bernoulli>(logits);
}
inline std::unique_ptr<Distribution> make_poisson(const Var& rate) {
  return std::make_unique<Poisson>(rate);
}
/// Units of three categories.
inline std::unique_ptr<Distribution> make_triples(const Var& logits) {
  return std::make_unique<Categorical>(logits, 3);
}

/// Options with which every rule can be made for a layer of D units; where a rule has a network,
/// its context is the layer's own parameter.
inline RuleOptions options_for(int64_t units) {
  RuleOptions options;
  options.inputs = options.latents = units;
  options.seed = 8;
  return options;
}

/// The estimates that `rule` makes for each row of param [B,D], in one call: [B,D].
inline Tensor estimates(const Rule& rule, const Tensor& param, const Cost& cost, Rng& rng,
                        const MakeDistribution& make_distribution = make_bernoulli) {
  const Var leaf = Var::parameter(param);
  const Scope scope{rng};
  const Var loss = sum(expect(*make_distribution(leaf), rule, scope, cost, /*context=*/Var(param)));
  return grad({loss}, {leaf})[0].value();
}

/// `rows` copies of a [1,D] tensor.
inline Tensor copies(const Tensor& row, int64_t rows) {
  return broadcast_to(row, {rows, row.dim(-1)}).clone();
}

struct Moments {
  Tensor mean;            // [1,D]
  Tensor standard_error;  // of the mean, [1,D]
  double trace_variance;
};

inline Moments moments(const Tensor& draws) {
  const int64_t rows = draws.dim(0), units = draws.dim(1);
  Moments result{Tensor({1, units}), Tensor({1, units}), 0};
  for (int64_t d = 0; d < units; ++d) {
    double total = 0, squares = 0;
    for (int64_t r = 0; r < rows; ++r) total += draws[r * units + d];
    const double mean = total / static_cast<double>(rows);
    for (int64_t r = 0; r < rows; ++r) squares += std::pow(draws[r * units + d] - mean, 2);
    const double variance = squares / static_cast<double>(rows);
    result.mean.data()[d] = static_cast<real>(mean);
    result.standard_error.data()[d] = static_cast<real>(std::sqrt(variance / double(rows)));
    result.trace_variance += variance;
  }
  return result;
}

/// Every component of the mean lies within `z` standard errors of the expected one. With z = 4.5
/// and four components a right estimator fails for one seed in 37,000.
inline void check_unbiased(const Moments& estimate, const Tensor& expected, double z = 4.5) {
  for (int64_t d = 0; d < expected.numel(); ++d) {
    CAPTURE(d);
    CAPTURE(estimate.mean[d]);
    CAPTURE(expected[d]);
    CHECK(std::abs(estimate.mean[d] - expected[d]) < z * estimate.standard_error[d]);
  }
}

/// Uniform noise that makes a Bernoulli sample come out as each of the 2^D states, [2^D,D]: rows of
/// logits are [1,D].
inline Tensor noise_for_states(const Bernoulli& q) {
  const Tensor states = q.states();
  const Tensor p = broadcast_to(q.probs().value(), states.shape());
  return where(states, mul(p, Tensor::scalar(real(.5))),
               mul(add(p, Tensor::scalar(1)), Tensor::scalar(real(.5))));
}

/// Mean and trace variance of a one-sample local rule or REINFORCE over all states, without random
/// draws.
inline Moments enumerated_moments(const Rule& rule, const Tensor& logits, const Cost& cost) {
  const Bernoulli q{Var(logits)};
  const Tensor noise = noise_for_states(q);
  Rng rng = Rng::replay({noise});
  const Tensor each = estimates(rule, copies(logits, noise.dim(0)), cost, rng);
  const Tensor weight = exp(q.log_prob(Var(q.states())).value()).reshape({noise.dim(0), 1});
  const Tensor mean = sum(mul(each, weight), {0}, true);
  const Tensor second = sum(mul(mul(each, each), weight), {0}, true);
  return {mean, Tensor::zeros(mean.shape()), sum(sub(second, mul(mean, mean))).item()};
}

struct Quadrature {
  std::vector<double> node, weight;
};

/// n-point Gauss-Legendre on [from, to], by Newton's method on the Legendre polynomial.
inline Quadrature gauss_legendre(int n, double from, double to) {
  Quadrature rule;
  for (int i = 1; i <= n; ++i) {
    double x = std::cos(M_PI * (i - 0.25) / (n + 0.5)), slope = 0;
    for (int step = 0; step < 100; ++step) {
      double before = 1, value = x;
      for (int k = 2; k <= n; ++k) {
        const double next = ((2 * k - 1) * x * value - (k - 1) * before) / k;
        before = value;
        value = next;
      }
      slope = n * (x * value - before) / (x * x - 1);
      const double change = value / slope;
      x -= change;
      if (std::abs(change) < 1e-16) break;
    }
    rule.node.push_back((from + to) / 2 + (to - from) / 2 * x);
    rule.weight.push_back((to - from) / ((1 - x * x) * slope * slope));
  }
  return rule;
}

/// Quadrature on (0,1) in pieces that end at the given points, where the integrand may jump.
inline Quadrature piecewise_quadrature(int n, const std::vector<double>& ends) {
  Quadrature all;
  for (size_t i = 0; i + 1 < ends.size(); ++i) {
    const Quadrature piece = gauss_legendre(n, ends[i], ends[i + 1]);
    all.node.insert(all.node.end(), piece.node.begin(), piece.node.end());
    all.weight.insert(all.weight.end(), piece.weight.begin(), piece.weight.end());
  }
  return all;
}

}  // namespace stflow::testing
