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

// y = sum_i x_i:  dx_i = dy
Var sum(const Var& x, const Axes& axes, bool keepdim) {
  return make_node("sum", sum(x.value(), axes, keepdim), {x},
                   [kept = kept_shape(x.shape(), axes, "sum")](const Var& out, const Var& up) {
                     return Vars{broadcast_to(reshape(up, kept), out.input_shape(0))};
                   });
}

// y = sum_i x_i / n:  dx_i = dy / n
Var mean(const Var& x, const Axes& axes, bool keepdim) {
  const int64_t count = reduced_count(x.shape(), axes, "mean");
  return sum(x, axes, keepdim) / static_cast<double>(count);
}

// y = max_i x_i:  dx_i = dy / n where x_i is the largest, n of which are equal; else 0
Var max(const Var& x, const Axes& axes, bool keepdim) {
  return make_node(
      "max", max(x.value(), axes, keepdim), {x},
      [axes, kept = kept_shape(x.shape(), axes, "max")](const Var& out, const Var& up) {
        const Tensor top = equal(out.input(0).value(), out.value().reshape(kept));
        const Tensor share = top / sum(top, axes, true);
        return Vars{reshape(up, kept) * share};
      });
}

// y = log sum_i e^x_i:  dx_i = dy e^(x_i - y)
Var logsumexp(const Var& x, const Axes& axes, bool keepdim) {
  return make_node(
      "logsumexp", logsumexp(x.value(), axes, keepdim), {x},
      [axes, kept = kept_shape(x.shape(), axes, "logsumexp")](const Var& out, const Var& up) {
        // The weights add up to 1 but for the rounding of `out`, which is large far from 0.
        const Var weight = exp(out.input(0) - reshape(out, kept));
        return Vars{reshape(up, kept) * weight / sum(weight, axes, true)};
      });
}

// y_i = e^x_i / sum_j e^x_j:  dx_i = y_i (dy_i - sum_j dy_j y_j)
Var softmax(const Var& x, int axis) {
  return make_node("softmax", softmax(x.value(), axis), {x}, [axis](const Var& out, const Var& up) {
    return Vars{out * (up - sum(up * out, {axis}, true))};
  });
}

// y_i = x_i - log sum_j e^x_j:  dx_i = dy_i - e^y_i sum_j dy_j
Var log_softmax(const Var& x, int axis) {
  return make_node("log_softmax", log_softmax(x.value(), axis), {x},
                   [axis](const Var& out, const Var& up) {
                     return Vars{up - exp(out) * sum(up, {axis}, true)};
                   });
}

// y = x summed over the axes that `shape` has not:  dx = dy, repeated along them
Var sum_to(const Var& x, const Shape& shape) {
  return make_node("sum_to", sum_to(x.value(), shape), {x}, [](const Var& out, const Var& up) {
    return Vars{broadcast_to(up, out.input_shape(0))};
  });
}

// y = x repeated:  dx = dy, summed over the copies, which is the engine's work
Var broadcast_to(const Var& x, const Shape& shape) {
  return make_node("broadcast_to", broadcast_to(x.value(), shape), {x},
                   [](const Var&, const Var& up) { return Vars{up}; });
}

// y = a b, brought to `shape`:  da = dy b, brought to a's shape, db = dy a, brought to b's: again
// mul_to, which is why the op exists. It has three cases:
//     a b has the shape          [B,D] x [D] to [B,D]    a product
//     a b is repeated            [D] x [D] to [B,D]      a product, then broadcast_to
//     a b is summed              [B,D] x [B,D] to [D]    one pass, without a b in memory
// Only the third makes a node of its own. There dy has lost the axes that were summed. Where one
// factor has all axes of a b, dy b or dy a has them again, by broadcasting. Where neither has, as
// for [B,1] x [1,D] to [], dy is repeated first: da [B,1] is a sum over d for each row, and dy b
// alone, [1,D], has no rows.
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
