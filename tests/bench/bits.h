// bits.h - sums of rows against matrix products, by the share of ones.
#pragma once

#include <vector>

#include "stflow/train/console/record.h"

namespace stflow::bench {

/// The products of a linear layer of bits with each share of ones, y = x w and dw = x^T dy, as
/// sums of rows and as matrix products: one row a share, microseconds.
std::vector<Record> bits_against_products(int64_t batch, int64_t inputs, int64_t outputs,
                                          int64_t rounds);

}  // namespace stflow::bench
