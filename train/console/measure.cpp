// measure.cpp - clocks and counters of the system and of tensor/blas.h.
//
// The median is what programs report as their step time: it ignores the few steps in which the
// machine was busy with something else.
#include "stflow/train/console/measure.h"

#include <sys/resource.h>

#include <chrono>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/statistics.h"

namespace stflow {

double seconds_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

void StepTimer::restart() {
  start_ = seconds_now();
  gemm_start_ = gemm_stats().seconds;
}

void StepTimer::lap() {
  const double elapsed = seconds_now() - start_;
  laps_ms_.push_back(1000 * elapsed);
  seconds_ += elapsed;
  gemm_seconds_ += gemm_stats().seconds - gemm_start_;
  restart();
}

void StepTimer::continue_from(const Sums& sums) {
  seconds_ += sums.seconds;
  gemm_seconds_ += sums.gemm_seconds;
  median_before_ms_ = sums.median_ms;
  laps_before_ = sums.laps;
}

double StepTimer::median_ms() const {
  if (laps_ms_.empty() || std::ssize(laps_ms_) < laps_before_) return median_before_ms_;
  return quantile(laps_ms_, 0.5);
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts in kilobytes
}

}  // namespace stflow
