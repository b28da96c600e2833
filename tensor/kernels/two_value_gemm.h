// two_value_gemm.h - linear layers whose input is mostly one value, such as bits or images on a
// plain ground: subset sums replace the matrix product.
//
// Samples of Bernoulli and Categorical units and binarised images hold two values only; of a grey
// digit, four fifths of the pixels are 0. With x = c + d, where d is 0 at most places,
//     x w = c (sum of the rows of w) + d w,
// and d w needs only the rows of w where d is not 0. Only blas.cpp uses this file: linear()
// and its weight gradient ask first whether it applies. A weight that meets only zeros is never
// read, so here 0 times infinity is 0.
#pragma once

#include <cstdint>

#include "stflow/tensor/real.h"

namespace stflow {

/// y [B,O] = x [B,I] w + bias (null: none), w [I,O]. Returns false and does nothing when a
/// product is faster or safer: x has more than two values and few zeros, few rows, few outputs.
bool sparse_linear(const real* x, const real* w, const real* bias, real* y, int64_t batch,
                   int64_t inputs, int64_t outputs);

/// dw [I,O] = x [B,I]^T up [B,O], in the same cases.
bool sparse_weight_gradient(const real* up, const real* x, real* dw, int64_t batch, int64_t inputs,
                            int64_t outputs);

}  // namespace stflow
