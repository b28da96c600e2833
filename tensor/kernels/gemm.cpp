// gemm.cpp - a product cut into tiles, whatever the instruction set; see gemm.h.
#include "stflow/tensor/kernels/gemm.h"

#include <algorithm>
#include <cassert>

#include "stflow/tensor/kernels/transpose.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

constexpr int64_t kSummands = 1024;  // in one sum: a longer one would lose digits

/// Columns are cut into tiles of `width`, the last one takes up to three vectors: alone one vector
/// has too few sums to keep the processor busy.
struct Columns {
  int64_t width, tiles, all;

  Columns(const GemmKernel& kernel, int64_t n)
      : width(kernel.vectors * kernel.lanes),
        tiles(1 + ceil_div(std::max(int64_t{0}, n - 3 * kernel.lanes), width)),
        all(n) {}
  int64_t size(int64_t tile) const { return tile + 1 < tiles ? width : all - tile * width; }
};

/// The rows of a tile where `rest` are left: the last two tiles share them.
int64_t tile_rows(int64_t most, int64_t rest) {
  return rest > most && rest < 2 * most ? ceil_div(rest, 2) : std::min(most, rest);
}

}  // namespace

Tensor packed_columns(const GemmKernel& kernel, const Strided& b, int64_t k, int64_t n) {
  const Columns columns(kernel, n);
  Tensor packed({k, round_up(n, kernel.lanes)});
  const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / (k * columns.width + 1));
  parallel_for(columns.tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t column = tile * columns.width, size = columns.size(tile);
      transpose_to(b.data + column * b.column, b.column, size, k, packed.data() + column * k,
                   round_up(size, kernel.lanes));
    }
  });
  return packed;
}

void gemm(const GemmKernel& kernel, int64_t m, int64_t n, int64_t k, const Strided& a,
          const Strided& b, const real* packed, const real* bias, real* c, int64_t c_row) {
  assert(b.row == 1 || b.column == 1);
  Tensor block;
  if (b.column != 1 && packed == nullptr) block = Tensor({k, 3 * kernel.lanes});
  const Columns columns(kernel, n);
  for (int64_t t = 0; t < columns.tiles; ++t) {
    const int64_t column = t * columns.width, size = columns.size(t);
    const int64_t vectors = ceil_div(size, kernel.lanes);
    GemmTile tile{.k = k,
                  .a = a.data,
                  .a_row = a.row,
                  .a_column = a.column,
                  .b = b.data + column * b.column,
                  .b_row = b.row,
                  .bias = bias ? bias + column : nullptr,
                  .c = nullptr,
                  .c_row = c_row,
                  .last = static_cast<int>(size - (vectors - 1) * kernel.lanes)};
    if (b.column != 1) {
      tile.b_row = vectors * kernel.lanes;
      if (packed == nullptr) transpose_to(tile.b, b.column, size, k, block.data(), tile.b_row);
      tile.b = packed ? packed + column * k : block.data();
    }
    const int64_t most = kernel.rows[static_cast<size_t>(vectors - 1)];
    for (int64_t row = 0, rows; row < m; row += rows) {
      rows = tile_rows(most, m - row);
      GemmTile part = tile;
      part.a += row * a.row;
      part.c = c + row * c_row + column;
      int64_t done = 0;
      do {  // once for k = 0, too
        part.k = std::min(kSummands, k - done);
        kernel.tiles[(rows - 1) * 3 + vectors - 1](part);
        part.a += kSummands * a.column;
        part.b += kSummands * part.b_row;
        part.bias = nullptr;
        part.more = true;
        done += kSummands;
      } while (done < k);
    }
  }
}

}  // namespace stflow
