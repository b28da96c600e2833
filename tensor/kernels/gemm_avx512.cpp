// gemm_avx512.cpp - see gemm_avx512.h.
#include "stflow/tensor/kernels/gemm_avx512.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/transpose.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

#if STFLOW_HAS_INTRINSICS
#include <immintrin.h>
#endif

namespace stflow {

#if STFLOW_HAS_INTRINSICS

namespace {

constexpr int64_t kLanes = 16;    // floats in a register
constexpr int64_t kTileRows = 8;  // 8 x 3 registers of sums, 3 of b and one of a: 28 of 32
constexpr int64_t kTileColumns = 3 * kLanes;
constexpr int64_t kSummands = 1024;  // in one sum: a longer one would lose digits

struct Tile {
  int64_t k;
  const real* a;
  int64_t a_row, a_column;
  const real* b;
  int64_t b_row;
  const real* bias;
  real* c;
  int64_t c_row;
  __mmask16 last;     // which lanes of the last vector are columns of c
  bool more = false;  // to be added to what is in c
};

template <int kRows, int kVectors>
STFLOW_AVX512 void multiply_tile(const Tile t) {
  __mmask16 mask[kVectors];
  __m512 sum[kRows][kVectors], right[kVectors];
#pragma GCC unroll 3
  for (int v = 0; v < kVectors; ++v) {
    mask[v] = v == kVectors - 1 ? t.last : __mmask16(0xffff);
    const __m512 start =
        t.bias ? _mm512_maskz_loadu_ps(mask[v], t.bias + v * kLanes) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) sum[i][v] = start;
  }
  const real *a = t.a, *b = t.b;
  for (int64_t p = 0; p < t.k; ++p, a += t.a_column, b += t.b_row) {
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) right[v] = _mm512_maskz_loadu_ps(mask[v], b + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const __m512 left = _mm512_set1_ps(static_cast<float>(a[i * t.a_row]));
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

using TileFunction = void (*)(Tile);

template <size_t... kIndex>
constexpr auto tile_functions(std::index_sequence<kIndex...>) {
  return std::array<TileFunction, sizeof...(kIndex)>{
      multiply_tile<kIndex / 3 + 1, kIndex % 3 + 1>...};
}
/// For r rows and v vectors at (r - 1) * 3 + v - 1.
constexpr auto kTileFunctions = tile_functions(std::make_index_sequence<kTileRows * 3>());

}  // namespace

Tensor packed_columns(const Strided& b, int64_t k, int64_t n) {
  const int64_t blocks = ceil_div(n, kTileColumns);
  Tensor packed({blocks, k, kTileColumns});
  const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / (k * kTileColumns + 1));
  parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t column = block * kTileColumns;
      transpose_to(b.data + column * b.column, b.column, std::min(kTileColumns, n - column), k,
                   packed.data() + column * k, kTileColumns);
    }
  });
  return packed;
}

void gemm_avx512(int64_t m, int64_t n, int64_t k, const Strided& a, const Strided& b,
                 const real* packed, const real* bias, real* c, int64_t c_row) {
  assert(has_avx512() && (b.row == 1 || b.column == 1));  // so real is float here
  Tensor block;
  if (b.column != 1 && packed == nullptr) block = Tensor({k, kTileColumns});
  for (int64_t column = 0; column < n; column += kTileColumns) {
    const int64_t columns = std::min(kTileColumns, n - column);
    const int64_t vectors = ceil_div(columns, kLanes);
    Tile tile{.k = k,
              .a = a.data,
              .a_row = a.row,
              .a_column = a.column,
              .b = b.data + column * b.column,
              .b_row = b.row,
              .bias = bias ? bias + column : nullptr,
              .c = nullptr,
              .c_row = c_row,
              .last = static_cast<__mmask16>(0xffff >> (vectors * kLanes - columns))};
    if (b.column != 1) {
      if (packed == nullptr) transpose_to(tile.b, b.column, columns, k, block.data(), kTileColumns);
      tile.b = packed ? packed + column * k : block.data();
      tile.b_row = kTileColumns;
    }
    for (int64_t row = 0; row < m; row += kTileRows) {
      const TileFunction multiply =
          kTileFunctions[(std::min(kTileRows, m - row) - 1) * 3 + vectors - 1];
      Tile part = tile;
      part.a += row * a.row;
      part.c = c + row * c_row + column;
      int64_t done = 0;
      do {  // once for k = 0, too
        part.k = std::min(kSummands, k - done);
        multiply(part);
        part.a += kSummands * a.column;
        part.b += kSummands * part.b_row;
        part.bias = nullptr;
        part.more = true;
        done += kSummands;
      } while (done < k);
    }
  }
}

#else

Tensor packed_columns(const Strided&, int64_t, int64_t) { return {}; }

void gemm_avx512(int64_t, int64_t, int64_t, const Strided&, const Strided&, const real*,
                 const real*, real*, int64_t) {}

#endif

}  // namespace stflow
