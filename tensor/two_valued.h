// two_valued.h - linear layers whose input holds two values only, as bits do: sums of chosen rows
// in place of a matrix product.
//
// Samples of Bernoulli and Categorical units and binarised images are such inputs, and a framework
// for discrete variables can know it. With x = c + (o - c) s, where s is 1 at the places of the
// rarer value o and 0 elsewhere,
//     x w^T = c (sum of each row of w) + (o - c) (sum of the columns of w that s chooses),
// so the cost falls with the share of the rarer value; where that is one half, it is about that of
// the product. blas.cpp asks here first; nothing else does.
#pragma once

#include "tensor/tensor.h"

namespace stflow {

/// y [B,O] = x [B,I] w^T + bias (null: none), w [O,I]. Returns false and does nothing when x has
/// more than two values, or is too small to gain.
bool two_valued_linear(const real* x, const real* w, const real* bias, real* y, int64_t batch,
                       int64_t inputs, int64_t outputs);

/// dw [O,I] = up [B,O]^T x [B,I], in the same cases.
bool two_valued_weight_gradient(const real* up, const real* x, real* dw, int64_t batch,
                                int64_t inputs, int64_t outputs);

}  // namespace stflow
