// ops_arithmetic.cpp - arithmetic with broadcasting. A rule may give gradients in the output's
// shape, which the engine sums down to each input's (grad.cpp); mul_to does it in one pass.
#include "stflow/autodiff/ops.h"

namespace stflow {

Var add(const Var& a, const Var& b) {
  return make_node("add", add(a.value(), b.value()), {a, b}, [](const Var&, const Var& up) {
    return Vars{up, up};
  });
}

Var sub(const Var& a, const Var& b) {
  return make_node("sub", sub(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    return Vars{up, out.wants(1) ? -up : Var()};
  });
}

Var mul(const Var& a, const Var& b) {
  return make_node("mul", mul(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    return Vars{out.wants(0) ? mul_to(up, out.input(1), out.input_shape(0)) : Var(),
                out.wants(1) ? mul_to(up, out.input(0), out.input_shape(1)) : Var()};
  });
}

Var div(const Var& a, const Var& b) {
  return make_node("div", div(a.value(), b.value()), {a, b}, [](const Var& out, const Var& up) {
    const Var scaled = up / out.input(1);
    return Vars{scaled, out.wants(1) ? -mul_to(scaled, out, out.input_shape(1)) : Var()};
  });
}

Var neg(const Var& x) {
  return make_node("neg", neg(x.value()), {x}, [](const Var&, const Var& up) { return Vars{-up}; });
}

Var pow(const Var& x, double exponent) {
  return make_node("pow", pow(x.value(), static_cast<real>(exponent)), {x},
                   [exponent](const Var& out, const Var& up) {
                     if (exponent == 0) return Vars{Var()};
                     return Vars{up * exponent * pow(out.input(0), exponent - 1)};
                   });
}

Var where(const Tensor& condition, const Var& a, const Var& b) {
  return make_node("where", where(condition, a.value(), b.value()), {a, b},
                   [condition](const Var&, const Var& up) {
                     return Vars{where(condition, up, 0.0), where(condition, 0.0, up)};
                   });
}

}  // namespace stflow
