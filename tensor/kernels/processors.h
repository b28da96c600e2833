// processors.h - what the machine, the container and OpenMP's settings say about processors.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace stflow {

/// Threads to begin with: the processors this process was granted (affinity and container quota),
/// or fewer if OMP_NUM_THREADS, or omp_set_num_threads() before us, asks for fewer.
int default_threads();

/// While it lives, OpenMP loops of libraries called from this thread (OpenBLAS) use one thread.
class OneThreadScope {
 public:
  OneThreadScope();
  ~OneThreadScope();
  OneThreadScope(const OneThreadScope&) = delete;
  OneThreadScope& operator=(const OneThreadScope&) = delete;

 private:
  int before_;
};

/// With OMP_PROC_BIND a new thread inherits the one place its maker is bound to; lets this one run
/// in all of OpenMP's places.
void leave_inherited_place();
/// The processor this thread runs on.
int current_processor();
/// Moves this thread to another processor, if it may run on one, and leaves it free to move on.
void leave_processor(int processor);

/// A short wait, of a thread that watches a number for another's change.
inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
constexpr int kLooks = 2000;  // with pauses in between: about 30 us

/// Are two processors so far apart that short loops gain nothing from the second? run_both(side)
/// calls side(0) here and side(1) on a helper. Nothing when no helper came in time, or it went away
/// again.
std::optional<bool> far_apart(
    const std::function<void(const std::function<void(int64_t)>& side)>& run_both);

}  // namespace stflow
