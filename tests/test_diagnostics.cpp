// test_diagnostics.cpp - verdicts and numbers of diagnose() on rules whose faults are known.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

Diagnosis diagnosis(const std::string& name, const std::vector<Rule>& rules, int64_t draws = 20'000,
                    uint64_t seed = 1) {
  Rng rng(seed);
  return diagnose(problem(name), rules, draws, rng);
}

Diagnosis diagnosis(const std::string& name, const std::string& rule, int64_t draws = 20'000) {
  return diagnosis(name, rules_for(problem(name), rule), draws);
}

// REINFORCE times a factor.
Rule scaled_reinforce(double factor) {
  const auto apply = [=](const Expectation& e) {
    const Tensor z = e.q.sample(e.scope.rng);
    const Var f = e.cost(z, e.scope);
    const Tensor weight = mul(f.value(), Tensor::scalar(static_cast<real>(factor)));
    return f + attach(e.q.param(), mul(per_row(weight), e.q.score(z)));
  };
  return {"scaled", apply};
}

// A problem's loss at `param`, its one layer by `rule`.
Var loss(const Problem& chosen, const Var& param, const Rule& rule, Rng& rng) {
  return sum(
      chosen.loss(param, {rng}, [&](const Distribution& q, const Scope& scope, const Cost& cost) {
        return expect(q, rule, scope, cost, q.param().detach());
      }));
}

}  // namespace

TEST_CASE("diagnose: the registry's word on every rule is found true on every problem") {
  for (const Problem& each : problems()) {
    for (const std::string& name : rule_names(each)) {
      CAPTURE(each.name);
      CAPTURE(name);
      const auto& all = rule_registry();
      const auto info = std::find_if(all.begin(), all.end(),
                                     [&](const RuleInfo& one) { return one.name == name; });
      const Diagnosis found = diagnosis(each.name, name, 8'000);
      if (info->unbiased) CHECK_FALSE(found.biased());
      if (name == "st" || name == "none") CHECK(found.biased());
    }
  }
}

TEST_CASE("diagnose: bias, error, cosine and variance of straight-through on bernoulli4") {
  const Diagnosis found = diagnosis("bernoulli4", "st");
  CHECK(found.biased());
  CHECK(std::abs(found.relative_bias - .262) < 4 * found.bias_error);
  CHECK(found.trace_variance == doctest::Approx(.236).epsilon(.05));
  CHECK(found.bias_error == doctest::Approx(std::sqrt(.236 / 20'000 /
                                                      (.45025 * .45025 + .495491 * .495491 +
                                                       .023752 * .023752 + .193429 * .193429)))
                                .epsilon(.03));
  CHECK(found.cosine > .9);
  CHECK(found.cosine < .999);
  check_close(found.exact, bernoulli4_exact(), 0, 1e-6);
}

TEST_CASE("diagnose: arm is consistent with unbiased, two evaluations, its known variance") {
  const Diagnosis found = diagnosis("bernoulli4", "arm");
  CHECK_FALSE(found.biased());
  CHECK(found.relative_bias < 3 * found.bias_error);
  CHECK(found.evaluations == 2);
  CHECK(found.trace_variance == doctest::Approx(2.56).epsilon(.05));
  CHECK(found.microseconds > 0);
}

TEST_CASE("diagnose: a rule with a wrong factor is caught") {
  CHECK_FALSE(diagnosis("bernoulli4", {scaled_reinforce(1)}, 200'000).biased());
  CHECK(diagnosis("bernoulli4", {scaled_reinforce(.95)}, 200'000).biased());
  CHECK_FALSE(diagnosis("two-layer", {reinforce(), scaled_reinforce(1)}, 50'000).biased());
  CHECK(diagnosis("two-layer", {reinforce(), scaled_reinforce(.5)}, 50'000).biased());
}

TEST_CASE("diagnose: estimates that are not finite are biased, their numbers NaN") {
  const auto apply = [](const Expectation& e) {
    const Tensor z = e.q.sample(e.scope.rng);
    return e.cost(z, e.scope) + attach(e.q.param(), Tensor::full(z.shape(), real(NAN)));
  };
  const Diagnosis found = diagnosis("bernoulli4", {Rule{"nan", apply}}, 100);
  CHECK(found.biased());
  CHECK(std::isnan(found.relative_bias));
}

TEST_CASE("diagnose: enumeration has no bias and no variance") {
  for (const Problem& each : problems()) {
    CAPTURE(each.name);
    const Diagnosis found = diagnosis(each.name, "exact", 5'000);
    CHECK_FALSE(found.biased());
    CHECK(found.trace_variance < 1e-12);
    CHECK(found.relative_bias < 1e-5);
    CHECK(found.cosine == doctest::Approx(1));
    CHECK(found.evaluations == 1);
  }
}

TEST_CASE("diagnose: evaluations are those of the innermost cost") {
  for (const auto& [rule, calls] : std::vector<std::pair<std::string, int64_t>>{
           {"st", 1}, {"reinforce", 1}, {"arm", 3}, {"disarm", 3}, {"muprop", 3}, {"rebar", 3}}) {
    CAPTURE(rule);
    CHECK(diagnosis("two-layer", rule, 2).evaluations == calls);
  }
}

TEST_CASE("diagnose: same seed same numbers, another seed others") {
  const std::vector<Rule> rules{arm()};
  const Diagnosis first = diagnosis("bernoulli4", rules, 5'000, 3);
  const Diagnosis again = diagnosis("bernoulli4", rules, 5'000, 3);
  CHECK(first.relative_bias == again.relative_bias);
  CHECK(first.trace_variance == again.trace_variance);
  CHECK(first.p_value == again.p_value);
  CHECK(diagnosis("bernoulli4", rules, 5'000, 4).relative_bias != first.relative_bias);
}

TEST_CASE("train_rules: rebar and relax come out with less variance than they had") {
  for (const std::string name : {"rebar", "relax"}) {
    CAPTURE(name);
    const std::vector<Rule> rules = rules_for(problem("bernoulli4"), name);
    const double before = diagnosis("bernoulli4", rules).trace_variance;
    Rng rng(5);
    train_rules(problem("bernoulli4"), rules, 200, rng);
    const Diagnosis after = diagnosis("bernoulli4", rules);
    CHECK(after.trace_variance < .95 * before);
    CHECK_FALSE(after.biased());
  }
}

TEST_CASE("gradient_moments: the same variance and mean as diagnose finds") {
  const Problem& chosen = problem("bernoulli4");
  for (const std::string name : {"st", "arm", "reinforce-mean", "rebar"}) {
    CAPTURE(name);
    const std::vector<Rule> rules = rules_for(chosen, name);
    const Var param = Var::parameter(chosen.param.clone());
    Rng rng(6);
    const int64_t draws = 4'000;
    const GradientMoments found =
        gradient_moments([&] { return loss(chosen, param, rules[0], rng); }, {param}, rules, draws)
            .at(0);
    const Diagnosis expected = diagnosis("bernoulli4", name);
    if (name != "reinforce-mean")  // whose baseline is the one it has, here 0
      CHECK(found.trace_variance == doctest::Approx(expected.trace_variance).epsilon(.1));
    const double noise = found.trace_variance / static_cast<double>(draws);
    const double exact = sum(square(expected.mean)).item();
    CHECK(std::abs(found.squared_mean - exact) < 6 * std::sqrt(noise * exact));
  }
}

TEST_CASE("gradient_moments: a running baseline does not get used to the batch that is measured") {
  const Problem& chosen = problem("bernoulli4");
  const std::vector<Rule> rules{reinforce_mean()};
  const Var param = Var::parameter(Tensor::zeros({200, 4}));
  const auto variance = [&](int64_t draws) {
    Rng rng(7);
    const auto total = [&] { return loss(chosen, param, rules[0], rng); };
    return gradient_moments(total, {param}, rules, draws).at(0).trace_variance;
  };
  CHECK(variance(200) == doctest::Approx(variance(10)).epsilon(.15));
}

TEST_CASE("gradient_moments: what rules train and remember is left as it was") {
  for (const std::string name : {"rebar", "reinforce-mean", "reinforce-net"}) {
    CAPTURE(name);
    const Problem& chosen = problem("bernoulli4");
    const std::vector<Rule> rules = rules_for(chosen, name);
    Vars kept;
    for (const auto& [each, buffer] : rules[0].buffers) kept.push_back(buffer);
    for (Var parameter : rules[0].trained()) {
      parameter.set_grad(Tensor::full(parameter.shape(), 3));
      kept.push_back(parameter);
    }
    std::vector<Tensor> before;
    for (const Var& each : kept) before.push_back(each.value().clone());
    REQUIRE(!kept.empty());
    const Var param = Var::parameter(chosen.param.clone());
    Rng rng(6);
    gradient_moments([&] { return loss(chosen, param, rules[0], rng); }, {param}, rules, 3);
    for (size_t i = 0; i < kept.size(); ++i) check_equal(kept[i].value(), before[i]);
    for (const Var& parameter : rules[0].trained())
      check_equal(parameter.grad(), Tensor::full(parameter.shape(), 3));
    CHECK_FALSE(param.grad().defined());
  }
}

TEST_CASE("diagnose: what cannot be diagnosed is said") {
  check_contains(message_of([] { diagnosis("bernoulli4", "arm", 1); }), "[diagnose]", "got 1");
  check_contains(message_of([] { gradient_moments([] { return Var(0.0); }, {}, {}, 1); }),
                 "[gradient_moments]", "got 1");
  for (const int64_t rows : {int64_t{-1}, int64_t{1} << 62}) {
    Rng rng(1);
    check_contains(message_of([&] { estimates(problem("bernoulli4"), {arm()}, rows, rng); }),
                   "[estimates] makes 0 to 1000000000 rows, got ");
  }
  check_contains(message_of([] { diagnosis("two-layer", {arm()}); }), "'two-layer'", "more than 1");
  Problem wrong = problem("bernoulli4");
  wrong.param = wrong.param.reshape({4});
  check_contains(message_of([&] {
                   Rng rng(1);
                   diagnose(wrong, {arm()}, 10, rng);
                 }),
                 "'bernoulli4': expected a param [1,D], got [4]");
  check_contains(message_of([&] { rules_for(problem("poisson-critic"), "arm"); }),
                 "[rules_for] problem 'poisson-critic'", "'arm' fits bernoulli layers only");
  check_contains(message_of([] { problem("bernouli4"); }), "'bernouli4' is not one of",
                 "poisson-critic");
}
