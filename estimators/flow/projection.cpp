// projection.cpp - nearest distributions in a family, and the gradient of the distance to it: all
// units at once. One unit is in project_line.cpp and project_one_hot.cpp.
//
// Closed forms, all of them minima of a quadratic, clipped to where it is allowed:
//
//     means          E z~; for one-hot units the point of the simplex nearest to it
//     MMD, bit       1/2 + E[K(1,z~) - K(0,z~)] / (2 (1 - kappa)), kappa = K(0,1)
//     MMD, one-hot   the point of the simplex nearest to m / (1 - kappa), where m_i = E K(e_i,z~)
//                    and kappa = K(e_i,e_j): MMD^2 = (1 - kappa) |pi|^2 - 2 pi.m + const there
//     W2, both       the share of particles nearest to each vertex: where the weights of the
//                    vertices are free, nothing keeps a particle from the nearest one (of equally
//                    near ones, the first)
//
// A count by MMD or W2 has none: see minimise.h.
//
// The gradient of each squared distance is B(mu) - B(pushed). The control variate puts the
// particles before the move in the place of mu.
//
//     means          B(nu) = 2 E y
//     MMD            B(nu) = 2 E D(y), D(y) = d/d theta E_{z~mu} K(z,y): see mmd.cpp
//     on the line    D(y) = sum_k T(k) [K(k+1,y) - K(k,y)], where T(k) = d P(z > k) / d theta is
//                    the rate at which mass goes from k to k+1 as the mean theta grows: 1 for a
//                    bit, pmf(k) for Poisson. They add up to 1.
//     W2             B(nu) = 2 sum_k T(k) x(F(k)), x(u) the quantile function of nu: that mass is
//                    at quantile F(k) of the particles
// With one particle and its control variate W2 gives 2 epsilon f'(z), as the means do.
#include "stflow/estimators/flow/projection.h"

#include "stflow/estimators/flow/units.h"

namespace stflow {
namespace {

bool one_hot(const ProjectionOptions& options) {
  return options.family->support() == Support::one_hot;
}

void check_particles(const Tensor& particles, const ProjectionOptions& options) {
  check_projection(options);
  const int64_t width = options.family->categories();
  CHECK_ARG(particles.rank() == 2 && particles.numel() > 0,
            "[projection] particles are [N, D] with N, D >= 1, got ", particles.shape());
  CHECK_ARG(particles.dim(1) % width == 0, "[projection] particles of ", width,
            " categories are [N, units * ", width, "], got ", particles.shape());
  CHECK_ARG(all_finite(particles), "[projection] particles ", particles.shape(),
            " must be finite: is the step too long?");
}

/// The columns of the unit that begins there, as points, one a row; none of an empty Tensor.
Points unit_points(const Tensor& particles, int64_t begin, const ProjectionOptions& options) {
  Points points;
  for (int64_t n = 0; particles.defined() && n < particles.dim(0); ++n) {
    const real* row = particles.data() + n * particles.dim(1) + begin;
    points.emplace_back(row, row + options.family->categories());
  }
  return points;
}

Atoms unit_atoms(const Tensor& particles, int64_t column) {
  std::vector<double> points;
  for (int64_t n = 0; n < particles.dim(0); ++n) {
    points.push_back(particles[n * particles.dim(1) + column]);
  }
  return Atoms(points);
}

}  // namespace

void check_projection(const ProjectionOptions& options) {
  CHECK_ARG(options.family, "[projection] needs a distribution to project onto, got none");
  const Distribution& family = *options.family;
  CHECK_ARG(family.has(Trait::mean_parameter) && family.has(Trait::probabilities),
            "[projection] distribution '", family.name(),
            "' cannot be projected onto: it lacks param_of_mean() (Trait::mean_parameter) or "
            "known probabilities (Trait::probabilities)");
  CHECK_ARG(options.bandwidth >= 1e-100 && options.bandwidth <= 1e100,
            "[projection] the bandwidth must lie in [1e-100, 1e100], got ", options.bandwidth);
  CHECK_ARG(options.min_mean > 0 && options.min_mean < family.largest(),
            "[projection] min_mean must be positive and below ", family.largest(), ", got ",
            options.min_mean);
}

bool compares_means(const ProjectionOptions& options) {
  return options.distance == Distance::mean ||
         (options.distance == Distance::mmd && options.kernel == Kernel::linear);
}

std::pair<double, double> mean_range(const ProjectionOptions& options) {
  const bool counts = options.family->support() == Support::counts;
  return {counts ? options.min_mean : 0, options.family->largest()};
}

Tensor project(const Tensor& pushed, const ProjectionOptions& options) {
  check_particles(pushed, options);
  std::vector<real> theta;
  for (int64_t begin = 0; begin < pushed.dim(1); begin += options.family->categories()) {
    if (one_hot(options)) {
      const auto pi = project_one_hot(unit_points(pushed, begin, options), options);
      theta.insert(theta.end(), pi.begin(), pi.end());
    } else {
      theta.push_back(static_cast<real>(project(unit_atoms(pushed, begin), options)));
    }
  }
  return Tensor::from(theta);
}

Tensor distance_gradient(const Tensor& theta, const Tensor& before, const Tensor& pushed,
                         const ProjectionOptions& options) {
  check_particles(pushed, options);
  CHECK_ARG(theta.shape() == Shape{pushed.dim(1)}, "[distance_gradient] parameters are [D], got ",
            theta.shape(), " for particles ", pushed.shape());
  CHECK_ARG(!before.defined() || before.shape() == pushed.shape(),
            "[distance_gradient] particles before and after the move differ in shape: ",
            before.shape(), ", ", pushed.shape());
  std::vector<real> gradient;
  const int64_t width = options.family->categories();
  for (int64_t begin = 0; begin < pushed.dim(1); begin += width) {
    if (one_hot(options)) {
      const real* pi = theta.data() + begin;
      const auto slope = one_hot_slope({pi, pi + width}, unit_points(before, begin, options),
                                       unit_points(pushed, begin, options), options);
      gradient.insert(gradient.end(), slope.begin(), slope.end());
    } else {
      const auto control =
          before.defined() ? std::optional(unit_atoms(before, begin)) : std::nullopt;
      gradient.push_back(static_cast<real>(
          distance_slope(theta[begin], control, unit_atoms(pushed, begin), options)));
    }
  }
  return Tensor::from(gradient);
}

}  // namespace stflow
