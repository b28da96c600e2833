// gemm_tiles.cpp - one tile of a product, for AVX-512 and for AVX2; see gemm.h.
//
// Both are one loop: a row of b is loaded, a number of each row of `a` is broadcast, and each pair
// is multiplied and added to its sum. They differ in the names of instructions, and in how columns
// that are not there are left out.
#include <array>
#include <utility>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/gemm.h"

#if STFLOW_HAS_INTRINSICS
#include <immintrin.h>
#endif

namespace stflow {

#if STFLOW_HAS_INTRINSICS

namespace {

template <int kRows, int kVectors>
STFLOW_AVX512 void multiply_avx512(const GemmTile& t) {
  constexpr int kLanes = 16;
  __mmask16 mask[kVectors];
  __m512 sum[kRows][kVectors], right[kVectors];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    mask[v] = static_cast<__mmask16>(v == kVectors - 1 ? 0xffff >> (kLanes - t.last) : 0xffff);
    const __m512 start =
        t.bias ? _mm512_maskz_loadu_ps(mask[v], t.bias + v * kLanes) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  const real *a = t.a, *b = t.b;
  const int64_t k = t.k, a_row = t.a_row, a_column = t.a_column, b_row = t.b_row;
  for (int64_t p = 0; p < k; ++p, a += a_column, b += b_row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) right[v] = _mm512_maskz_loadu_ps(mask[v], b + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const __m512 left = _mm512_set1_ps(static_cast<float>(a[i * a_row]));
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) sum[i][v] = _mm512_fmadd_ps(left, right[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      real* c = t.c + i * t.c_row + v * kLanes;
      if (t.more) sum[i][v] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[v], c), sum[i][v]);
      _mm512_mask_storeu_ps(c, mask[v], sum[i][v]);
    }
  }
}

/// kWhole: all columns of the last vector are there.
template <int kRows, int kVectors, bool kWhole>
STFLOW_AVX2 void multiply_columns_avx2(const GemmTile& t) {
  constexpr int kLanes = 8;
  const __m256i mask =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(t.last), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  __m256 sum[kRows][kVectors], right[kVectors];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    __m256 start = _mm256_setzero_ps();
    if (t.bias) {
      const float* bias = reinterpret_cast<const float*>(t.bias) + v * kLanes;
      start = kWhole || v < kVectors - 1 ? _mm256_loadu_ps(bias) : _mm256_maskload_ps(bias, mask);
    }
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  const auto *a = reinterpret_cast<const float*>(t.a), *b = reinterpret_cast<const float*>(t.b);
  const int64_t k = t.k, a_row = t.a_row, a_column = t.a_column, b_row = t.b_row;
  for (int64_t p = 0; p < k; ++p, a += a_column, b += b_row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      const float* from = b + v * kLanes;
      right[v] =
          kWhole || v < kVectors - 1 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, mask);
    }
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const __m256 left = _mm256_broadcast_ss(a + i * a_row);
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) sum[i][v] = _mm256_fmadd_ps(left, right[v], sum[i][v]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      float* c = reinterpret_cast<float*>(t.c) + i * t.c_row + v * kLanes;
      const bool whole = kWhole || v < kVectors - 1;
      if (t.more) {
        sum[i][v] =
            _mm256_add_ps(whole ? _mm256_loadu_ps(c) : _mm256_maskload_ps(c, mask), sum[i][v]);
      }
      if (whole) {
        _mm256_storeu_ps(c, sum[i][v]);
      } else {
        _mm256_maskstore_ps(c, mask, sum[i][v]);
      }
    }
  }
}

template <int kRows, int kVectors>
void multiply_avx2(const GemmTile& t) {
  (t.last == 8 ? multiply_columns_avx2<kRows, kVectors, true>
               : multiply_columns_avx2<kRows, kVectors, false>)(t);
}

template <size_t... kIndex>
constexpr auto avx512_tiles(std::index_sequence<kIndex...>) {
  return std::array<GemmKernel::TileFunction, sizeof...(kIndex)>{
      multiply_avx512<kIndex / 3 + 1, kIndex % 3 + 1>...};
}

template <size_t... kIndex>
constexpr auto avx2_tiles(std::index_sequence<kIndex...>) {
  return std::array<GemmKernel::TileFunction, sizeof...(kIndex)>{
      multiply_avx2<kIndex / 3 + 1, kIndex % 3 + 1>...};
}

// 8 x 3 vectors of sums, 3 of b and one of `a`: 28 registers of 32. 6 x 2, 2 and 1: 15 of 16.
constexpr auto kAvx512Tiles = avx512_tiles(std::make_index_sequence<8 * 3>());
constexpr auto kAvx2Tiles = avx2_tiles(std::make_index_sequence<6 * 3>());
constexpr GemmKernel kAvx512{
    .name = "AVX-512", .lanes = 16, .vectors = 3, .rows = {8, 8, 8}, .tiles = &kAvx512Tiles[0]};
constexpr GemmKernel kAvx2{
    .name = "AVX2", .lanes = 8, .vectors = 2, .rows = {6, 6, 4}, .tiles = &kAvx2Tiles[0]};

}  // namespace

const GemmKernel* avx512_gemm_kernel() { return has_avx512() ? &kAvx512 : nullptr; }
const GemmKernel* avx2_gemm_kernel() { return has_avx2() ? &kAvx2 : nullptr; }

#else

const GemmKernel* avx512_gemm_kernel() { return nullptr; }
const GemmKernel* avx2_gemm_kernel() { return nullptr; }

#endif

const GemmKernel* gemm_kernel() { return has_avx512() ? avx512_gemm_kernel() : avx2_gemm_kernel(); }

}  // namespace stflow
