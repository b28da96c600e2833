// ops.h - every differentiable function of stflow, one line each: the library's table of contents.
//
// Letters used here and in all later headers:
//   B batch, D features or latent units, K categories, M N matrix extents, I O inputs and outputs
//   of a layer, S samples; "..." any leading axes.
// Functions of two arguments broadcast as NumPy does. A double or a Tensor may stand for any Var:
// it is a constant. Every function here can be differentiated twice; tests/op_table.h has a row for
// each. To add one: a line here, its definition in an ops_*.cpp, its row in the table.
#pragma once

#include "stflow/autodiff/var.h"

namespace stflow {

// ---- arithmetic, broadcasting (ops_arithmetic.cpp) ----
Var add(const Var& a, const Var& b);
Var sub(const Var& a, const Var& b);
Var mul(const Var& a, const Var& b);
Var div(const Var& a, const Var& b);
Var neg(const Var& x);
Var pow(const Var& x, double exponent);  // x^exponent, x > 0 unless the exponent is an integer
/// condition != 0 ? a : b; no gradient for the condition. What is not chosen gets the gradient 0,
/// and passes it on: where its own derivative is infinite or NaN, 0 times that is NaN (as in
/// PyTorch). Make its argument safe first: where(x > 0, log(where(x > 0, x, 1)), 0).
Var where(const Tensor& condition, const Var& a, const Var& b);

inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
inline Var operator-(const Var& x) { return neg(x); }

// ---- elementwise functions (ops_elementwise.cpp) ----
Var exp(const Var& x);
Var expm1(const Var& x);
Var log(const Var& x);
Var log1p(const Var& x);
/// Gradient inf at 0, so that of sqrt(sum(square(x))), the norm, is NaN at x = 0: add a small
/// number under the root where that can happen.
Var sqrt(const Var& x);
Var square(const Var& x);
Var abs(const Var& x);  // gradient 0 at 0
Var tanh(const Var& x);
Var sigmoid(const Var& x);
Var softplus(const Var& x);                        // log(1 + e^x)
Var relu(const Var& x);                            // gradient 0 at 0
Var leaky_relu(const Var& x, double slope);        // x > 0 ? x : slope x
Var clamp(const Var& x, double low, double high);  // gradient 0 outside [low, high]
/// A number in the place of infinities, which get no gradient. NaN stays.
Var replace_inf(const Var& x, double by);
Var polygamma(int n, const Var& x);  // n = -1: log Gamma(x), 0: digamma, 1: trigamma, ...; x > 0

// ---- reductions (ops_reduce.cpp); no axes = all axes ----
Var sum(const Var& x, const Axes& axes = {}, bool keepdim = false);
Var mean(const Var& x, const Axes& axes = {}, bool keepdim = false);
Var max(const Var& x, const Axes& axes = {}, bool keepdim = false);  // ties share the gradient
/// -inf where all numbers are, with gradient NaN, as in PyTorch.
Var logsumexp(const Var& x, const Axes& axes = {}, bool keepdim = false);
Var softmax(const Var& x, int axis = -1);
Var log_softmax(const Var& x, int axis = -1);
Var sum_to(const Var& x, const Shape& shape);        // inverse of broadcasting
Var broadcast_to(const Var& x, const Shape& shape);  // repeats along axes of extent 1
/// a * b, then sum_to or broadcast_to. The gradient of a product in one factor is this: for
/// y = x * b with b [D], the gradient in b is mul_to(up, x, {D}).
Var mul_to(const Var& a, const Var& b, const Shape& shape);

// ---- shape (ops_shape.cpp) ----
Var reshape(const Var& x, const Shape& shape);  // one extent may be -1
Var transpose(const Var& x, int axis0 = -2, int axis1 = -1);
Var slice(const Var& x, int axis, int64_t begin, int64_t end);  // positions [begin, end) of an axis
Var select(const Var& x, int axis, int64_t index);              // one position; the axis disappears
Var concat(const Vars& parts, int axis);
Var stack(const Vars& parts);  // parts of one shape along a new first axis

// ---- matrices (ops_matrix.cpp) ----
/// op(a) op(b), where op transposes the last two axes if asked.
/// [...,M,K] x [K,N] or [...,K,N] -> [...,M,N]
Var matmul(const Var& a, const Var& b, bool transpose_a = false, bool transpose_b = false);
/// x weight + bias: [...,I], [I,O], [O] (or empty) -> [...,O]
Var linear(const Var& x, const Var& weight, const Var& bias = {});
/// x^T up, the gradient of linear in its weight: [B,O], [B,I] -> [I,O]
Var linear_weight_gradient(const Var& up, const Var& x);

// ---- log-likelihoods (ops_likelihood.cpp), summed over the last axis: [...,D] -> [...] ----
/// sum_j x_j a_j - softplus(a_j), with a = logits. Differentiable in both; x may lie outside {0,1}.
/// An infinite logit is a certain bit: 0 where x_j is that bit, else -inf; x_j gets no gradient.
Var bernoulli_log_prob(const Var& logits, const Var& x);
/// sum_k x_k log_softmax(logits)_k, with x one-hot or relaxed. A logit of -inf is a category that
/// cannot occur: it adds nothing where x_k is 0, and log 0 where it is not. [...,K] -> [...]
Var categorical_log_prob(const Var& logits, const Var& x);
/// sum_j x_j r_j - e^{r_j} - log Gamma(x_j + 1), with r = log rate.
Var poisson_log_prob(const Var& log_rate, const Var& x);
/// The same for each x by itself, from the rate, whose log has lost digits where it is large. [...]
Var poisson_log_pmf(const Var& rate, const Var& x);
/// -log_softmax(logits)[label]: [...,K] and labels [...] (whole numbers) -> [...]
Var cross_entropy(const Var& logits, const Tensor& labels);

// ---- fused (ops_fused.cpp): formulas of several ops in one loop ----
// For what runs for every unit and pixel of a step: bernoulli_log_prob, and the relaxed bits of
// distributions/bernoulli.cpp. Write a formula with the ops above first; fuse it, with
// tensor/kernels/map.h, when it is seen to cost time.
/// up (x - sigmoid(logits)), the gradient of bernoulli_log_prob in the logits: up [...,1];
/// residual = x - sigmoid(logits), known from the value.
Var bernoulli_log_prob_grad(const Var& up, const Var& logits, const Var& x, const Tensor& residual);
/// s softplus(w), w = softplus(s a) + s logit(v), with a = logits, s = sign: a bit's perturbed
/// logit when the bit is known. s is 1 for a one, -1 for a zero; v in (0, 1). All of one shape.
Var perturbed_given(const Var& logits, const Tensor& sign, const Tensor& v);
/// Its derivative sigmoid(w) sigmoid(s a), from perturbed = perturbed_given(logits, sign, v).
Var perturbed_given_slope(const Var& logits, const Tensor& sign, const Tensor& perturbed);
/// sigmoid(z / T), with T a single number: a relaxed bit.
Var soften(const Var& z, const Var& temperature);
/// Its derivative y (1 - y) / T, from y = soften(z, T).
Var soften_slope(const Var& y, const Var& temperature);

}  // namespace stflow
