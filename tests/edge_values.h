// edge_values.h - numbers at which formulas break, and a comparison that tells them apart.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow::testing {

using Limits = std::numeric_limits<real>;
constexpr real kInf = Limits::infinity(), kNan = Limits::quiet_NaN(), kMax = Limits::max(),
               kTiny = Limits::denorm_min(), kNormal = Limits::min();

inline const std::vector<real> kEdges = {-kInf, -kMax, -2.5, -1, -kNormal, -kTiny, -0.0, 0,
                                         kTiny, 0.5,   1,    3,  kMax,     kInf,   kNan};

/// Fails unless both are NaN or both the same number, the sign of zero included.
inline void check_bits(real found, real expected) {
  CAPTURE(found);
  CAPTURE(expected);
  const bool same = std::isnan(expected)
                        ? std::isnan(found)
                        : found == expected && std::signbit(found) == std::signbit(expected);
  CHECK(same);
}

inline void check_bits(const Tensor& found, const std::vector<real>& expected) {
  REQUIRE(found.numel() == static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) check_bits(found[i], expected[i]);
}

}  // namespace stflow::testing
