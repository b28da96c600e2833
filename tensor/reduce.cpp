// reduce.cpp - kernels of math.h that make many numbers into one: sums, maxima, softmax.
//
// Every reduction is brought to one shape: [outer, extent, inner] -> [outer, inner], where `extent`
// is a group of neighbouring axes. Separate groups are reduced one after the other.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "stflow/tensor/kernels/broadcast.h"
#include "stflow/tensor/kernels/folds.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

struct View3 {
  int64_t outer = 1, extent = 1, inner = 1;
};

View3 view_around(const Shape& shape, int first, int last) {
  View3 view;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    int64_t& part = axis < first ? view.outer : axis <= last ? view.extent : view.inner;
    part *= shape[axis];
  }
  return view;
}

STFLOW_CLONES real sum_run(const real* x, int64_t n) {
  return simd::lane_sum(n, [=](int64_t i) { return x[i]; });
}

STFLOW_CLONES real dot_run(const real* a, const real* b, int64_t n) {
  return simd::lane_sum(n, [=](int64_t i) { return a[i] * b[i]; });
}

STFLOW_CLONES real max_run(const real* x, int64_t n) {
  real best = -std::numeric_limits<real>::infinity();
  for (int64_t i = 0; i < n; ++i) best = x[i] > best || std::isnan(x[i]) ? x[i] : best;
  return best;
}

STFLOW_CLONES bool finite_run(const real* x, int64_t n) {
  int others = 0;  // of which x - x is NaN
  for (int64_t i = 0; i < n; ++i) others |= x[i] - x[i] == 0 ? 0 : 1;
  return others == 0;
}

STFLOW_CLONES void add_row(const real* __restrict x, real* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

STFLOW_CLONES void max_row(const real* __restrict x, real* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > y[i] || std::isnan(x[i]) ? x[i] : y[i];
}

using RunKernel = real (*)(const real*, int64_t);
using RowKernel = void (*)(const real*, real*, int64_t);

constexpr int64_t kRows = 1024;  // rows of a column that is not long

real reduce_run(const real* x, int64_t n, RunKernel kernel, int64_t most = simd::kLongRun) {
  return simd::reduce_halves(
      0, n, most, [=](int64_t begin, int64_t count) { return kernel(x + begin, count); },
      [=](real a, real b) {
        const real both[] = {a, b};
        return kernel(both, 2);
      });
}

// A sum over everything goes in blocks, in parallel.
real reduce_all(const real* x, int64_t n, RunKernel kernel) {
  const int64_t blocks = ceil_div(n, simd::kLongRun);
  if (blocks <= 1) return kernel(x, n);
  const int64_t most = blocks <= 64 ? simd::kLongRun : simd::kShortRun * simd::kLanes;
  std::vector<real> partial(blocks);
  parallel_for(blocks, 1, [&](int64_t block, int64_t) {
    const int64_t begin = block * simd::kLongRun;
    partial[block] = reduce_run(x + begin, std::min(simd::kLongRun, n - begin), kernel, most);
  });
  return reduce_run(partial.data(), blocks, kernel, kRows);
}

/// y [n] = the rows x[0], x[stride], ... in one; `scratch` has room for a row for each halving.
void reduce_rows(const real* x, int64_t rows, int64_t stride, int64_t most, RowKernel row,
                 real start, real* y, int64_t n, real* scratch) {
  if (rows <= most) {
    std::fill_n(y, n, start);
    for (int64_t i = 0; i < rows; ++i) row(x + i * stride, y, n);
    return;
  }
  const int64_t half = rows / 2;
  reduce_rows(x, half, stride, simd::kShortRun, row, start, y, n, scratch);
  reduce_rows(x + half * stride, rows - half, stride, simd::kShortRun, row, start, scratch, n,
              scratch + n);
  row(scratch, y, n);
}

Tensor reduce_group(const Tensor& x, View3 view, RunKernel run, RowKernel row, real start) {
  Tensor result({view.outer, view.inner});
  const real* in = x.data();
  real* out = result.data();
  if (view.outer == 1 && view.inner == 1) {
    out[0] = reduce_all(in, view.extent, run);
  } else if (view.inner == 1) {
    const int64_t grain =
        std::max<int64_t>(1, kElementwiseGrain / std::max<int64_t>(1, view.extent));
    parallel_for(view.outer, grain, [=](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        out[o] = reduce_run(in + o * view.extent, view.extent, run);
    });
  } else {
    // Columns are independent: each chunk owns a range of them.
    const int64_t halvings =
        view.extent > kRows ? std::bit_width(static_cast<uint64_t>(view.extent)) : 0;
    const int64_t grain =
        std::max<int64_t>(64, kElementwiseGrain / std::max<int64_t>(1, view.extent));
    for (int64_t o = 0; o < view.outer; ++o) {
      parallel_for(view.inner, grain, [=](int64_t begin, int64_t end) {
        std::vector<real> scratch(halvings * (end - begin));
        reduce_rows(in + o * view.extent * view.inner + begin, view.extent, view.inner, kRows, row,
                    start, out + o * view.inner + begin, end - begin, scratch.data());
      });
    }
  }
  return result;
}

// Which axes are reduced, one flag an axis.
std::vector<bool> reduced_axes(const Shape& shape, const Axes& axes, const char* op) {
  std::vector<bool> reduced(shape.rank(), axes.empty());
  for (int axis : axes) {
    const int place = shape.normalize(axis, op);
    CHECK_ARG(!reduced[place], "[", op, "] axis ", axis, " of ", shape, " is given twice");
    reduced[place] = true;
  }
  return reduced;
}

Tensor reduce(const Tensor& x, const Axes& axes, bool keepdim, RunKernel run, RowKernel row,
              real start, const char* op) {
  const std::vector<bool> reduced = reduced_axes(x.shape(op), axes, op);
  Tensor result = x;
  Shape shape = x.shape();
  for (int last = x.rank() - 1; last >= 0; --last) {
    if (!reduced[last]) continue;
    int first = last;
    while (first > 0 && reduced[first - 1]) --first;
    result = reduce_group(result, view_around(shape, first, last), run, row, start);
    for (int axis = first; axis <= last; ++axis) shape = shape.with(axis, 1);
    last = first;
  }
  if (!keepdim) {
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      if (reduced[axis]) shape = shape.without(axis);
    }
  }
  return result.reshape(shape);
}

}  // namespace

int64_t reduced_count(const Shape& shape, const Axes& axes, const char* op) {
  const std::vector<bool> reduced = reduced_axes(shape, axes, op);
  int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) count *= reduced[axis] ? shape[axis] : 1;
  CHECK_ARG(count > 0, "[", op, "] of no numbers: shape ", shape);
  return count;
}

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return reduce(x, axes, keepdim, sum_run, add_row, 0, "sum");
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const int64_t count = reduced_count(x.shape(), axes, "mean");
  return sum(x, axes, keepdim) / static_cast<double>(count);
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) {
  reduced_count(x.shape(), axes, "max");
  return reduce(x, axes, keepdim, max_run, max_row, -std::numeric_limits<real>::infinity(), "max");
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  reduced_count(x.shape(), axes, "logsumexp");
  // A maximum of -inf (all terms are zero) must not be subtracted from itself.
  constexpr real kLargest = std::numeric_limits<real>::max();
  const Tensor top = clamp(max(x, axes, true), -kLargest, kLargest);
  const Tensor total = sum(exp(sub(x, top)), axes, keepdim);
  return add(log(total), top.reshape(total.shape()));
}

Tensor softmax(const Tensor& x, int axis) {
  reduced_count(x.shape(), {axis}, "softmax");
  const Tensor e = exp(sub(x, max(x, {axis}, true)));
  return div(e, sum(e, {axis}, true));
}

// Not x - logsumexp(x): far from 0 the sum of maximum and logarithm loses the logarithm.
Tensor log_softmax(const Tensor& x, int axis) {
  reduced_count(x.shape(), {axis}, "log_softmax");
  const Tensor below = sub(x, max(x, {axis}, true));
  return sub(below, log(sum(exp(below), {axis}, true)));
}

Tensor argmax(const Tensor& x) {
  const int64_t n = reduced_count(x.shape(), {-1}, "argmax");
  const auto below = [](real a, real b) { return a < b || (std::isnan(b) && !std::isnan(a)); };
  Tensor result(x.shape().without(-1));
  for (int64_t row = 0; row < result.numel(); ++row) {
    const real* begin = x.data() + row * n;
    result.data()[row] = static_cast<real>(std::max_element(begin, begin + n, below) - begin);
  }
  return result;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  CHECK_ARG(broadcasts_to(shape, x.shape()), "[sum_to] ", x.shape(), " cannot be summed to ",
            shape);
  Axes axes;
  const int added = x.rank() - shape.rank();
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < added || (shape[axis - added] == 1 && x.dim(axis) != 1)) axes.push_back(axis);
  }
  return axes.empty() ? x.reshape(shape) : sum(x, axes).reshape(shape);
}

Tensor mul_sum_to(const Tensor& a, const Tensor& b, const Shape& shape) {
  const Broadcast plan(a.shape(), b.shape(), "mul_sum_to", /*whole_last_axis=*/true);
  CHECK_ARG(broadcasts_to(shape, plan.shape), "[mul_sum_to] the product of ", a.shape(), " and ",
            b.shape(), " cannot be summed to ", shape);
  const bool sums_rows = plan.a_step == 1 && plan.b_step == 1 && 1 < plan.run &&
                         plan.run <= simd::kLongRun && (shape.rank() == 0 || shape[-1] == 1);
  if (!sums_rows) return sum_to(mul(a, b), shape);
  Tensor rows = Tensor::full(plan.shape.with(-1, 1), 0, "mul_sum_to");
  const real *pa = a.data(), *pb = b.data();
  real* out = rows.data();
  plan.for_each_run([=](int64_t start, int64_t n, int64_t ia, int64_t ib) {
    out[start / n] = dot_run(pa + ia, pb + ib, n);
  });
  return sum_to(rows, shape);
}

bool all_finite(const Tensor& x) { return finite_run(x.data(), x.shape().numel()); }

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, std::string* why) {
  if (a.shape() != b.shape()) {
    if (why) *why = concat_message("shapes differ: ", a.shape(), " and ", b.shape());
    return false;
  }
  int64_t worst = -1;
  double worst_excess = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    if (a[i] == b[i]) continue;  // equal infinities too
    double excess = std::abs(double(a[i]) - double(b[i])) - (atol + rtol * std::abs(double(b[i])));
    if (std::isnan(excess)) excess = std::numeric_limits<double>::infinity();
    if (excess > worst_excess) worst = i, worst_excess = excess;
  }
  if (worst >= 0 && why) {
    *why = concat_message("worst at flat index ", worst, " of ", a.shape(), ": ", a[worst], " and ",
                          b[worst], " (rtol ", rtol, ", atol ", atol, ")");
  }
  return worst < 0;
}

}  // namespace stflow
