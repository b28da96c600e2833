// gemm_avx512.h - the matrix product on processors with AVX-512.
//
// A tile of c, 8 rows by 48 columns, stays in registers while all of its products are added up:
// each number of `a` is broadcast and meets three vectors of a row of b. Nothing is copied unless
// the columns of b lie apart; then 48 of them at a time are, and where the product is cut into
// panels of rows, all of them beforehand. What that gains is in tests/bench/README.md.
#pragma once

#include "stflow/tensor/tensor.h"

namespace stflow {

/// A matrix in memory: element (i, j) is at data + i * row + j * column.
struct Strided {
  const real* data;
  int64_t row, column;
};

/// The columns of b as the kernel reads them where they lie apart (b.row is 1): 48 by 48, those of
/// a block in rows next to each other; [ceil(n / 48),k,48].
Tensor packed_columns(const Strided& b, int64_t k, int64_t n);

/// c [m,n] = a [m,k] b [k,n] + bias [n] (null: none); rows of c are c_row apart, and b.row or
/// b.column is 1. `packed`: packed_columns(b, k, n), or null to pack them on the way. To be called
/// where has_avx512() (cpu.h).
void gemm_avx512(int64_t m, int64_t n, int64_t k, const Strided& a, const Strided& b,
                 const real* packed, const real* bias, real* c, int64_t c_row);

}  // namespace stflow
