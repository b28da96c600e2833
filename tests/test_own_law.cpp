// test_own_law.cpp - a law that is not stflow's, under every rule: right numbers or a true message.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

// Failures before the first success, P(z = k) = p (1-p)^k with p = sigmoid(logit).
class Geometric : public Distribution {
 public:
  explicit Geometric(const Var& logits) : Distribution(logits) {}
  std::string law() const override { return "geometric"; }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override {
    return std::make_unique<Geometric>(logits);
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
  Var entropy() const override {
    return sum(softplus(-param()) + mean() * softplus(param()), {-1});
  }
  Tensor states() const override { return all_states(100, param().dim(-1), law()); }
};

Var cost_of(const Var& z) { return sum(tanh(0.7 * z - 1) + 0.1 * z, {-1}); }

const Problem kCounts{"own",
                      "geometric",
                      {1},
                      Tensor::full({1, 1}, real(.2)),
                      [](const Var& logits, const Scope& scope, const Layer& expectation) {
                        return expectation(Geometric(logits), scope,
                                           [](const Var& z, const Scope&) { return cost_of(z); });
                      }};

std::string refusal(const Rule& rule) {
  Rng rng(1);
  const Geometric q(Var::parameter(kCounts.param));
  return message_of(
      [&] { expect(q, rule, Scope{rng}, ignoring_scope(cost_of), q.param().detach()); });
}

}  // namespace

TEST_CASE("own law: every rule estimates its gradient or refuses it by name") {
  const std::vector<std::string> fits{
      "st",    "none", "exact", "reinforce", "reinforce-mean", "reinforce-net", "leave-one-out",
      "muprop"};
  const std::vector<std::string> relaxed{"rebar", "relax"};  // it has no relaxation
  for (const RuleInfo& info : rule_registry()) {
    CAPTURE(info.name);
    const bool taken = std::count(fits.begin(), fits.end(), info.name) > 0;
    const std::string text = refusal(info.make(options_for(1)));
    if (taken) {
      CHECK(text == "");
      Rng rng(2);
      const Diagnosis found = diagnose(kCounts, rules_for(kCounts, info.name), 20'000, rng);
      CHECK(found.biased() == !info.unbiased);
    } else {
      check_contains(text, "'" + info.name + "'", "geometric");
      if (std::count(relaxed.begin(), relaxed.end(), info.name)) {
        check_contains(text, "no continuous relaxation");
      } else {
        for (const std::string& law : info.laws) check_contains(text, law);
        check_contains(message_of([&] { rules_for(kCounts, info.name); }), "'own'",
                       "'" + info.name + "' fits " + info.laws[0], "'geometric' among them");
      }
    }
  }
}

TEST_CASE("own law: its exact gradient is that of the sum") {
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

TEST_CASE("own law: mmd takes it with the linear kernel, where it is straight-through") {
  check_contains(refusal(from_local(mmd())), "'mmd' fits bernoulli, categorical and poisson",
                 "linear kernel");
  CHECK(refusal(from_local(mmd({.kernel = Kernel::linear}))) == "");
}

TEST_CASE("own law: rule_names lists the rules that take any law") {
  const std::vector<std::string> names = rule_names("geometric");
  CHECK(std::count(names.begin(), names.end(), "leave-one-out") == 1);
  CHECK(std::count(names.begin(), names.end(), "arm") == 0);
  CHECK(std::count(names.begin(), names.end(), "reinmax") == 0);
}

TEST_CASE("rules: those for one law say so on each of the others") {
  const std::vector<std::pair<std::string, MakeLaw>> laws{
      {"bernoulli", make_bernoulli},
      {"categorical", [](const Var& a) { return std::make_unique<Categorical>(a, 2); }},
      {"poisson", [](const Var& a) { return std::make_unique<Poisson>(a); }}};
  for (const auto& [law, make] : laws) {
    for (const RuleInfo& info : rule_registry()) {
      CAPTURE(law);
      CAPTURE(info.name);
      Rng rng(1);
      const auto q = make(Var::parameter(Tensor::ones({3, 2})));
      const std::string text = message_of([&] {
        expect(*q, info.make(options_for(2)), Scope{rng}, ignoring_scope(cost_of),
               q->param().detach());
      });
      if (info.fits(law)) {
        CHECK(text == "");
      } else {
        check_contains(text, "'" + info.name + "' fits " + info.laws[0], "this one is " + law);
      }
    }
  }
}
