#include "stflow/estimators/flow/wasserstein.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stflow/tensor/check.h"

namespace stflow {
namespace {

/// Mean cost of the coupling of equal quantiles, the best one for every convex cost of x - y.
template <typename Cost>
double monotone_transport(const Atoms& a, const Atoms& b, Cost cost) {
  double total = 0, from_a = a.weights()[0], to_b = b.weights()[0];
  for (size_t i = 0, j = 0;;) {
    const double mass = std::min(from_a, to_b);
    total += mass * cost(a.points()[i] - b.points()[j]);
    from_a -= mass;
    to_b -= mass;
    if (from_a <= 0) {
      if (++i == a.points().size()) return total;
      from_a = a.weights()[i];
    }
    if (to_b <= 0) {
      if (++j == b.points().size()) return total;
      to_b = b.weights()[j];
    }
  }
}

double mean_kernel(const Atoms& a, const Atoms& b, Kernel kernel, double bandwidth) {
  double total = 0;
  for (size_t i = 0; i < a.points().size(); ++i) {
    double row = 0;
    for (size_t j = 0; j < b.points().size(); ++j) {
      row += b.weights()[j] * centred_kernel(kernel, bandwidth, a.points()[i], b.points()[j]);
    }
    total += a.weights()[i] * row;
  }
  return total;
}

}  // namespace

Atoms::Atoms(const std::vector<double>& points, const std::vector<double>& weights) {
  CHECK_ARG(!points.empty(), "[Atoms] needs at least one point, got none");
  CHECK_ARG(weights.empty() || weights.size() == points.size(), "[Atoms] ", points.size(),
            " points have ", weights.size(), " weights");
  for (const double x : points) {
    CHECK_ARG(std::isfinite(x), "[Atoms] points must be finite, got ", x);
  }
  for (const double w : weights) {
    CHECK_ARG(w >= 0 && std::isfinite(w), "[Atoms] weights must be finite and not negative, got ",
              w);
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  CHECK_ARG(weights.empty() || total > 0, "[Atoms] at least one weight must be positive, all ",
            weights.size(), " are 0");

  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return points[i] < points[j]; });
  double mass = 0;
  for (const size_t i : order) {
    const double w = weights.empty() ? 1 / static_cast<double>(points.size()) : weights[i] / total;
    if (w == 0) continue;
    points_.push_back(points[i]);
    weights_.push_back(w);
    mass_up_to_.push_back(mass += w);
  }
}

double Atoms::mean() const {
  return std::inner_product(points_.begin(), points_.end(), weights_.begin(), 0.0);
}

double Atoms::quantile(double u) const {
  CHECK_ARG(u >= 0 && u <= 1, "[Atoms] quantiles are of u in [0, 1], got ", u);
  constexpr double kSameMass = 1e-12;
  const auto last = std::prev(mass_up_to_.end());
  const auto low = std::lower_bound(mass_up_to_.begin(), last, u - kSameMass);
  const auto high = std::lower_bound(low, last, u + kSameMass);
  return (points_[static_cast<size_t>(low - mass_up_to_.begin())] +
          points_[static_cast<size_t>(high - mass_up_to_.begin())]) /
         2;
}

double wasserstein1(const Atoms& a, const Atoms& b) {
  return monotone_transport(a, b, [](double distance) { return std::abs(distance); });
}

double wasserstein2_squared(const Atoms& a, const Atoms& b) {
  return monotone_transport(a, b, [](double distance) { return distance * distance; });
}

double centred_kernel(Kernel kernel, double bandwidth, double x, double y) {
  if (kernel == Kernel::linear) return x * y;
  const double distance = (x - y) / bandwidth;
  return std::expm1(-0.5 * distance * distance);
}

double mmd_squared(const Atoms& a, const Atoms& b, Kernel kernel, double bandwidth) {
  CHECK_ARG(bandwidth >= 1e-100 && bandwidth <= 1e100,
            "[mmd_squared] the bandwidth must lie in [1e-100, 1e100], got ", bandwidth);
  const double squared = mean_kernel(a, a, kernel, bandwidth) +
                         mean_kernel(b, b, kernel, bandwidth) -
                         2 * mean_kernel(a, b, kernel, bandwidth);
  return std::max(0.0, squared);
}

}  // namespace stflow
