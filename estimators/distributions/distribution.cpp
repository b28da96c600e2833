#include "stflow/estimators/distributions/distribution.h"

#include <cmath>
#include <limits>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {

Distribution::Distribution(const Var& param) : param_(param) {
  CHECK_ARG(param.defined() && param.rank() >= 1,
            "[Distribution] the parameter needs a last axis of units, got ",
            param.defined() ? "shape " + param.shape().str() : "an empty Var");
}

namespace {

[[noreturn]] void no_relaxation(const std::string& name) {
  throw std::invalid_argument(
      "a " + name +
      " sample has no continuous relaxation; rules 'rebar' and 'relax' need "
      "one in their own layer and in those inside it");
}

}  // namespace

Var Distribution::perturbed(const Tensor&) const { no_relaxation(name()); }
Var Distribution::perturbed_given(const Tensor&, const Tensor&) const { no_relaxation(name()); }
Tensor Distribution::harden(const Tensor&) const { no_relaxation(name()); }
Var Distribution::soften(const Var&, const Var&) const { no_relaxation(name()); }

double Distribution::largest() const {
  return support() == Support::counts ? std::numeric_limits<double>::infinity() : 1;
}

bool Distribution::has(Trait trait) const {
  const bool counts = support() == Support::counts;
  switch (trait) {
    case Trait::states:
      return true;
    case Trait::probabilities:
      return !counts || has(Trait::states);
    case Trait::mean_parameter:
      return !counts;
    case Trait::inverse:
      return counts && has(Trait::states);
    case Trait::relaxation:
    case Trait::measure_valued:
      break;
  }
  return false;
}

// g = [m' + (z - m) v' / (2 v)] f'(z), with mean m and variance v: the factor that is linear in z
// and right for every quadratic cost, since d E z = m' and d E z^2 = 2 m m' + v'.
Var Distribution::second_order(const Var& z, const Var& up, double) const {
  const GradMode recorded(true);
  const Var param = Var::parameter(param_.value());
  const std::unique_ptr<Distribution> here = with_param(param);
  const Var m = here->mean(), v = here->variance();
  const Tensor dm = grad({sum(m)}, {param})[0].value(), dv = grad({sum(v)}, {param})[0].value();
  // Without variance z is m.
  const auto factor = [](real z_i, real m_i, real v_i, real dm_i, real dv_i) {
    return dm_i + (v_i == 0 ? 0 : (z_i - m_i) * dv_i / (2 * v_i));
  };
  return Var(map(factor, z.value(), m.value(), v.value(), dm, dv)) * up;
}

double Distribution::param_of_mean(double) const {
  throw std::invalid_argument("distribution '" + name() + "' has no param_of_mean()");
}

Distribution::Difference Distribution::measure_valued(const Tensor&, Rng&) const {
  throw std::invalid_argument("distribution '" + name() + "' has no measure-valued derivative");
}

Var Distribution::relaxed(const Var& temperature, Rng& rng) const {
  const double t = temperature.item();
  CHECK_ARG(t >= kLeastTemperature && t <= kLargestTemperature,
            "[relaxed] temperature must lie in [", kLeastTemperature, ", ", kLargestTemperature,
            "], got ", t);
  return soften(perturbed(noise(rng)), temperature);
}

Var per_row(const Var& x) { return reshape(x, x.shape().inserted(x.rank(), 1)); }
Tensor per_row(const Tensor& x) { return x.reshape(x.shape().inserted(x.rank(), 1)); }

std::unique_ptr<Distribution> repeated(const Distribution& q, int64_t samples) {
  CHECK_ARG(samples >= 1 && samples <= kMostSamples, "[repeated] needs 1 to ", kMostSamples,
            " samples, got ", samples);
  return q.with_param(broadcast_to(q.param(), q.param().shape().inserted(0, samples)));
}

Tensor all_states(int64_t values, int64_t units, const std::string& name) {
  constexpr double kMaxStates = 1 << 16;
  const double count = std::pow(static_cast<double>(values), static_cast<double>(units));
  CHECK_ARG(count <= kMaxStates, "'exact' enumerates ", values, "^D states of a ", name,
            " layer; D = ", units, " is too many (at most 2^16 states)");
  const auto states = static_cast<int64_t>(count);
  Tensor result({states, units});
  for (int64_t m = 0; m < states; ++m) {
    int64_t rest = m;
    for (int64_t unit = units - 1; unit >= 0; --unit, rest /= values) {
      result.data()[m * units + unit] = static_cast<real>(rest % values);
    }
  }
  return result;
}

}  // namespace stflow
