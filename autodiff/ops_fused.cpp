// ops_fused.cpp - formulas of several ops, each made one op with a loop of its own.
//
// The comment above each has the plain formula, in the ops of ops.h; tests/test_fused.cpp compares
// the two. Written plainly, the numbers of a layer go to memory and back once for each op, forward
// and backward, and REBAR and RELAX do that twice for every unit and pixel.
//
// A rule here has two bodies: with a graph (grad_enabled()) it is written in ops, as everywhere, so
// that it can be differentiated again; without one it is a loop.
#include <cmath>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {

// up * (x - sigmoid(logits))
Var bernoulli_log_prob_grad(const Var& up, const Var& logits, const Var& x,
                            const Tensor& residual) {
  return make_node("bernoulli_log_prob_grad", mul(up.value(), residual), {up, logits, x},
                   [residual](const Var& out, const Var& g) {
                     const Var &each = out.input(0), &a = out.input(1), &values = out.input(2);
                     if (grad_enabled()) {
                       const Var p = sigmoid(a);
                       return Vars{g * (values - p), -g * each * p * sigmoid(-a), g * each};
                     }
                     Tensor to_logits;
                     const Tensor to_rows =
                         bernoulli_residual_backward(g.value(), each.value(), a.value(), residual,
                                                     out.wants(1) ? &to_logits : nullptr);
                     return Vars{Var(to_rows), to_logits.defined() ? Var(to_logits) : Var(),
                                 out.wants(2) ? g * each : Var()};
                   });
}

// sign * softplus(softplus(sign * logits) + sign * log(v / (1 - v)))
Var perturbed_given(const Var& logits, const Tensor& sign, const Tensor& v) {
  const auto each = [](real a, real s, real v_i) {
    return s * simd::softplus(simd::softplus(s * a) + s * simd::logit(v_i));
  };
  return make_node("perturbed_given", map(each, logits.value(), sign, v), {logits},
                   [sign](const Var& out, const Var& up) {
                     return Vars{up * perturbed_given_slope(out.input(0), sign, out.value())};
                   });
}

// (1 - exp(-abs(perturbed))) * sigmoid(sign * logits), where abs(perturbed) = softplus(w) and so
// the first factor is sigmoid(w). With dw/dlogits = sign * sigmoid(sign * logits) the derivative
// of the product y is sign * y * (1 - y).
Var perturbed_given_slope(const Var& logits, const Tensor& sign, const Tensor& perturbed) {
  const auto each = [](real a, real s, real z) {
    return -simd::expm1(-std::abs(z)) * simd::sigmoid(s * a);
  };
  return make_node("perturbed_given_slope", map(each, logits.value(), sign, perturbed), {logits},
                   [sign](const Var& out, const Var& up) -> Vars {
                     if (grad_enabled()) return {up * Var(sign) * out * (1 - out)};
                     const auto next = [](real u, real s, real y) { return u * s * y * (1 - y); };
                     return {Var(map(next, up.value(), sign, out.value()))};
                   });
}

// sigmoid(z / temperature)
Var soften(const Var& z, const Var& temperature) {
  const real t = static_cast<real>(temperature.item());
  const auto each = [t](real z_i) { return simd::sigmoid(z_i / t); };
  return make_node(
      "soften", map(each, z.value()), {z, temperature}, [](const Var& out, const Var& up) {
        const Var &x = out.input(0), &t_i = out.input(1);
        const Var to_z = up * soften_slope(out, t_i);
        return Vars{to_z, out.wants(1) ? -mul_to(to_z, replace_inf(x, 0), {}) / t_i : Var()};
      });
}

// y * (1 - y) / temperature
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

}  // namespace stflow
