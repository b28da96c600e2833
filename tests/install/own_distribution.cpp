// own_distribution.cpp - a distribution, a rule and an op of a user's own, against the installed
// library: diagnose() finds the rule right, a wrong one wrong, and refusals name the distribution.
#include <stflow/stflow.h>

#include <cmath>
#include <iostream>

using namespace stflow;

namespace {

/// An op: log(cosh x), with tanh x as its derivative.
Var log_cosh(const Var& x) {
  Tensor value(x.shape());
  for (int64_t i = 0; i < value.numel(); ++i) value.data()[i] = std::log(std::cosh(x.value()[i]));
  return make_node("log_cosh", value, {x},
                   [](const Var& out, const Var& up) { return Vars{up * tanh(out.input(0))}; });
}

/// A distribution: a bit that is 1 with probability sin^2(angle), as in quantum computing.
class Qubit : public Distribution {
 public:
  explicit Qubit(const Var& angle) : Distribution(angle) {}
  std::string name() const override { return "qubit"; }
  Support support() const override { return Support::bits; }
  std::unique_ptr<Distribution> with_param(const Var& angle) const override {
    return std::make_unique<Qubit>(angle);
  }
  Tensor sample(Rng& rng) const override {
    return greater(mean().value(), rng.uniform(param().shape()));
  }
  Var log_prob(const Var& z) const override {
    const Var p = mean();
    return sum(z * log(p) + (1 - z) * log(1 - p), {-1});
  }
  Tensor score(const Tensor& z) const override {  // p' (z - p) / (p (1-p)), p' = sin(2 angle)
    Tensor result(z.shape());
    for (int64_t i = 0; i < z.numel(); ++i) {
      const double a = param().value()[i], p = std::sin(a) * std::sin(a);
      result.data()[i] = static_cast<real>(std::sin(2 * a) * (z[i] - p) / (p * (1 - p)));
    }
    return result;
  }
  Var mean() const override {
    Tensor value(param().shape());
    for (int64_t i = 0; i < value.numel(); ++i) {
      value.data()[i] = static_cast<real>(std::pow(std::sin(double{param().value()[i]}), 2));
    }
    return make_node("sin2", value, {param()}, [](const Var& out, const Var& up) {
      Tensor slope(out.shape());
      for (int64_t i = 0; i < slope.numel(); ++i) {
        slope.data()[i] = static_cast<real>(std::sin(2 * double{out.input(0).value()[i]}));
      }
      return Vars{up * Var(slope)};
    });
  }
  Var variance() const override { return mean() * (1 - mean()); }
  Var entropy() const override {
    const Var p = mean();
    return -sum(p * log(p) + (1 - p) * log(1 - p), {-1});
  }
  Tensor states() const override { return all_states(2, param().dim(-1), name()); }
};

/// A rule for one bit: d/da E f = p' (f(1) - f(0)), the other value seen in a second call.
Rule both_values() {
  const auto apply = [](const Expectation& e) {
    const Tensor z = e.q.sample(e.scope.rng), other = 1 - z;
    const Var f = e.cost(z, e.scope);
    const NoGradGuard no_grad;
    Scope compared = e.scope;
    compared.difference = true;  // inner layers relax here where they did in f
    // score(z) P(z) = p' (2z - 1), so score(z) (f(z) - f(other)) P(other) has the right mean.
    const Tensor weight = e.q.score(z) * exp(e.q.log_prob(other).value()).reshape(z.shape());
    const Tensor effect = (f.value() - e.cost(other, compared).value()).reshape(z.shape());
    const GradMode recorded(true);
    return f + attach(e.q.param(), weight * effect);
  };
  return {.name = "both-values", .apply = apply, .takes = {.supports = {Support::bits}}};
}

int failures = 0;

void check(bool passed, const std::string& what) {
  std::cout << (passed ? "ok   " : "FAIL ") << what << "\n";
  if (!passed) ++failures;
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

int main() {
  const Problem problem{"qubit", Tensor::full({1, 1}, real(.6)),
                        [](const Var& angle, const Scope& scope, const Layer& expectation) {
                          return expectation(Qubit(angle), scope, [](const Var& z, const Scope&) {
                            return sum(log_cosh(2 * z - 0.7), {-1});
                          });
                        }};
  const auto diagnosed = [&](const std::vector<Rule>& rules) {
    Rng rng(1);
    return diagnose(problem, rules, 20'000, rng);
  };
  const Diagnosis own = diagnosed({both_values()});
  const double exact = std::sin(1.2) * (std::log(std::cosh(1.3)) - std::log(std::cosh(-.7)));
  check(std::abs(own.exact.item() - exact) < 1e-5,
        "exact: enumeration of a distribution of one's own");
  check(!own.biased(), "both-values: a rule of one's own is unbiased");
  check(diagnosed(rules_for(problem, "st")).biased(), "st: straight-through is biased");
  for (const std::string& name : rule_names(problem)) {
    const bool unbiased = rule_info(name).unbiased;
    if (unbiased) check(!diagnosed(rules_for(problem, name)).biased(), name + " is unbiased");
  }
  const std::string refused = message_of([&] { rules_for(problem, "arm"); });
  check(
      refused.find("rule 'arm' fits bernoulli layers only, this one is qubit") != std::string::npos,
      "arm refuses it by name: " + refused);
  Rng rng(1);
  const std::string counts = message_of([&] {
    expect(Poisson(Var::parameter(Tensor::ones({1, 1}))), both_values(), Scope{rng},
           [](const Var& z, const Scope&) { return sum(z, {-1}); });
  });
  check(counts.find("rule 'both-values' fits bit layers only, this one is poisson") !=
            std::string::npos,
        "both-values refuses counts: " + counts);
  return failures == 0 ? 0 : 1;
}
