// parallel.cpp - parallel_for over a team of threads, and how many processors this process was
// granted.
//
// The one idea: chunk bounds are a function of (n, grain), and threads only decide who runs which
// chunk. An `omp for` ends at a barrier that waits for every thread, also for one that the system
// has not let run at all because another program has its processor: with seven busy processes on
// two cores a training step took 4 to 25 times as long as it takes now. So the team is made of
// threads of our own, which stay for the whole program; the caller takes chunks from the front and
// helpers from the back, and the caller waits only for chunks that were taken: when nobody comes to
// help, it has done them all itself. Nor does the program end, as in OpenMP, when the system has no
// thread to give. OpenMP is asked how many threads are wanted, and told how many BLAS may use.
#include "stflow/tensor/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "stflow/tensor/check.h"

namespace stflow {
namespace {

constexpr int kLooks = 2000;  // about 30 us

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

/// Processors' worth of time that the Linux control group in `folder` may use: quota / period.
double group_quota(const std::filesystem::path& folder) {
  double quota = 0, period = 0;
  if (std::ifstream(folder / "cpu.max") >> quota >> period) return quota / period;  // version 2
  std::ifstream quota_file(folder / "cpu.cfs_quota_us");                            // version 1
  std::ifstream period_file(folder / "cpu.cfs_period_us");
  if (quota_file >> quota && period_file >> period && quota > 0) return quota / period;
  return kNoLimit;  // no such file, "max" or -1
}

/// The smallest quota of this process's control group and the groups around it. Inside a container
/// the own group may be mounted as the root, so folders that are not there are passed over.
double container_quota() {
  double quota = kNoLimit;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controller,controller:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers =
        concat_message(",", line.substr(first + 1, second - first - 1), ",");
    const bool version2 = controllers == ",,";
    if (!version2 && controllers.find(",cpu,") == std::string::npos) continue;

    const std::filesystem::path root = version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::filesystem::path group = line.substr(second + 1);
    for (; group.has_relative_path(); group = group.parent_path()) {
      quota = std::min(quota, group_quota(root / group.relative_path()));
    }
    quota = std::min(quota, group_quota(root));
  }
  return quota;
}

int granted_processors() {
  const double granted = std::min<double>(omp_get_num_procs(), std::ceil(container_quota()));
  return std::max(1, static_cast<int>(granted));
}

std::atomic<int>& thread_setting() {
  // OMP_NUM_THREADS, or omp_set_num_threads() before us, may ask for fewer, not for more.
  static std::atomic<int> threads = std::min(granted_processors(), omp_get_max_threads());
  return threads;
}

/// While it lives, OpenMP loops of libraries called from this thread (OpenBLAS) use one thread.
class OneThreadScope {
 public:
  OneThreadScope() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThreadScope() { omp_set_num_threads(before_); }
  OneThreadScope(const OneThreadScope&) = delete;
  OneThreadScope& operator=(const OneThreadScope&) = delete;

 private:
  int before_;
};

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

/// With OMP_PROC_BIND a new thread inherits the one place its maker is bound to; lets this one run
/// in all of OpenMP's places.
void leave_inherited_place() {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> ids(omp_get_place_num_procs(place));
    omp_get_place_proc_ids(place, ids.data());
    for (const int id : ids) CPU_SET(id, &processors);
  }
  if (CPU_COUNT(&processors) > 0) sched_setaffinity(0, sizeof processors, &processors);
}

/// Moves this thread to another processor, if it may run on one, and leaves it free to move on.
void leave_processor(int processor) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  sched_setaffinity(0, sizeof others, &others);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

thread_local bool in_a_chunk = false;

/// Chunks of one size, a multiple of four of them, so that two or four threads get equal shares:
/// five equal chunks cost two threads as much as six. A whole number of cache lines where `grain`
/// is.
int64_t chunk_size(int64_t n, int64_t grain) {
  constexpr int64_t kLine = 16;
  const auto divided = [](int64_t a, int64_t b) { return a / b + (a % b != 0); };  // rounded up
  const int64_t chunks = divided(n, grain);
  if (chunks <= 1) return grain;
  const int64_t size = divided(n, divided(chunks, 4) * 4);
  return grain % kLine == 0 ? divided(size, kLine) * kLine : size;
}

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
    processor_ = sched_getcpu();
    loop_ = &loop;
    ++loops_;
    loops_.notify_all();
    loop.work(/*from_the_back=*/false);
    loop_ = nullptr;
    // Whoever comes now finds no loop; those inside still run the chunks they took.
    for (int inside; (inside = inside_) != 0;) wait_for_change(inside_, inside);
  }

  /// Lets a cache line go to the first helper that comes and back, in bursts of some trips, and
  /// takes the fastest burst. Two processors of a machine may share a cache, or sit on different
  /// chips (a virtual machine is moved between the two unawares): there a trip takes four times as
  /// long, and a training step, made of short loops, by two threads 1.2 times as long as by one.
  /// Returns false when no helper came in time, or went away again: then nothing is known.
  bool measure_distance() {
    std::atomic<int> trips = 0;  // one way, even: it is side 0's turn; -1: given up
    const auto wait_for_trip = [&](int count) {
      for (int look = 0; trips != count; ++look) {
        if (trips < 0 || look == kLooksForHelper) {
          trips = -1;
          return false;
        }
        pause_briefly();
      }
      return true;
    };
    Clock::time_point start;
    Clock::duration fastest = Clock::duration::max();
    int bursts = 0;
    const std::function<void(int64_t, int64_t)> body = [&](int64_t side, int64_t) {
      for (int trip = 0; trip <= kBursts * kTrips + 1; ++trip) {
        if (!wait_for_trip(2 * trip + static_cast<int>(side))) return;
        if (side == 0 && trip % kTrips == 1) {  // at trip 1 the helper is there
          const auto now = Clock::now();
          if (trip > 1) fastest = std::min(fastest, now - start), ++bursts;
          start = now;
        }
        trips = 2 * trip + static_cast<int>(side) + 1;
      }
    };
    Loop loop(2, 1, body, 1);
    share(loop);
    const bool far = fastest > kTrips * kFarTrip;
    if (far && bursts < kBursts) return false;
    far_apart_ = far;
    return true;
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
    omp_set_num_threads(1);  // for BLAS
    in_a_chunk = true;
    for (int seen = 0;;) {
      wait_for_change(loops_, seen);
      seen = loops_;
      // Now and then the system wakes a helper where its caller runs and leaves it there, for as
      // long as a second, while another processor is idle.
      if (const int here = sched_getcpu(); here == processor_) leave_processor(here);
      ++inside_;  // before loop_ is read: share() looks at them in the other order
      Loop* loop = loop_;
      if (loop != nullptr && loop->take_seat()) loop->work(/*from_the_back=*/true);
      if (--inside_ == 0) inside_.notify_one();
    }
  }

  static constexpr std::chrono::milliseconds kBetweenMeasurements{200}, kBetweenTries{20};
  static constexpr std::chrono::nanoseconds kFarTrip{250};  // there and back; seen: 110 and 400-520
  static constexpr std::chrono::milliseconds kLongLoop{1};
  static constexpr int kBursts = 5, kTrips = 20, kLooksForHelper = 10 * kLooks;

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

int num_threads() { return thread_setting(); }

void set_num_threads(int threads) {
  CHECK_ARG(threads >= 1, "[set_num_threads] expected at least 1 thread, got ", threads);
  thread_setting() = threads;
}

void assume_far_processors(std::optional<bool> far) { Team::instance().assume_far(far); }

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  CHECK_ARG(n >= 0, "[parallel_for] expected n >= 0, got ", n);
  CHECK_ARG(grain >= 1, "[parallel_for] expected grain >= 1, got ", grain);
  CHECK_ARG(body, "[parallel_for] the body is an empty function");
  const int64_t size = chunk_size(n, grain), chunks = n / size + (n % size != 0);
  const int helpers = static_cast<int>(std::min<int64_t>(num_threads(), chunks)) - 1;
  const OneThreadScope one_thread;
  if (helpers > 0 && !in_a_chunk) {
    Loop loop(n, size, body, helpers);
    in_a_chunk = true;  // nothing throws until it is false again
    if (!Team::instance().run(loop, helpers)) loop.work(/*from_the_back=*/false);
    in_a_chunk = false;
    if (loop.error()) std::rethrow_exception(loop.error());
    return;
  }
  for (int64_t begin = 0; begin < n; begin += size) body(begin, std::min(n, begin + size));
}

}  // namespace stflow
