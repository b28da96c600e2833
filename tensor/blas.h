// blas.h - the matrix product; blas.cpp is the only file that talks to BLAS.
//
// The output is cut into fixed panels, each computed by one thread, so that the bits do not depend
// on the number of threads: for floats by our own kernel where the processor has AVX2 or AVX-512;
// large products on AVX2, other processors and doubles take BLAS.
#pragma once

#include <string>

#include "stflow/tensor/tensor.h"

namespace stflow {

/// op(a) op(b), where op transposes the last two axes if asked. [...,M,K] x [...,K,N] -> [...,M,N].
/// b is a matrix [K,N], or has the same leading axes as a (a product for each). Leading axes of `a`
/// with one matrix b are folded into M when `a` is not transposed.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

// The two products of a linear layer look at the numbers of x. If most of them have one value, as
// samples of bits and binarised images do, subset sums replace the product
// (kernels/two_value_gemm.h). Then a weight or gradient that meets only zeros is never read, so
// that 0 times infinity is 0. The last digit of a row's result may depend on the other rows of the
// batch.
/// x w + bias, with x [...,I], w [I,O], bias [O] or undefined -> [...,O].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// Its gradient in the weight: x^T up, with up [B,O], x [B,I] -> [I,O].
Tensor linear_weight_gradient(const Tensor& up, const Tensor& x);

/// Who multiplies: our kernel or not, the BLAS library, its version, kernels and threading, for
/// manifests and bug reports.
std::string blas_description();
/// The OpenBLAS kernels in use, as "Haswell".
std::string blas_kernels();
/// The value of OPENBLAS_CORETYPE for kernels that suit the processor: "SkylakeX" where it has
/// AVX-512, "Haswell" where it has AVX2, else "".
std::string best_blas_kernels();
/// What to say, and do, about kernels that OpenBLAS has chosen although `best` suit the processor
/// better: it takes SSE code on one that it does not know. "" when nothing is lost. The first
/// product by BLAS says it once on standard error.
std::string slow_blas_warning(const std::string& kernels, const std::string& best);
/// True when OpenBLAS was loaded in its OpenMP flavour (others fight with our threads: see README).
bool blas_uses_openmp();

/// Seconds spent in matrix products since the program began, and their floating-point operations.
struct GemmStats {
  double seconds;
  double flops;
};
GemmStats gemm_stats();

}  // namespace stflow
