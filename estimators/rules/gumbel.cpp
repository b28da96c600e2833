// gumbel.cpp - the relaxations: Gumbel-Softmax (Jang, Gu & Poole 2017; Concrete, Maddison, Mnih &
// Teh 2017), straight-through Gumbel-Softmax, and Gumbel-Rao (Paulus, Maddison & Krause 2021).
//
// Distributions: bits and one-hot units with a relaxation. Biased, the less the lower the
// temperature T, while the variance grows. Evaluations: one, with its gradient. The cost must be
// differentiable; for gumbel-softmax also meaningful between the states.
//     y = soften(perturbed(noise), T)
// gumbel-softmax puts y in the place of the sample and differentiates through it: exact for a
// relaxed model, and the value of expect() is that model's. st-gumbel-softmax uses the hard sample
// in the value and y only for the gradient. gumbel-rao takes, for the hard sample z, the average of
// y over several draws of the noise that would have given the same z: less variance, and the same
// expectation as st-gumbel-softmax. Each draw is the parameter plus a shift that is held fixed;
// differentiating through the shift is the classic mistake (91 % bias).
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

/// Bits and one-hot units with a relaxation.
Takes relaxable() {
  return {.supports = {Support::bits, Support::one_hot},
          .traits = {Trait::relaxation},
          .why =
              "; through a truncated one-hot the gradient of a count would have the wrong sign at "
              "low temperature"};
}

/// The hard sample z in the value, y in the gradient.
Var straight_through(const Distribution& q, const std::string& rule, const Tensor& z,
                     const Var& y) {
  return sample_node(q, rule, z, y, [](const Var&, const Var& up) { return Vars{up}; });
}

}  // namespace

LocalRule gumbel_softmax(double temperature) {
  require_temperature("gumbel-softmax", temperature);
  const auto draw = [=](const Distribution& q, const Scope& scope) {
    return q.relaxed(temperature, scope.rng);
  };
  return {.name = "gumbel-softmax", .draw = draw, .relaxes = true, .takes = relaxable()};
}

LocalRule st_gumbel_softmax(double temperature) {
  require_temperature("st-gumbel-softmax", temperature);
  return {.name = "st-gumbel-softmax",
          .draw =
              [=](const Distribution& q, const Scope& scope) {
                const Var perturbed = q.perturbed(q.noise(scope.rng));
                return straight_through(q, "st-gumbel-softmax", q.harden(perturbed.value()),
                                        q.soften(perturbed, temperature));
              },
          .takes = relaxable()};
}

LocalRule gumbel_rao(double temperature, int64_t draws) {
  require_temperature("gumbel-rao", temperature);
  require_samples("gumbel-rao", draws);
  return {.name = "gumbel-rao",
          .draw =
              [=](const Distribution& q, const Scope& scope) {
                const Tensor z = q.sample(scope.rng);
                Var total;
                for (int64_t draw = 0; draw < draws; ++draw) {
                  const Var given = q.perturbed_given(z, q.noise(scope.rng));
                  const Var shift = (given - replace_inf(q.param(), 0)).detach();
                  const Var y = q.soften(q.param() + shift, temperature);
                  total = total ? total + y : y;
                }
                return straight_through(q, "gumbel-rao", z, total / static_cast<double>(draws));
              },
          .takes = relaxable()};
}

}  // namespace stflow
