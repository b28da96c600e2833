// checks.h - what every rule refuses, in the same words: options out of range, costs without a
// gradient. For estimators/*.cpp and rules of your own.
#pragma once

#include "stflow/estimators/distributions/distribution.h"

namespace stflow {

/// Most samples, or draws of noise, of one layer in one call.
inline constexpr int64_t kMostSamples = 1 << 20;
/// Temperatures of relaxations: beyond, 1 / T^3 (which tuning takes) leaves the range of float.
inline constexpr double kLeastTemperature = 1e-10, kLargestTemperature = 1e10;

/// Throws unless low <= value <= high, which NaN never is.
void require_option(const std::string& rule, const std::string& option, double value, double low,
                    double high);
void require_temperature(const std::string& rule, double temperature);
void require_samples(const std::string& rule, int64_t samples, int64_t least = 1);

/// Throws, naming the rule, unless there is a path in the graph from the cost f back to z: without
/// one the gradient would be zero, whatever the cost.
void require_path(const std::string& rule, const Var& f, const Var& z);

}  // namespace stflow
