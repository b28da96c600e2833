#include "stflow/estimators/distributions/bernoulli.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

constexpr real kMax = std::numeric_limits<real>::max();

double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }
double softplus(double a) { return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))); }

}  // namespace

Bernoulli Bernoulli::from_probs(const Var& probs) {
  for (int64_t i = 0; i < probs.value().numel(); ++i) {
    CHECK_ARG(probs.value()[i] > 0 && probs.value()[i] < 1, "[Bernoulli::from_probs] probability ",
              probs.value()[i], " at position ", i, " is not strictly between 0 and 1");
  }
  return Bernoulli(log(probs) - log1p(-probs));
}

std::unique_ptr<Distribution> Bernoulli::with_param(const Var& logits) const {
  return std::make_unique<Bernoulli>(logits);
}

Tensor Bernoulli::sample(Rng& rng) const {
  return map([](real a, real u) { return simd::sigmoid(a) > u ? real(1) : real(0); },
             logits().value(), rng.uniform(logits().shape()));
}

Tensor Bernoulli::score(const Tensor& z) const { return z - sigmoid(logits().value()); }

// softplus(-|a|) + |a| sigmoid(-|a|): of two positive terms, nothing cancels where p is near 1.
Var Bernoulli::entropy() const {
  const auto each = [](real a) {
    const real e = simd::exp(-std::abs(a)), size = std::min(std::abs(a), kMax);
    return simd::log1p_unit(e) + size * (e / (1 + e));
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var& a = out.input(0);
    return Vars{-up * replace_inf(a, 0) * sigmoid(a) * sigmoid(-a)};
  };
  return sum(make_node("entropy", map(each, logits().value()), {logits()}, backward), {-1});
}

Var Bernoulli::variance() const {
  const Var p = probs();
  return p * (1 - p);
}

Var Bernoulli::second_order(const Var& z, const Var& up, double temperature) const {
  const auto jacobian_product = [](const Var& q, const Var& v) { return q * (1 - q) * v; };
  const Bernoulli here = detach();
  return trapezoid(here.probs(), sigmoid(here.logits() / temperature), z, up, jacobian_product);
}

Tensor Bernoulli::states() const { return all_states(2, param().dim(-1), name()); }

Var Bernoulli::perturbed(const Tensor& u) const {
  return logits() - Var(map([](real u_i) { return simd::logit(u_i); }, u));
}

// 1 - u given z: uniform on (1-p, 1) if z = 1, on (0, 1-p) if z = 0. For z = 1 that is
//     logits + logit(1-p + v p) = log(v / ((1-v) (1-p)) + 1) = softplus(logit(v) - log(1-p)),
// where -log(1-p) = softplus(logits); z = 0 is its mirror image. In float, 1 - p itself has no
// digits left at |logit| = 14.
Var Bernoulli::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Tensor sign = map([](real bit) { return bit != 0 ? real(1) : real(-1); }, z);
  return stflow::perturbed_given(logits(), sign, v);
}

Tensor Bernoulli::harden(const Tensor& perturbed) const {
  return greater(perturbed, Tensor::scalar(0));
}

Var Bernoulli::soften(const Var& perturbed, const Var& temperature) const {
  return stflow::soften(perturbed, temperature);
}

namespace {

/// p(a) - p(b), p = sigmoid, with all digits also where both are near 1 or near each other.
Var sigmoid_difference(const Var& a, const Var& b) {
  const auto each = [](double x, double y) {
    if (x == y) return 0.0;
    return x < y ? sigmoid(y) * sigmoid(-x) * std::expm1(x - y)
                 : -sigmoid(x) * sigmoid(-y) * std::expm1(y - x);
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var &x = out.input(0), &y = out.input(1);
    return Vars{up * sigmoid(x) * sigmoid(-x), -up * sigmoid(y) * sigmoid(-y)};
  };
  const auto rounded = [=](real x, real y) { return static_cast<real>(each(x, y)); };
  return make_node("sigmoid_difference", map(rounded, a.value(), b.value()), {a, b}, backward);
}

}  // namespace

Var kl(const Bernoulli& q, const Bernoulli& p) {
  const Shape shape = broadcast_shapes(q.logits().shape(), p.logits().shape(), "kl");
  const auto each = [](real a, real b) {
    // For a one; with the other sign, for a zero.
    const auto term = [](double q_logit, double p_logit) {
      const double ratio = softplus(-p_logit) - softplus(-q_logit);
      return deviance(sigmoid(q_logit), sigmoid(p_logit), ratio);
    };
    return static_cast<real>(term(a, b) + term(-double{a}, -double{b}));
  };
  const auto backward = [](const Var& out, const Var& up) {
    const Var &a = out.input(0), &b = out.input(1);
    const Var change = replace_inf(a, 0) - replace_inf(b, 0);
    return Vars{up * sigmoid(a) * sigmoid(-a) * change, up * sigmoid_difference(b, a)};
  };
  const Var a = broadcast_to(q.logits(), shape), b = broadcast_to(p.logits(), shape);
  return sum(make_node("kl", map(each, a.value(), b.value()), {a, b}, backward), {-1});
}

}  // namespace stflow
