// parallel.cpp - parallel_for: a loop cut into chunks, which threads may share.
//
// The one idea: chunk bounds are a function of (n, grain), and threads only decide who runs which
// chunk. Which threads, and how they come by their chunks, is in kernels/team.h.
#include "stflow/tensor/parallel.h"

#include <algorithm>
#include <atomic>

#include "stflow/tensor/check.h"
#include "stflow/tensor/kernels/processors.h"
#include "stflow/tensor/kernels/team.h"
#include "stflow/tensor/numbers.h"

namespace stflow {
namespace {

std::atomic<int>& thread_setting() {
  static std::atomic<int> threads = default_threads();
  return threads;
}

/// Chunks of one size, a multiple of four of them, so that two or four threads get equal shares:
/// five equal chunks cost two threads as much as six. A whole number of cache lines where `grain`
/// is.
int64_t chunk_size(int64_t n, int64_t grain) {
  constexpr int64_t kLine = 16;
  const int64_t chunks = ceil_div(n, grain);
  if (chunks <= 1) return grain;
  const int64_t size = ceil_div(n, round_up(chunks, 4));
  return grain % kLine == 0 ? round_up(size, kLine) : size;
}

}  // namespace

int num_threads() { return thread_setting(); }

void set_num_threads(int threads) {
  CHECK_ARG(threads >= 1, "[set_num_threads] expected at least 1 thread, got ", threads);
  thread_setting() = threads;
}

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  CHECK_ARG(n >= 0, "[parallel_for] expected n >= 0, got ", n);
  CHECK_ARG(grain >= 1, "[parallel_for] expected grain >= 1, got ", grain);
  CHECK_ARG(body, "[parallel_for] the body is an empty function");
  const int64_t size = chunk_size(n, grain), chunks = ceil_div(n, size);
  const int helpers = static_cast<int>(std::min<int64_t>(num_threads(), chunks)) - 1;
  const OneThreadScope one_thread;
  if (helpers > 0 && run_with_helpers(n, size, body, helpers)) return;
  for (int64_t begin = 0; begin < n; begin += size) body(begin, std::min(n, begin + size));
}

}  // namespace stflow
