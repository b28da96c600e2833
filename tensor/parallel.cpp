// parallel.cpp - parallel_for over OpenMP, and how many processors this process was granted.
//
// The one idea: chunk bounds are a function of (n, grain), and threads only decide who runs which
// chunk. The thread count is kept here and passed with each loop, because OpenMP's own setting
// belongs to one thread: a std::thread of the user's program would start with another one.
#include "tensor/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <string>

#include "tensor/check.h"

namespace stflow {
namespace {

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
  static std::atomic<int> threads = granted_processors();
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

}  // namespace

int num_threads() { return thread_setting(); }

void set_num_threads(int threads) {
  CHECK_ARG(threads >= 1, "[set_num_threads] expected at least 1 thread, got ", threads);
  thread_setting() = threads;
}

void parallel_for(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  CHECK_ARG(n >= 0, "[parallel_for] expected n >= 0, got ", n);
  CHECK_ARG(grain >= 1, "[parallel_for] expected grain >= 1, got ", grain);
  const int64_t chunks = n / grain + (n % grain != 0);
  const auto run_chunk = [&](int64_t chunk) {
    body(chunk * grain, std::min(n, (chunk + 1) * grain));
  };

  const bool nested = omp_in_parallel();
  const int threads = nested ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), chunks));
  if (threads <= 1) {
    const OneThreadScope one_thread;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) run_chunk(chunk);
    return;
  }

  // An exception must not leave an OpenMP region. The one of the lowest chunk is kept: it is the
  // one a single thread would have met.
  std::exception_ptr error;
  int64_t error_chunk = chunks;
  std::mutex error_mutex;
#pragma omp parallel num_threads(threads)
  {
    const OneThreadScope one_thread;
#pragma omp for schedule(dynamic)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      try {
        run_chunk(chunk);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (chunk < error_chunk) {
          error = std::current_exception();
          error_chunk = chunk;
        }
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace stflow
