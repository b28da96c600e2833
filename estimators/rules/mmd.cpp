// mmd.cpp - projection by maximum mean discrepancy: the paper's pWGF (section 2.2, appendix D).
//
// Distributions: all. Biased. Evaluations: one, with its gradient. The cost must be differentiable
// in z.
//
// Draw z from mu, push it down its cost, z~ = z - d with d = epsilon f'(z), and move the parameter
// towards the distribution of the family that is nearest to the pushed sample in MMD:
//     D(y) = d/d(mean) E_{c~mu} K(c,y)
//     d MMD^2 / d(mean) = 2 [E_{y~mu} D(y) - D(z~)]   or, with the sample as control variate,
//                       = 2 [D(z) - D(z~)]
// times h^2 / (2 epsilon), which makes it straight-through as the bandwidth h grows. Both have the
// same mean; without the control variate the deviation grows as 1 / epsilon. On bernoulli4
// with h = 1 the deviation with / without it is .32 / 1.52 at epsilon = .1, but .20 / .13 at
// epsilon = 1.
//
// As epsilon -> 0 it is straight-through times exp(-1/(2h^2)) for Bernoulli (one-hot: exp(-1/h^2)),
// for counts times a weight w(z) that is negative beyond about |z - rate| = sqrt(rate + h^2), so
// that h should be twice sqrt(rate) or more. At finite epsilon it is a bounded, not monotone
// function of d: for Bernoulli and h = 1 it changes sign where an outward push reaches 1.21.
//
//     Bernoulli:                D(y) = K(1,y) - K(0,y)
//     one-hot, component i:     D(y) = K(e_i,y)
//     Poisson:                  D(y) = E_{z~mu}[K(z+1,y) - K(z,y)]
//     any count:                D(y) = sum_c dP(c)/d(param) K(c,y) / (d mean / d(param))
// The paper's appendix D prints the Bernoulli gradient with (1-2p) for (2p-1) and K(1,z~)
// twice: a test shows that this is not the derivative.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"
#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

/// e^x - e^(x + change): the plain difference would lose all digits where both are near 1 (a large
/// bandwidth), and e^change may overflow where both are near 0.
template <typename Number>
Number exp_drop(Number x, Number change) {
  const Number sign = change > 0 ? 1 : -1;
  return sign * simd::exp(change > 0 ? x + change : x) * simd::expm1(-std::abs(change));
}

template <typename Number>
struct Rbf {
  explicit Rbf(double h) : log_scale(static_cast<Number>(-0.5 / (h * h))) {}
  Number log_scale;  // log K, divided by the squared distance

  Number operator()(Number difference) const {
    return simd::exp(difference * difference * log_scale);
  }
  /// K(c,z) - K(c,z-d) for offset = c - z.
  Number drop(Number offset, Number d) const {
    return exp_drop(offset * offset * log_scale, d * (2 * offset + d) * log_scale);
  }
};

Tensor bit_gradient(const Rbf<real>& kernel, const Distribution& q, const Tensor& z,
                    const Tensor& d, bool control_variate) {
  if (control_variate) {
    return map(
        [=](real b, real push) { return 2 * (kernel.drop(1 - b, push) - kernel.drop(-b, push)); },
        z, d);
  }
  // E D(y) = (2p-1) (1 - K(0,1)), and -D(z~) = K(0,z~) - K(1,z~)
  return map(
      [=](real p, real b, real push) {
        return 2 * ((2 * p - 1) * kernel.drop(0, 1) + kernel.drop(push - b, 1));
      },
      q.mean().value(), z, d);
}

Var one_hot_gradient(const Rbf<real>& kernel, const Distribution& q, const Var& z, const Var& d,
                     bool control_variate) {
  const auto split = [&](const Var& flat) {
    const Shape& shape = flat.shape();
    const int64_t count = q.categories();
    return reshape(flat, shape.with(-1, count).inserted(shape.rank() - 1, shape[-1] / count));
  };
  const auto join = [&](const Var& units) { return reshape(units, z.shape()); };
  const Var each_z = split(z), each_d = split(d);
  // |e_i - z|^2, and what |e_i - z + d|^2 adds to it: 2 (e_i - z).d + |d|^2.
  const Var before = 2 * (1 - each_z);
  const Var added =
      2 * (each_d - sum(each_z * each_d, {-1}, true)) + sum(square(each_d), {-1}, true);
  const real scale = kernel.log_scale;
  if (control_variate) {
    return join(map(
        [=](real distance, real change) { return 2 * exp_drop(distance * scale, change * scale); },
        before.value(), added.value()));
  }
  // kappa + (1 - kappa) pi - K(e_i,z~), with 1 taken from both sides of the minus
  return 2 * (simd::expm1(2 * scale) * (1 - q.mean()) - join(expm1((before + added) * scale)));
}

/// D and its weight for one count, with the derivative in the parameter for that in the mean.
class CountWitness {
 public:
  CountWitness(const Rbf<double>& kernel, const Distribution& q, double param)
      : kernel_(kernel), table_(q.table(param)), slopes_(q.table_slopes(table_, param)) {}

  double drop(double z, double d) const {  // D(z) - D(z - d)
    return sum([&](double c) { return kernel_.drop(c - z, d); });
  }
  double at(double y) const {
    return sum([&](double c) { return kernel_(c - y); });
  }
  double mean() const {
    return expectation([&](double y) { return at(y); });
  }
  /// E[w], where w(z) = h^2 D'(z) is what a small push d at z is multiplied by.
  double mean_weight() const {
    return expectation(
        [&](double y) { return sum([&](double c) { return kernel_(c - y) * (c - y); }); });
  }

 private:
  template <typename Term>
  double sum(Term term) const {
    double total = 0, c = static_cast<double>(table_.first);
    for (double slope : slopes_) total += slope * term(c++);
    return total;
  }
  template <typename Function>
  double expectation(Function f) const {
    double total = 0, y = static_cast<double>(table_.first);
    for (double p : table_.pmf) total += p * f(y++);
    return total;
  }

  Rbf<double> kernel_;
  CountTable table_;
  std::vector<double> slopes_;
};

/// d mean / d param, unit by unit.
Tensor mean_slope(const Distribution& q) {
  const GradMode recorded(true);
  const Var param = Var::parameter(q.param().value());
  return grad({sum(q.with_param(param)->mean())}, {param})[0].value();
}

Tensor count_gradient(const Rbf<double>& kernel, const Distribution& q, const Tensor& z,
                      const Tensor& d, const MmdOptions& options) {
  const Tensor param = q.param().value(), slope = mean_slope(q);
  Tensor result(z.shape());
  real* out = result.data();
  parallel_for(z.numel(), /*grain=*/256, [&](int64_t begin, int64_t end) {
    std::optional<CountWitness> witness;
    double mean = 0, weight = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (i == begin || param[i] != param[i - 1]) {  // many examples often have one
        witness.emplace(kernel, q, param[i]);
        if (!options.control_variate) mean = witness->mean();
        if (options.divide_by_mean_weight) weight = witness->mean_weight();
      }
      const double gradient =
          options.control_variate ? witness->drop(z[i], d[i]) : mean - witness->at(z[i] - d[i]);
      const double divisor = options.divide_by_mean_weight ? weight : double{slope[i]};
      out[i] = static_cast<real>(divisor == 0 ? 0 : 2 * gradient / divisor);
    }
  });
  return result;
}

/// Median of |z_i - z_j| over all pairs of rows of each unit, pooled; at least 1.
double median_distance(const Tensor& z) {
  const int64_t units = z.dim(-1), rows = z.numel() / std::max<int64_t>(1, units);
  std::map<int64_t, int64_t> pairs;  // distance -> how many pairs
  for (int64_t unit = 0; unit < units; ++unit) {
    std::map<int64_t, int64_t> count;
    for (int64_t row = 0; row < rows; ++row) ++count[static_cast<int64_t>(z[row * units + unit])];
    for (auto a = count.begin(); a != count.end(); ++a) {
      pairs[0] += a->second * (a->second - 1) / 2;
      for (auto b = std::next(a); b != count.end(); ++b) {
        pairs[b->first - a->first] += a->second * b->second;
      }
    }
  }
  int64_t half = units * (rows * (rows - 1) / 2) / 2;
  for (const auto& [distance, number] : pairs) {
    half -= number;
    if (half < 0) return std::max(1.0, static_cast<double>(distance));
  }
  return 1;
}

/// The gradient of MMD^2 in the mean parameter, for each unit of one sample z pushed by d.
Tensor mmd_gradient(const Distribution& q, const Tensor& z, const Tensor& d, double bandwidth,
                    const MmdOptions& options) {
  if (options.kernel == Kernel::linear) {  // D(y) = y for every distribution
    const Tensor from = options.control_variate ? z : q.mean().value();
    return map([](real c, real b, real push) { return 2 * (c - b + push); }, from, z, d);
  }
  const Rbf<real> kernel(bandwidth);
  // What a small push is multiplied by: for bits and one-hot the same for every sample, K between
  // two states.
  const auto divided = [&](const Tensor& gradient, double distance) {
    if (!options.divide_by_mean_weight) return gradient;
    return gradient / kernel(static_cast<real>(distance));
  };
  const bool control_variate = options.control_variate;
  switch (q.support()) {
    case Support::bits:
      return divided(bit_gradient(kernel, q, z, d, control_variate), 1);
    case Support::one_hot:
      return divided(one_hot_gradient(kernel, q, z, d, control_variate).value(), std::sqrt(2.0));
    case Support::counts:
      break;
  }
  return count_gradient(Rbf<double>(bandwidth), q, z, d, options);
}

constexpr double kLeastDivided = 0.125;  // exp(-1/h^2) is 1.6e-28

void check(const MmdOptions& options) {
  // Within these no product below leaves the range of float.
  require_option("mmd", "epsilon", options.epsilon, 1e-10, 1e10);
  require_option("mmd", "loss_scale", options.loss_scale, 1e-10, 1e10);
  CHECK_ARG(!options.divide_by_mean_weight || options.kernel == Kernel::rbf,
            "rule 'mmd': divide_by_mean_weight fits the rbf kernel only; the linear one weighs all "
            "pushes alike");
  if (!options.bandwidth) return;
  require_option("mmd", "bandwidth", *options.bandwidth, 1e-6, 1e6);
  CHECK_ARG(!options.divide_by_mean_weight || *options.bandwidth >= kLeastDivided,
            "rule 'mmd': divide_by_mean_weight needs a bandwidth of at least ", kLeastDivided,
            ", below which that weight underflows; got ", *options.bandwidth);
}

Takes takes(const MmdOptions& options) {
  Takes result;
  if (options.kernel == Kernel::rbf) {
    result.traits = {Trait::probabilities};
    result.why = "; with the linear kernel it fits all";
  }
  if (!options.bandwidth) {
    result.supports = {Support::counts};
    result.why = ": the median bandwidth is for counts";
  }
  return result;
}

}  // namespace

LocalRule mmd(const MmdOptions& options) {
  check(options);
  const auto draw = [options](const Distribution& q, const Scope& scope) {
    const Tensor z = q.sample(scope.rng);
    const double h = options.bandwidth ? *options.bandwidth : median_distance(z);
    const double push_scale = options.kernel == Kernel::rbf ? h * h : 1;
    const auto scale = static_cast<real>(options.st_scale ? push_scale / (2 * options.epsilon) : 1);
    const auto epsilon = static_cast<real>(options.epsilon);
    const std::shared_ptr<Distribution> here = q.with_param(q.param().detach());
    const std::shared_ptr<Tensor> row_weight = scope.row_weight;
    const auto backward = [=](const Var& out, const Var& up) -> Vars {
      // The map below is not linear: it wants the gradient of one example's cost, whatever the
      // weight of that example in the loss.
      const NoGradGuard no_grad;
      const Tensor row = row_weight && row_weight->defined()
                             ? per_row(abs(*row_weight))
                             : Tensor::scalar(1 / options.loss_scale);
      const Tensor weight = broadcast_to(row, out.shape());
      const Tensor push = map([epsilon](real g, real w) { return w > 0 ? epsilon * g / w : 0; },
                              up.value(), weight);
      const Tensor gradient = mmd_gradient(*here, out.value(), push, h, options);
      return {map([scale](real g, real w) { return g * scale * w; }, gradient, weight)};
    };
    return sample_node(q, "mmd", z, q.mean(), backward);
  };
  return {.name = "mmd", .draw = draw, .takes = takes(options)};
}

}  // namespace stflow
