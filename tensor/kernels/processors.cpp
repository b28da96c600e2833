#include "stflow/tensor/kernels/processors.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "stflow/tensor/check.h"

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

}  // namespace

int default_threads() {
  const double granted = std::min<double>(omp_get_num_procs(), std::ceil(container_quota()));
  return std::min(std::max(1, static_cast<int>(granted)), omp_get_max_threads());
}

OneThreadScope::OneThreadScope() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThreadScope::~OneThreadScope() { omp_set_num_threads(before_); }

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

int current_processor() { return sched_getcpu(); }

void leave_processor(int processor) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) == 0) return;
  sched_setaffinity(0, sizeof others, &others);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

// Lets a cache line go to the helper and back, in bursts of some trips, and takes the fastest
// burst. Two processors of a machine may share a cache, or sit on different chips (a virtual
// machine is moved between the two unawares): there a trip takes four times as long, and a training
// step, made of short loops, by two threads 1.2 times as long as by one.
std::optional<bool> far_apart(
    const std::function<void(const std::function<void(int64_t)>& side)>& run_both) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds kFarTrip{250};  // there and back; seen: 110 and 400-520
  constexpr int kBursts = 5, kTrips = 20, kLooksForHelper = 10 * kLooks;
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
  run_both([&](int64_t side) {
    for (int trip = 0; trip <= kBursts * kTrips + 1; ++trip) {
      if (!wait_for_trip(2 * trip + static_cast<int>(side))) return;
      if (side == 0 && trip % kTrips == 1) {  // at trip 1 the helper is there
        const auto now = Clock::now();
        if (trip > 1) fastest = std::min(fastest, now - start), ++bursts;
        start = now;
      }
      trips = 2 * trip + static_cast<int>(side) + 1;
    }
  });
  const bool far = fastest > kTrips * kFarTrip;
  if (far && bursts < kBursts) return {};
  return far;
}

}  // namespace stflow
