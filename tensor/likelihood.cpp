// likelihood.cpp - the log-likelihood of bits, the most expensive formula of a step: its value with
// the derivative in the logits, and that derivative's own.
#include <algorithm>
#include <cmath>
#include <functional>

#include "stflow/tensor/kernels/broadcast.h"
#include "stflow/tensor/kernels/folds.h"
#include "stflow/tensor/math.h"

namespace stflow {
namespace {

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

// The same where a logit may be infinite: a certain bit, which adds 0 if x is that bit.
real bernoulli_run_with_certain(const real* a, const real* x, int64_t n) {
  real total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const real off = x[i] - (a[i] > 0 ? 1 : 0);
    const bool certain = std::isinf(a[i]);
    total += !certain ? x[i] * a[i] - simd::softplus(a[i]) : off == 0 ? 0 : off * a[i];
  }
  return total;
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

Tensor bernoulli_log_prob(const Tensor& logits, const Tensor& x, Tensor* residual) {
  CHECK_ARG(logits.rank() > 0 && x.rank() > 0 && logits.dim(-1) == x.dim(-1),
            "[bernoulli_log_prob] logits ", logits.shape(), " and values ", x.shape(),
            " need the same last axis");
  const Broadcast plan(logits.shape(), x.shape(), "bernoulli_log_prob", /*whole_last_axis=*/true);
  Tensor result = Tensor::full(plan.shape.without(-1), 0, "bernoulli_log_prob");
  if (residual) *residual = Tensor(plan.shape);
  real* r = residual ? residual->data() : nullptr;
  const real *pa = logits.data(), *px = x.data();
  real* out = result.data();
  plan.for_each_run([=](int64_t start, int64_t n, int64_t ia, int64_t ix) {
    const auto run = [=](int64_t begin, int64_t count) {
      const real *a = pa + ia + begin, *values = px + ix + begin;
      return r ? bernoulli_run_with_residual(a, values, r + start + begin, count)
               : bernoulli_run(a, values, count);
    };
    out[start / n] = simd::reduce_halves(0, n, simd::kLongRun, run, std::plus());
    if (std::isnan(out[start / n])) {
      out[start / n] = bernoulli_run_with_certain(pa + ia, px + ix, n);
    }
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
    const real each_number = pe[start / n];
    const auto run = [=](int64_t begin, int64_t count) {
      const int64_t at = start + begin;
      return residual_row(pg + at, each_number, pa + ia + begin, pr + at, out ? out + at : nullptr,
                          count);
    };
    rows[start / n] = simd::reduce_halves(0, n, simd::kLongRun, run, std::plus());
  });
  return to_rows;
}

}  // namespace stflow
