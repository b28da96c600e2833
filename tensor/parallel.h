// parallel.h - the only door to threads: one parallel loop, and how many it may use.
//
// Work is cut into chunks whose bounds depend on the problem alone, never on the number of threads,
// so that results have the same bits for any thread count. A loop of one chunk runs on the calling
// thread: waking a second thread costs more than a small loop. Where the processors are far apart,
// as on two chips, the others help only once a chunk or more has shown that the rest takes over a
// millisecond.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace stflow {

/// Chunk size for elementwise loops; below it threads cost more than they give.
constexpr int64_t kElementwiseGrain = 16 * 1024;

/// Threads parallel_for may use. Default: the processors this process is granted (affinity and
/// container quota), or OMP_NUM_THREADS if that is less. The helpers start with the first loop that
/// wants them; where the system has no thread to give, those there are work alone, and a warning
/// says so.
int num_threads();
/// Throws unless threads >= 1.
void set_num_threads(int threads);

/// For tests and measurements: whether processors are far apart, instead of finding out.
void assume_far_processors(std::optional<bool> far);

/// Calls body(begin, end) for consecutive chunks, of `grain` at most, that cover [0, n). The first
/// exception a chunk throws is rethrown here, after the others have ended. BLAS called in a chunk
/// uses one thread. A child of fork() starts helpers of its own; one that is forked inside a chunk
/// has no others' chunks, and can only exec or _exit.
void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

}  // namespace stflow
