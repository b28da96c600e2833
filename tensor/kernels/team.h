// team.h - the threads that help with a loop, and how its chunks are handed out.
//
// An OpenMP loop ends at a barrier that waits for every thread, also for one that the system has
// not let run at all because another program has its processor: with seven busy processes on two
// cores a training step took 4 to 25 times as long as it takes now. So the team is made of threads
// of our own, which stay for the whole program; the caller takes chunks from the front and helpers
// from the back, and the caller waits only for chunks that were taken: when nobody comes to help,
// it has done them all itself. Nor does the program end, as in OpenMP, when the system has no
// thread to give.
#pragma once

#include <cstdint>
#include <functional>

namespace stflow {

/// Calls body(begin, end) for the chunks of `size` that cover [0, n), with the help of up to
/// `helpers` threads, and rethrows the exception of the lowest chunk that threw. Does nothing and
/// returns false inside a chunk of another such loop.
bool run_with_helpers(int64_t n, int64_t size, const std::function<void(int64_t, int64_t)>& body,
                      int helpers);

}  // namespace stflow
