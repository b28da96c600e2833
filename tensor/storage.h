// storage.h - where the numbers of a tensor live: 64-byte aligned blocks, kept for reuse when
// freed.
//
// A training step allocates and frees the same few hundred blocks over and over. Left to malloc,
// the large ones go back to the system and fault in again page by page at every step; here they
// wait on a free list by size. Thread-safe; used by tensor.cpp only.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace stflow {

/// A block of at least `count` numbers, not initialised. Never null, also for count = 0.
std::shared_ptr<real> allocate_storage(int64_t count);

}  // namespace stflow
