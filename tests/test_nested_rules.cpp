// test_nested_rules.cpp - every rule around every rule: where a rule takes the difference of two
// costs, the layers inside give both the same kind of value.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTemperature = 0.5;  // of the layer inside

// Cost of the bit inside, b [...,1], for z [...,D] outside. Its expectation over hard samples is
// far from that over relaxed ones.
Var cost_of(const Var& b, const Var& z) {
  return 3 * (1 + select(z, -1, 0)) * square(select(b, -1, 0) - 0.4);
}

Var inner_logits(const Var& z) { return per_row(0.5 * select(z, -1, 0) - 0.7); }

// What the layer inside gives in the mean: over both states, or over relaxed samples.
Var expected_inside(const Var& z, bool relaxed) {
  const Var logits = inner_logits(z);
  if (!relaxed) {
    const Var one = Tensor::ones(logits.shape()), p = select(sigmoid(logits), -1, 0);
    return p * cost_of(one, z) + (1 - p) * cost_of(0 * one, z);
  }
  Var total = 0.0;
  const Quadrature u = gauss_legendre(64, 0, 1);
  for (size_t i = 0; i < u.node.size(); ++i) {
    const double noise = std::log(u.node[i] / (1 - u.node[i]));
    total = total + u.weight[i] * cost_of(sigmoid((logits + noise) / kTemperature), z);
  }
  return total;
}

struct Outer {
  std::string distribution;
  MakeDistribution make;
  Tensor param;
};

const std::vector<Outer> kOuter{
    {"bernoulli", make_bernoulli, Tensor::from({real(.4), real(-.9)}, {1, 2})},
    {"categorical", make_triples, Tensor::from({real(.3), real(-.5), real(.8)}, {1, 3})},
    {"poisson", make_poisson, Tensor::from({real(1.5)}, {1, 1})}};

}  // namespace

TEST_CASE("measure-valued: a relaxed layer inside is relaxed in both evaluations") {
  Rng rng(1);
  const Cost cost = [](const Var& z, const Scope& inner) {  // whatever the count
    const Var logits = Tensor::full(z.shape(), static_cast<real>(std::log(.25)));
    return expect(Bernoulli(logits), gumbel_softmax(), inner,
                  ignoring_scope([](const Var& b) { return -sum(square(b - .5), {-1}); }));
  };
  const Moments found =
      moments(estimates(measure_valued(), Tensor::full({20'000, 1}, 3), cost, rng, make_poisson));
  check_unbiased(found, Tensor::zeros({1, 1}));
}

TEST_CASE("nested rules: every unbiased rule around every rule agrees with quadrature") {
  uint64_t seed = 400;
  for (const Outer& outer : kOuter) {
    const int64_t units = outer.param.dim(1);
    Tensor expected[2];
    for (const bool relaxed : {false, true}) {
      Rng rng(1);
      const Cost inside = ignoring_scope([=](const Var& z) { return expected_inside(z, relaxed); });
      expected[relaxed] = estimates(exact(), outer.param, inside, rng, outer.make);
    }
    for (const RuleInfo& info : rule_registry()) {
      if (!info.unbiased || !info.refusal(*outer.make(outer.param)).empty()) continue;
      for (const std::string& name : rule_names("bernoulli")) {
        CAPTURE(outer.distribution);
        CAPTURE(info.name);
        CAPTURE(name);
        RuleOptions options = options_for(1);
        options.gumbel.temperature = options.rebar.temperature = kTemperature;
        const Rule inner_rule = make_rule(name, options);
        const Cost cost = [&](const Var& z, const Scope& inner) {
          const Var logits = inner_logits(z);
          return expect(Bernoulli(logits), inner_rule, inner,
                        ignoring_scope([&](const Var& b) { return cost_of(b, z); }),
                        logits.detach());
        };
        Rng rng(++seed);
        const Tensor each = estimates(info.make(options_for(units)), copies(outer.param, 3'000),
                                      cost, rng, outer.make);
        // 430 components: 5 standard errors fail for one seed set in 4,000
        Moments found = moments(each);
        for (int64_t d = 0; d < units; ++d)
          found.standard_error.data()[d] += real(1e-5);  // rounding
        check_unbiased(found, expected[name == "gumbel-softmax"], 5);
      }
    }
  }
}

TEST_CASE("nested rules: without a graph a relaxed layer gives hard samples") {
  const NoGradGuard no_grad;
  Rng rng(1);
  const Bernoulli q(Tensor::zeros({100, 1}));
  const auto f = [](const Var& b) { return sum(b * (1 - b), {-1}); };  // 0 for bits
  const Var evaluated = expect(q, gumbel_softmax(), Scope{rng}, ignoring_scope(f));
  CHECK(max(abs(evaluated.value())).item() == 0);
}
