// test_distributions.cpp - the three distributions as formulas: probabilities, scores, moments,
// relaxations and their errors, against plain sums over all states. That samples follow them is in
// test_sampling.cpp.
#include <doctest/doctest.h>

#include <algorithm>

#include "stflow/autodiff/gradcheck.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = kDouble ? 1e-11 : 1e-5;

// One row of each distribution, small enough to enumerate.
struct Example {
  std::string name;
  MakeDistribution make;
  Tensor param, other;  // [1,D]
};

std::vector<Example> examples() {
  return {
      {"bernoulli", make_bernoulli, Tensor::from({real(.4), -2, 3}, {1, 3}),
       Tensor::from({-1, real(.3), 1}, {1, 3})},
      {"categorical", make_triples, Tensor::from({real(.5), -1, 2, 0, real(.3), real(-.7)}, {1, 6}),
       Tensor::from({1, 1, -1, real(.2), real(.1), 0}, {1, 6})},
      {"poisson", make_poisson, Tensor::from({real(.5), real(3.2)}, {1, 2}),
       Tensor::from({1, 2}, {1, 2})}};
}

// sum over states of q(z) g(z), g of shape [M] or [M,D]
Tensor expectation(const Distribution& q, const Tensor& g) {
  const Tensor weight = exp(q.log_prob(Var(q.states())).value());
  return sum(mul(g.rank() == 2 ? per_row(weight) : weight, g), {0});
}

Var kl_of(const Distribution& q, const Distribution& p) {
  if (q.name() == "bernoulli") {
    return kl(dynamic_cast<const Bernoulli&>(q), dynamic_cast<const Bernoulli&>(p));
  }
  if (q.name() == "poisson") {
    return kl(dynamic_cast<const Poisson&>(q), dynamic_cast<const Poisson&>(p));
  }
  return kl(dynamic_cast<const Categorical&>(q), dynamic_cast<const Categorical&>(p));
}

double softplus_of(double x) { return std::log1p(std::exp(x)); }

}  // namespace

TEST_CASE("log_prob: bernoulli is b log p + (1 - b) log(1 - p), summed over units") {
  const double a = 0.4, b = -2;
  const Bernoulli q(Tensor::from({real(a), real(b)}, {1, 2}));
  CHECK(q.log_prob(Tensor::from({1, 0}, {1, 2})).item() ==
        doctest::Approx(-softplus_of(-a) - softplus_of(b)).epsilon(1e-6));
}

TEST_CASE("log_prob: categorical is the log of the chosen probability, summed over units") {
  const Categorical q(Tensor::from({real(.5), -1, 2, 0, real(.3), real(-.7)}, {1, 6}), 3);
  const double first = 2 - std::log(std::exp(.5) + std::exp(-1.) + std::exp(2.));
  const double second = 0 - std::log(std::exp(0.) + std::exp(.3) + std::exp(-.7));
  CHECK(q.log_prob(Tensor::from({0, 0, 1, 1, 0, 0}, {1, 6})).item() ==
        doctest::Approx(first + second).epsilon(1e-6));
}

TEST_CASE("log_prob: poisson is z log rate - rate - log z!, summed over units") {
  const Poisson q(Tensor::from({real(.5), real(3.2)}, {1, 2}));
  const double first = 2 * std::log(.5) - .5 - std::log(2.);
  const double second = 4 * std::log(3.2) - 3.2 - std::log(24.);
  CHECK(q.log_prob(Tensor::from({2, 4}, {1, 2})).item() ==
        doctest::Approx(first + second).epsilon(1e-6));
}

TEST_CASE("log_prob: states of shape [M,1,D] meet parameters of shape [B,D]") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const Tensor both = concat(std::vector{example.param, example.other}, 0);
    const Tensor states = example.make(example.other)->states();
    const Tensor stacked = states.reshape({states.dim(0), 1, states.dim(1)});
    const Tensor table = example.make(both)->log_prob(stacked).value();
    CHECK(table.shape() == Shape{states.dim(0), 2});
    check_equal(slice(table, 1, 0, 1),
                per_row(example.make(example.param)->log_prob(states).value()));
    check_equal(slice(table, 1, 1, 2),
                per_row(example.make(example.other)->log_prob(states).value()));
  }
}

TEST_CASE("states: probabilities add up to one, means and scores are those of the sum") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const auto q = example.make(example.param);
    const Tensor states = q->states(), rows = copies(example.param, states.dim(0));
    check_close(expectation(*q, Tensor::ones({states.dim(0)})), Tensor::scalar(1), 0, kTolerance);
    check_close(expectation(*q, states), q->mean().value().reshape({-1}), 0, 10 * kTolerance);
    check_close(expectation(*q, example.make(rows)->score(states)), Tensor::zeros({states.dim(1)}),
                0, 10 * kTolerance);
  }
}

TEST_CASE("states: every joint state once, the last unit fastest") {
  check_equal(Bernoulli(Tensor::zeros({1, 2})).states(),
              Tensor::from({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2}));
  check_equal(Categorical(Tensor::zeros({1, 4}), 2).states(),
              Tensor::from({1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1}, {4, 4}));
  // ceil(rate + 6 sqrt(rate) + 8) of the largest rate
  CHECK(Poisson(Tensor::from({1, 4}, {2, 1})).states().shape() == Shape{25, 1});
}

TEST_CASE("score: equals the gradient of log_prob") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const Tensor states = example.make(example.param)->states();
    const Var param = Var::parameter(copies(example.param, states.dim(0)));
    const auto q = example.make(param);
    check_close(q->score(states), grad({q->log_prob(states)}, {param})[0].value(), 1e-5, 1e-6);
  }
}

TEST_CASE("entropy: equals the sum of -q log q over all states") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const auto q = example.make(example.param);
    const Tensor expected = neg(expectation(*q, q->log_prob(q->states()).value()));
    check_close(q->entropy().value(), expected.reshape({1}), kTolerance, kTolerance);
  }
}

TEST_CASE("kl: equals the sum of q (log q - log p) over all states, and is 0 between equals") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const auto q = example.make(example.param), p = example.make(example.other);
    const Tensor states = q->states();
    const Tensor ratio = sub(q->log_prob(states).value(), p->log_prob(states).value());
    check_close(kl_of(*q, *p).value(), expectation(*q, ratio).reshape({1}), 10 * kTolerance,
                kTolerance);
    check_close(kl_of(*q, *q).value(), Tensor::zeros({1}), 0, kDouble ? 1e-14 : 1e-6);
  }
}

TEST_CASE("log_prob, mean, entropy and kl: gradients pass the check, of the second order too") {
  for (const Example& example : examples()) {
    CAPTURE(example.name);
    const GradcheckOptions twice{.order = kDouble ? 2 : 1};
    const Tensor z = example.make(example.param)->states().rows(3, 4);
    const auto check = [&](const std::function<Var(const Vars&)>& f,
                           const std::vector<Tensor>& inputs) {
      CHECK_NOTHROW(gradcheck(f, inputs, twice));
    };
    check([&](const auto& in) { return example.make(in[0])->log_prob(in[1]); },
          {example.param, add(z, Tensor::scalar(real(.5)))});
    check([&](const auto& in) { return example.make(in[0])->mean(); }, {example.param});
    check([&](const auto& in) { return example.make(in[0])->entropy(); }, {example.param});
    check([&](const auto& in) { return kl_of(*example.make(in[0]), *example.make(in[1])); },
          {example.param, example.other});
  }
}

TEST_CASE("with_param, detach, repeated: the same distribution, without gradients or S times") {
  const Tensor logits = Tensor::from({real(.5), -1, 2, 0}, {1, 4});
  const Categorical q(Var::parameter(logits), 2);
  CHECK_FALSE(q.detach().mean().requires_grad());
  CHECK(q.detach().categories() == 2);
  const auto three = repeated(q, 3);
  CHECK(three->param().shape() == Shape{3, 1, 4});
  check_equal(three->mean().value().rows(2, 3).reshape({1, 4}), q.mean().value());
  check_contains(message_of([&] { repeated(q, 0); }), "[repeated]", "0");
}

TEST_CASE("from_probs, from_log_rate: give the parameter, and gradients by the chain rule") {
  const Var probs = Var::parameter(Tensor::from({real(.2), real(.9)}, {1, 2}));
  const Bernoulli bits = Bernoulli::from_probs(probs);
  check_close(bits.probs().value(), probs.value(), 1e-6, 0);
  check_close(grad({bits.mean()}, {probs})[0].value(), Tensor::ones({1, 2}), 1e-5, 0);

  const Var log_rate = Var::parameter(Tensor::from({-2, real(1.5)}, {1, 2}));
  const Poisson counts = Poisson::from_log_rate(log_rate);
  check_close(counts.rate().value(), exp(log_rate.value()), 0, 0);
  const Tensor z = Tensor::from({0, 6}, {1, 2});  // the score in the log rate is z - rate
  check_close(grad({counts.log_prob(z)}, {log_rate})[0].value(), sub(z, counts.rate().value()),
              1e-5, 1e-6);
}

TEST_CASE("relaxed: at a low temperature it is the hard sample of the same noise") {
  Rng rng(1);
  const Tensor u = rng.uniform({500, 6});
  const Tensor logits =
      copies(Tensor::from({real(.5), -1, 2, 0, real(.3), real(-.7)}, {1, 6}), 500);
  const Tensor half = Tensor::scalar(real(.5));

  Rng soft_bits = Rng::replay({u}), hard_bits = Rng::replay({u});
  const Bernoulli bits{Var(logits)};
  const Tensor soft = bits.relaxed(1e-3, soft_bits).value();
  check_equal(greater(soft, half), bits.sample(hard_bits));
  CHECK(mean(abs(sub(soft, greater(soft, half)))).item() < 1e-3);

  Rng soft_choice = Rng::replay({u}), hard_choice = Rng::replay({u});
  const Categorical choice(logits, 3);
  const Tensor soft_hot = choice.relaxed(1e-3, soft_choice).value();
  check_equal(greater(soft_hot, half), choice.sample(hard_choice));
  CHECK(mean(abs(sub(soft_hot, greater(soft_hot, half)))).item() < 1e-3);
}

TEST_CASE("relaxed: gradients in the logits and the temperature pass the check, of both orders") {
  Rng rng(2);
  const Tensor u = rng.uniform({1, 6}), v = rng.uniform({1, 6});
  const GradcheckOptions twice{.order = kDouble ? 2 : 1};
  for (const Example& example : examples()) {
    if (example.name == "poisson") continue;
    CAPTURE(example.name);
    const Tensor noise = slice(u, 1, 0, example.param.dim(1));
    const auto relaxed = [&](const Vars& in) {
      Rng replay = Rng::replay({noise});
      return example.make(in[0])->relaxed(in[1], replay);
    };
    CHECK_NOTHROW(gradcheck(relaxed, {example.param, Tensor::scalar(real(.7))}, twice));
    const auto given_sample = [&](const Vars& in) {
      const auto q = example.make(in[0]);
      const Tensor z = q->harden(q->perturbed(noise).value());
      return q->soften(q->perturbed_given(z, slice(v, 1, 0, example.param.dim(1))), in[1]);
    };
    CHECK_NOTHROW(gradcheck(given_sample, {example.param, Tensor::scalar(real(.7))}, twice));
  }
}

TEST_CASE("relaxed: a temperature must be positive") {
  Rng rng(1);
  const Scope forgotten{rng, Pass::relaxed};
  for (const Example& example : examples()) {
    const auto q = example.make(example.param);
    check_contains(message_of([&] { draw(*q, st(), forgotten); }), "temperature", "0");
    check_contains(message_of([&] { q->relaxed(-1, rng); }), "temperature", "-1");
    check_contains(message_of([&] { q->relaxed(Var(NAN), rng); }), "temperature", "nan");
  }
}

TEST_CASE("perturbed_given: the noise behind it is uniform on the sample's side of 1 - p") {
  const std::vector<real> logits{-3, real(-.4), real(1.7)}, vs{real(.1), real(.5), real(.9)};
  for (const real a : logits) {
    for (const real v : vs) {
      CAPTURE(a);
      CAPTURE(v);
      const double p = 1 / (1 + std::exp(-a));
      const Bernoulli q(Tensor::full({1}, a));
      const auto noise = [&](real b) {
        return sigmoid(sub(q.perturbed_given(Tensor::full({1}, b), Tensor::full({1}, v)).value(),
                           Tensor::full({1}, a)))
            .item();
      };
      CHECK(noise(1) == doctest::Approx(1 - p + p * v).epsilon(1e-6));
      CHECK(noise(0) == doctest::Approx((1 - p) * v).epsilon(1e-5));
    }
  }
}

TEST_CASE("perturbed_given: mixed over samples it is distributed as perturbed") {
  const int64_t n = 100'000;
  Rng rng(3);
  const Bernoulli q(Tensor::full({n}, real(.8)));
  const Tensor z = q.perturbed_given(q.sample(rng), rng.uniform({n})).value();
  for (double quantile : {.02, .2, .31, .5, .7, .98}) {
    CAPTURE(quantile);
    const auto at = static_cast<real>(.8 + std::log(quantile / (1 - quantile)));
    const double below = 1 - mean(greater(z, Tensor::scalar(at))).item();
    // 4.5 standard errors: six checks fail together for one seed in 20,000
    CHECK(std::abs(below - quantile) < 4.5 * std::sqrt(quantile * (1 - quantile) / double(n)));
  }
}

TEST_CASE("perturbed_given: right sign and finite gradient at extreme logits and noise") {
  const Tensor u = Tensor::from({real(0x1p-24), real(.3), real(1 - 0x1p-24)});
  for (const real a : {real(-40), real(-16), real(16), real(40)}) {
    for (const real b : {0, 1}) {
      CAPTURE(a);
      CAPTURE(b);
      const Var logits = Var::parameter(Tensor::full({3}, a));
      const Var z = Bernoulli(logits).perturbed_given(Tensor::full({3}, b), u);
      check_equal(greater(z.value(), Tensor::scalar(0)), Tensor::full({3}, b));
      CHECK(all_finite(z.value()));
      const Tensor slope = grad({z}, {logits})[0].value();
      CHECK(all_finite(slope));
      CHECK(sum(abs(slope)).item() < 3.001);
    }
  }
}

TEST_CASE("distributions: bad parameters are refused, with the value and where it is") {
  const real nan = std::nan("");
  for (const real bad : {real(0), real(1), real(-.5), nan}) {
    CAPTURE(bad);
    check_contains(message_of([&] {
                     Bernoulli::from_probs(Tensor::from({real(.5), bad}));
                   }),
                   "[Bernoulli::from_probs]", "position 1");
  }
  for (const real bad :
       {real(0), real(-3), real(1e19), nan, std::numeric_limits<real>::infinity()}) {
    CAPTURE(bad);
    check_contains(message_of([&] {
                     Poisson(Tensor::from({1, 2, bad}));
                   }),
                   "[Poisson] rate", "position 2");
  }
  check_contains(message_of([&] {
                   Categorical(Tensor::zeros({2, 7}), 3);
                 }),
                 "[Categorical]", "[2,7]", "3");
  check_contains(message_of([&] { Categorical(Tensor::zeros({2, 4}), 1); }), "[Categorical]", "1");
  check_contains(message_of([&] { Bernoulli(Tensor::scalar(1)); }), "[Distribution]", "[]");
  check_contains(message_of([&] { Bernoulli{Var()}; }), "[Distribution]", "empty");
  check_contains(message_of([&] {
                   kl(Categorical(Tensor::zeros({1, 6}), 2), Categorical(Tensor::zeros({1, 6}), 3));
                 }),
                 "[kl]", "2", "3");
}

TEST_CASE("states: too many are refused, naming the distribution") {
  check_contains(message_of([] {
                   Bernoulli(Tensor::zeros({1, 17})).states();
                 }),
                 "2^D", "bernoulli", "D = 17");
  CHECK(Bernoulli(Tensor::zeros({1, 16})).states().dim(0) == 65536);
  check_contains(message_of([] {
                   Categorical(Tensor::zeros({1, 100}), 10).states();
                 }),
                 "10^D", "categorical", "D = 10");
  check_contains(message_of([] { Poisson(Tensor::full({1, 4}, 5)).states(); }), "poisson", "D = 4");
  check_contains(message_of([] {
                   Poisson(Tensor::full({1, 1}, 5000)).states();
                 }),
                 "[poisson]", "5000", "4096");
}
