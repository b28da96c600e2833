// project_line.cpp - bits and counts: the nearest mean, and the derivative of the distance in it.
// For formulas see projection.cpp.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "stflow/estimators/flow/minimise.h"
#include "stflow/estimators/flow/units.h"

namespace stflow {
namespace {

bool is_bit(const ProjectionOptions& options) { return options.family->support() == Support::bits; }

void check_on_line(const ProjectionOptions& options) {
  check_projection(options);
  CHECK_ARG(options.family->support() != Support::one_hot,
            "[projection] one-hot units are not on the line: give them as particles [N, D]");
}

void check_mean(const Distribution& family, double mean) {
  const bool bit = family.support() == Support::bits;
  CHECK_ARG((bit ? mean >= 0 : mean > 0) && mean <= family.largest() && std::isfinite(mean),
            "[projection] the mean of '", family.name(), "' must ",
            bit ? "be at least 0" : "be > 0", " and at most ", family.largest(), ", got ", mean);
}

/// The probabilities of one unit, a bit or a count, of this mean.
CountTable table_at(const Distribution& family, double mean) {
  if (family.support() == Support::counts) return family.table(count_param(family, mean));
  check_mean(family, mean);
  return {0, {1 - mean, mean}};
}

std::vector<double> tail_slopes_at(const Distribution& family, const CountTable& table,
                                   double mean) {
  if (family.support() == Support::bits) return {1};
  return family.tail_slopes(table, family.param_of_mean(mean));
}

/// Divided by their sum, which is 1 but for rounding.
std::vector<double> normalised(std::vector<double> weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& w : weights) w /= total;
  return weights;
}

/// E g(y)
template <typename Function>
double expectation(const Atoms& atoms, Function g) {
  double total = 0;
  for (size_t i = 0; i < atoms.points().size(); ++i) {
    total += atoms.weights()[i] * g(atoms.points()[i]);
  }
  return total;
}

// ---- projection ----

double project_bit(const Atoms& pushed, const ProjectionOptions& options) {
  if (options.distance == Distance::wasserstein) {
    return expectation(pushed, [](double y) { return y > 0.5 ? 1.0 : 0.0; });
  }
  const auto kernel = [&](double x, double y) {
    return centred_kernel(Kernel::rbf, options.bandwidth, x, y);
  };
  const double pull = expectation(pushed, [&](double y) { return kernel(1, y) - kernel(0, y); });
  return std::clamp(0.5 - pull / (2 * kernel(0, 1)), 0.0, 1.0);
}

/// MMD^2 between counts and particles, up to what does not depend on the mean of the counts.
class CountMmd {
 public:
  CountMmd(const Atoms& pushed, const ProjectionOptions& options)
      : pushed_(pushed), options_(options) {}

  double operator()(double mean) {
    const CountTable table = table_at(*options_.family, mean);
    const std::vector<double> pmf = normalised(table.pmf);
    double within = 0;  // E K(z,z'): the kernel depends on z - z' alone
    for (size_t gap = 0; gap < pmf.size(); ++gap) {
      const double pairs =
          std::inner_product(pmf.begin() + static_cast<int64_t>(gap), pmf.end(), pmf.begin(), 0.0);
      within += (gap == 0 ? 1 : 2) * pairs * kernel(0, static_cast<double>(gap));
    }
    double between = 0;
    auto count = static_cast<double>(table.first);
    for (const double p : pmf) between += p * near(count++);
    return within - 2 * between;
  }

 private:
  double kernel(double x, double y) const {
    return centred_kernel(Kernel::rbf, options_.bandwidth, x, y);
  }
  double near(double count) {  // E K(count,z~)
    const auto [entry, is_new] = known_.try_emplace(count);
    if (is_new) entry->second = expectation(pushed_, [&](double y) { return kernel(count, y); });
    return entry->second;
  }

  const Atoms& pushed_;
  const ProjectionOptions& options_;
  std::map<double, double> known_;
};

/// Up to which mean to search beyond the range of the particles, which ends at `high`; 0: not
/// beyond it. Where the variance is larger than the mean, W2 may be least at half the mean of the
/// particles or less, MMD at twice it. Where there is a largest count, up to that: near particles
/// far beyond it MMD is flat.
double wider_search(const Distribution& family, double high) {
  if (std::isfinite(family.largest())) return family.largest();
  const Tensor param = Tensor::full({1}, static_cast<real>(count_param(family, high)));
  const auto q = family.with_param(param);
  return q->variance().value()[0] > q->mean().value()[0] ? 2 * high : 0;
}

double project_count(const Atoms& pushed, const ProjectionOptions& options) {
  constexpr double kLargest = 1e4;
  constexpr size_t kMostCounts = 1 << 13;
  const Distribution& family = *options.family;
  const double first = pushed.points().front(), last = pushed.points().back();
  CHECK_ARG(last <= kLargest, "[project] '", family.name(),
            "' is fitted by search to particles up to ", kLargest, ", the largest is ", last);
  const auto [least, most] = mean_range(options);
  const double low = std::clamp(first - 1, least, most);
  const double high = std::min(std::max(least, last) + 1, most), wide = wider_search(family, high);
  const auto nearest = [&, least = least](auto distance) {
    const double best = minimise(distance, low, high);
    if (wide == 0) return best;
    const double other = minimise(distance, least, wide);
    return distance(other) < distance(best) ? other : best;
  };
  if (options.distance == Distance::mmd) {
    const double end = std::max(high, wide);
    const size_t counts = table_at(family, end).pmf.size();
    CHECK_ARG(counts <= kMostCounts, "[project] MMD to '", family.name(), "' with means up to ",
              end, " needs the pairs of ", counts, " counts; at most ", kMostCounts, " are summed");
    return nearest(CountMmd(pushed, options));
  }
  return nearest([&](double mean) { return wasserstein2_squared(atoms_of(family, mean), pushed); });
}

// ---- gradients ----

/// B(nu) at the member mu of the family with this table: see the head of projection.cpp.
double pull_of(const Atoms& nu, const CountTable& mu, const std::vector<double>& tail_slopes,
               const ProjectionOptions& options) {
  if (compares_means(options)) return 2 * nu.mean();
  const auto kernel = [&](double x, double y) {
    return centred_kernel(options.kernel, options.bandwidth, x, y);
  };
  const auto witness = [&](double y) {
    double total = 0;
    auto k = static_cast<double>(mu.first);
    for (const double slope : tail_slopes) {
      total += slope * (kernel(k + 1, y) - kernel(k, y));
      ++k;
    }
    return total;
  };
  if (options.distance == Distance::mmd) return 2 * expectation(nu, witness);
  double mass = 0, total = 0;
  for (size_t k = 0; k < tail_slopes.size(); ++k) {
    mass = std::min(1.0, mass + mu.pmf[k]);
    total += tail_slopes[k] * nu.quantile(mass);
  }
  return 2 * total;
}

}  // namespace

double count_param(const Distribution& family, double mean) {
  check_mean(family, mean);
  return family.param_of_mean(mean);
}

Atoms atoms_of(const Distribution& family, double mean) {
  const CountTable table = table_at(family, mean);
  std::vector<double> values(table.pmf.size());
  std::iota(values.begin(), values.end(), static_cast<double>(table.first));
  return Atoms(values, table.pmf);
}

double distance_squared(double theta, const Atoms& pushed, const ProjectionOptions& options) {
  check_on_line(options);
  const Atoms mu = atoms_of(*options.family, theta);
  if (options.distance == Distance::wasserstein) return wasserstein2_squared(mu, pushed);
  if (options.distance == Distance::mmd) {
    return mmd_squared(mu, pushed, options.kernel, options.bandwidth);
  }
  return std::pow(mu.mean() - pushed.mean(), 2);
}

double project(const Atoms& pushed, const ProjectionOptions& options) {
  check_on_line(options);
  if (compares_means(options)) {
    const auto [least, most] = mean_range(options);
    return std::clamp(pushed.mean(), least, most);
  }
  return is_bit(options) ? project_bit(pushed, options) : project_count(pushed, options);
}

double distance_slope(double theta, const std::optional<Atoms>& before, const Atoms& pushed,
                      const ProjectionOptions& options) {
  check_on_line(options);
  const Distribution& family = *options.family;
  CountTable mu = table_at(family, theta);
  const std::vector<double> slopes = normalised(tail_slopes_at(family, mu, theta));
  const Atoms control = before ? *before : atoms_of(family, theta);
  mu.pmf = normalised(mu.pmf);
  // A bit's own quantile function jumps there; the mean of both sides is 1/2, also at p = 0
  // and 1.
  const bool own_bit = !before && is_bit(options) && options.distance == Distance::wasserstein;
  const double own = own_bit ? 1 : pull_of(control, mu, slopes, options);
  return own - pull_of(pushed, mu, slopes, options);
}

}  // namespace stflow
