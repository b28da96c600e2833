// test_estimators.cpp - rules on one stochastic layer: their expectations against enumeration.
#include <doctest/doctest.h>

#include "stflow/estimators/rules/control_variate.h"
#include "stflow/nn/nn.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Cost kBernoulli4 = ignoring_scope(bernoulli4_cost);

// A cost of one unit, defined between 0 and 1 too: f(1) - f(0) is about 1.6.
Var curved_cost(const Var& z) { return sum(square(z) + tanh(1.5 * z - 0.5), {-1}); }

// Not differentiable: rounds to a state first.
Var rounded_cost(const Var& z) {
  return bernoulli4_cost(greater(z.value(), Tensor::scalar(real(.5))));
}

// The expectation over all of a rule's noise in one dimension, by quadrature in u (and v): no
// random draws.
double quadrature_expectation(const Rule& rule, double logit, int uniforms, const Cost& cost) {
  const double p = 1 / (1 + std::exp(-logit));
  const Quadrature u = piecewise_quadrature(64, {0, std::min(p, 1 - p), std::max(p, 1 - p), 1});
  const Quadrature v = uniforms == 2 ? gauss_legendre(64, 0, 1) : Quadrature{{0.5}, {1}};
  std::vector<real> us, vs;
  std::vector<double> weight;
  for (size_t i = 0; i < u.node.size(); ++i) {
    for (size_t j = 0; j < v.node.size(); ++j) {
      us.push_back(static_cast<real>(u.node[i]));
      vs.push_back(static_cast<real>(v.node[j]));
      weight.push_back(u.weight[i] * v.weight[j]);
    }
  }
  const auto rows = static_cast<int64_t>(us.size());
  std::vector<Tensor> noise{Tensor::from(us, {rows, 1})};
  if (uniforms == 2) noise.push_back(Tensor::from(vs, {rows, 1}));
  Rng rng = Rng::replay(noise);
  const Tensor each = estimates(rule, Tensor::full({rows, 1}, static_cast<real>(logit)), cost, rng);
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) total += weight[i] * each[i];
  return total;
}

double exact_gradient(double logit, const Cost& cost) {
  Rng rng(1);
  return estimates(exact(), Tensor::full({1, 1}, static_cast<real>(logit)), cost, rng).item();
}

using Network = std::function<Var(const Var&)>;  // [B,1] -> [B]

// A smooth network of one unit.
std::shared_ptr<nn::MLP> one_tanh() {
  Rng rng(1);
  const auto net =
      std::make_shared<nn::MLP>(std::vector<int64_t>{1, 1, 1}, rng, std::make_shared<nn::Tanh>());
  for (Var& parameter : net->parameters()) fill_(parameter.mutable_value(), real(.8));
  net->parameters()[0].mutable_value() = Tensor::ones({1, 1});
  return net;
}

// REBAR, or RELAX if there is a network, with the classic mistake: the probability inside the
// conditional noise is detached.
Rule detached_rebar(const Network& network = [](const Var&) { return Var(0.0); }) {
  const auto apply = [network](const Expectation& e) {
    const Var a = Var::parameter(e.q.param().value());
    const Bernoulli here(a);
    const Var z = here.perturbed(e.scope.rng.uniform(a.shape()));
    const Tensor b = greater(z.value(), Tensor::scalar(0));
    const Tensor given = here.detach().perturbed_given(b, e.scope.rng.uniform(a.shape())).value();
    const Var z_given_b = a + Var(sub(given, a.value()));  // the mistake
    const Var f = e.cost(b, e.scope), c = e.cost(sigmoid(z / 0.5), e.scope) + network(z);
    const Var c_given_b = e.cost(sigmoid(z_given_b / 0.5), e.scope) + network(z_given_b);
    const Var dc = grad({c}, {a})[0], dc_given_b = grad({c_given_b}, {a})[0];
    const Var ghat =
        per_row(f.detach() - c_given_b.detach()) * Var(here.score(b)) + dc - dc_given_b;
    return f + attach(e.q.param(), ghat.value());
  };
  return {"detached-rebar", apply};
}

double relative_bias(const Moments& estimate) {
  const Tensor exact_value = bernoulli4_exact();
  const Tensor error = sub(estimate.mean, exact_value);
  return std::sqrt(sum(square(error)).item() / sum(square(exact_value)).item());
}

}  // namespace

TEST_CASE("exact: enumeration gives the known gradient of bernoulli4") {
  Rng rng(1);
  check_close(estimates(exact(), bernoulli4_logits(), kBernoulli4, rng), bernoulli4_exact(), 0,
              1e-6);
}

TEST_CASE("exact: its value is the expectation, with and without gradients") {
  Rng rng(1);
  const Var logits = Var::parameter(bernoulli4_logits());
  const Bernoulli q(logits);
  const Tensor states = q.states();
  const Tensor weight = exp(q.log_prob(Var(states)).value());
  const real expected = sum(mul(weight, bernoulli4_cost(Var(states)).value())).item();
  const Scope scope{rng};
  CHECK(expect(q, exact(), scope, kBernoulli4).item() == doctest::Approx(expected).epsilon(1e-6));
  const NoGradGuard no_grad;
  CHECK(expect(q, exact(), scope, kBernoulli4).item() == doctest::Approx(expected).epsilon(1e-6));
}

TEST_CASE("exact: too many states are refused by name") {
  Rng rng(1);
  const Bernoulli q(Var::parameter(Tensor::zeros({2, 200})));
  const std::string message = message_of([&] {
    expect(q, exact(), Scope{rng}, ignoring_scope([](const Var& z) { return sum(z, {-1}); }));
  });
  check_contains(message, "'exact' enumerates 2^D states", "D = 200");
}

TEST_CASE("reinforce: expectation over all states equals enumeration, variance is the known one") {
  const Moments all = enumerated_moments(reinforce(), bernoulli4_logits(), kBernoulli4);
  check_close(all.mean, bernoulli4_exact(), 0, kDouble ? 1e-6 : 3e-6);
  CHECK(all.trace_variance == doctest::Approx(4.791).epsilon(1e-4));
}

TEST_CASE("reinforce: a cost that is not differentiable is fine") {
  const Moments all =
      enumerated_moments(reinforce(), bernoulli4_logits(), ignoring_scope(rounded_cost));
  check_close(all.mean, bernoulli4_exact(), 0, kDouble ? 1e-6 : 3e-6);
}

TEST_CASE("st: expectation over all states has the known bias and variance") {
  const Moments all = enumerated_moments(from_local(st()), bernoulli4_logits(), kBernoulli4);
  CHECK(100 * relative_bias(all) == doctest::Approx(26.2).epsilon(0.005));
  CHECK(all.trace_variance == doctest::Approx(0.236).epsilon(0.005));
}

TEST_CASE("st: exact when the cost is linear in each unit") {
  const Cost linear_cost = ignoring_scope([](const Var& b) {
    return sum(b * Var(Tensor::from({1, -2, 3, real(.5)})), {-1});
  });
  Rng rng(1);
  const Tensor expected = estimates(exact(), bernoulli4_logits(), linear_cost, rng);
  const Moments all = enumerated_moments(from_local(st()), bernoulli4_logits(), linear_cost);
  check_close(all.mean, expected, 1e-5, 1e-6);
}

TEST_CASE("arm, disarm: expectation over their noise equals enumeration in one dimension") {
  for (const Rule& rule : {arm(), disarm()}) {
    for (double logit : {-1.2, 0.3, 2.0}) {
      CAPTURE(rule.name);
      CAPTURE(logit);
      const double expected = exact_gradient(logit, ignoring_scope(curved_cost));
      const double found = quadrature_expectation(rule, logit, 1, ignoring_scope(curved_cost));
      CHECK(std::abs(found - expected) < (kDouble ? 1e-9 : 1e-5));
    }
  }
}

TEST_CASE("relax: expectation over its noise equals enumeration in one dimension") {
  for (double logit : {-1.2, 0.3}) {
    CAPTURE(logit);
    const double expected = exact_gradient(logit, ignoring_scope(curved_cost));
    const double found =
        quadrature_expectation(relax(one_tanh()), logit, 2, ignoring_scope(curved_cost));
    CHECK(std::abs(found - expected) < (kDouble ? 1e-9 : 2e-5));
  }
}

TEST_CASE(
    "rebar: expectation over its noise equals enumeration in one dimension, for any eta and "
    "temperature") {
  for (double logit : {-1.2, 0.3}) {
    for (double temperature : {0.5, 1.0}) {
      for (double eta : {1.0, -0.7}) {
        CAPTURE(logit);
        CAPTURE(temperature);
        CAPTURE(eta);
        const double expected = exact_gradient(logit, ignoring_scope(curved_cost));
        const Rule rule = rebar({.temperature = temperature, .eta = eta, .tune = false});
        const double found = quadrature_expectation(rule, logit, 2, ignoring_scope(curved_cost));
        CHECK(std::abs(found - expected) < (kDouble ? 1e-9 : 2e-5));
      }
    }
  }
}

TEST_CASE("rebar, relax: detaching the probability in the conditional noise is caught") {
  const double expected = exact_gradient(0.3, ignoring_scope(curved_cost));
  const auto net = one_tanh();
  const Rule detached_relax = detached_rebar([net](const Var& z) { return sum((*net)(z), {-1}); });
  CHECK(std::abs(quadrature_expectation(detached_relax, 0.3, 2, ignoring_scope(curved_cost)) -
                 expected) > 0.01);
  const double found =
      quadrature_expectation(detached_rebar(), 0.3, 2, ignoring_scope(curved_cost));
  CHECK(std::abs(found - expected) > 0.01);

  Rng rng(7);
  const Moments draws =
      moments(estimates(detached_rebar(), copies(bernoulli4_logits(), 100'000), kBernoulli4, rng));
  CHECK(relative_bias(draws) > 0.5);
}

TEST_CASE("arm: unbiased on bernoulli4 with the known variance") {
  Rng rng(11);
  const Moments draws =
      moments(estimates(arm(), copies(bernoulli4_logits(), 200'000), kBernoulli4, rng));
  check_unbiased(draws, bernoulli4_exact());
  CHECK(draws.trace_variance == doctest::Approx(2.56).epsilon(0.05));
}

TEST_CASE("rules that only evaluate the cost: unbiased where it is not differentiable") {
  for (const std::string name : {"arm", "disarm", "leave-one-out", "reinforce-mean"}) {
    CAPTURE(name);
    Rng rng(12);
    const Moments draws = moments(estimates(make_rule(name), copies(bernoulli4_logits(), 100'000),
                                            ignoring_scope(rounded_cost), rng));
    check_unbiased(draws, bernoulli4_exact());
  }
}

TEST_CASE("rules: a constant cost has zero expected gradient") {
  const Cost constant = [](const Var& z, const Scope&) { return sum(z * 0.0, {-1}) + 3.0; };
  for (const char* name : {"st", "mmd", "none", "reinforce"}) {
    CAPTURE(name);
    const Moments all = enumerated_moments(make_rule(name), bernoulli4_logits(), constant);
    check_close(all.mean, Tensor::zeros({1, 4}), 0, 1e-6);
  }
  Rng rng(1);
  for (const char* name : {"exact", "arm"}) {
    CAPTURE(name);
    check_close(estimates(make_rule(name), bernoulli4_logits(), constant, rng),
                Tensor::zeros({1, 4}), 0, 1e-6);
  }
  CHECK(std::abs(quadrature_expectation(rebar(), 0.3, 2, constant)) < 1e-6);
}

TEST_CASE("rules: the value is the cost of the hard sample, its mean over several") {
  const Tensor noise = noise_for_states(Bernoulli(bernoulli4_logits())).rows(5, 6);
  const Var q = Var::parameter(bernoulli4_logits());
  const Tensor state = Bernoulli(bernoulli4_logits()).states().rows(5, 6);
  for (const char* name : {"st", "mmd", "none", "reinforce", "arm"}) {
    CAPTURE(name);
    Rng rng = Rng::replay({noise});
    const Var value = expect(Bernoulli(q), make_rule(name), Scope{rng}, kBernoulli4);
    check_close(value.value(), bernoulli4_cost(state).value(), 0, 1e-6);
  }
  Rng rng = Rng::replay({noise_for_states(Bernoulli(bernoulli4_logits())).reshape({16, 1, 4})});
  const Var value = expect(Bernoulli(q), make_rule("st", {.samples = 16}), Scope{rng}, kBernoulli4);
  const Tensor all = bernoulli4_cost(Bernoulli(bernoulli4_logits()).states()).value();
  check_close(value.value(), mean(all).reshape({1}), 1e-5, 1e-6);
}

TEST_CASE("rules: several samples average the one-sample estimates") {
  const Tensor noise = noise_for_states(Bernoulli(bernoulli4_logits()));
  for (const char* name : {"st", "mmd"}) {
    CAPTURE(name);
    Rng many = Rng::replay({noise.reshape({16, 1, 4})});
    const Tensor together =
        estimates(make_rule(name, {.samples = 16}), bernoulli4_logits(), kBernoulli4, many);
    Rng each = Rng::replay({noise});
    const Tensor single =
        estimates(make_rule(name), copies(bernoulli4_logits(), 16), kBernoulli4, each);
    check_close(together, mean(single, {0}, true), 1e-5, 1e-6);
  }
}

TEST_CASE("rules: without gradients a hard sample is evaluated once") {
  int calls = 0;
  const Cost counting = [&](const Var& z, const Scope&) {
    ++calls;
    return bernoulli4_cost(z);
  };
  const Bernoulli q(Var::parameter(bernoulli4_logits()));
  for (const RuleInfo& rule : rule_registry()) {
    CAPTURE(rule.name);
    calls = 0;
    Rng rng(3);
    const NoGradGuard no_grad;
    expect(q, rule.make(options_for(4)), Scope{rng}, counting);
    CHECK(calls == 1);
  }
}

TEST_CASE("rules: a sampled estimate cannot be differentiated again") {
  for (const char* name : {"st", "mmd", "reinforce", "arm", "rebar"}) {
    CAPTURE(name);
    Rng rng(5);
    const Var logits = Var::parameter(bernoulli4_logits());
    const Var loss = sum(expect(Bernoulli(logits), make_rule(name), Scope{rng}, kBernoulli4));
    const Var first = grad({loss}, {logits}, /*create_graph=*/true)[0];
    check_contains(message_of([&] { grad({sum(square(first))}, {logits}); }),
                   "cannot be differentiated again");
  }
}

TEST_CASE("rules: a rule that does not fit the distribution says so") {
  Rng rng(1);
  const Categorical q(Var::parameter(Tensor::zeros({1, 4})), 4);
  const Cost f = ignoring_scope([](const Var& z) { return sum(z, {-1}); });
  check_contains(message_of([&] { expect(q, arm(), Scope{rng}, f); }), "'arm'", "categorical");
  check_contains(message_of([&] { expect(q, disarm(), Scope{rng}, f); }), "'disarm'",
                 "categorical");
  check_contains(message_of([&] { expect(q, from_local(mmd({.bandwidth = {}})), Scope{rng}, f); }),
                 "median", "categorical");
  check_contains(message_of([&] { make_rule("reinforec"); }), "'reinforec' is not one of",
                 "reinforce");
  check_contains(message_of([&] { mmd({.epsilon = 0}); }), "epsilon", "0");
  check_contains(message_of([&] { mmd({.bandwidth = -1}); }), "bandwidth", "-1");
  check_contains(message_of([&] { rebar({.temperature = 0}); }), "temperature", "0");
}

TEST_CASE("expect: a cost averaged over its examples is refused") {
  Rng rng(1);
  const Bernoulli q(Var::parameter(Tensor::zeros({3, 4})));
  const Cost averaged = ignoring_scope([](const Var& z) { return mean(bernoulli4_cost(z)); });
  const Cost not_summed = ignoring_scope([](const Var& z) { return square(z); });
  for (const std::string& name : rule_names("bernoulli")) {
    CAPTURE(name);
    const Rule rule = make_rule(name, options_for(4));
    const auto call = [&](const Cost& cost) {
      return message_of([&] { expect(q, rule, Scope{rng}, cost, q.logits().detach()); });
    };
    check_contains(call(averaged), "[expect]", "3]", "gave []");
    check_contains(call(not_summed), "[expect]", "3]", "3,4]");
  }
}
