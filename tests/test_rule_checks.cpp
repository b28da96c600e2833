// test_rule_checks.cpp - what rules are given that makes no sense, and the edges of what does:
// every rule on every distribution.
#include <doctest/doctest.h>

#include <limits>

#include "stflow/estimators/rules/control_variate.h"
#include "stflow/nn/nn.h"
#include "tests/edge_values.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

struct Case {
  std::string name;
  MakeDistribution make;
  Tensor param;  // [3,2]
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"bernoulli", make_bernoulli, Tensor::full({3, 2}, real(.3))},
      {"categorical", [](const Var& a) { return std::make_unique<Categorical>(a, 2); },
       Tensor::full({3, 2}, real(.3))},
      {"poisson", make_poisson, Tensor::full({3, 2}, real(1.3))}};
  return all;
}

Var curved(const Var& z) { return sum(square(z - 0.3), {-1}); }

// Calls `body` with every distribution and a rule of every name that fits it.
void for_all_rules(const std::function<void(const Case&, const std::string&, const Rule&)>& body) {
  for (const Case& c : cases()) {
    for (const std::string& name : rule_names(c.name)) {
      CAPTURE(c.name);
      CAPTURE(name);
      body(c, name, make_rule(name, options_for(2)));
    }
  }
}

bool one_of(const std::string& name, const std::vector<std::string>& names) {
  return std::count(names.begin(), names.end(), name) > 0;
}

struct Found {
  Var f;
  Tensor gradient;
};

Found differentiate(const Case& c, const Tensor& param, const Rule& rule,
                    const std::function<Var(const Var&)>& cost = curved) {
  Rng rng(1);
  const Var leaf = Var::parameter(param);
  const Var f =
      expect(*c.make(leaf), rule, Scope{rng}, ignoring_scope(cost), /*context=*/leaf.detach());
  return {f, grad({sum(f)}, {leaf})[0].value()};
}

}  // namespace

// ---- costs ----

TEST_CASE("rules: a cost without a path to z is refused by those that need its gradient") {
  const std::vector<std::string> need{
      "st",         "mmd",    "reinmax", "fini2", "gumbel-softmax", "st-gumbel-softmax",
      "gumbel-rao", "muprop", "rebar",   "relax"};
  const auto step = [](const Var& z) {
    return sum(Var(greater(z.value(), Tensor::scalar(1))), {-1});
  };
  const auto detached = [](const Var& z) { return curved(z.detach()); };
  for_all_rules([&](const Case& c, const std::string& name, const Rule& rule) {
    const bool needs = one_of(name, need) && !(name == "relax" && c.name == "poisson");
    for (const std::function<Var(const Var&)>& cost :
         {std::function<Var(const Var&)>(step), std::function<Var(const Var&)>(detached)}) {
      const std::string text = message_of([&] { differentiate(c, c.param, rule, cost); });
      if (needs) {
        check_contains(text, "'" + name + "' needs the gradient", "reinforce-mean", "leave-one-out",
                       "0 * sum(z, {-1})");
      } else {
        CHECK(text == "");
      }
    }
  });
}

TEST_CASE("rules: a cost may be constant on purpose, and needs no path without a gradient") {
  for_all_rules([&](const Case& c, const std::string&, const Rule& rule) {
    const auto constant = [](const Var& z) { return 3 + 0 * sum(z, {-1}); };
    CHECK(all_finite(differentiate(c, c.param, rule, constant).gradient));
    const auto step = ignoring_scope(
        [](const Var& z) { return sum(Var(greater(z.value(), Tensor::scalar(1))), {-1}); });
    const NoGradGuard no_grad;
    Rng rng(1);
    CHECK_NOTHROW(expect(*c.make(c.param), rule, Scope{rng}, step));
  });
}

TEST_CASE("rules: a layer between counts as a path to z") {
  Rng rng(1);
  const Var a = Var::parameter(Tensor::zeros({4, 2}));
  const Cost cost = [](const Var& z, const Scope& inner) {
    return expect(Bernoulli(z * 2), reinforce(), inner, ignoring_scope(curved));
  };
  CHECK_NOTHROW(expect(Bernoulli(a), st(), Scope{rng}, cost));
}

// ---- twice ----

TEST_CASE("rules: no sampled estimate can be differentiated twice; what is exact can") {
  for_all_rules([&](const Case& c, const std::string& name, const Rule& rule) {
    Rng rng(1);
    const Var leaf = Var::parameter(c.param);
    const auto linear = [](const Var& z) { return sum(z, {-1}); };
    for (const bool curve : {false, true}) {
      const Cost cost = curve ? ignoring_scope(curved) : ignoring_scope(linear);
      const Var f = expect(*c.make(leaf), rule, Scope{rng}, cost, leaf.detach());
      const Var first = grad({sum(f)}, {leaf}, /*create_graph=*/true)[0];
      const std::string text = message_of([&] { grad({sum(first)}, {leaf}); });
      if (one_of(name, {"exact", "gumbel-softmax", "none"})) {
        CHECK(text == "");
      } else {
        check_contains(text, "cannot be differentiated again");
      }
    }
  });
}

// ---- NaN ----

TEST_CASE("rules: a logit that is NaN has the gradient NaN") {
  std::vector<std::pair<std::string, Rule>> more{
      {"on_param", from_local(st({.on_param = true}))},
      {"linear", from_local(mmd({.kernel = Kernel::linear}))},
      {"without control variate", from_local(mmd({.control_variate = false}))}};
  const auto check = [](const Case& c, const Rule& rule) {
    Tensor param = c.param.clone();
    param.data()[2] = kNan;
    const Tensor g = differentiate(c, param, rule).gradient;
    CHECK(std::isnan(g[2]));
  };
  for_all_rules([&](const Case& c, const std::string& name, const Rule& rule) {
    if (name != "none" && c.name != "poisson") check(c, rule);
  });
  for (const auto& [name, rule] : more) {
    CAPTURE(name);
    check(cases()[0], rule);
    check(cases()[1], rule);
  }
  check_contains(message_of([] { Poisson(Tensor::full({1}, kNan)); }), "rate nan");
}

TEST_CASE("rules: a cost that is NaN gives a gradient that is NaN") {
  for_all_rules([&](const Case& c, const std::string& name, const Rule& rule) {
    const auto cost = [](const Var& z) { return sum(z * double{kNan}, {-1}); };
    const Tensor g = differentiate(c, c.param, rule, cost).gradient;
    if (name != "none") CHECK(std::isnan(g[0]));
  });
}

// ---- no examples ----

TEST_CASE("rules: a batch of no examples gives no costs and a gradient of no rows") {
  for_all_rules([](const Case& c, const std::string&, const Rule& rule) {
    const Found found = differentiate(c, Tensor({0, 2}), rule);
    CHECK(found.f.shape() == Shape{0});
    CHECK(found.gradient.shape() == Shape{0, 2});
    // what the rule remembers is as good as new
    CHECK(all_finite(differentiate(c, c.param, rule).gradient));
  });
  for (const bool control_variate : {false, true}) {
    const Rule median =
        from_local(mmd({.bandwidth = {}, .control_variate = control_variate}), /*samples=*/3);
    CHECK(differentiate(cases()[2], Tensor({0, 2}), median).gradient.shape() == Shape{0, 2});
  }
}

// ---- options ----

TEST_CASE("rules: temperatures at which float fails are refused, all others give finite numbers") {
  const std::vector<std::function<Rule(double)>> make{
      [](double t) { return from_local(gumbel_softmax(t)); },
      [](double t) { return from_local(st_gumbel_softmax(t)); },
      [](double t) { return from_local(gumbel_rao(t)); },
      [](double t) { return from_local(reinmax(t)); },
      [](double t) { return rebar({.temperature = t, .tune = false}); },
      [](double t) { return rebar({.temperature = t, .tune = true}); },
      [](double t) { return relax(control_network(2, 1), {.temperature = t}); }};
  for (const auto& rule_at : make) {
    for (const double t : {1e-10, 1e-5, 1e-2, 1., 1e3, 1e10}) {
      for (const Case& c : {cases()[0], cases()[1]}) {
        CAPTURE(t);
        const Rule rule = rule_at(t);
        CAPTURE(rule.name);
        CHECK(all_finite(differentiate(c, c.param, rule).gradient));
        const Tensor far = Tensor::from({-30, 30, 0, 0, 12, -12}, {3, 2});
        CHECK(all_finite(differentiate(c, far, rule).gradient));
        for (const Var& each : rule.trained()) CHECK(all_finite(each.grad()));
      }
    }
    const double inf = std::numeric_limits<double>::infinity();
    for (const double t : {0., -1., 1e-40, 1e-11, 1e11, inf, -inf, std::nan("")}) {
      CAPTURE(t);
      check_contains(message_of([&] { rule_at(t); }), "rule '",
                     "temperature must lie in [1e-10, 1e+10], got ");
    }
  }
  Rng rng(1);
  check_contains(message_of([&] { cases()[0].make(Tensor::ones({2}))->relaxed(1e20, rng); }),
                 "[relaxed] temperature must lie in [1e-10, 1e+10], got 1e+20");
}

TEST_CASE("rules: every other number that is no setting is refused, all settings work") {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  for (const double x : {0., -1., 1e-40, inf, nan}) {
    CAPTURE(x);
    check_contains(message_of([=] { mmd({.bandwidth = x}); }), "'mmd': bandwidth must lie in");
    check_contains(message_of([=] { mmd({.epsilon = x}); }), "'mmd': epsilon must lie in");
    check_contains(message_of([=] { mmd({.loss_scale = x}); }), "'mmd': loss_scale must lie in");
  }
  for (const double x : {inf, -inf, nan, 1e40}) {
    check_contains(message_of([=] { rebar({.eta = x}); }), "'rebar': eta must lie in");
    check_contains(message_of([=] { relax(control_network(2, 1), {.eta = x}); }), "'relax': eta");
  }
  for (const double x : {inf, nan, 1., -.1})
    check_contains(message_of([=] { reinforce_mean(x); }), "decay must lie in [0, 1)");
  check_contains(message_of([] { mmd({.bandwidth = .1, .divide_by_mean_weight = true}); }),
                 "divide_by_mean_weight needs a bandwidth of at least 0.125", "got 0.1");
  for (const Case& c : cases()) {
    for (const double h : {1e-6, 1e-3, 1., 1e6}) {
      for (const double epsilon : {1e-10, 1e-3, 1e10}) {
        for (const bool control_variate : {false, true}) {
          CAPTURE(c.name);
          CAPTURE(h);
          CAPTURE(epsilon);
          CAPTURE(control_variate);
          const Rule rule = from_local(
              mmd({.bandwidth = h, .epsilon = epsilon, .control_variate = control_variate}));
          CHECK(all_finite(differentiate(c, c.param, rule).gradient));
        }
      }
    }
  }
}

TEST_CASE("rules: numbers of samples have bounds") {
  const int64_t huge = int64_t{1} << 62;
  check_contains(message_of([=] { leave_one_out(huge); }), "'leave-one-out'", "at most 1048576",
                 "got 4611686018427387904");
  check_contains(message_of([=] { from_local(st(), huge); }), "'st'", "at most 1048576");
  check_contains(message_of([=] { from_local(st(), 0); }), "'st'", "at least one sample");
  check_contains(message_of([=] { gumbel_rao(.5, huge); }), "'gumbel-rao'", "at most 1048576");
  check_contains(message_of([=] { gumbel_rao(.5, 0); }), "'gumbel-rao'", "at least one sample");
  check_contains(message_of([=] { rebar({.tune_every = huge}); }), "'rebar': tune_every",
                 "at most 16777216");
  check_contains(message_of([=] { make_rule("st", {.samples = -3}); }), "'st': samples", "got -3");
  check_contains(message_of([=] {
                   repeated(Bernoulli(Tensor::zeros({2, 2})), huge);
                 }),
                 "[repeated]", "1048576");
  Rng rng(1);
  const Problem& bits = problem("bernoulli4");
  check_contains(message_of([&] { diagnose(bits, {arm()}, huge, rng); }), "[diagnose]",
                 "1000000000");
  check_contains(message_of([&] { train_rules(bits, {rebar({.tune = true})}, huge, rng); }),
                 "[train_rules]", "1000000000");
  check_contains(message_of([&] { gradient_moments([] { return Var(0.0); }, {}, {}, huge); }),
                 "[gradient_moments]", "1000000000");
  const auto f = [](const Var& z) { return sum(z, {-1}); };
  const Tensor p = Tensor::full({1}, real(.5));
  check_contains(message_of([&] { flow_step(p, f, {.particles = huge}, rng); }), "[flow_step]",
                 "at most 1048576");
  check_contains(message_of([&] { projected_flow(p, f, huge, {}, rng); }), "[projected_flow]",
                 "at most 1000000");
}

TEST_CASE("poisson_table: rates beyond its bound are refused, as are none") {
  for (const double rate : {1e15, 1.1e9, -1., double{kInf}, double{kNan}}) {
    CAPTURE(rate);
    check_contains(message_of([=] { poisson_table(rate); }), "[poisson_table] rate",
                   "not between 0 and 1e+09");
    check_contains(message_of([=] { poisson_quantile(rate, .5); }), "[poisson_table] rate");
  }
  CHECK(poisson_table(1e9).pmf.size() > 100'000);
  CHECK(poisson_table(0).pmf.at(0) == 1);
  check_contains(message_of([] { atoms_of(Poisson(Tensor::ones({1})), 1e15); }), "[poisson_table]");
}

// ---- functions ----

TEST_CASE("estimators: an empty function is refused by name") {
  Rng rng(1);
  const Bernoulli q(Var::parameter(Tensor::zeros({2, 2})));
  const Cost cost = ignoring_scope(curved);
  check_contains(message_of([&] { expect(q, st(), Scope{rng}, Cost()); }), "[expect]", "the cost",
                 "empty function");
  check_contains(message_of([&] {
                   expect(q, Rule{"mine", {}}, Scope{rng}, cost);
                 }),
                 "[expect]", "'mine' has no function");
  check_contains(message_of([&] {
                   expect(q, LocalRule{"mine", {}}, Scope{rng}, cost);
                 }),
                 "'mine' has no function");
  check_contains(message_of([&] {
                   draw(q, LocalRule{"mine", {}}, Scope{rng});
                 }),
                 "[draw]", "'mine' has no function");
  check_contains(message_of([&] {
                   sample_node(q, "mine", Tensor::ones({2, 2}), q.logits(), {});
                 }),
                 "[sample_node]", "'mine'");
  check_contains(message_of([&] { relax(nullptr); }), "'relax' needs a network");
  check_contains(message_of([&] { reinforce_net(nullptr); }), "'reinforce-net' needs a network");
  check_contains(message_of([&] { poisson_expectation(Tensor::ones({1}), {}); }),
                 "[poisson_expectation]", "empty");
  check_contains(message_of([&] { gradient_moments({}, {}, {}, 2); }), "[gradient_moments]",
                 "empty function");
  check_contains(message_of([&] { flow_step(Tensor::full({1}, real(.5)), {}, {}, rng); }),
                 "[flow_step]", "empty function");
  Problem empty = problem("bernoulli4");
  empty.loss = {};
  check_contains(message_of([&] { diagnose(empty, {arm()}, 10, rng); }), "'bernoulli4'",
                 "no loss function");
}

TEST_CASE("estimators: what a function returns must have the shape it should") {
  Rng rng(1);
  const Var a = Var::parameter(Tensor::zeros({3, 2}));
  const Bernoulli q(a);
  const Cost cost = ignoring_scope(curved);
  check_contains(message_of([&] {
                   expect(q, st(), Scope{rng}, ignoring_scope([](const Var&) { return Var(); }));
                 }),
                 "[expect]", "shape [3]", "an empty Var");
  const auto ruled = [&](const Var& value) {
    const Rule mine{"mine", [=](const Expectation&) { return value; }};
    return message_of([&] { expect(q, mine, Scope{rng}, cost); });
  };
  check_contains(ruled(Tensor::zeros({3, 2})), "'mine'", "shape [3]", "gave [3,2]");
  check_contains(ruled(Var()), "'mine'", "shape [3]", "an empty Var");
  const auto drawn = [&](const Var& z) {
    const LocalRule mine{"mine", [=](const Distribution&, const Scope&) { return z; }};
    return message_of([&] { expect(q, mine, Scope{rng}, cost); });
  };
  check_contains(drawn(Tensor::zeros({3, 1})), "'mine'", "[3,2]", "[3,1]");
  check_contains(drawn(Var()), "'mine'", "[3,2]", "an empty Var");
  check_contains(message_of([&] {
                   attach(a, Tensor::zeros({3, 1}));
                 }),
                 "[attach]", "[3,2]", "[3,1]");
  check_contains(message_of([&] {
                   attach(Var(), Tensor::zeros({3, 1}));
                 }),
                 "[attach]", "an empty Var");
  const Var node = sample_node(q, "mine", Tensor::zeros({3, 2}), a,
                               [](const Var&, const Var&) { return Vars{}; });
  check_contains(message_of([&] { grad({sum(node)}, {a}); }), "bernoulli[mine]", "one gradient");
  const Var none = sample_node(q, "mine", Tensor::zeros({3, 2}), a,
                               [](const Var&, const Var&) { return Vars{Var()}; });
  check_equal(grad({sum(none)}, {a})[0].value(), Tensor::zeros({3, 2}));
  check_contains(message_of([&] { gradient_moments([&] { return a; }, {a}, {}, 2); }),
                 "[gradient_moments]", "[3,2]");
  Problem wide = problem("bernoulli4");
  wide.loss = [](const Var& param, const Scope&, const Layer&) { return param; };
  check_contains(message_of([&] { estimates(wide, {arm()}, 5, rng); }), "'bernoulli4'", "shape [5]",
                 "[5,4]");
}

TEST_CASE("reinforce-net, relax: a network that does not make one number an example is refused") {
  Rng rng(1);
  const Bernoulli q(Var::parameter(Tensor::zeros({3, 2})));
  for (const int64_t outputs : {2, 3}) {
    const auto wide = std::make_shared<nn::Linear>(2, outputs, rng);
    const std::string made = concat_message("2,3,", outputs, "]");
    const Cost cost = ignoring_scope(curved);
    check_contains(message_of([&] { expect(q, relax(wide), Scope{rng}, cost); }), "'relax'",
                   "[2,3,1]", made);
    check_contains(
        message_of([&] { expect(q, reinforce_net(wide), Scope{rng}, cost, q.logits().detach()); }),
        "'reinforce-net'", "[3,1]", concat_message("[3,", outputs, "]"));
    const Poisson counts(Var::parameter(Tensor::ones({3, 2})));
    check_contains(message_of([&] { expect(counts, relax(wide), Scope{rng}, cost); }), "'relax'",
                   "[3,1]");
  }
  const auto one = std::make_shared<nn::Linear>(2, 1, rng);
  check_contains(
      message_of([&] {
        expect(q, reinforce_net(one), Scope{rng}, ignoring_scope(curved), Tensor::zeros({4, 3, 2}));
      }),
      "'reinforce-net'", "[4,3]", "[3]");
}
