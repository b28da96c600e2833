// plain_index.h - how tests walk tensors without the library: every index of a shape, and the flat
// position it has in an operand that broadcasts. Slow and simple on purpose.
#pragma once

#include <cstdint>
#include <vector>

#include "stflow/tensor/shape.h"

namespace stflow::testing {

using Index = std::vector<int64_t>;

/// Calls body(index) for every index of a shape, the last axis fastest: in the order of storage.
template <typename Body>
void for_each_index(const Shape& shape, Body body) {
  Index index(shape.rank(), 0);
  for (int64_t count = shape.numel(); count > 0; --count) {
    body(index);
    for (int axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) {
      index[axis] = 0;
    }
  }
}

/// Flat position of an index in a tensor of `shape`, aligned at the last axis; an extent of one is
/// repeated.
inline int64_t position(const Index& index, const Shape& shape) {
  const size_t missing = index.size() - static_cast<size_t>(shape.rank());
  int64_t flat = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    flat = flat * shape[axis] + (shape[axis] == 1 ? 0 : index[missing + axis]);
  }
  return flat;
}

}  // namespace stflow::testing
