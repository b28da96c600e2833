// minimise.h - the least value of a function of one number on an interval, by search.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace stflow {

/// The minimum of f in a valley [a, b] by golden section, until it is 1e-9 wide (relative above 1).
/// A kink is found to that, a smooth minimum, flat as it is, to 1e-6.
template <typename Function>
double bottom(Function& f, double a, double b) {
  constexpr double kGolden = 0.6180339887498949;
  double left = b - kGolden * (b - a), right = a + kGolden * (b - a);
  double at_left = f(left), at_right = f(right);
  while (b - a > 1e-9 * std::max(1.0, b)) {
    if (at_left <= at_right) {
      b = right, right = left, at_right = at_left;
      at_left = f(left = b - kGolden * (b - a));
    } else {
      a = left, left = right, at_left = at_right;
      at_right = f(right = a + kGolden * (b - a));
    }
  }
  return (a + b) / 2;
}

/// The minimum of f on [low, high]: the deepest of the valleys that a grid shows, whose points are
/// a quarter unit apart or, where that would be more than 256, further. W2^2 from a Poisson to few
/// particles far apart has a valley for each count; in a range beyond 128 some may be missed.
template <typename Function>
double minimise(Function f, double low, double high) {
  const auto last = static_cast<int>(std::clamp(std::ceil(4 * (high - low)), 64.0, 256.0));
  const auto point = [&](int i) { return low + (high - low) * std::clamp(i, 0, last) / last; };
  std::vector<double> value;
  for (int i = 0; i <= last; ++i) value.push_back(f(point(i)));
  double best = low, least = value[0];
  for (int i = 0; i <= last; ++i) {
    const auto at = static_cast<size_t>(i);
    if ((i > 0 && value[at] >= value[at - 1]) || (i < last && value[at] > value[at + 1])) continue;
    const double x = bottom(f, point(i - 1), point(i + 1)), depth = f(x);
    if (depth < least) best = x, least = depth;
  }
  return best;
}

}  // namespace stflow
