// gumbel.cpp - the relaxations: Gumbel-Softmax (Jang, Gu & Poole 2017; Concrete, Maddison, Mnih &
// Teh 2017), straight-through Gumbel-Softmax, and Gumbel-Rao (Paulus, Maddison & Krause 2021).
//
// Distributions: Bernoulli, Categorical. Biased, the less the lower the temperature T, while the
// variance grows. Evaluations: one, with its gradient. The cost must be differentiable; for
// gumbel-softmax also meaningful between the states.
//     y = soften(perturbed(noise), T)
// gumbel-softmax puts y in the place of the sample and differentiates through it: exact for a
// relaxed model, and the value of expect() is that model's. st-gumbel-softmax uses the hard sample
// in the value and y only for the gradient. gumbel-rao takes, for the hard sample z, the average of
// y over several draws of the noise that would have given the same z: less variance, and the same
// expectation as st-gumbel-softmax. Each draw is the parameter plus a shift that is held fixed;
// differentiating through the shift is the classic mistake (91 % bias).
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

void check(const std::string& rule, const Distribution& q) {
  require_law<Bernoulli, Categorical>(
      q, rule, "bernoulli and categorical",
      q.law() == "poisson" ? ": through a truncated one-hot its gradient would have the wrong sign "
                             "at low temperature"
                           : "");
}

/// The hard sample z in the value, y in the gradient.
Var straight_through(const Distribution& q, const std::string& rule, const Tensor& z,
                     const Var& y) {
  return sample_node(q, rule, z, y, [](const Var&, const Var& up) { return Vars{up}; });
}

}  // namespace

LocalRule gumbel_softmax(double temperature) {
  require_temperature("gumbel-softmax", temperature);
  const auto draw = [=](const Distribution& q, const Scope& scope, const std::shared_ptr<Tensor>&) {
    check("gumbel-softmax", q);
    return q.relaxed(temperature, scope.rng);
  };
  return {.name = "gumbel-softmax", .draw = draw, .relaxes = true};
}

LocalRule st_gumbel_softmax(double temperature) {
  require_temperature("st-gumbel-softmax", temperature);
  return {"st-gumbel-softmax",
          [=](const Distribution& q, const Scope& scope, const std::shared_ptr<Tensor>&) {
            check("st-gumbel-softmax", q);
            const Var perturbed = q.perturbed(q.noise(scope.rng));
            return straight_through(q, "st-gumbel-softmax", q.harden(perturbed.value()),
                                    q.soften(perturbed, temperature));
          }};
}

LocalRule gumbel_rao(double temperature, int64_t draws) {
  require_temperature("gumbel-rao", temperature);
  require_samples("gumbel-rao", draws);
  return {"gumbel-rao",
          [=](const Distribution& q, const Scope& scope, const std::shared_ptr<Tensor>&) {
            check("gumbel-rao", q);
            const Tensor z = q.sample(scope.rng);
            Var total;
            for (int64_t draw = 0; draw < draws; ++draw) {
              const Var given = q.perturbed_given(z, q.noise(scope.rng));
              const Var shift = (given - replace_inf(q.param(), 0)).detach();
              const Var y = q.soften(q.param() + shift, temperature);
              total = total ? total + y : y;
            }
            return straight_through(q, "gumbel-rao", z, total / static_cast<double>(draws));
          }};
}

}  // namespace stflow
