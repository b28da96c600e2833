#include "stflow/estimators/distributions/distribution.h"

#include <cmath>

#include "stflow/estimators/distributions/checks.h"

namespace stflow {

Distribution::Distribution(const Var& param) : param_(param) {
  CHECK_ARG(param.defined() && param.rank() >= 1,
            "[Distribution] the parameter needs a last axis of units, got ",
            param.defined() ? "shape " + param.shape().str() : "an empty Var");
}

namespace {

[[noreturn]] void no_relaxation(const std::string& law) {
  throw std::invalid_argument(
      "a " + law +
      " sample has no continuous relaxation; rules 'rebar' and 'relax' need "
      "one in their own layer and in those inside it");
}

}  // namespace

Var Distribution::perturbed(const Tensor&) const { no_relaxation(law()); }
Var Distribution::perturbed_given(const Tensor&, const Tensor&) const { no_relaxation(law()); }
Tensor Distribution::harden(const Tensor&) const { no_relaxation(law()); }
Var Distribution::soften(const Var&, const Var&) const { no_relaxation(law()); }

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

Tensor all_states(int64_t values, int64_t units, const std::string& law) {
  constexpr double kMaxStates = 1 << 16;
  const double count = std::pow(static_cast<double>(values), static_cast<double>(units));
  CHECK_ARG(count <= kMaxStates, "'exact' enumerates ", values, "^D states of a ", law,
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
