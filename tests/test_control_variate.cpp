// test_control_variate.cpp - rebar and relax on one layer: their variance, and what trains them.
#include <doctest/doctest.h>

#include "stflow/estimators/rules/control_variate.h"
#include "stflow/nn/nn.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Cost kBernoulli4 = ignoring_scope(bernoulli4_cost);

}  // namespace

TEST_CASE("rebar: unbiased on bernoulli4 with the known variance") {
  Rng rng(13);
  const Moments draws = moments(
      estimates(rebar({.tune = false}), copies(bernoulli4_logits(), 200'000), kBernoulli4, rng));
  check_unbiased(draws, bernoulli4_exact());
  CHECK(draws.trace_variance == doctest::Approx(1.58).epsilon(0.05));
}

TEST_CASE("rebar, relax: what trains them is the slope of the second moment, on the same draws") {
  if (!kDouble) return;  // differences of float have no digits
  Rng random(20);
  const Tensor u = random.uniform({50, 4}), v = random.uniform({50, 4});
  const auto check = [&](const Rule& rule) {
    const auto second_moment = [&] {
      Rng rng = Rng::replay({u, v});
      const Tensor draws = estimates(rule, copies(bernoulli4_logits(), 50), kBernoulli4, rng);
      return double{sum(square(draws)).item()} / 50;
    };
    second_moment();
    std::vector<Tensor> slopes;  // now, for each call adds to them
    for (const Var& parameter : rule.trained()) slopes.push_back(parameter.grad().clone());
    for (size_t p = 0; p < slopes.size(); ++p) {
      const Tensor& slope = slopes[p];
      Var parameter = rule.parameters[p].second;
      real* value = parameter.mutable_value().data();
      for (int64_t i = 0; i < slope.numel(); i += 7) {
        const real before = value[i], step = real(1e-6);
        value[i] = before + step;
        const double above = second_moment();
        value[i] = before - step;
        const double below = second_moment();
        value[i] = before;
        CHECK(slope[i] == doctest::Approx((above - below) / (2 * step)).epsilon(1e-5));
      }
    }
  };
  check(rebar({.temperature = 0.3, .eta = 0.8, .tune = true}));
  check(relax(control_network(4, 6), {.temperature = 0.3, .eta = 0.8, .tune = true}));
}

TEST_CASE("rebar: tuned eta and temperature give a lower variance") {
  const Tensor logits = copies(bernoulli4_logits(), 2'000);
  Rng rng(14);
  const Rule rule = rebar({.temperature = 0.5, .eta = 1, .tune = true, .tune_every = 1});
  REQUIRE(rule.parameters.size() == 2);
  const double before =
      moments(estimates(rule, copies(bernoulli4_logits(), 50'000), kBernoulli4, rng))
          .trace_variance;
  for (Var parameter : rule.trained()) parameter.zero_grad();
  for (int step = 0; step < 100; ++step) {
    estimates(rule, logits, kBernoulli4, rng);
    for (Var parameter : rule.trained()) {
      add_scaled_(parameter.mutable_value(), parameter.grad(), real(-.05));
      parameter.zero_grad();
    }
  }
  const Moments after =
      moments(estimates(rule, copies(bernoulli4_logits(), 50'000), kBernoulli4, rng));
  CHECK(after.trace_variance < 0.97 * before);
  check_unbiased(after, bernoulli4_exact());
}

TEST_CASE("rebar: eta and temperature get a gradient in every tune_every-th call, first in one") {
  Rng random(21);
  const Tensor u = random.uniform({50, 4}), v = random.uniform({50, 4});
  const Rule always = rebar({.tune = true, .tune_every = 1});
  const Rule sometimes = rebar({.tune = true, .tune_every = 3});
  CHECK(sometimes.buffers.size() == 1);  // or a resumed run would train in other calls
  CHECK(rebar({.tune = false}).buffers.empty());
  const auto call = [&](const Rule& rule) {
    for (Var parameter : rule.trained()) parameter.zero_grad();
    Rng rng = Rng::replay({u, v});
    return estimates(rule, copies(bernoulli4_logits(), 50), kBernoulli4, rng);
  };
  for (int i = 0; i < 7; ++i) {
    CAPTURE(i);
    check_close(call(sometimes), call(always), 1e-5, 1e-5);  // the estimate is the same
    for (size_t p = 0; p < 2; ++p) {
      const Tensor& grad = sometimes.parameters[p].second.grad();
      REQUIRE(grad.defined() == (i % 3 == 0));
      if (grad.defined()) check_close(grad, always.parameters[p].second.grad(), 1e-6, 1e-6);
    }
  }
  check_contains(message_of([] { rebar({.tune_every = 0}); }),
                 "rule 'rebar': tune_every must be at least 1, got 0");
}

TEST_CASE("control_network: its number of inputs has bounds") {
  for (const int64_t inputs : {int64_t{0}, int64_t{-3}, int64_t{1} << 62}) {
    check_contains(message_of([=] { control_network(inputs, 1); }),
                   "[control_network] needs 1 to 16777216 inputs, got " + std::to_string(inputs));
  }
}

TEST_CASE("rule trainer: names, rates and reports come from the rule, one of one's own too") {
  const auto names = [](const Rule& rule) {
    std::vector<std::string> found;
    for (const auto& [name, parameter] : rule.parameters) found.push_back(name);
    return found;
  };
  CHECK(names(rebar()) == std::vector<std::string>{"eta", "log_temperature"});
  CHECK(names(relax(control_network(4, 6))).front() == "network.0.weight");
  CHECK(rebar().learning_rate_scale == 40);  // tune_every is 4
  CHECK(relax(control_network(4, 6)).learning_rate_scale == .1);
  CHECK(names(make_rule("rebar")) == names(rebar()));

  const auto rule_with = [](double scale) {
    const Var own = Var::parameter(Tensor::scalar(1));
    Rule rule = reinforce();
    rule.parameters = {{"own", own}};
    rule.learning_rate_scale = scale;
    rule.report = [own] {
      return std::vector<std::pair<std::string, double>>{{"own", own.item()}};
    };
    return rule;
  };
  const std::vector<Rule> rules{rule_with(2), rule_with(30)};
  RuleTrainer trainer(rules, .001);
  for (const Rule& rule : rules) {
    Var parameter = rule.parameters[0].second;
    parameter.add_grad(Tensor::scalar(5));  // Adam's first step is the learning rate
  }
  trainer.step();
  const Record log = trainer.log();
  REQUIRE(log.size() == 2);
  CHECK(log[0].name == "own_1");
  CHECK(log[1].name == "own_2");
  CHECK(std::get<double>(log[0].value) == doctest::Approx(.998));
  CHECK(std::get<double>(log[1].value) == doctest::Approx(.97));
}

TEST_CASE("rule options: every one is set by name, and what is none is refused") {
  for (const RuleOption& each : rule_option_registry()) {
    CAPTURE(each.name);
    for (const std::string& rule : each.rules) {
      RuleOptions options = options_for(4);
      set_rule_option(options, rule, each.name + "=" + each.get({}));
      CHECK_NOTHROW(make_rule(rule, options));
      check_contains(message_of([&] { set_rule_option(options, rule, each.name + "=x"); }),
                     "rule '" + rule + "': option " + each.name + " got 'x'; its default is");
    }
  }
  RuleOptions options;
  for (const char* one : {"kernel=linear", "bandwidth=median", "epsilon=2", "st_scale=false"}) {
    set_rule_option(options, "mmd", one);
  }
  CHECK(options.mmd.kernel == Kernel::linear);
  CHECK(!options.mmd.bandwidth);
  CHECK(options.mmd.epsilon == 2);
  CHECK(!options.mmd.st_scale);
  set_rule_option(options, "gumbel-rao", "draws=3");
  CHECK(options.gumbel.draws == 3);
  const auto refused = [&](const char* rule, const char* text) {
    return message_of([&] { set_rule_option(options, rule, text); });
  };
  check_contains(refused("rebar", "decay=.5"), "rule 'rebar': 'decay=.5' is not name=value",
                 "it has temperature, eta, tune, tune_every");
  check_contains(refused("rebar", "eta"), "'eta' is not name=value");
  check_contains(refused("arm", "eta=1"), "it has none");
  set_rule_option(options, "reinforce-mean", "decay=1");
  check_contains(message_of([&] { make_rule("reinforce-mean", options); }), "decay must lie in");

  RuleChoice choice{.name = "rebar", .options = {}, .rule_option = "tune=false,eta=2"};
  CHECK(make_rules(choice, {{3, 4}}).at(0).report().at(0).second == 2);
  CHECK(make_rules(choice, {{3, 4}}).at(0).parameters.empty());
  choice.rule_option = "eta=2,size=3";
  CHECK_THROWS_WITH_AS(make_rules(choice, {{3, 4}}),
                       "--rule-option: 'size=3' is not name=value of an option of rebar; there are "
                       "temperature, eta, "
                       "tune, tune_every",
                       UsageError);
  choice.rule_option = "tune_evry=3";
  check_contains(message_of<UsageError>([&] {
                   make_rules(choice, {{3, 4}});
                 }),
                 "did you mean 'tune_every'?");
}

TEST_CASE("rule options: of several rules, those that have one get it; it is refused if none has") {
  RuleOptions options;
  set_rule_options(options, "samples=3,temperature=.25", {"arm", "leave-one-out", "rebar", "st"});
  CHECK(options.samples == 3);
  CHECK(options.rebar.temperature == .25);
  CHECK(options.gumbel.temperature == GumbelOptions().temperature);  // of no rule in the list
  const auto refused = [&](const char* text, const std::vector<std::string>& rules) {
    return message_of<UsageError>([&] { set_rule_options(options, text, rules); });
  };
  check_contains(refused("eta=1", {"arm", "disarm"}),
                 "'eta=1' is not name=value of an option of arm, disarm; there is none");
  check_contains(refused("samples=x", {"st"}),
                 "--rule-option: rule 'st': option samples got 'x'; its default is 0");
  check_contains(refused("tune", {"rebar", "relax"}), "'tune' is not name=value");
}
