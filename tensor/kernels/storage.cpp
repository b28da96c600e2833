#include "stflow/tensor/kernels/storage.h"

#include <array>
#include <bit>
#include <mutex>
#include <new>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow {
namespace {

constexpr std::align_val_t kAlignment{64};

// Sizes are rounded up to 2^k or 1.5 * 2^k bytes: at most a third of a block is wasted, and blocks
// of almost equal tensors can serve each other.
constexpr int kClasses = 128;

int size_class(int64_t bytes) {
  const uint64_t units = static_cast<uint64_t>(bytes + 63) / 64;
  const int log2 = units <= 1 ? 0 : std::bit_width(units - 1);  // smallest 2^log2 >= units
  const bool fits_below = log2 >= 2 && units <= (uint64_t{3} << (log2 - 2));
  return 2 * log2 - (fits_below ? 1 : 0);
}

int64_t class_bytes(int size_class) {
  const int log2 = (size_class + 1) / 2;
  return 64 * (size_class % 2 == 1 ? int64_t{3} << (log2 - 2) : int64_t{1} << log2);
}

class StorageCache {
 public:
  void* take(int size_class) {
    {
      std::lock_guard lock(mutex_);
      std::vector<void*>& list = free_[size_class];
      if (!list.empty()) {
        void* block = list.back();
        list.pop_back();
        stats_.live_bytes += class_bytes(size_class);
        stats_.cached_bytes -= class_bytes(size_class);
        return block;
      }
    }
    void* block = ::operator new(static_cast<size_t>(class_bytes(size_class)), kAlignment);
    std::lock_guard lock(mutex_);
    stats_.live_bytes += class_bytes(size_class);
    return block;
  }

  void give_back(void* block, int size_class) {
    std::lock_guard lock(mutex_);
    stats_.live_bytes -= class_bytes(size_class);
    stats_.cached_bytes += class_bytes(size_class);
    free_[size_class].push_back(block);
  }

  void release() {
    std::lock_guard lock(mutex_);
    for (std::vector<void*>& list : free_) {
      for (void* block : list) ::operator delete(block, kAlignment);
      list.clear();
    }
    stats_.cached_bytes = 0;
  }

  StorageStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  std::mutex mutex_;
  std::array<std::vector<void*>, kClasses> free_;
  StorageStats stats_{};
};

// Never destroyed: a static tensor of the user's may be freed after any static object of ours.
StorageCache& cache() {
  static StorageCache* instance = new StorageCache;
  return *instance;
}

struct GiveBack {
  int size_class;
  uint64_t last_change = 0;
  void operator()(real* freed) const { cache().give_back(freed, size_class); }
};

}  // namespace

std::shared_ptr<real> allocate_storage(int64_t count) {
  const int index = size_class(count * static_cast<int64_t>(sizeof(real)));
  real* block = static_cast<real*>(cache().take(index));
  return std::shared_ptr<real>(block, GiveBack{index});
}

std::atomic_ref<uint64_t> last_change(const std::shared_ptr<real>& block) {
  return std::atomic_ref(std::get_deleter<GiveBack>(block)->last_change);
}

StorageStats storage_stats() { return cache().stats(); }

void release_storage_cache() { cache().release(); }

}  // namespace stflow
