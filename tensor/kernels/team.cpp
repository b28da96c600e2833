#include "stflow/tensor/kernels/team.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#include "stflow/tensor/check.h"
#include "stflow/tensor/kernels/processors.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

/// Waits until `value` is no longer `old`: watching it for a while, for most loops follow each
/// other closely, then asleep.
void wait_for_change(const std::atomic<int>& value, int old) {
  for (int look = 0; look < kLooks; ++look) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  value.wait(old);
}

/// A loop whose chunks any number of threads may take. The caller takes them from the front and
/// helpers from the back, so that from one loop to the next a number mostly stays in the cache of
/// the same processor: with chunks taken in turn Adam gained nothing from a second thread.
class Loop {
 public:
  Loop(int64_t n, int64_t size, const std::function<void(int64_t, int64_t)>& body, int helpers)
      : n_(n), size_(size), body_(body), seats_(helpers), last_((n - 1) / size), left_(last_ + 1) {}

  /// May one more thread take part?
  bool take_seat() { return seats_.fetch_sub(1) > 0; }

  /// Runs chunks until all are taken. Never throws.
  void work(bool from_the_back) {
    while (run_one(from_the_back)) {
    }
  }

  /// Runs chunks from the front while those left seem to take no longer than `time`, going by those
  /// done. Are there any left?
  bool work_while_short(std::chrono::nanoseconds time) {
    const auto start = std::chrono::steady_clock::now();
    for (int64_t done = 1; run_one(/*from_the_back=*/false); ++done) {
      const int64_t left = left_;
      if (left > 0 && (std::chrono::steady_clock::now() - start) * left > time * done) return true;
    }
    return false;
  }

  /// The exception of the lowest chunk, the one a single thread would have met; or null.
  std::exception_ptr error() const { return error_; }

 private:
  /// Takes a chunk and runs it; false when all are taken.
  bool run_one(bool from_the_back) {
    if (left_.fetch_sub(1) <= 0) return false;
    const int64_t chunk = from_the_back ? last_ - back_++ : front_++;
    run(chunk * size_, std::min(n_, (chunk + 1) * size_));
    return true;
  }

  void run(int64_t begin, int64_t end) {
    try {
      body_(begin, end);
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (error_ && error_begin_ < begin) return;
      error_ = std::current_exception();
      error_begin_ = begin;
    }
  }

  const int64_t n_, size_;  // of the range, of a chunk
  const std::function<void(int64_t, int64_t)>& body_;
  std::atomic<int> seats_;
  const int64_t last_;                         // chunk
  std::atomic<int64_t> left_;                  // chunks that nobody has taken
  std::atomic<int64_t> front_ = 0, back_ = 0;  // chunks taken at each end
  std::mutex error_mutex_;
  std::exception_ptr error_;
  int64_t error_begin_ = 0;
};

thread_local bool in_a_chunk = false;

/// The threads that help.
class Team {
 public:
  /// Never destroyed: its threads wait in it until the program ends. A child made by fork() has
  /// none of them, so it gets a new team in the old one's place: a helper that was busy at the fork
  /// would be waited for without end.
  static Team& instance() {
    alignas(Team) static std::byte place[sizeof(Team)];
    static Team* team = [] {
      pthread_atfork(nullptr, nullptr, [] { new (place) Team; });
      return new (place) Team;
    }();
    return *team;
  }

  /// Runs the loop with the help of up to `helpers` threads: from the start, or, where a helper is
  /// far, from when its first chunks say that it is a long one. Does nothing and returns false
  /// while another thread's loop is being run.
  bool run(Loop& loop, int helpers) {
    const std::unique_lock lock(one_loop_, std::try_to_lock);
    if (!lock) return false;
    grow(std::min(helpers, most_));
    if (size_ == 0) return false;
    if (const auto now = Clock::now(); now > next_measurement_)
      next_measurement_ = now + (measure_distance() ? kBetweenMeasurements : kBetweenTries);
    if (!assumed_far_.value_or(far_apart_) || loop.work_while_short(kLongLoop)) share(loop);
    return true;
  }

  void assume_far(std::optional<bool> far) {
    const std::lock_guard lock(one_loop_);
    assumed_far_ = far;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void share(Loop& loop) {
    // A helper says that it is inside before it reads loop_; we take loop_ away before we look who
    // is inside: either it finds no loop, or we see it and wait.
    processor_ = current_processor();
    loop_ = &loop;
    ++loops_;
    loops_.notify_all();
    loop.work(/*from_the_back=*/false);
    loop_ = nullptr;
    // Whoever comes now finds no loop; those inside still run the chunks they took.
    for (int inside; (inside = inside_) != 0;) wait_for_change(inside_, inside);
  }

  /// Returns false when nothing was found out.
  bool measure_distance() {
    const std::optional<bool> far = far_apart([this](const std::function<void(int64_t)>& side) {
      const std::function<void(int64_t, int64_t)> body = [&](int64_t begin, int64_t) {
        side(begin);
      };
      Loop loop(2, 1, body, 1);
      share(loop);
    });
    far_apart_ = far.value_or(far_apart_);
    return far.has_value();
  }

  /// Until there are so many helpers; where the system has no more threads, the fewer do the work.
  void grow(int helpers) noexcept {
    try {
      for (; size_ < helpers; ++size_) std::thread([this] { help(); }).detach();
    } catch (const std::exception& error) {
      most_ = size_;
      std::cerr << concat_message("warning: cannot start a thread (", error.what(),
                                  "): computing with ", size_ + 1, " of ", helpers + 1, "\n");
    }
  }

  [[noreturn]] void help() {
    leave_inherited_place();
    const OneThreadScope one_thread;
    in_a_chunk = true;
    for (int seen = 0;;) {
      wait_for_change(loops_, seen);
      seen = loops_;
      // Now and then the system wakes a helper where its caller runs and leaves it there, for as
      // long as a second, while another processor is idle.
      if (const int here = current_processor(); here == processor_) leave_processor(here);
      ++inside_;  // before loop_ is read: share() looks at them in the other order
      Loop* loop = loop_;
      if (loop != nullptr && loop->take_seat()) loop->work(/*from_the_back=*/true);
      if (--inside_ == 0) inside_.notify_one();
    }
  }

  static constexpr std::chrono::milliseconds kBetweenMeasurements{200}, kBetweenTries{20};
  static constexpr std::chrono::milliseconds kLongLoop{1};

  std::mutex one_loop_;
  int size_ = 0, most_ = std::numeric_limits<int>::max();  // helpers there are, there can be
  Clock::time_point next_measurement_;
  bool far_apart_ = false;
  std::optional<bool> assumed_far_;  // instead
  std::atomic<Loop*> loop_ = nullptr;
  std::atomic<int> loops_ = 0;       // begun so far; helpers wait for it to change
  std::atomic<int> processor_ = -1;  // where the last caller ran
  std::atomic<int> inside_ = 0;      // helpers that may be touching *loop_
};

}  // namespace

void assume_far_processors(std::optional<bool> far) { Team::instance().assume_far(far); }

bool run_with_helpers(int64_t n, int64_t size, const std::function<void(int64_t, int64_t)>& body,
                      int helpers) {
  if (in_a_chunk) return false;
  Loop loop(n, size, body, helpers);
  in_a_chunk = true;  // nothing throws until it is false again
  if (!Team::instance().run(loop, helpers)) loop.work(/*from_the_back=*/false);
  in_a_chunk = false;
  if (loop.error()) std::rethrow_exception(loop.error());
  return true;
}

}  // namespace stflow
