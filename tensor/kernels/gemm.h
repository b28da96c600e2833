// gemm.h - the matrix product of floats on processors with AVX2 or AVX-512.
//
// A tile of c stays in registers while all of its products are added up: with AVX-512 8 rows by 48
// columns, with AVX2 6 by 16. Each number of `a` is broadcast and meets the vectors of a row of b.
// Nothing is copied unless the columns of b lie apart; then those of a tile are, and where the
// product is cut into panels of rows, all of them beforehand. What that gains is in
// tests/bench/README.md.
#pragma once

#include <array>

#include "stflow/tensor/tensor.h"

namespace stflow {

/// A matrix in memory: element (i, j) is at data + i * row + j * column.
struct Strided {
  const real* data;
  int64_t row, column;
};

/// One tile of c [rows, columns] = a [rows,k] b [k,columns] + bias; the function that takes it
/// knows how many rows and vectors it has.
struct GemmTile {
  int64_t k;
  const real* a;
  int64_t a_row, a_column;
  const real* b;
  int64_t b_row;
  const real* bias;  // or null
  real* c;
  int64_t c_row;
  int last;           // columns of c in the last vector, at least 1
  bool more = false;  // to be added to what is in c
};

/// The tiles of one instruction set.
struct GemmKernel {
  using TileFunction = void (*)(const GemmTile&);

  const char* name;             // of the instruction set
  int64_t lanes;                // numbers in a vector
  int64_t vectors;              // of most tiles; the last one may have one more
  std::array<int64_t, 3> rows;  // of a tile of 1, 2 and 3 vectors
  const TileFunction* tiles;    // for r rows and v vectors at (r - 1) * 3 + v - 1
};

/// Null where the processor or its compiler lacks the instructions, and where real is double.
const GemmKernel* avx2_gemm_kernel();
const GemmKernel* avx512_gemm_kernel();
/// The best there is, or null.
const GemmKernel* gemm_kernel();

/// The columns of b as the kernel reads them where they lie apart (b.row is 1): those of each tile
/// in rows next to each other.
Tensor packed_columns(const GemmKernel& kernel, const Strided& b, int64_t k, int64_t n);

/// c [m,n] = a [m,k] b [k,n] + bias [n] (null: none); rows of c are c_row apart, and b.row or
/// b.column is 1. `packed`: packed_columns(kernel, b, k, n), or null to pack them on the way.
void gemm(const GemmKernel& kernel, int64_t m, int64_t n, int64_t k, const Strided& a,
          const Strided& b, const real* packed, const real* bias, real* c, int64_t c_row);

}  // namespace stflow
