// elementwise.cpp - kernels of math.h that treat each number by itself, with NumPy broadcasting.
//
// One template for one argument (map.h), one for two; each kernel is then a line that names its
// function.
#include <algorithm>
#include <cmath>

#include "stflow/tensor/kernels/broadcast.h"
#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/kernels/simd.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

// In a run an operand advances (step 1) or stays (step 0; both stay only in a run of one number).
template <typename Function>
STFLOW_CLONES void zip_loop(const real* __restrict a, int64_t a_step, const real* __restrict b,
                            int64_t b_step, real* __restrict y, int64_t n, Function f) {
  if (a_step == b_step) {
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (a_step == 1) {
    const real constant = b[0];
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], constant);
  } else {
    const real constant = a[0];
    for (int64_t i = 0; i < n; ++i) y[i] = f(constant, b[i]);
  }
}

/// map() for one tensor; a kernel that calls it is named when the tensor is undefined.
template <typename Function>
Tensor apply(Function f, const Tensor& x, const char* asking = __builtin_FUNCTION()) {
  x.shape(asking);
  return map(f, x);
}

template <typename Function>
Tensor zip(const Tensor& a, const Tensor& b, const char* op, Function f) {
  const Broadcast plan(a.shape(op), b.shape(op), op);
  Tensor y(plan.shape, op);
  const real *pa = a.data(), *pb = b.data();
  real* out = y.data();
  plan.for_each_run([=, &plan](int64_t start, int64_t n, int64_t ia, int64_t ib) {
    zip_loop(pa + ia, plan.a_step, pb + ib, plan.b_step, out + start, n, f);
  });
  return y;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return zip(a, b, "add", [](real u, real v) { return u + v; });
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return zip(a, b, "sub", [](real u, real v) { return u - v; });
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return zip(a, b, "mul", [](real u, real v) { return u * v; });
}
Tensor div(const Tensor& a, const Tensor& b) {
  return zip(a, b, "div", [](real u, real v) { return u / v; });
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return zip(a, b, "greater", [](real u, real v) { return u > v ? real(1) : real(0); });
}
Tensor equal(const Tensor& a, const Tensor& b) {
  return zip(a, b, "equal", [](real u, real v) { return u == v ? real(1) : real(0); });
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const Shape shape =
      broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  return map([](real c, real yes, real no) { return c != 0 ? yes : no; },
             broadcast_to(condition, shape), broadcast_to(a, shape), broadcast_to(b, shape));
}

Tensor neg(const Tensor& x) {
  return apply([](real v) { return -v; }, x);
}
Tensor exp(const Tensor& x) {
  return apply([](real v) { return simd::exp(v); }, x);
}
Tensor expm1(const Tensor& x) {
  return apply([](real v) { return simd::expm1(v); }, x);
}
Tensor log(const Tensor& x) {
  return apply([](real v) { return simd::log(v); }, x);
}
Tensor log1p(const Tensor& x) {
  return apply([](real v) { return simd::log1p(v); }, x);
}
Tensor sqrt(const Tensor& x) {
  return apply([](real v) { return std::sqrt(v); }, x);
}
Tensor square(const Tensor& x) {
  return apply([](real v) { return v * v; }, x);
}
Tensor abs(const Tensor& x) {
  return apply([](real v) { return std::abs(v); }, x);
}
Tensor sign(const Tensor& x) {
  return apply([](real v) { return static_cast<real>((v > 0) - (v < 0)); }, x);
}
Tensor tanh(const Tensor& x) {
  return apply([](real v) { return simd::tanh(v); }, x);
}
Tensor sigmoid(const Tensor& x) {
  return apply([](real v) { return simd::sigmoid(v); }, x);
}
Tensor softplus(const Tensor& x) {
  return apply([](real v) { return simd::softplus(v); }, x);
}
Tensor relu(const Tensor& x) {
  return apply([](real v) { return v < 0 ? real(0) : v; }, x);
}
Tensor leaky_relu(const Tensor& x, real slope) {
  return apply([=](real v) { return v > 0 ? v : slope * v; }, x);
}
Tensor pow(const Tensor& x, real exponent) {
  return apply([=](real v) { return std::pow(v, exponent); }, x);
}
Tensor clamp(const Tensor& x, real low, real high) {
  CHECK_ARG(low <= high, "[clamp] low ", low, " is above high ", high);
  return apply(
      [=](real v) {
        const real raised = v < low ? low : v;  // NaN stays NaN
        return raised > high ? high : raised;
      },
      x);
}
Tensor polygamma(int n, const Tensor& x) {
  CHECK_ARG(n >= -1, "[polygamma] order must be at least -1, got ", n);
  CHECK_ARG(n <= 20, "[polygamma] order must be at most 20, got ", n);
  return apply([=](real v) { return static_cast<real>(polygamma(n, double{v})); }, x);
}

void add_scaled_(Tensor& y, const Tensor& x, real scale) {
  CHECK_ARG(y.shape() == x.shape(), "[add_scaled_] shapes differ: ", y.shape(), " and ", x.shape());
  const real* in = x.data();
  real* out = y.data();
  y.mark_changed();
  parallel_for(x.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] += scale * in[i];
  });
}

void fill_(Tensor& x, real value) {
  x.shape();
  std::fill_n(x.data(), x.numel(), value);
  x.mark_changed();
}

}  // namespace stflow
