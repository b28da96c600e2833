// ops_elementwise.cpp - functions of each number by itself, and their derivatives.
#include <cmath>
#include <utility>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {
namespace {

/// y = f(x):  dx = dy f'(x), where derivative(out) is f'(x); out is y and out.input(0) is x.
template <typename Derivative>
Var elementwise(const char* op, Tensor value, const Var& x, Derivative derivative) {
  return make_node(op, std::move(value), {x}, [derivative](const Var& out, const Var& up) {
    return Vars{up * derivative(out)};
  });
}

}  // namespace

// (e^x)' = e^x = y
Var exp(const Var& x) {
  return elementwise("exp", exp(x.value()), x, [](const Var& out) { return out; });
}

// (e^x - 1)' = e^x = y + 1
Var expm1(const Var& x) {
  return elementwise("expm1", expm1(x.value()), x, [](const Var& out) { return out + 1; });
}

// (log x)' = 1 / x
Var log(const Var& x) {
  return make_node("log", log(x.value()), {x},
                   [](const Var& out, const Var& up) { return Vars{up / out.input(0)}; });
}

// log(1 + x)' = 1 / (1 + x)
Var log1p(const Var& x) {
  return elementwise("log1p", log1p(x.value()), x,
                     [](const Var& out) { return 1 / (1 + out.input(0)); });
}

// (x^1/2)' = 1 / (2 x^1/2) = 0.5 / y
Var sqrt(const Var& x) {
  return elementwise("sqrt", sqrt(x.value()), x, [](const Var& out) { return 0.5 / out; });
}

// (x^2)' = 2 x
Var square(const Var& x) {
  return elementwise("square", square(x.value()), x,
                     [](const Var& out) { return 2 * out.input(0); });
}

// |x|' = sign(x)
Var abs(const Var& x) {
  return elementwise("abs", abs(x.value()), x,
                     [](const Var& out) { return Var(sign(out.input(0).value())); });
}

// tanh' = 1 - tanh^2 = 1 - y^2
Var tanh(const Var& x) {
  return elementwise("tanh", tanh(x.value()), x, [](const Var& out) { return 1 - square(out); });
}

// sigmoid' = sigmoid (1 - sigmoid) = y (1 - y)
Var sigmoid(const Var& x) {
  return elementwise("sigmoid", sigmoid(x.value()), x,
                     [](const Var& out) { return out * (1 - out); });
}

// log(1 + e^x)' = e^x / (1 + e^x) = sigmoid(x)
Var softplus(const Var& x) {
  return elementwise("softplus", softplus(x.value()), x,
                     [](const Var& out) { return sigmoid(out.input(0)); });
}

// max(x, 0)' = 1 where x > 0, else 0
Var relu(const Var& x) {
  return elementwise("relu", relu(x.value()), x, [](const Var& out) {
    return Var(greater(out.input(0).value(), Tensor::scalar(0)));
  });
}

// 1 where x > 0, else the slope
Var leaky_relu(const Var& x, double slope) {
  return elementwise(
      "leaky_relu", leaky_relu(x.value(), static_cast<real>(slope)), x,
      [below = static_cast<real>(slope)](const Var& out) {
        return Var(map([below](real v) { return v > 0 ? real(1) : below; }, out.input(0).value()));
      });
}

// 1 where x was left as it is (y = x), else 0
Var clamp(const Var& x, double low, double high) {
  return elementwise("clamp", clamp(x.value(), static_cast<real>(low), static_cast<real>(high)), x,
                     [](const Var& out) { return Var(equal(out.value(), out.input(0).value())); });
}

// the rule of where: dx = dy where x is finite or NaN, else 0
Var replace_inf(const Var& x, double by) {
  if (all_finite(x.value())) return x;
  return where(map([](real v) { return std::isinf(v) ? real(0) : real(1); }, x.value()), x, by);
}

// psi_n' = psi_{n+1}
Var polygamma(int n, const Var& x) {
  return elementwise("polygamma", polygamma(n, x.value()), x,
                     [n](const Var& out) { return polygamma(n + 1, out.input(0)); });
}

}  // namespace stflow
