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

// For u in (0, 1). In one logarithm: 1 - u is exact from 1/2 on.
real logit(real u) { return simd::log(u / (1 - u)); }

// What perturbed_given() is made of, with s = 1 for a one and -1 for a zero:
//     z~ = s softplus(w), w = softplus(s a) + s logit(v);  dz~/da = sigmoid(w) sigmoid(s a)
// Value and slope are an op each, for REBAR differentiates both for every unit. The slope takes
// sigmoid(w) from |z~| = softplus(w), as 1 - exp(-|z~|).
struct Conditional {
  Tensor sign, v;

  Var value(const Var& a) const {
    const auto each = [](real a_i, real s, real v_i) {
      return s * simd::softplus(simd::softplus(s * a_i) + s * logit(v_i));
    };
    return make_node("perturbed_given", map(each, a.value(), sign, v), {a},
                     [*this](const Var& out, const Var& up) {
                       return Vars{up * slope(out.input(0), out.value())};
                     });
  }

  Var slope(const Var& a, const Tensor& perturbed) const {
    const auto each = [](real a_i, real s, real z) {
      return -simd::expm1(-std::abs(z)) * simd::sigmoid(s * a_i);
    };
    return make_node("perturbed_given_slope", map(each, a.value(), sign, perturbed), {a},
                     [*this](const Var& out, const Var& up) -> Vars {
                       if (grad_enabled()) return {up * sign * out * (1 - out)};
                       const auto next = [](real u, real s, real y) { return u * s * y * (1 - y); };
                       return {Var(map(next, up.value(), sign, out.value()))};
                     });
  }
};

// d soften / d perturbed, for y = soften(...), an op of its own for the same reason. Its gradient
// is one loop where no graph is wanted, as that of the slope above.
Var soften_slope(const Var& y, const Var& temperature) {
  const real t = static_cast<real>(temperature.item());
  return make_node("soften_slope", map([t](real y_i) { return y_i * (1 - y_i) / t; }, y.value()),
                   {y, temperature}, [t](const Var& out, const Var& up) -> Vars {
                     const Var &y_i = out.input(0), &t_i = out.input(1);
                     const auto next = [t](real u, real v) { return u * (1 - 2 * v) / t; };
                     const Var to_y = grad_enabled() ? up * (1 - 2 * y_i) / t_i
                                                     : Var(map(next, up.value(), y_i.value()));
                     return {to_y, out.wants(1) ? -mul_to(up, out, {}) / t_i : Var()};
                   });
}

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
  return logits() - Var(map([](real u_i) { return logit(u_i); }, u));
}

// 1 - u given z: uniform on (1-p, 1) if z = 1, on (0, 1-p) if z = 0. For z = 1 that is
//     logits + logit(1-p + v p) = log(v / ((1-v) (1-p)) + 1) = softplus(logit(v) - log(1-p)),
// where -log(1-p) = softplus(logits); z = 0 is its mirror image. In float, 1 - p itself has no
// digits left at |logit| = 14.
Var Bernoulli::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Tensor sign = map([](real bit) { return bit != 0 ? real(1) : real(-1); }, z);
  return Conditional{sign, v}.value(logits());
}

Tensor Bernoulli::harden(const Tensor& perturbed) const {
  return greater(perturbed, Tensor::scalar(0));
}

Var Bernoulli::soften(const Var& perturbed, const Var& temperature) const {
  const real t = static_cast<real>(temperature.item());
  const auto each = [t](real z) { return simd::sigmoid(z / t); };
  return make_node("soften", map(each, perturbed.value()), {perturbed, temperature},
                   [](const Var& out, const Var& up) {
                     const Var &z = out.input(0), &t_i = out.input(1);
                     const Var to_perturbed = up * soften_slope(out, t_i);
                     return Vars{
                         to_perturbed,
                         out.wants(1) ? -mul_to(to_perturbed, replace_inf(z, 0), {}) / t_i : Var()};
                   });
}

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
    return Vars{up * change * sigmoid(a) * sigmoid(-a), up * (sigmoid(b) - sigmoid(a))};
  };
  const Var a = broadcast_to(q.logits(), shape), b = broadcast_to(p.logits(), shape);
  return sum(make_node("kl", map(each, a.value(), b.value()), {a, b}, backward), {-1});
}

}  // namespace stflow
