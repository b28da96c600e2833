// transpose.cpp - see transpose.h.
//
// A square of n x n numbers lies in n registers. In step s = 1, 2, 4, ... each pair of rows i and
// i + s, where i has not the bit s, swaps the numbers that are above the diagonal of their 2 x 2
// blocks of size s; after log2 n steps each number has moved across the diagonal.
#include "stflow/tensor/kernels/transpose.h"

#include <utility>

#include "stflow/tensor/kernels/cpu.h"

namespace stflow {
namespace {

template <int s, typename Vec, int... kLane>
inline __attribute__((always_inline)) void swap_blocks(Vec& a, Vec& b,
                                                       std::integer_sequence<int, kLane...>) {
  constexpr int n = sizeof...(kLane);  // a's numbers are 0 to n - 1, b's n to 2n - 1
  const Vec before = a;
  a = __builtin_shufflevector(before, b, ((kLane & s) ? n + kLane - s : kLane)...);
  b = __builtin_shufflevector(before, b, ((kLane & s) ? n + kLane : kLane + s)...);
}

template <typename Width, int s = 1>
inline __attribute__((always_inline)) void transpose_square(typename Width::Vec* rows) {
  constexpr int n = sizeof(typename Width::Vec) / sizeof(real);
  if constexpr (s < n) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if ((i & s) == 0) swap_blocks<s>(rows[i], rows[i + s], std::make_integer_sequence<int, n>());
    }
    transpose_square<Width, 2 * s>(rows);
  }
}

template <typename Width>
inline __attribute__((always_inline)) void transpose_with(const real* from, int64_t from_stride,
                                                          int64_t rows, int64_t columns, real* to,
                                                          int64_t to_stride) {
  using Vec = typename Width::Vec;
  // Again, since clang forgets it of a type that comes out of a template.
  using Unaligned __attribute__((aligned(alignof(real)), may_alias)) = Vec;
  constexpr int n = sizeof(Vec) / sizeof(real);
  const int64_t whole_rows = rows / n * n, whole_columns = columns / n * n;
  for (int64_t j = 0; j < whole_columns; j += n) {
    for (int64_t i = 0; i < whole_rows; i += n) {
      Vec square[n];
#pragma GCC unroll 16
      for (int r = 0; r < n; ++r)
        square[r] = *reinterpret_cast<const Unaligned*>(from + (i + r) * from_stride + j);
      transpose_square<Width>(square);
#pragma GCC unroll 16
      for (int r = 0; r < n; ++r)
        *reinterpret_cast<Unaligned*>(to + (j + r) * to_stride + i) = square[r];
    }
    for (int64_t i = whole_rows; i < rows; ++i) {
      for (int64_t k = j; k < j + n; ++k) to[k * to_stride + i] = from[i * from_stride + k];
    }
  }
  for (int64_t j = whole_columns; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

STFLOW_AVX512 void transpose_wide(const real* from, int64_t from_stride, int64_t rows,
                                  int64_t columns, real* to, int64_t to_stride) {
  transpose_with<Wide>(from, from_stride, rows, columns, to, to_stride);
}

STFLOW_CLONES void transpose_narrow(const real* from, int64_t from_stride, int64_t rows,
                                    int64_t columns, real* to, int64_t to_stride) {
  transpose_with<Narrow>(from, from_stride, rows, columns, to, to_stride);
}

}  // namespace

void transpose_to(const real* from, int64_t from_stride, int64_t rows, int64_t columns, real* to,
                  int64_t to_stride) {
  (has_avx512() ? transpose_wide : transpose_narrow)(from, from_stride, rows, columns, to,
                                                     to_stride);
}

}  // namespace stflow
