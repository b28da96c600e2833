// measure.h - what a run costs: milliseconds a training step, the share of matrix products, memory.
//
// A StepTimer is a stopwatch with laps, one a training step; evaluation and saving are kept out by
// starting it again.
#pragma once

#include <cstdint>
#include <vector>

namespace stflow {

/// Seconds on a clock that only moves forward.
double seconds_now();

/// Times training steps. The time between restart() and the next lap(), and from lap to lap,
/// counts; the time between the last lap and a restart (evaluation, saving) does not.
class StepTimer {
 public:
  StepTimer() { restart(); }
  void restart();
  void lap();

  /// What an interrupted run has measured, for the timer of the run that goes on from there.
  struct Sums {
    double seconds = 0, gemm_seconds = 0, median_ms = 0;
    int64_t laps = 0;
  };
  Sums sums() const { return {seconds_, gemm_seconds_, median_ms(), laps()}; }
  void continue_from(const Sums& sums);

  /// Median of this timer's laps in milliseconds (the upper one of two), or that of the timer
  /// before it if that had more of them; 0 without laps.
  double median_ms() const;
  /// Sum of all laps.
  double seconds() const { return seconds_; }
  /// Fraction of that spent in matrix products; 0 without laps.
  double gemm_share() const { return seconds_ > 0 ? gemm_seconds_ / seconds_ : 0; }

 private:
  int64_t laps() const { return laps_before_ + static_cast<int64_t>(laps_ms_.size()); }

  double start_ = 0, seconds_ = 0;
  double gemm_start_ = 0, gemm_seconds_ = 0;
  double median_before_ms_ = 0;
  int64_t laps_before_ = 0;
  std::vector<double> laps_ms_;
};

/// The most memory this process has held so far, in MB (2^20 bytes).
double peak_rss_mb();

}  // namespace stflow
