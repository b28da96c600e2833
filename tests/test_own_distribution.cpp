// test_own_distribution.cpp - a distribution that is not stflow's, under every rule: right
// numbers or a true message; and every rule on every distribution.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

// Failures before the first success, P(z = k) = p (1-p)^k with p = sigmoid(logit).
class Own : public Distribution {
 public:
  explicit Own(const Var& logits) : Distribution(logits) {}
  std::string name() const override { return "own"; }
  Support support() const override { return Support::counts; }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override {
    return std::make_unique<Own>(logits);
  }
  Tensor sample(Rng& rng) const override {
    const Tensor u = rng.uniform(param().shape());
    Tensor z(u.shape());
    for (int64_t i = 0; i < z.numel(); ++i) {
      const double failure = 1 / (1 + std::exp(double{param().value()[i]}));
      z.data()[i] = static_cast<real>(std::floor(std::log(double{u[i]}) / std::log(failure)));
    }
    return z;
  }
  Var log_prob(const Var& z) const override {
    return -sum(softplus(-param()) + z * softplus(param()), {-1});
  }
  Tensor score(const Tensor& z) const override {  // 1 - p - z p
    const Tensor p = sigmoid(param().value());
    return sub(sub(Tensor::scalar(1), p), mul(z, p));
  }
  Var mean() const override { return exp(-param()); }
  Var variance() const override { return mean() * (1 + mean()); }
  Var entropy() const override {
    return sum(softplus(-param()) + mean() * softplus(param()), {-1});
  }
  Tensor states() const override { return all_states(100, param().dim(-1), name()); }
};

Var cost_of(const Var& z) { return sum(tanh(0.7 * z - 1) + 0.1 * z, {-1}); }

const Problem kCounts{"counts", Tensor::full({1, 1}, real(.2)),
                      [](const Var& logits, const Scope& scope, const Layer& expectation) {
                        return expectation(Own(logits), scope,
                                           [](const Var& z, const Scope&) { return cost_of(z); });
                      }};

std::string refusal(const Rule& rule) {
  Rng rng(1);
  const Own q(Var::parameter(kCounts.param));
  return message_of(
      [&] { expect(q, rule, Scope{rng}, ignoring_scope(cost_of), q.param().detach()); });
}

}  // namespace

TEST_CASE("own distribution: every rule estimates its gradient or refuses it by name") {
  const std::vector<std::pair<std::string, std::string>> refused{
      {"reinmax", "fits bernoulli and categorical layers only"},
      {"gumbel-softmax", "fits bit and one-hot layers with a continuous relaxation only"},
      {"st-gumbel-softmax", "fits bit and one-hot layers with a continuous relaxation only"},
      {"gumbel-rao", "fits bit and one-hot layers with a continuous relaxation only"},
      {"arm", "fits bernoulli layers only"},
      {"disarm", "fits bernoulli layers only"},
      {"rebar", "fits layers with a continuous relaxation only"},
      {"measure-valued", "fits layers with a measure-valued derivative only"}};
  std::vector<std::string> taken;
  for (const RuleInfo& info : rule_registry()) {
    CAPTURE(info.name);
    const std::string text = refusal(info.make(options_for(1)));
    const auto row = std::ranges::find(refused, info.name, &decltype(refused)::value_type::first);
    if (row == refused.end()) {
      CHECK(text == "");
      Rng rng(2);
      const Diagnosis found = diagnose(kCounts, rules_for(kCounts, info.name), 200'000, rng);
      CHECK(found.biased() == !info.unbiased);
      taken.push_back(info.name);
    } else {
      check_contains(text, "rule '" + info.name + "' " + row->second, "this one is own");
      check_contains(message_of([&] { rules_for(kCounts, info.name); }),
                     "[rules_for] problem 'counts'", text);
    }
  }
  CHECK(rule_names(kCounts) == taken);
}

TEST_CASE("own distribution: its exact gradient is that of the sum") {
  Rng rng(1);
  const auto value = [](double a) {
    const double p = 1 / (1 + std::exp(-a));
    double total = 0;
    for (int k = 0; k < 200; ++k)
      total += p * std::pow(1 - p, k) * (std::tanh(.7 * k - 1) + .1 * k);
    return total;
  };
  const Diagnosis found = diagnose(kCounts, rules_for(kCounts, "exact"), 2, rng);
  CHECK(found.exact.item() == doctest::Approx((value(.2 + 1e-5) - value(.2 - 1e-5)) / 2e-5));
}

// The same with the parameter of a mean: what projections need.
class OwnByMean : public Own {
 public:
  using Own::Own;
  bool has(Trait trait) const override { return trait == Trait::mean_parameter || Own::has(trait); }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override {
    return std::make_unique<OwnByMean>(logits);
  }
  double param_of_mean(double mean) const override { return -std::log(mean); }
};

TEST_CASE("own distribution: is projected onto if it tells its parameter, else refused by name") {
  const Tensor logit = Tensor::zeros({1});
  const Atoms pushed({.2, 1.4, 2.9}, {2, 4, 1});
  check_contains(message_of([&] { project(pushed, {.family = std::make_shared<Own>(logit)}); }),
                 "distribution 'own' cannot be projected onto", "param_of_mean()");
  check_contains(message_of([&] { Own(logit).param_of_mean(1); }), "'own' has no param_of_mean()");
  for (const Distance distance : {Distance::mean, Distance::mmd, Distance::wasserstein}) {
    const ProjectionOptions own{.family = std::make_shared<OwnByMean>(logit), .distance = distance};
    const ProjectionOptions known{.family = std::make_shared<Geometric>(logit),
                                  .distance = distance};
    // Its tables come from log_prob() and score(), as precise as real.
    CHECK(project(pushed, own) == doctest::Approx(project(pushed, known)).epsilon(1e-2));
    CHECK(distance_slope(1.3, {}, pushed, own) ==
          doctest::Approx(distance_slope(1.3, {}, pushed, known)).epsilon(1e-4));
  }
}

// A distribution that says nothing but what it must: bits, without states, relaxation or more.
class Bare : public Bernoulli {
 public:
  using Bernoulli::Bernoulli;
  std::string name() const override { return "bare"; }
  bool has(Trait) const override { return false; }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override {
    return std::make_unique<Bare>(logits);
  }
};

TEST_CASE("own distribution: only what it has is asked of a distribution") {
  const Bare q(Var::parameter(Tensor::zeros({1, 1})));
  const std::vector<std::string> names{
      "st", "none", "reinforce", "reinforce-mean", "reinforce-net", "leave-one-out", "muprop"};
  CHECK(rule_names(q) == names);
  Rng rng(1);
  const auto refused = [&](const Rule& rule) {
    return message_of([&] { expect(q, rule, Scope{rng}, ignoring_scope(cost_of)); });
  };
  check_contains(refused(exact()), "'exact' fits layers with states to enumerate only", "bare");
  check_contains(refused(from_local(mmd())), "'mmd' fits layers with known probabilities only",
                 "this one is bare; with the linear kernel it fits all");
  check_contains(refused(make_rule("relax", options_for(1))),
                 "layers with a continuous relaxation or an inverse distribution function only");
  CHECK(refused(from_local(mmd({.kernel = Kernel::linear}))) == "");
  check_contains(message_of([&] {
                   Own(q.param()).measure_valued(Tensor::ones({1, 1}), rng);
                 }),
                 "distribution 'own' has no measure-valued derivative");
}

TEST_CASE("rules: each takes a distribution or says by name that it does not") {
  for (const DistributionInfo& distribution : distribution_registry()) {
    for (const RuleInfo& info : rule_registry()) {
      CAPTURE(distribution.name);
      CAPTURE(info.name);
      Rng rng(1);
      const Tensor param = copies(distribution.example, 3);
      const auto q = distribution.make(Var::parameter(param));
      CHECK(q->name() == distribution.name);
      const std::string text = message_of([&] {
        expect(*q, info.make(options_for(param.dim(1))), Scope{rng}, ignoring_scope(cost_of),
               Var(param));
      });
      CHECK(text == info.refusal(*q));
      if (!text.empty()) {
        check_contains(text, "rule '" + info.name + "' fits ", " only, this one is " + q->name());
      }
    }
  }
  check_contains(message_of([] { rule_names("bernouli"); }),
                 "distribution 'bernouli' is not one of", "bernoulli, categorical, poisson");
}
