// transpose.h - blocks of a matrix, transposed while they are copied.
#pragma once

#include <cstdint>

#include "stflow/tensor/real.h"

namespace stflow {

/// to [columns,rows] = from [rows,columns] transposed; strides are from row to row.
void transpose_to(const real* from, int64_t from_stride, int64_t rows, int64_t columns, real* to,
                  int64_t to_stride);

}  // namespace stflow
