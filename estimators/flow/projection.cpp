// projection.cpp - nearest distributions in a family, and the gradient of the distance to it.
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
// Poisson by MMD or W2 has none: see minimise().
//
// The gradient of each squared distance is B(mu) - B(pushed). The control variate puts the
// particles before the move in the place of mu.
//
//     means          B(nu) = 2 E y
//     MMD            B(nu) = 2 E D(y), D(y) = d/d theta E_{z~mu} K(z,y): see mmd.cpp
//     W2, bit        B(nu) = 2 x(1-p): as p grows, the particle at that quantile x changes sides
//     W2, Poisson    B(nu) = 2 sum_k pmf(k) x(F(k)): pmf(k) is the rate at which mass goes from k
//                    to k+1 as lambda grows, and it is the mass at quantile F(k) of the particles
// With one particle and its control variate both W2 give 2 epsilon f'(z), as the means do.
#include "stflow/estimators/flow/projection.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "stflow/estimators/distributions/poisson.h"

namespace stflow {
namespace {

void check(const ProjectionOptions& options) {
  CHECK_ARG(options.bandwidth >= 1e-100 && options.bandwidth <= 1e100,
            "[projection] the bandwidth must lie in [1e-100, 1e100], got ", options.bandwidth);
  CHECK_ARG(options.min_rate > 0 && std::isfinite(options.min_rate),
            "[projection] min_rate must be positive and finite, got ", options.min_rate);
}

void check_on_line(const ProjectionOptions& options) {
  check(options);
  CHECK_ARG(options.family != Family::categorical,
            "[projection] one-hot units are not laws on the line: give them as particles [N, D]");
}

/// Means and the linear kernel ask for the same.
bool compares_means(const ProjectionOptions& options) {
  return options.distance == Distance::mean ||
         (options.distance == Distance::mmd && options.kernel == Kernel::linear);
}

AtomLaw family_law(double theta, const ProjectionOptions& options) {
  return options.family == Family::bernoulli ? AtomLaw::bernoulli(theta) : AtomLaw::poisson(theta);
}

/// E g(y)
template <typename Function>
double expectation(const AtomLaw& law, Function g) {
  double total = 0;
  for (size_t i = 0; i < law.points().size(); ++i) total += law.weights()[i] * g(law.points()[i]);
  return total;
}

// ---- inner minimisation ----

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
/// a quarter unit apart or, where that would be more than 256, further. W2^2 from a Poisson to
/// few particles far apart has a valley for each count; in a range beyond 128 some may be missed.
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

/// MMD^2 between Poisson(lambda) and particles, up to what does not depend on lambda.
class PoissonMmd {
 public:
  PoissonMmd(const AtomLaw& pushed, double bandwidth) : pushed_(pushed), bandwidth_(bandwidth) {}

  double operator()(double lambda) {
    const AtomLaw law = AtomLaw::poisson(lambda);
    const auto& pmf = law.weights();
    double within = 0;  // E K(z,z'): the kernel depends on z - z' alone
    for (size_t gap = 0; gap < pmf.size(); ++gap) {
      const double pairs =
          std::inner_product(pmf.begin() + static_cast<int64_t>(gap), pmf.end(), pmf.begin(), 0.0);
      within += (gap == 0 ? 1 : 2) * pairs *
                centred_kernel(Kernel::rbf, bandwidth_, 0, static_cast<double>(gap));
    }
    return within - 2 * expectation(law, [&](double count) { return near(count); });
  }

 private:
  double near(double count) {  // E K(count,z~)
    const auto [entry, is_new] = known_.try_emplace(count);
    if (is_new) {
      entry->second = expectation(
          pushed_, [&](double y) { return centred_kernel(Kernel::rbf, bandwidth_, count, y); });
    }
    return entry->second;
  }

  const AtomLaw& pushed_;
  double bandwidth_;
  std::map<double, double> known_;
};

double project_poisson(const AtomLaw& pushed, const ProjectionOptions& options) {
  if (compares_means(options)) return std::max(options.min_rate, pushed.mean());
  constexpr double kLargest = 1e4;
  const double first = pushed.points().front(), last = pushed.points().back();
  CHECK_ARG(last <= kLargest, "[project] a Poisson law is fitted by search to particles up to ",
            kLargest, ", the largest is ", last);
  const double low = std::max(options.min_rate, first - 1);
  const double high = std::max(options.min_rate, last) + 1;
  if (options.distance == Distance::mmd) {
    return minimise(PoissonMmd(pushed, options.bandwidth), low, high);
  }
  const auto distance = [&](double lambda) {
    return wasserstein2_squared(AtomLaw::poisson(lambda), pushed);
  };
  return minimise(distance, low, high);
}

// ---- bits ----

double project_bernoulli(const AtomLaw& pushed, const ProjectionOptions& options) {
  if (compares_means(options)) return std::clamp(pushed.mean(), 0.0, 1.0);
  if (options.distance == Distance::wasserstein) {
    return expectation(pushed, [](double y) { return y > 0.5 ? 1.0 : 0.0; });
  }
  const auto kernel = [&](double x, double y) {
    return centred_kernel(Kernel::rbf, options.bandwidth, x, y);
  };
  const double pull = expectation(pushed, [&](double y) { return kernel(1, y) - kernel(0, y); });
  return std::clamp(0.5 - pull / (2 * kernel(0, 1)), 0.0, 1.0);
}

// ---- gradients on the line ----

/// D(y) = d/d theta E_{z~mu} K(z,y).
double witness(double y, const AtomLaw& mu, const ProjectionOptions& options) {
  const auto kernel = [&](double z) {
    return centred_kernel(options.kernel, options.bandwidth, z, y);
  };
  if (options.family == Family::bernoulli) return kernel(1) - kernel(0);
  return expectation(mu, [&](double z) { return kernel(z + 1) - kernel(z); });
}

/// B(nu), here nu = `law`, at the member mu of the family: see the head of this file.
double pull_of(const AtomLaw& law, double theta, const AtomLaw& mu,
               const ProjectionOptions& options) {
  if (compares_means(options)) return 2 * law.mean();
  if (options.distance == Distance::mmd) {
    return 2 * expectation(law, [&](double y) { return witness(y, mu, options); });
  }
  if (options.family == Family::bernoulli) return 2 * law.quantile(1 - theta);
  double mass = 0, total = 0;
  for (const double pmf : mu.weights()) {
    mass = std::min(1.0, mass + pmf);
    total += pmf * law.quantile(mass);
  }
  return 2 * total;
}

// ---- one-hot units ----

/// E K(e_i,y) - 1 for each i; with the linear kernel it is E y_i.
std::vector<double> mean_kernel(const std::vector<std::vector<double>>& particles,
                                const ProjectionOptions& options) {
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

std::vector<double> project_categorical(const std::vector<std::vector<double>>& pushed,
                                        const ProjectionOptions& options) {
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

// ---- units as columns of particles ----

int64_t width(const ProjectionOptions& options) {
  return options.family == Family::categorical ? options.categories : 1;
}

void check_particles(const Tensor& particles, const ProjectionOptions& options) {
  check(options);
  const bool one_hot = options.family == Family::categorical;
  CHECK_ARG(!one_hot || options.categories >= 2,
            "[projection] Family::categorical needs categories >= 2, got ", options.categories);
  CHECK_ARG(particles.rank() == 2 && particles.numel() > 0,
            "[projection] particles are [N, D] with N, D >= 1, got ", particles.shape());
  CHECK_ARG(particles.dim(1) % width(options) == 0, "[projection] particles of ",
            options.categories, " categories are [N, units * ", options.categories, "], got ",
            particles.shape());
  CHECK_ARG(all_finite(particles), "[projection] particles ", particles.shape(),
            " must be finite: is the step too long?");
}

/// Columns [begin, begin + width) as points, one a row.
std::vector<std::vector<double>> unit_points(const Tensor& particles, int64_t begin,
                                             const ProjectionOptions& options) {
  std::vector<std::vector<double>> points;
  for (int64_t n = 0; n < particles.dim(0); ++n) {
    const real* row = particles.data() + n * particles.dim(1) + begin;
    points.emplace_back(row, row + width(options));
  }
  return points;
}

AtomLaw unit_law(const Tensor& particles, int64_t column) {
  std::vector<double> points;
  for (int64_t n = 0; n < particles.dim(0); ++n) {
    points.push_back(particles[n * particles.dim(1) + column]);
  }
  return AtomLaw(points);
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

double distance_squared(double theta, const AtomLaw& pushed, const ProjectionOptions& options) {
  check_on_line(options);
  const AtomLaw mu = family_law(theta, options);
  if (options.distance == Distance::wasserstein) return wasserstein2_squared(mu, pushed);
  if (options.distance == Distance::mmd) {
    return mmd_squared(mu, pushed, options.kernel, options.bandwidth);
  }
  return std::pow(mu.mean() - pushed.mean(), 2);
}

double project(const AtomLaw& pushed, const ProjectionOptions& options) {
  check_on_line(options);
  return options.family == Family::bernoulli ? project_bernoulli(pushed, options)
                                             : project_poisson(pushed, options);
}

double distance_slope(double theta, const std::optional<AtomLaw>& before, const AtomLaw& pushed,
                      const ProjectionOptions& options) {
  check_on_line(options);
  const AtomLaw mu = family_law(theta, options);
  // A bit's own quantile function jumps there; the mean of both sides is 1/2, also at p = 0
  // and 1.
  const bool own_bit =
      !before && options.family == Family::bernoulli && options.distance == Distance::wasserstein;
  const double own = own_bit ? 1 : pull_of(before ? *before : mu, theta, mu, options);
  return own - pull_of(pushed, theta, mu, options);
}

Tensor project(const Tensor& pushed, const ProjectionOptions& options) {
  check_particles(pushed, options);
  std::vector<real> theta;
  for (int64_t begin = 0; begin < pushed.dim(1); begin += width(options)) {
    if (options.family == Family::categorical) {
      const auto pi = project_categorical(unit_points(pushed, begin, options), options);
      theta.insert(theta.end(), pi.begin(), pi.end());
    } else {
      theta.push_back(static_cast<real>(project(unit_law(pushed, begin), options)));
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
  Tensor gradient(theta.shape());
  if (options.family != Family::categorical) {
    for (int64_t d = 0; d < pushed.dim(1); ++d) {
      const auto control = before.defined() ? std::optional(unit_law(before, d)) : std::nullopt;
      gradient.data()[d] =
          static_cast<real>(distance_slope(theta[d], control, unit_law(pushed, d), options));
    }
    return gradient;
  }
  CHECK_ARG(options.distance != Distance::wasserstein,
            "[distance_gradient] W2^2 to one-hot units has a kink in every direction and no "
            "gradient; the rule 'reinmax' is its symmetric derivative, pair by pair");
  const double drop = kernel_drop_between_vertices(options);
  const double less = compares_means(options) ? 0 : 1;  // what mean_kernel subtracts
  for (int64_t begin = 0; begin < pushed.dim(1); begin += width(options)) {
    const auto after = mean_kernel(unit_points(pushed, begin, options), options);
    const auto control = before.defined()
                             ? mean_kernel(unit_points(before, begin, options), options)
                             : std::vector<double>();
    for (size_t i = 0; i < after.size(); ++i) {
      const int64_t at = begin + static_cast<int64_t>(i);
      const double own = before.defined() ? control[i] : drop * (theta[at] - less);
      gradient.data()[at] = static_cast<real>(2 * (own - after[i]));
    }
  }
  return gradient;
}

}  // namespace stflow
