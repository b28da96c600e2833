// math.h - every numeric kernel on tensors except the matrix product (blas.h) and random numbers
// (rng.h).
//
// Kernels never change their arguments, save those marked "in place". They return new tensors, or
// the argument itself where there is nothing to do (broadcast_to or sum_to its own shape).
// Elementwise kernels of two arguments broadcast as NumPy does. Results have the same bits for any
// number of threads: sums run over fixed blocks in a fixed order. Gradients know nothing of this
// file; autodiff/ops.h has the differentiable functions of the same names.
#pragma once

#include <string>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow {

/// Axes of a reduction; negative numbers count from the last. An empty list means all axes.
using Axes = std::vector<int>;

// ---- elementwise, two arguments, broadcasting ----
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor greater(const Tensor& a, const Tensor& b);  // 1 where a > b, else 0
Tensor equal(const Tensor& a, const Tensor& b);    // 1 where a == b, else 0
/// condition != 0 ? a : b, all three broadcast together.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

// ---- elementwise, one argument ----
Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);  // within 1 ulp; in float 0 below -104 and inf above 88.7
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);  // log(0) = -inf, log(negative) = NaN
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);  // -1, 0, 1
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor softplus(const Tensor& x);  // log(1 + e^x), without overflow
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, real slope);  // x > 0 ? x : slope x
Tensor pow(const Tensor& x, real exponent);
Tensor clamp(const Tensor& x, real low, real high);
/// The polygamma function psi_n(x), x > 0: n = -1 is log Gamma, 0 digamma, 1 trigamma, ... 20.
Tensor polygamma(int n, const Tensor& x);

// ---- the same as formulas; a number is rounded to real first ----
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator+(const Tensor& a, double b) { return a + Tensor::scalar(b); }
inline Tensor operator-(const Tensor& a, double b) { return a - Tensor::scalar(b); }
inline Tensor operator*(const Tensor& a, double b) { return a * Tensor::scalar(b); }
inline Tensor operator/(const Tensor& a, double b) { return a / Tensor::scalar(b); }
inline Tensor operator+(double a, const Tensor& b) { return Tensor::scalar(a) + b; }
inline Tensor operator-(double a, const Tensor& b) { return Tensor::scalar(a) - b; }
inline Tensor operator*(double a, const Tensor& b) { return Tensor::scalar(a) * b; }
inline Tensor operator/(double a, const Tensor& b) { return Tensor::scalar(a) / b; }

// ---- reductions; keepdim leaves an extent of 1 where an axis was summed away ----
// Axes must exist and differ. A sum of no numbers is 0; a mean, maximum, logsumexp, softmax or
// argmax of none throws. (A batch of 0 rows is fine: the mean of [0,3] over axis -1 is [0].) Long
// sums are added up in halves, so that their error does not grow with their length. NaN counts as
// the maximum.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdim = false);
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);
Tensor argmax(const Tensor& x);  // over the last axis: index of the first maximum, as a number
/// How many numbers go into each result of a reduction. Throws, with `op`, when there are none or
/// when an axis does not exist or is given twice.
int64_t reduced_count(const Shape& shape, const Axes& axes, const char* op);
/// Sums x down to `shape`, the inverse of broadcasting. Throws when `shape` does not broadcast to
/// x's.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// sum_to(mul(a, b), shape), in one pass where rows of both are summed up.
Tensor mul_sum_to(const Tensor& a, const Tensor& b, const Shape& shape);

/// sum_j [x_j a_j - softplus(a_j)] over the last axis, for logits a and values x that broadcast
/// together: the Bernoulli log-likelihood in one pass, [...,D] x [...,D] -> [...]. `residual`, if
/// given, receives x - sigmoid(a), the derivative in the logits, [...,D], at little extra cost.
Tensor bernoulli_log_prob(const Tensor& logits, const Tensor& x, Tensor* residual = nullptr);
/// The backward rule of y_ij = e_i r_ij, e = `each` [...,1] and r = `residual`, given g = dL/dy:
///     dL/de_i = sum_j g_ij r_ij    dL/da_ij = -g_ij e_i p_ij (1 - p_ij), with p = sigmoid(logits)
/// Returns the first; the second is computed if `to_logits` is given.
Tensor bernoulli_residual_backward(const Tensor& g, const Tensor& each, const Tensor& logits,
                                   const Tensor& residual, Tensor* to_logits);

// ---- moving numbers ----
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, int axis0 = -2, int axis1 = -1);
/// Positions [begin, end) of one axis.
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end);
Tensor concat(const std::vector<Tensor>& parts, int axis);
/// Rows index[0], index[1], ... along the first axis. Throws when an index is out of range.
Tensor gather_rows(const Tensor& x, const std::vector<int64_t>& index);
/// [...] of integers in [0, classes) -> [..., classes] of 0/1. Throws when a label is out of range.
Tensor one_hot(const Tensor& labels, int64_t classes);
Tensor arange(int64_t n);  // 0, 1, ..., n-1

// ---- in place ----
/// y += scale * x; shapes must be equal.
void add_scaled_(Tensor& y, const Tensor& x, real scale);
void fill_(Tensor& x, real value);

// ---- questions ----
bool all_finite(const Tensor& x);
/// |a - b| <= atol + rtol |b| everywhere. When false and `why` is given, it names the worst place.
bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol,
              std::string* why = nullptr);

}  // namespace stflow
