// ops_arithmetic.cpp - arithmetic with broadcasting.
//
// Here and in the other ops_*.cpp a line above each op gives its rule. dx stands for dL/dx, the
// gradient of the loss in x; dy, the gradient of the output, is `up` in the code. A rule may give
// gradients in the output's shape: the engine sums them down to each input's (grad.cpp); mul_to
// does it in one pass.
#include "stflow/autodiff/ops.h"

namespace stflow {

// y = a + b:  da = dy, db = dy
Var add(const Var& a, const Var& b) {
  return make_node("add", add(a.value(), b.value()), {a, b}, [](const Var&, const Var& up) {
    return Vars{up, up};
  });
}

// y = a - b:  da = dy, db = -dy
Var sub(const Var& a, const Var& b) {
  return make_node("sub", sub(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    return Vars{up, out.wants(1) ? -up : Var()};
  });
}

// y = a b:  da = dy b, db = dy a
Var mul(const Var& a, const Var& b) {
  return make_node("mul", mul(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    return Vars{out.wants(0) ? mul_to(up, out.input(1), out.input_shape(0)) : Var(),
                out.wants(1) ? mul_to(up, out.input(0), out.input_shape(1)) : Var()};
  });
}

// y = a / b:  da = dy / b, db = -dy a / b^2 = -(dy / b) y
Var div(const Var& a, const Var& b) {
  return make_node("div", div(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    const Var scaled = up / out.input(1);
    return Vars{scaled, out.wants(1) ? -mul_to(scaled, out, out.input_shape(1)) : Var()};
  });
}

// y = -x:  dx = -dy
Var neg(const Var& x) {
  return make_node("neg", neg(x.value()), {x}, [](const Var&, const Var& up) { return Vars{-up}; });
}

// y = x^n:  dx = dy n x^(n-1); for n = 0, y is constant
Var pow(const Var& x, double exponent) {
  return make_node("pow", pow(x.value(), static_cast<real>(exponent)), {x},
                   [exponent](const Var& out, const Var& up) {
                     if (exponent == 0) return Vars{Var()};
                     return Vars{up * exponent * pow(out.input(0), exponent - 1)};
                   });
}

// y = c ? a : b:  da = c ? dy : 0, db = c ? 0 : dy
Var where(const Tensor& condition, const Var& a, const Var& b) {
  return make_node("where", where(condition, a.value(), b.value()), {a, b},
                   [condition, at = condition.changed_at()](const Var&, const Var& up) {
                     CHECK_ARG(condition.changed_at() == at, "[grad] the condition of 'where', ",
                               condition.shape(), ", was changed in place since");
                     return Vars{where(condition, up, 0.0), where(condition, 0.0, up)};
                   });
}

}  // namespace stflow
