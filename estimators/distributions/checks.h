// checks.h - what every rule refuses, in the same words: laws it was not made for, options out
// of range, costs without a gradient. For estimators/*.cpp and rules of your own.
#pragma once

#include "stflow/estimators/distributions/distribution.h"

namespace stflow {

/// Most samples, or draws of noise, of one layer in one call.
inline constexpr int64_t kMostSamples = 1 << 20;
/// Temperatures of relaxations: beyond, 1 / T^3 (which tuning takes) leaves the range of float.
inline constexpr double kLeastTemperature = 1e-10, kLargestTemperature = 1e10;

/// Throws, naming the rule and what it fits, unless q is one of the classes. `why` ends the
/// message.
template <typename... Laws>
void require_law(const Distribution& q, const std::string& rule, const std::string& fits,
                 const std::string& why = "") {
  CHECK_ARG((dynamic_cast<const Laws*>(&q) || ...), "rule '", rule, "' fits ", fits,
            " layers only, this one is ", q.law(), why);
}

/// Throws unless low <= value <= high, which NaN never is.
void require_option(const std::string& rule, const std::string& option, double value, double low,
                    double high);
void require_temperature(const std::string& rule, double temperature);
void require_samples(const std::string& rule, int64_t samples, int64_t least = 1);

/// Throws, naming the rule, unless there is a path in the graph from the cost f back to z: without
/// one the gradient would be zero, whatever the cost.
void require_path(const std::string& rule, const Var& f, const Var& z);

}  // namespace stflow
