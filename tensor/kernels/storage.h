// storage.h - where the numbers of a tensor live: 64-byte aligned blocks, kept for reuse when
// freed.
//
// A training step allocates and frees the same few hundred blocks over and over. Left to malloc,
// the large ones go back to the system and fault in again page by page at every step; here they
// wait on a free list by size. Thread-safe; used by tensor.cpp only.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "stflow/tensor/real.h"

namespace stflow {

/// A block of at least `count` numbers, not initialised. Never null, also for count = 0.
std::shared_ptr<real> allocate_storage(int64_t count);

/// When the numbers of a block were last changed in place (Tensor::changed_at). One for all handles
/// and views of the block: it lies with their use count.
std::atomic_ref<uint64_t> last_change(const std::shared_ptr<real>& block);

}  // namespace stflow
