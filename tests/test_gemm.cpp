// test_gemm.cpp - the kernels behind matrix products, against plain loops in double.
#include <cmath>

#include "stflow/tensor/kernels/gemm.h"
#include "stflow/tensor/kernels/transpose.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;

namespace {

/// Those that the processor can run; nothing calls the others.
std::vector<const GemmKernel*> kernels() {
  std::vector<const GemmKernel*> found;
  for (const GemmKernel* kernel : {avx2_gemm_kernel(), avx512_gemm_kernel()}) {
    if (kernel) found.push_back(kernel);
  }
  return found;
}

void check_every_tail(const GemmKernel& kernel) {
  CAPTURE(kernel.name);
  Rng rng(1);
  for (const int64_t m : {1, 6, 7, 8, 13, 50}) {
    for (const int64_t n : {1, 8, 15, 16, 17, 23, 24, 25, 47, 48, 49, 96, 130}) {
      for (const int64_t k : {0, 1, 5, 70}) {
        for (int layout = 0; layout < 16; ++layout) {
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(layout);
          const bool a_transposed = layout & 1, b_transposed = layout & 2, has_bias = layout & 4;
          if ((layout & 8) && !b_transposed) continue;
          const Tensor a = rng.normal({m * k}), b = rng.normal({k * n}), bias = rng.normal({n});
          const Strided left{a.data(), a_transposed ? 1 : k, a_transposed ? m : 1};
          const Strided right{b.data(), b_transposed ? 1 : n, b_transposed ? k : 1};
          const int64_t c_row = n + 3;
          Tensor c = Tensor::full({m, c_row}, 77);  // the three beside each row are not ours
          const Tensor packed = layout & 8 ? packed_columns(kernel, right, k, n) : Tensor();
          gemm(kernel, m, n, k, left, right, packed.data(), has_bias ? bias.data() : nullptr,
               c.data(), c_row);
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
              double sum = has_bias ? bias[j] : 0, size = std::abs(sum);
              for (int64_t p = 0; p < k; ++p) {
                const double term = double{left.data[i * left.row + p * left.column]} *
                                    right.data[p * right.row + j * right.column];
                sum += term;
                size += std::abs(term);
              }
              REQUIRE(std::abs(c[i * c_row + j] - sum) <= 1e-6 * size);
            }
            for (int64_t j = n; j < c_row; ++j) REQUIRE(c[i * c_row + j] == 77);
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("gemm: every tail of a tile, every layout, with and without a bias") {
  for (const GemmKernel* kernel : kernels()) check_every_tail(*kernel);
}

TEST_CASE("gemm: long sums keep their digits") {
  constexpr int64_t k = 200'000;
  Rng rng(3);
  const Tensor a = rng.uniform({k}), b = rng.uniform({k});
  double sum = 0;
  for (int64_t p = 0; p < k; ++p) sum += double{a[p]} * b[p];
  Tensor c({1, 1});
  for (const GemmKernel* kernel : kernels()) {
    gemm(*kernel, 1, 1, k, {a.data(), k, 1}, {b.data(), 1, 1}, nullptr, nullptr, c.data(), 1);
    CHECK(std::abs(c[0] / sum - 1) < 2e-6);
  }
}

TEST_CASE("transpose_to: whole squares, tails and strides; nothing beside them is touched") {
  Rng rng(2);
  for (const int64_t rows : {1, 7, 8, 15, 16, 17, 40}) {
    for (const int64_t columns : {1, 8, 16, 31, 33}) {
      CAPTURE(rows);
      CAPTURE(columns);
      const int64_t from_stride = columns + 2, to_stride = rows + 3;
      const Tensor from = rng.normal({rows, from_stride});
      Tensor to = Tensor::full({columns, to_stride}, 77);
      transpose_to(from.data(), from_stride, rows, columns, to.data(), to_stride);
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t i = 0; i < to_stride; ++i)
          REQUIRE(to[j * to_stride + i] == (i < rows ? from[i * from_stride + j] : 77));
      }
    }
  }
}
