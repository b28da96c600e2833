// reduce.cpp - kernels of math.h that make many numbers into one: sums, maxima, softmax,
// likelihoods.
//
// Every reduction is brought to one shape: [outer, extent, inner] -> [outer, inner], where `extent`
// is a group of neighbouring axes. Separate groups are reduced one after the other.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/broadcast.h"
#include "tensor/math.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"

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

STFLOW_CLONES void add_row(const real* __restrict x, real* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

STFLOW_CLONES void max_row(const real* __restrict x, real* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > y[i] || std::isnan(x[i]) ? x[i] : y[i];
}

using RunKernel = real (*)(const real*, int64_t);
using RowKernel = void (*)(const real*, real*, int64_t);

// A sum over everything goes in blocks: in parallel, and with less rounding error than one long
// sum.
constexpr int64_t kBlock = 16 * 1024;

real reduce_long_run(const real* x, int64_t n, RunKernel run) {
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  if (blocks <= 1) return run(x, n);
  std::vector<real> partial(blocks);
  parallel_for(blocks, 1, [&](int64_t block, int64_t) {
    const int64_t begin = block * kBlock;
    partial[block] = run(x + begin, std::min(kBlock, n - begin));
  });
  return run(partial.data(), blocks);
}

Tensor reduce_group(const Tensor& x, View3 view, RunKernel run, RowKernel row, real start) {
  Tensor result({view.outer, view.inner});
  const real* in = x.data();
  real* out = result.data();
  if (view.outer == 1 && view.inner == 1) {
    out[0] = reduce_long_run(in, view.extent, run);
  } else if (view.inner == 1) {
    const int64_t grain =
        std::max<int64_t>(1, kElementwiseGrain / std::max<int64_t>(1, view.extent));
    parallel_for(view.outer, grain, [=](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) out[o] = run(in + o * view.extent, view.extent);
    });
  } else {
    // Columns are independent: each chunk owns a range of them and adds up the rows in order.
    const int64_t grain =
        std::max<int64_t>(64, kElementwiseGrain / std::max<int64_t>(1, view.extent));
    for (int64_t o = 0; o < view.outer; ++o) {
      parallel_for(view.inner, grain, [=](int64_t begin, int64_t end) {
        real* y = out + o * view.inner + begin;
        std::fill_n(y, end - begin, start);
        for (int64_t e = 0; e < view.extent; ++e) {
          row(in + (o * view.extent + e) * view.inner + begin, y, end - begin);
        }
      });
    }
  }
  return result;
}

// Which axes are reduced, one flag an axis.
std::vector<bool> reduced_axes(const Shape& shape, const Axes& axes) {
  std::vector<bool> reduced(shape.rank(), axes.empty());
  for (int axis : axes) reduced[shape.normalize(axis)] = true;
  return reduced;
}

Tensor reduce(const Tensor& x, const Axes& axes, bool keepdim, RunKernel run, RowKernel row,
              real start) {
  const std::vector<bool> reduced = reduced_axes(x.shape(), axes);
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

int64_t reduced_count(const Shape& shape, const Axes& axes) {
  const std::vector<bool> reduced = reduced_axes(shape, axes);
  int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) count *= reduced[axis] ? shape[axis] : 1;
  return count;
}

// sum_i x_i a_i - softplus(a_i), with softplus(a) = max(a, 0) + log(1 + e^-|a|). The arguments of
// the logarithms are multiplied, 64 in a lane at most, so that 2^64 is the most there can be, and
// one logarithm is taken of the product: dividing and logarithms are what costs here. What rounding
// takes from 1 + e^-|a| is added by itself, as in log1p. If asked, x_i - sigmoid(a_i) comes with
// it, by the same exponential.
template <bool kResidual>
inline __attribute__((always_inline)) real bernoulli_sum(const real* a, const real* x,
                                                         real* __restrict residual, int64_t n) {
  constexpr int64_t kFactors = 64 * simd::kLanes;
  real total = 0, term[kFactors], argument[kFactors];
  for (int64_t begin = 0; begin < n; begin += kFactors, a += kFactors, x += kFactors) {
    const int64_t count = std::min(n - begin, kFactors);
    for (int64_t i = 0; i < count; ++i) {
      const real e = simd::exp(-std::abs(a[i])), u = 1 + e, inverse = 1 / u;
      const real top = a[i] > 0 ? a[i] : 0, lost = (e - (u - 1)) * inverse;
      if constexpr (kResidual) residual[begin + i] = x[i] - (a[i] > 0 ? 1 : e) * inverse;
      term[i] = x[i] * a[i] - top - lost;
      argument[i] = u;
    }
    total += simd::lane_sum(count, [&](int64_t i) { return term[i]; }) -
             simd::lane_log_product(count, [&](int64_t i) { return argument[i]; });
  }
  return total;
}

STFLOW_CLONES real bernoulli_run(const real* a, const real* x, int64_t n) {
  return bernoulli_sum<false>(a, x, nullptr, n);
}

STFLOW_CLONES real bernoulli_run_with_residual(const real* a, const real* x,
                                               real* __restrict residual, int64_t n) {
  return bernoulli_sum<true>(a, x, residual, n);
}

// p (1 - p) by e^-|a|: the residual has lost the digits of the smaller of p and 1 - p.
STFLOW_CLONES real residual_row(const real* g, real each, const real* a, const real* residual,
                                real* __restrict to_logits, int64_t n) {
  for (int64_t i = 0; i < n && to_logits; ++i) {
    const real e = simd::exp(-std::abs(a[i])), u = 1 + e;
    to_logits[i] = -g[i] * each * e / (u * u);
  }
  return simd::lane_sum(n, [=](int64_t i) { return g[i] * residual[i]; });
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return reduce(x, axes, keepdim, sum_run, add_row, 0);
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  const int64_t count = reduced_count(x.shape(), axes);
  CHECK_ARG(count > 0, "[mean] of no numbers: shape ", x.shape());
  return div(sum(x, axes, keepdim), Tensor::scalar(static_cast<real>(count)));
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdim) {
  CHECK_ARG(reduced_count(x.shape(), axes) > 0, "[max] of no numbers: shape ", x.shape());
  return reduce(x, axes, keepdim, max_run, max_row, -std::numeric_limits<real>::infinity());
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  // A maximum of -inf (all terms are zero) must not be subtracted from itself.
  constexpr real kLargest = std::numeric_limits<real>::max();
  const Tensor top = clamp(max(x, axes, true), -kLargest, kLargest);
  const Tensor total = sum(exp(sub(x, top)), axes, keepdim);
  return add(log(total), top.reshape(total.shape()));
}

Tensor softmax(const Tensor& x, int axis) {
  const Tensor e = exp(sub(x, max(x, {axis}, true)));
  return div(e, sum(e, {axis}, true));
}

Tensor log_softmax(const Tensor& x, int axis) { return sub(x, logsumexp(x, {axis}, true)); }

Tensor argmax(const Tensor& x) {
  const int64_t n = x.dim(-1);
  CHECK_ARG(n > 0, "[argmax] of no numbers: shape ", x.shape());
  Tensor result(x.shape().without(-1));
  for (int64_t row = 0; row < result.numel(); ++row) {
    const real* begin = x.data() + row * n;
    result.data()[row] = static_cast<real>(std::max_element(begin, begin + n) - begin);
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
                         plan.run <= kBlock && (shape.rank() == 0 || shape[-1] == 1);
  if (!sums_rows) return sum_to(mul(a, b), shape);
  Tensor rows = Tensor::zeros(plan.shape.with(-1, 1));
  const real *pa = a.data(), *pb = b.data();
  real* out = rows.data();
  plan.for_each_run([=](int64_t start, int64_t n, int64_t ia, int64_t ib) {
    out[start / n] = dot_run(pa + ia, pb + ib, n);
  });
  return sum_to(rows, shape);
}

Tensor bernoulli_log_prob(const Tensor& logits, const Tensor& x, Tensor* residual) {
  CHECK_ARG(logits.rank() > 0 && x.rank() > 0 && logits.dim(-1) == x.dim(-1),
            "[bernoulli_log_prob] logits ", logits.shape(), " and values ", x.shape(),
            " need the same last axis");
  const Broadcast plan(logits.shape(), x.shape(), "bernoulli_log_prob", /*whole_last_axis=*/true);
  Tensor result = Tensor::zeros(plan.shape.without(-1));
  if (residual) *residual = Tensor(plan.shape);
  real* r = residual ? residual->data() : nullptr;
  const real *pa = logits.data(), *px = x.data();
  real* out = result.data();
  plan.for_each_run([=](int64_t start, int64_t n, int64_t ia, int64_t ix) {
    out[start / n] = r ? bernoulli_run_with_residual(pa + ia, px + ix, r + start, n)
                       : bernoulli_run(pa + ia, px + ix, n);
  });
  return result;
}

Tensor bernoulli_residual_backward(const Tensor& g, const Tensor& each, const Tensor& logits,
                                   const Tensor& residual, Tensor* to_logits) {
  const Broadcast plan(residual.shape(), logits.shape(), "bernoulli_residual_backward",
                       /*whole_last_axis=*/true);
  CHECK_ARG(plan.shape == residual.shape() && g.shape() == plan.shape &&
                each.numel() * plan.run == g.numel(),
            "[bernoulli_residual_backward] residual ", residual.shape(), ", gradient ", g.shape(),
            ", rows ", each.shape(), " and logits ", logits.shape(), " do not fit");
  Tensor to_rows = Tensor::zeros(each.shape());
  if (to_logits) *to_logits = Tensor(plan.shape);
  real *rows = to_rows.data(), *out = to_logits ? to_logits->data() : nullptr;
  const real *pg = g.data(), *pe = each.data(), *pa = logits.data(), *pr = residual.data();
  plan.for_each_run([=](int64_t start, int64_t n, int64_t, int64_t ia) {
    rows[start / n] = residual_row(pg + start, pe[start / n], pa + ia, pr + start,
                                   out ? out + start : nullptr, n);
  });
  return to_rows;
}

bool all_finite(const Tensor& x) {
  return std::all_of(x.data(), x.data() + x.numel(), [](real v) { return std::isfinite(v); });
}

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
