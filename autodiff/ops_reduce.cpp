// ops_reduce.cpp - sums and what is built on them. An upstream gradient has lost the reduced axes:
// it is first given back as axes of extent 1, so that broadcasting spreads it.
#include "stflow/autodiff/ops.h"

namespace stflow {
namespace {

// The shape of a reduction of `shape` with keepdim.
Shape kept_shape(Shape shape, const Axes& axes, const char* op) {
  for (int axis = 0; axis < shape.rank() && axes.empty(); ++axis) shape = shape.with(axis, 1);
  for (int axis : axes) shape = shape.with(shape.normalize(axis, op), 1);
  return shape;
}

}  // namespace

Var sum(const Var& x, const Axes& axes, bool keepdim) {
  return make_node("sum", sum(x.value(), axes, keepdim), {x},
                   [kept = kept_shape(x.shape(), axes, "sum")](const Var& out, const Var& up) {
                     return Vars{broadcast_to(reshape(up, kept), out.input_shape(0))};
                   });
}

Var mean(const Var& x, const Axes& axes, bool keepdim) {
  const int64_t count = reduced_count(x.shape(), axes, "mean");
  return sum(x, axes, keepdim) / static_cast<double>(count);
}

Var max(const Var& x, const Axes& axes, bool keepdim) {
  return make_node(
      "max", max(x.value(), axes, keepdim), {x},
      [axes, kept = kept_shape(x.shape(), axes, "max")](const Var& out, const Var& up) {
        const Tensor top = equal(out.input(0).value(), out.value().reshape(kept));
        const Tensor share = top / sum(top, axes, true);
        return Vars{reshape(up, kept) * share};
      });
}

Var logsumexp(const Var& x, const Axes& axes, bool keepdim) {
  return make_node(
      "logsumexp", logsumexp(x.value(), axes, keepdim), {x},
      [axes, kept = kept_shape(x.shape(), axes, "logsumexp")](const Var& out, const Var& up) {
        // The weights add up to 1 but for the rounding of `out`, which is large far
        // from 0.
        const Var weight = exp(out.input(0) - reshape(out, kept));
        return Vars{reshape(up, kept) * weight / sum(weight, axes, true)};
      });
}

Var softmax(const Var& x, int axis) {
  return make_node("softmax", softmax(x.value(), axis), {x}, [axis](const Var& out, const Var& up) {
    return Vars{out * (up - sum(up * out, {axis}, true))};
  });
}

Var log_softmax(const Var& x, int axis) {
  return make_node("log_softmax", log_softmax(x.value(), axis), {x},
                   [axis](const Var& out, const Var& up) {
                     return Vars{up - exp(out) * sum(up, {axis}, true)};
                   });
}

Var sum_to(const Var& x, const Shape& shape) {
  return make_node("sum_to", sum_to(x.value(), shape), {x}, [](const Var& out, const Var& up) {
    return Vars{broadcast_to(up, out.input_shape(0))};
  });
}

Var broadcast_to(const Var& x, const Shape& shape) {
  return make_node("broadcast_to", broadcast_to(x.value(), shape), {x},
                   [](const Var&, const Var& up) { return Vars{up}; });
}

Var mul_to(const Var& a, const Var& b, const Shape& shape) {
  const Shape product = broadcast_shapes(a.shape(), b.shape(), "mul_to");
  if (product == shape) return a * b;
  if (broadcasts_to(product, shape)) return broadcast_to(a * b, shape);
  return make_node("mul_to", mul_sum_to(a.value(), b.value(), shape), {a, b},
                   [product](const Var& out, const Var& up) {
                     const Shape &left = out.input_shape(0), &right = out.input_shape(1);
                     const bool both_repeated = left != product && right != product;
                     const Var each = both_repeated ? broadcast_to(up, product) : up;
                     return Vars{out.wants(0) ? mul_to(each, out.input(1), left) : Var(),
                                 out.wants(1) ? mul_to(each, out.input(0), right) : Var()};
                   });
}

}  // namespace stflow
