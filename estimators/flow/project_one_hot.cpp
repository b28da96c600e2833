// project_one_hot.cpp - one-hot units: the nearest point of the simplex. For formulas see
// projection.cpp.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "stflow/estimators/flow/units.h"

namespace stflow {
namespace {

/// E K(e_i,y) - 1 for each i; with the linear kernel it is E y_i.
std::vector<double> mean_kernel(const Points& particles, const ProjectionOptions& options) {
  std::vector<double> total(particles[0].size());
  const auto n = static_cast<double>(particles.size());
  for (const std::vector<double>& y : particles) {
    const double square = std::inner_product(y.begin(), y.end(), y.begin(), 0.0);
    for (size_t i = 0; i < y.size(); ++i) {
      const double distance = std::sqrt(std::max(0.0, square - 2 * y[i] + 1));  // |y - e_i|
      total[i] +=
          (compares_means(options) ? y[i]
                                   : centred_kernel(Kernel::rbf, options.bandwidth, distance, 0)) /
          n;
    }
  }
  return total;
}

/// 1 - K(e_i,e_j), e_i . e_i - e_i . e_j with the linear kernel.
double kernel_drop_between_vertices(const ProjectionOptions& options) {
  return compares_means(options)
             ? 1
             : -centred_kernel(Kernel::rbf, options.bandwidth, std::sqrt(2.0), 0);
}

}  // namespace

std::vector<double> project_to_simplex(const std::vector<double>& v) {
  CHECK_ARG(!v.empty(), "[project_to_simplex] needs at least one number");
  std::vector<double> falling = v;
  std::sort(falling.begin(), falling.end(), std::greater<>());
  // What is taken from every number, those that end above 0 being the largest ones.
  double total = 0, shift = 0;
  for (size_t i = 0; i < falling.size(); ++i) {
    total += falling[i];
    const double candidate = (total - 1) / static_cast<double>(i + 1);
    if (falling[i] > candidate) shift = candidate;
  }
  std::vector<double> result;
  for (const double x : v) result.push_back(std::max(0.0, x - shift));
  return result;
}

std::vector<double> project_one_hot(const Points& pushed, const ProjectionOptions& options) {
  if (options.distance == Distance::wasserstein) {
    std::vector<double> share(pushed[0].size());
    for (const std::vector<double>& y : pushed) {
      share[static_cast<size_t>(std::max_element(y.begin(), y.end()) - y.begin())] +=
          1 / static_cast<double>(pushed.size());
    }
    return share;
  }
  std::vector<double> target = mean_kernel(pushed, options);
  for (double& m : target) m /= kernel_drop_between_vertices(options);
  return project_to_simplex(target);
}

std::vector<double> one_hot_slope(const std::vector<double>& pi, const Points& before,
                                  const Points& pushed, const ProjectionOptions& options) {
  CHECK_ARG(options.distance != Distance::wasserstein,
            "[distance_gradient] W2^2 to one-hot units has a kink in every direction and no "
            "gradient; the rule 'reinmax' is its symmetric derivative, pair by pair");
  const double drop = kernel_drop_between_vertices(options);
  const double less = compares_means(options) ? 0 : 1;  // what mean_kernel subtracts
  const std::vector<double> after = mean_kernel(pushed, options);
  std::vector<double> slope;
  if (!before.empty()) slope = mean_kernel(before, options);
  for (size_t i = 0; i < after.size(); ++i) {
    if (before.empty()) slope.push_back(drop * (pi[i] - less));
    slope[i] = 2 * (slope[i] - after[i]);
  }
  return slope;
}

}  // namespace stflow
