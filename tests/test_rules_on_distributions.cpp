// test_rules_on_distributions.cpp - straight-through, enumeration and REINFORCE on every
// distribution, against plain sums; and every rule at the edges of what float can hold.
#include <doctest/doctest.h>

#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kCriticRate = 3.2, kCriticExact = .0318351;

Tensor categorical_logits() { return problem("categorical").param; }

// d/d logits of sum over states of q f, by J(pi) of each unit: pi_i (E[f | z_i = 1] - E f).
Tensor categorical_exact() {
  const Tensor logits = categorical_logits();
  Tensor result({1, 6});
  double weight[9], pi[6], mean = 0;
  const Tensor states = make_triples(logits)->states(), f = categorical_cost(states).value();
  for (int unit = 0; unit < 2; ++unit) {
    double total = 0;
    for (int k = 0; k < 3; ++k) total += std::exp(logits[3 * unit + k]);
    for (int k = 0; k < 3; ++k) pi[3 * unit + k] = std::exp(logits[3 * unit + k]) / total;
  }
  for (int m = 0; m < 9; ++m) {
    weight[m] = pi[m / 3] * pi[3 + m % 3];
    mean += weight[m] * f[m];
  }
  for (int i = 0; i < 6; ++i) {
    double given = 0;
    for (int m = 0; m < 9; ++m) given += states[6 * m + i] * weight[m] * f[m];
    result.data()[i] = static_cast<real>(given - pi[i] * mean);
  }
  return result;
}

// Expectation of a one-sample rule on poisson-critic.
double critic_expectation(const Rule& rule) {
  const Enumerated all = enumerate_counts(kCriticRate);
  Rng rng = Rng::replay(all.noise);
  const Tensor each = estimates(rule, Tensor::full(all.states.shape(), real(kCriticRate)),
                                ignoring_scope(poisson_critic_cost), rng, make_poisson);
  return sum(mul(each, all.weight)).item();
}

}  // namespace

TEST_CASE("st: one draw gives f' in the mean: p(1-p) f' in logits, J(pi) f', rate f' in log rate") {
  for (const MmdCase& c : mmd_cases()) {
    CAPTURE(c.name);
    Rng rng(1);
    const Point theta = mean_parameter(c);
    const Tensor up = rng.normal({10, c.param.dim(1)});
    const Draws found = draws(c, st(), up, rng);
    for (int64_t row = 0; row < 10; ++row) {
      const Point expected = c.chain(theta, row_of(up, row)), each = row_of(found.gradient, row);
      for (size_t i = 0; i < each.size(); ++i) {
        CHECK(std::abs(each[i] - expected[i]) < (kDouble ? 1e-12 : 1e-5));
      }
    }
  }
}

TEST_CASE("none: a layer without a rule gets no gradient, what is above it does") {
  for (const MmdCase& c : mmd_cases()) {
    CAPTURE(c.name);
    Rng rng(1);
    const Var param = Var::parameter(c.param), weight = Var::parameter(Tensor::ones({1}));
    const Var f = expect(*c.make(param), from_local(none()), Scope{rng},
                         ignoring_scope([&](const Var& z) { return sum((z + 1) * weight, {-1}); }));
    const auto gradients = grad({sum(f)}, {param, weight});
    CHECK(sum(abs(gradients[0].value())).item() == 0);
    CHECK(gradients[1].item() == f.item());
  }
}

TEST_CASE("exact: a categorical layer's value and gradient are the plain sums") {
  Rng rng(1);
  check_close(
      estimates(exact(), categorical_logits(), ignoring_scope(categorical_cost), rng, make_triples),
      categorical_exact(), kDouble ? 1e-12 : 1e-5, kDouble ? 1e-13 : 1e-6);
}

TEST_CASE("reinforce: on categorical units its expectation over all states is the plain sum") {
  const Enumerated all = enumerate_states(*make_triples(categorical_logits()));
  Rng rng = Rng::replay(all.noise);
  const Tensor each = estimates(reinforce(), copies(categorical_logits(), 9),
                                ignoring_scope(categorical_cost), rng, make_triples);
  check_close(sum(mul(each, all.weight), {0}, true), categorical_exact(), kDouble ? 1e-12 : 1e-5,
              kDouble ? 1e-13 : 2e-6);
}

TEST_CASE("exact, reinforce: on poisson-critic both give the known gradient") {
  Rng rng(1);
  const Tensor rate = Tensor::full({1, 1}, real(kCriticRate));
  const Tensor found =
      estimates(exact(), rate, ignoring_scope(poisson_critic_cost), rng, make_poisson);
  CHECK(std::abs(found.item() - kCriticExact) < (kDouble ? 1e-7 : 1e-6));
  CHECK(std::abs(critic_expectation(reinforce()) - kCriticExact) < (kDouble ? 1e-7 : 1e-6));
  // d/d rate E f = E[f(z + 1) - f(z)], a second way to the same number
  const Var shifted = poisson_expectation(Var(rate), [](double k) {
    const auto f = [](double z) {
      return poisson_critic_cost(Tensor::full({1}, static_cast<real>(z)));
    };
    return double{f(k + 1).item()} - f(k).item();
  });
  CHECK(std::abs(shifted.item() - kCriticExact) < 1e-6);
}

TEST_CASE("st: on poisson-critic its expectation is off by the known 52 %") {
  const double bias = std::abs(critic_expectation(from_local(st())) / kCriticExact - 1);
  CHECK(100 * bias == doctest::Approx(52).epsilon(.01));
}

TEST_CASE("exact: rows of different parameters, counts in log rate") {
  Rng rng(1);
  const Var log_rate = Var::parameter(Tensor::from({real(-.5), real(.9)}, {2, 1}));
  const Var f = expect(Poisson::from_log_rate(log_rate), exact(), Scope{rng},
                       ignoring_scope([](const Var& z) { return sum(square(z), {-1}); }));
  const Tensor rate = exp(log_rate.value());  // E z^2 = rate^2 + rate
  check_close(f.value(), add(mul(rate, rate), rate).reshape({2}), 1e-5, 0);
  check_close(grad({f}, {log_rate})[0].value(), mul(rate, add(add(rate, rate), Tensor::scalar(1))),
              1e-5, 0);
}

TEST_CASE("reinforce, st: unbiased, or not, on counts of several units by sampling too") {
  // E[z0 z1 - z1^2] has the gradient (rate1, rate0 - 2 rate1 - 1)
  const Cost cost = ignoring_scope(
      [](const Var& z) { return select(z, -1, 0) * select(z, -1, 1) - square(select(z, -1, 1)); });
  const Tensor rates = Tensor::from({3, real(.5)}, {1, 2});
  const Tensor expected = Tensor::from({real(.5), 1}, {1, 2});
  Rng rng(9);
  check_unbiased(moments(estimates(reinforce(), copies(rates, 50'000), cost, rng, make_poisson)),
                 expected);
  // straight-through takes the derivative of z1^2 for its difference: it misses the -1
  check_unbiased(
      moments(estimates(from_local(st()), copies(rates, 50'000), cost, rng, make_poisson)),
      add(expected, Tensor::from({0, 1}, {1, 2})));
}

TEST_CASE("rules: finite values and gradients at extreme logits, for any noise") {
  const Tensor logits = Tensor::from({-40, -16, 16, 40}, {1, 4});
  const Tensor u = Tensor::from({real(0x1p-24), real(1e-3), real(.5), real(1 - 0x1p-24)});
  std::vector<Tensor> noise;  // every pair (u, v), the same for all units
  for (int i = 0; i < 16; ++i) noise.push_back(Tensor::full({1, 4}, u[i / 4]));
  const Tensor first = concat(noise, 0);
  for (int i = 0; i < 16; ++i) noise[static_cast<size_t>(i)] = Tensor::full({1, 4}, u[i % 4]);
  const Tensor second = concat(noise, 0);
  std::vector<Tensor> enough{first};
  enough.insert(enough.end(), 10, second);
  for (const std::string& name : rule_names("bernoulli")) {
    if (name == "leave-one-out") continue;  // its noise has another shape
    for (const double temperature : {.01, .5}) {
      for (const bool tune : {false, true}) {
        CAPTURE(name);
        CAPTURE(temperature);
        CAPTURE(tune);
        RuleOptions options = options_for(4);
        options.gumbel.temperature = options.rebar.temperature = temperature;
        options.rebar.tune = tune;
        const Rule rule = make_rule(name, options);
        Rng rng = Rng::replay(enough);
        const Var a = Var::parameter(copies(logits, 16));
        const Var f =
            expect(Bernoulli(a), rule, Scope{rng}, ignoring_scope(bernoulli4_cost), a.detach());
        CHECK(all_finite(f.value()));
        CHECK(all_finite(grad({sum(f)}, {a})[0].value()));
        for (const Var& parameter : rule.trained()) CHECK(all_finite(parameter.grad()));
      }
    }
  }
}

TEST_CASE("rules: finite values and gradients of one-hot units at extreme logits") {
  const Tensor logits = Tensor::from({-40, 0, 40, 40, 40, -40}, {1, 6});
  for (const std::string& name : rule_names("categorical")) {
    CAPTURE(name);
    Rng rng(3);
    const Var a = Var::parameter(copies(logits, 50));
    const Var f = expect(*make_triples(a), make_rule(name, options_for(6)), Scope{rng},
                         ignoring_scope(categorical_cost), a.detach());
    CHECK(all_finite(f.value()));
    CHECK(all_finite(grad({sum(f)}, {a})[0].value()));
  }
}

TEST_CASE("rules: finite values and gradients of counts at rates from .001 to 10,000") {
  for (const std::string& name : rule_names("poisson")) {
    if (name == "exact" || name == "rebar") continue;  // they enumerate counts of moderate rates
    for (const bool median : {false, true}) {
      CAPTURE(name);
      CAPTURE(median);
      Rng rng(4);
      const Var rate = Var::parameter(copies(Tensor::from({real(1e-3), 30, 1e4}, {1, 3}), 4));
      RuleOptions options = options_for(3);
      if (median) options.mmd.bandwidth = std::nullopt;
      const Var f =
          expect(Poisson(rate), make_rule(name, options), Scope{rng},
                 ignoring_scope([](const Var& z) { return sum(20 * tanh(z - 5) - z, {-1}); }),
                 rate.detach());
      CHECK(all_finite(f.value()));
      CHECK(all_finite(grad({sum(f)}, {rate})[0].value()));
    }
  }
}

TEST_CASE("relaxed: finite values and gradients at extreme logits down to temperature .01") {
  for (const real a : {real(-40), real(0), real(40)}) {
    CAPTURE(a);
    const Var logits = Var::parameter(Tensor::full({3}, a));
    Rng rng = Rng::replay({Tensor::from({real(0x1p-24), real(.3), real(1 - 0x1p-24)}),
                           Tensor::from({real(0x1p-24), real(.3), real(1 - 0x1p-24)})});
    const Var bits = Bernoulli(logits).relaxed(.01, rng);
    const Var choice = Categorical(logits, 3).relaxed(.01, rng);
    CHECK(all_finite(bits.value()));
    CHECK(all_finite(choice.value()));
    CHECK(all_finite(grad({bits, choice}, {logits})[0].value()));
  }
}
