// ops_shape.cpp - ops that move numbers; the gradient moves them back.
#include "stflow/autodiff/ops.h"

namespace stflow {

// y = x in another shape:  dx = dy in the shape of x
Var reshape(const Var& x, const Shape& shape) {
  return make_node("reshape", x.value().reshape(shape), {x}, [](const Var& out, const Var& up) {
    return Vars{reshape(up, out.input_shape(0))};
  });
}

// y = x^T:  dx = dy^T
Var transpose(const Var& x, int axis0, int axis1) {
  return make_node("transpose", transpose(x.value(), axis0, axis1), {x},
                   [=](const Var&, const Var& up) { return Vars{transpose(up, axis0, axis1)}; });
}

// y = x[begin..end):  dx = (zeros, dy, zeros)
Var slice(const Var& x, int axis, int64_t begin, int64_t end) {
  return make_node("slice", slice(x.value(), axis, begin, end), {x},
                   [=](const Var& out, const Var& up) {
                     const Shape& shape = out.input_shape(0);
                     return Vars{concat({Tensor::zeros(shape.with(axis, begin)), up,
                                         Tensor::zeros(shape.with(axis, shape[axis] - end))},
                                        axis)};
                   });
}

// y = x[index], a slice and a reshape
Var select(const Var& x, int axis, int64_t index) {
  CHECK_ARG(0 <= index && index < x.dim(axis), "[select] index ", index, " does not fit axis ",
            axis, " of ", x.shape());
  return reshape(slice(x, axis, index, index + 1), x.shape().without(axis));
}

// y = (x_1, x_2, ...):  dx_i = the slice of dy where x_i went
Var concat(const Vars& parts, int axis) {
  std::vector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  return make_node("concat", concat(values, axis), parts,
                   [axis](const Var& out, const Var& up) -> Vars {
                     Vars gradients;
                     int64_t begin = 0;
                     for (const Var& part : out.inputs()) {
                       const int64_t end = begin + part.dim(axis);
                       gradients.push_back(slice(up, axis, begin, end));
                       begin = end;
                     }
                     return gradients;
                   });
}

// y = (x_1, x_2, ...) along a new axis, a concat
Var stack(const Vars& parts) {
  Vars rows;
  for (const Var& part : parts) rows.push_back(reshape(part, part.shape().inserted(0, 1)));
  return concat(rows, 0);
}

}  // namespace stflow
