// layout.cpp - kernels of math.h that move numbers without computing: broadcast, transpose, slice,
// concat.
#include <algorithm>
#include <cmath>

#include "stflow/tensor/kernels/broadcast.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

int64_t product(const Shape& shape, int begin, int end) {
  int64_t result = 1;
  for (int axis = begin; axis < end; ++axis) result *= shape[axis];
  return result;
}

}  // namespace

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  CHECK_ARG(broadcasts_to(x.shape(), shape), "[broadcast_to] ", x.shape(),
            " cannot be repeated to ", shape);
  const Broadcast plan(x.shape(), shape, "broadcast_to");
  Tensor result(shape, "broadcast_to");
  const real* in = x.data();
  real* out = result.data();
  plan.for_each_run([=, &plan](int64_t start, int64_t n, int64_t i, int64_t) {
    if (plan.a_step == 1) {
      std::copy_n(in + i, n, out + start);
    } else {
      std::fill_n(out + start, n, in[i]);
    }
  });
  return result;
}

Tensor transpose(const Tensor& x, int axis0, int axis1) {
  const Shape& s = x.shape();
  const auto [first, second] =
      std::minmax({s.normalize(axis0, "transpose"), s.normalize(axis1, "transpose")});
  if (first == second) return x;
  // x is [outer, m, middle, n, inner]; the result [outer, n, middle, m, inner].
  const int64_t outer = product(s, 0, first), m = s[first], middle = product(s, first + 1, second),
                n = s[second], inner = product(s, second + 1, s.rank());
  Tensor result(s.with(first, n).with(second, m));
  if (x.numel() == 0) return result;
  const real* in = x.data();
  real* out = result.data();
  const int64_t block = middle * m * inner;  // what one (outer, n) pair writes
  parallel_for(outer * n, std::max<int64_t>(1, kElementwiseGrain / block),
               [=](int64_t begin, int64_t end) {
                 for (int64_t pair = begin; pair < end; ++pair) {
                   const int64_t o = pair / n, j = pair % n;
                   real* y = out + pair * block;
                   for (int64_t k = 0; k < middle; ++k) {
                     for (int64_t i = 0; i < m; ++i, y += inner) {
                       std::copy_n(in + (((o * m + i) * middle + k) * n + j) * inner, inner, y);
                     }
                   }
                 }
               });
  return result;
}

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end) {
  const int where = x.shape().normalize(axis, "slice");
  const int64_t extent = x.dim(where);
  CHECK_ARG(0 <= begin && begin <= end && end <= extent, "[slice] range ", begin, "..", end,
            " does not fit axis ", axis, " of ", x.shape());
  const Shape shape = x.shape().with(where, end - begin);
  const int64_t outer = product(shape, 0, where), inner = product(shape, where + 1, shape.rank());
  Tensor result(shape);
  for (int64_t o = 0; o < outer; ++o) {
    std::copy_n(x.data() + (o * extent + begin) * inner, (end - begin) * inner,
                result.data() + o * (end - begin) * inner);
  }
  return result;
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  CHECK_ARG(!parts.empty(), "[concat] needs at least one tensor");
  const int where = parts[0].shape().normalize(axis, "concat");
  int64_t total = 0;
  for (const Tensor& part : parts) {
    CHECK_ARG(part.rank() == parts[0].rank() &&
                  part.shape().with(where, 0) == parts[0].shape().with(where, 0),
              "[concat] along axis ", axis, ": ", part.shape(), " does not match ",
              parts[0].shape());
    total += part.dim(where);
  }
  Tensor result(parts[0].shape().with(where, total), "concat");
  const int64_t outer = product(result.shape(), 0, where);
  const int64_t row = product(result.shape(), where, result.rank());
  int64_t offset = 0;
  for (const Tensor& part : parts) {
    const int64_t piece = product(part.shape(), where, part.rank());
    for (int64_t o = 0; o < outer; ++o) {
      std::copy_n(part.data() + o * piece, piece, result.data() + o * row + offset);
    }
    offset += piece;
  }
  return result;
}

Tensor gather_rows(const Tensor& x, const std::vector<int64_t>& index) {
  CHECK_ARG(x.rank() > 0, "[gather_rows] needs at least one axis, got a scalar");
  for (int64_t i : index) {
    CHECK_ARG(0 <= i && i < x.dim(0), "[gather_rows] index ", i, " is out of range for ",
              x.shape());
  }
  Tensor result(x.shape().with(0, static_cast<int64_t>(index.size())), "gather_rows");
  const int64_t row = product(x.shape(), 1, x.rank());
  for (size_t r = 0; r < index.size(); ++r) {
    std::copy_n(x.data() + index[r] * row, row, result.data() + static_cast<int64_t>(r) * row);
  }
  return result;
}

Tensor one_hot(const Tensor& labels, int64_t classes) {
  Tensor result = Tensor::full(labels.shape().inserted(labels.rank(), classes), 0, "one_hot");
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const real label = labels[i];
    CHECK_ARG(0 <= label && label < static_cast<real>(classes) && std::trunc(label) == label,
              "[one_hot] label ", label, " at position ", i, " is not a whole number in 0..",
              classes - 1);
    result.data()[i * classes + static_cast<int64_t>(label)] = 1;
  }
  return result;
}

Tensor arange(int64_t n) {
  CHECK_ARG(n >= 0, "[arange] needs n >= 0, got ", n);
  Tensor result(Shape{n}, "arange");
  for (int64_t i = 0; i < n; ++i) result.data()[i] = static_cast<real>(i);
  return result;
}

}  // namespace stflow
