// test_other_distributions_rules.cpp - every rule on the other distributions: a 2 x 3
// categorical layer and a Poisson unit under a sigmoid critic, against enumeration.
#include <doctest/doctest.h>

#include "stflow/estimators/rules/control_variate.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

Tensor categorical_logits() { return problem("categorical").param; }
constexpr double kPoissonExact = 0.0318351;

Moments on_poisson(const Rule& rule, uint64_t seed, int64_t rows) {
  Rng rng(seed);
  return moments(estimates(rule, Tensor::full({rows, 1}, real(3.2)),
                           ignoring_scope(poisson_critic_cost), rng, make_poisson));
}

}  // namespace

TEST_CASE("categorical: every unbiased rule agrees with enumeration") {
  Rng rng(1);
  const Cost cost = ignoring_scope(categorical_cost);
  const Tensor expected = estimates(exact(), categorical_logits(), cost, rng, make_triples);
  uint64_t seed = 200;
  for (const RuleInfo& info : rule_registry()) {
    const bool taken = info.refusal(*make_triples(categorical_logits())).empty();
    if (!info.unbiased || !taken || info.name == "exact") continue;
    CAPTURE(info.name);
    Rng draws(++seed);
    const Tensor each = estimates(info.make(options_for(6)), copies(categorical_logits(), 40'000),
                                  cost, draws, make_triples);
    check_unbiased(moments(each), expected,
                   5);  // 6 components x 7 rules: one seed set in 50,000 fails
  }
}

TEST_CASE("categorical: reinmax is exact for a quadratic cost, straight-through is not") {
  const Cost quadratic = ignoring_scope([](const Var& z) {
    return select(z, -1, 0) * select(z, -1, 4) * 3 +
           square(select(z, -1, 1) - 2 * select(z, -1, 5));
  });
  Rng rng(1);
  const Tensor expected = estimates(exact(), categorical_logits(), quadratic, rng, make_triples);
  // All nine states, weighted by their probabilities.
  const Categorical q(Var(categorical_logits()), 3);
  const Tensor states = q.states();
  const Tensor weight = exp(q.log_prob(Var(states)).value()).reshape({9, 1});
  const auto expectation = [&](const LocalRule& rule) {
    // A uniform near 1 wins its unit, one near 0 loses.
    const Tensor noise =
        where(states, Tensor::full({9, 6}, real(1 - 1e-6)), Tensor::full({9, 6}, real(1e-6)));
    Rng replay = Rng::replay({noise});
    const Tensor each = estimates(from_local(rule), copies(categorical_logits(), 9), quadratic,
                                  replay, make_triples);
    return sum(mul(each, weight), {0}, true);
  };
  check_close(expectation(reinmax()), expected, 1e-4, 1e-5);
  CHECK_FALSE(allclose(expectation(st()), expected, 1e-2, 1e-2));
}

TEST_CASE("categorical: the Gumbel rules approach the exact gradient as the temperature falls") {
  Rng rng(1);
  const Cost cost = ignoring_scope(categorical_cost);
  const Tensor expected = estimates(exact(), categorical_logits(), cost, rng, make_triples);
  const auto bias = [&](const LocalRule& rule, uint64_t seed) {
    Rng draws(seed);
    const Moments m = moments(estimates(from_local(rule), copies(categorical_logits(), 200'000),
                                        cost, draws, make_triples));
    return std::sqrt(sum(square(sub(m.mean, expected))).item() / sum(square(expected)).item());
  };
  CHECK(bias(gumbel_softmax(0.2), 61) < bias(gumbel_softmax(1), 62));
}

TEST_CASE("poisson: enumeration gives the known gradient of the critic problem") {
  CHECK(std::abs(on_poisson(exact(), 1, 1).mean.item() - kPoissonExact) < 1e-6);
}

TEST_CASE("poisson: every unbiased rule agrees with enumeration, with the known variances") {
  const Tensor expected = Tensor::full({1, 1}, real(kPoissonExact));
  uint64_t seed = 300;
  for (const char* name : {"reinforce", "reinforce-mean", "reinforce-net", "leave-one-out",
                           "muprop", "measure-valued", "rebar", "relax"}) {
    CAPTURE(name);
    const Moments found = on_poisson(make_rule(name, options_for(1)), ++seed, 40'000);
    check_unbiased(found, expected);
    if (std::string(name) == "reinforce")
      CHECK(found.trace_variance == doctest::Approx(.024).epsilon(.05));
    if (std::string(name) == "muprop")
      CHECK(found.trace_variance == doctest::Approx(.011).epsilon(.05));
    if (std::string(name) == "measure-valued")
      CHECK(found.trace_variance == doctest::Approx(.0055).epsilon(.05));
  }
}

TEST_CASE("poisson: straight-through and fini2 have their known biases") {
  const double st_bias = 1 - on_poisson(from_local(st()), 71, 200'000).mean.item() / kPoissonExact;
  const double fini_bias =
      1 - on_poisson(from_local(fini2()), 72, 200'000).mean.item() / kPoissonExact;
  CHECK(std::abs(100 * std::abs(st_bias) - 52) < 2);
  CHECK(std::abs(100 * std::abs(fini_bias) - 9.6) < 2);
}

TEST_CASE("poisson: fini2 is exact for a quadratic cost") {
  Rng rng(1);
  const Cost quadratic = ignoring_scope([](const Var& z) { return sum(square(z - 2.5), {-1}); });
  // d/dlambda E (z - 2.5)^2 = 2 lambda + 1 - 5
  const Tensor rate = Tensor::full({200'000, 1}, real(3.2));
  const Moments found = moments(estimates(from_local(fini2()), rate, quadratic, rng, make_poisson));
  check_unbiased(found, Tensor::full({1, 1}, real(2 * 3.2 - 4)));
}

TEST_CASE("poisson: the Gumbel rules are refused with the reason") {
  Rng rng(1);
  const Poisson q(Var::parameter(Tensor::full({1, 1}, 3)));
  for (const LocalRule& rule : {gumbel_softmax(), st_gumbel_softmax(), gumbel_rao()}) {
    check_contains(message_of([&] { draw(q, rule, Scope{rng}); }), rule.name, "wrong sign");
  }
  check_contains(message_of([&] { draw(q, reinmax(), Scope{rng}); }), "'reinmax'", "fini2");
}
