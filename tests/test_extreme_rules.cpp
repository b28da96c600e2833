// test_extreme_rules.cpp - the rules on the parameters of test_extreme_distributions.cpp: finite
// estimates, and means that are the gradient of the expectation where a rule is unbiased.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/edge_values.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// Fails unless the mean of many estimates is `expected`, up to 5 standard errors and rounding.
void check_unbiased(const Tensor& each, const Tensor& expected) {
  const Moments found = moments(each);
  for (int64_t d = 0; d < expected.numel(); ++d) {
    CAPTURE(d);
    CHECK(std::abs(found.mean[d] - expected[d]) <=
          5 * found.standard_error[d] + 1e-5 * max(abs(expected)).item());
  }
}

bool is_unbiased(const std::string& rule) {
  for (const char* name : {"exact", "reinforce", "reinforce-mean", "reinforce-net", "leave-one-out",
                           "muprop", "rebar", "relax", "arm", "disarm", "measure-valued"}) {
    if (rule == name) return true;
  }
  return false;
}

}  // namespace

TEST_CASE(
    "rules: a masked category gets no gradient, the others that of the distribution without it") {
  const Cost cost = ignoring_scope([](const Var& z) { return categorical_cost(z); });
  const Tensor logits = Tensor::from({real(.3), -kInf, real(-1.1), real(.2), 0, real(.4)}, {1, 6});
  // As if the masked category were one of e^-40.
  const Tensor low = where(Tensor::from({1, 0, 1, 1, 1, 1}, {1, 6}), logits, Tensor::scalar(-40));
  Rng rng(7);
  const Tensor expected = estimates(exact(), low, cost, rng, make_triples);
  for (const std::string& name : rule_names("categorical")) {
    CAPTURE(name);
    const int64_t rows = name == "exact" ? 1 : 4000;
    const Rule rule = make_rule(name, options_for(6));
    const Tensor each = estimates(rule, copies(logits, rows), cost, rng, make_triples);
    CHECK(all_finite(each));
    check_equal(slice(each, 1, 1, 2), Tensor::zeros({rows, 1}));
    for (const Var& parameter : rule.trained()) CHECK(all_finite(parameter.grad()));
    if (is_unbiased(name) && rows > 1) check_unbiased(each, expected);
    if (name == "exact") check_close(each, expected, 1e-5, 1e-6);
  }
}

TEST_CASE("exact: the cost of a state that cannot be does not count, be it NaN") {
  Rng rng(7);
  const Tensor logits = Tensor::from({real(.3), -kInf, real(-1.1)}, {1, 3});
  const Var q = Var::parameter(logits);
  const Categorical prior(Tensor::from({0, -kInf, 0}, {1, 3}), 3);
  const Cost ratio = [&](const Var& z, const Scope&) {
    return Categorical(q, 3).log_prob(z) - prior.log_prob(z);
  };
  const Var divergence = expect(Categorical(q, 3), exact(), Scope{rng}, ratio);
  CHECK(divergence.item() == doctest::Approx(std::log(2) - .497359965936).epsilon(1e-6));
  const Var leaf = Var::parameter(logits);
  const Tensor expected = grad({kl(Categorical(leaf, 3), prior)}, {leaf})[0].value();
  check_close(grad({divergence}, {q})[0].value(), expected, 1e-5, 1e-6);
}

TEST_CASE(
    "rules: an infinite logit of a bit gives finite estimates, none for that bit on average") {
  const Cost cost = ignoring_scope([](const Var& b) { return bernoulli4_cost(b); });
  const Tensor logits = Tensor::from({real(.4), kInf, -kInf, real(-.2)}, {1, 4});
  const Tensor high = Tensor::from({real(.4), 40, -40, real(-.2)}, {1, 4});
  Rng rng(8);
  const Tensor expected = estimates(exact(), high, cost, rng);
  for (const std::string& name : rule_names("bernoulli")) {
    CAPTURE(name);
    const Rule rule = make_rule(name, options_for(4));
    const Tensor each = estimates(rule, copies(logits, name == "exact" ? 1 : 4000), cost, rng);
    CHECK(all_finite(each));
    for (const Var& parameter : rule.trained()) CHECK(all_finite(parameter.grad()));
    if (name == "exact") check_close(each, expected, 1e-5, 1e-6);
    if (is_unbiased(name) && name != "exact") check_unbiased(each, expected);
  }
}

TEST_CASE("rules: finite and unbiased at logits far apart") {
  const Cost cost = ignoring_scope([](const Var& z) { return categorical_cost(z); });
  for (const real far : {real(60), real(88), real(104), real(1000)}) {
    CAPTURE(far);
    const Tensor logits = Tensor::from({0, -far, real(.5), real(.2), far, far}, {1, 6});
    Rng rng(9);
    const Tensor expected = estimates(exact(), logits, cost, rng, make_triples);
    for (const std::string& name : rule_names("categorical")) {
      if (name == "exact") continue;
      CAPTURE(name);
      const Rule rule = make_rule(name, options_for(6));
      const Tensor each = estimates(rule, copies(logits, 2000), cost, rng, make_triples);
      CHECK(all_finite(each));
      if (is_unbiased(name)) check_unbiased(each, expected);
    }
  }
}

TEST_CASE("exact: right on poisson rates from 1e-30 to 3500") {
  Rng rng(1);
  for (const real rate :
       {real(1e-30), real(1e-4), real(3.2), real(95), real(300), real(3000), real(3500)}) {
    CAPTURE(rate);
    const Tensor param = Tensor::full({1, 1}, rate);
    const Cost linear = ignoring_scope([](const Var& z) { return sum(z, {-1}); });
    const Cost quadratic = ignoring_scope([](const Var& z) { return sum(square(z), {-1}); });
    check_close(estimates(exact(), param, linear, rng, make_poisson), Tensor::ones({1, 1}), 2e-6,
                0);
    check_close(estimates(exact(), param, quadratic, rng, make_poisson),
                Tensor::full({1, 1}, 2 * rate + 1), 5e-6, 0);
    const Var value = expect(Poisson(Var::parameter(param)), exact(), Scope{rng}, linear);
    CHECK(value.item() == doctest::Approx(rate).epsilon(2e-6));
  }
}

TEST_CASE("rules: finite and unbiased at poisson rates from 1e-4 to 3000") {
  for (const real rate : {real(1e-4), real(2e-4), real(89), real(120), real(1000), real(3000)}) {
    CAPTURE(rate);
    const auto slope = [rate](const Var& z) {
      return sum(tanh((z - double{rate}) / (2 * std::sqrt(double{rate}) + 1)), {-1});
    };
    const Cost cost = ignoring_scope(slope);
    Rng rng(2);
    const Tensor expected = estimates(exact(), Tensor::full({1, 1}, rate), cost, rng, make_poisson);
    for (const std::string& name : rule_names("poisson")) {
      if (name == "exact" || (rate > 200 && name == "rebar")) continue;
      CAPTURE(name);
      const Rule rule = make_rule(name, options_for(1));
      const Tensor each = estimates(rule, Tensor::full({2000, 1}, rate), cost, rng, make_poisson);
      CHECK(all_finite(each));
      // A count below 1e-3 is too rare a sight for a mean.
      if (is_unbiased(name) && rate > 1) check_unbiased(each, expected);
    }
  }
  // rebar's relaxation holds every count of every row: fewer rows where rates are large.
  Rng rng(3);
  const Cost linear = ignoring_scope([](const Var& z) { return sum(z, {-1}); });
  for (const real rate : {real(1e-30), real(1000), real(3500)}) {
    CAPTURE(rate);
    const Tensor each = estimates(make_rule("rebar", options_for(1)), Tensor::full({50, 1}, rate),
                                  linear, rng, make_poisson);
    CHECK(all_finite(each));
  }
}

TEST_CASE("diagnose: calls no unbiased rule biased at large poisson rates") {
  for (const real rate : {real(300), real(3000)}) {
    const Problem counts{"counts", Tensor::full({1, 1}, rate),
                         [](const Var& param, const Scope& scope, const Layer& expectation) {
                           return expectation(
                               Poisson(param), scope,
                               [](const Var& z, const Scope&) { return sum(z, {-1}); });
                         }};
    for (const std::string name :
         {"st", "measure-valued", "muprop", "reinforce", "leave-one-out"}) {
      CAPTURE(rate);
      CAPTURE(name);
      Rng rng(4);
      const Diagnosis found = diagnose(counts, rules_for(counts, name), 5000, rng);
      CHECK(found.exact[0] == doctest::Approx(1).epsilon(2e-6));
      CHECK(found.p_value > 1e-4);
    }
  }
}
