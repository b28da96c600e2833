// range.h - numbers on a command line: which ones an option takes, and reading them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace stflow {

/// Which numbers an option takes, besides finite ones; the low end itself only if `low_included`.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_included = true;
};
inline Range at_least(double low) { return {.low = low}; }
inline Range above(double low) { return {.low = low, .low_included = false}; }
inline Range between(double low, double high) { return {.low = low, .high = high}; }
/// A scale whose square, root and inverse are floats too.
inline Range of_scale() { return between(1e-6, 1e6); }

/// Upper ends for what has no natural one: far more than anyone waits for, and so few that sums and
/// products of them fit 64 bits.
constexpr double kMostSteps = 1e9;   // epochs, steps, draws, examples
constexpr double kMostAtOnce = 1e6;  // held in memory together
constexpr double kMostSeeds = 1e4;   // runs
constexpr double kMostThreads = 256;
constexpr double kLargestSeed = 9223372036854775807.0;

/// "from 0 to 100", "above 0", "" for a range without ends.
std::string ends_of(const Range& range);

/// The number that an option has got. Throws UsageError, which names the option, what it got and
/// what it takes.
template <typename Number>  // int64_t or double
Number parse_number(const std::string& option, const std::string& text, const Range& range);

}  // namespace stflow
