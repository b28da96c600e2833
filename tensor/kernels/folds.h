// folds.h - many numbers made one, in an order that depends on nothing but how many they are.
#pragma once

#include <cstdint>

#include "stflow/tensor/kernels/simd.h"

namespace stflow::simd {

// Partial sums are kept in a fixed number of lanes: vectorisable, and the same order everywhere.
constexpr int kLanes = 16;

/// Folds term(i) for i in [0, n) into lanes, in a fixed order: lane = fold(lane, term(i)). Inline
/// it into a STFLOW_CLONES function.
template <typename Term, typename Fold>
inline __attribute__((always_inline)) void fold_lanes(int64_t n, Term term, Fold fold,
                                                      real (&lanes)[kLanes]) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = fold(lanes[lane], term(i + lane));
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] = fold(lanes[lane], term(i));
}

inline __attribute__((always_inline)) real sum_of_lanes(real (&lanes)[kLanes]) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

/// sum_i term(i).
template <typename Term>
inline __attribute__((always_inline)) real lane_sum(int64_t n, Term term) {
  real lanes[kLanes] = {};
  fold_lanes(
      n, term, [](real sum, real each) { return sum + each; }, lanes);
  return sum_of_lanes(lanes);
}

/// sum_i log(factor(i)), as the logarithm of a product in each lane, which must not overflow.
template <typename Factor>
inline __attribute__((always_inline)) real lane_log_product(int64_t n, Factor factor) {
  real lanes[kLanes];
  for (real& lane : lanes) lane = 1;
  fold_lanes(
      n, factor, [](real product, real each) { return product * each; }, lanes);
  for (real& lane : lanes) lane = log(lane);
  return sum_of_lanes(lanes);
}

// The rounding error of a sum grows with the terms that are added one after the other. So a long
// sum is that of its two halves, down to kShortRun terms in a lane (Higham 1993, pairwise
// summation); one that is not long is added up in one go, which is faster.
constexpr int64_t kShortRun = 32;
constexpr int64_t kLongRun = 16 * 1024;  // numbers of a run that is not long

/// run(begin, n) for a run of n numbers; if it is long, join of those for its halves.
template <typename Run, typename Join>
real reduce_halves(int64_t begin, int64_t n, int64_t most, Run run, Join join) {
  if (n <= most) return run(begin, n);
  const int64_t half = n / 2 / kLanes * kLanes, least = kShortRun * kLanes;
  return join(reduce_halves(begin, half, least, run, join),
              reduce_halves(begin + half, n - half, least, run, join));
}

}  // namespace stflow::simd
