// test_mmd_weights.cpp - the MMD rule is not linear in the upstream gradient, so it must see the
// gradient of one example's cost, whatever weight the loss gives that example.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = kDouble ? 1e-12 : 2e-5;

const Cost kCost = ignoring_scope([](const Var& b) { return 3 * bernoulli4_cost(b); });
const Cost kOpposite = ignoring_scope([](const Var& b) { return -3 * bernoulli4_cost(b); });
const MmdOptions kOptions{.bandwidth = .7, .epsilon = .3};  // far from linear

MmdOptions without_control_variate() {
  MmdOptions options = kOptions;
  options.control_variate = false;
  return options;
}

Tensor noise_row() { return Tensor::from({real(.2), real(.8), real(.4), real(.3)}, {1, 4}); }

// The gradient in logits [rows,4] of weigh(costs [rows]).
Tensor gradient(const Rule& rule, const Tensor& noise, const Cost& cost, int64_t rows,
                const std::function<Var(const Var&)>& weigh) {
  Rng rng = Rng::replay({noise});
  const Var logits = Var::parameter(copies(bernoulli4_logits(), rows));
  return grad({weigh(expect(Bernoulli(logits), rule, Scope{rng}, cost))}, {logits})[0].value();
}

Tensor one_row(const Rule& rule, const Cost& cost = kCost) {
  return gradient(rule, noise_row(), cost, 1, [](const Var& f) { return sum(f); });
}

Tensor times(const Tensor& x, double factor) {
  return mul(x, Tensor::scalar(static_cast<real>(factor)));
}

}  // namespace

TEST_CASE("mmd: 64 equal rows give the one-row estimate, for a mean and for a sum") {
  for (const MmdOptions& options : {kOptions, without_control_variate()}) {
    const Rule rule = from_local(mmd(options));
    const Tensor noise = copies(noise_row(), 64), expected = copies(one_row(rule), 64);
    check_close(gradient(rule, noise, kCost, 64, [](const Var& f) { return mean(f); }),
                times(expected, 1. / 64), kTolerance, kTolerance / 64);
    check_close(gradient(rule, noise, kCost, 64, [](const Var& f) { return sum(f); }), expected,
                kTolerance, kTolerance);
    // the map is not linear: taking the mean's 1/64 for a part of the cost would show
    Rng rng = Rng::replay({noise});
    const Var logits = Var::parameter(copies(bernoulli4_logits(), 64));
    const Var z = draw(Bernoulli(logits), mmd(options), Scope{rng});
    const Tensor naive = grad({mean(kCost(z, Scope{rng}))}, {logits})[0].value();
    CHECK_FALSE(allclose(naive, times(expected, 1. / 64), .05, 1e-4));
  }
}

TEST_CASE("mmd: several samples of several rows average the one-row, one-sample estimates") {
  Rng rng(1);
  const int64_t samples = 4, rows = 3;
  const Tensor noise = rng.uniform({samples, rows, 4});
  for (const MmdOptions& options : {kOptions, without_control_variate()}) {
    const Tensor each = gradient(from_local(mmd(options)), noise.reshape({samples * rows, 4}),
                                 kCost, samples * rows, [](const Var& f) { return sum(f); });
    const Tensor expected = mean(each.reshape({samples, rows, 4}), {0});
    const Rule rule = from_local(mmd(options), samples);
    check_close(gradient(rule, noise, kCost, rows, [](const Var& f) { return sum(f); }), expected,
                kTolerance, kTolerance);
    check_close(gradient(rule, noise, kCost, rows, [](const Var& f) { return mean(f); }),
                times(expected, 1. / rows), kTolerance, kTolerance);
  }
}

TEST_CASE("mmd: unequal weights scale rows; a negative one is a cost turned round; zero is zero") {
  const std::vector<real> weights{2, real(1e-3), -3, 0, 1};
  for (const MmdOptions& options : {kOptions, without_control_variate()}) {
    const Rule rule = from_local(mmd(options));
    const Tensor found = gradient(rule, copies(noise_row(), 5), kCost, 5, [&](const Var& f) {
      return sum(f * Var(Tensor::from(weights)));
    });
    const Tensor up = one_row(rule), down = one_row(rule, kOpposite);
    const std::vector<Tensor> expected{times(up, 2), times(up, 1e-3), times(down, 3), times(up, 0),
                                       up};
    check_close(found, concat(expected, 0), kTolerance, kTolerance);
    CHECK(sum(abs(found.rows(3, 4))).item() == 0);
  }
}

TEST_CASE("mmd: a loss that is not linear in the costs weighs rows by its derivative") {
  const Rule rule = from_local(mmd(kOptions));
  Rng rng(2);
  const Tensor noise = rng.uniform({3, 4});
  const Tensor each = gradient(rule, noise, kCost, 3, [](const Var& f) { return sum(f); });
  Tensor weight;
  const Tensor found = gradient(rule, noise, kCost, 3, [&](const Var& f) {
    weight = softmax(neg(f.value()));
    return -logsumexp(-f);  // as in an importance-weighted bound
  });
  check_close(found, mul(each, per_row(weight)), kTolerance, kTolerance);
}

TEST_CASE("mmd: outside expect() the option loss_scale does the same") {
  const Tensor expected = one_row(from_local(mmd(kOptions)));
  MmdOptions options = kOptions;
  options.loss_scale = 64;
  Rng rng = Rng::replay({copies(noise_row(), 64)});
  const Var logits = Var::parameter(copies(bernoulli4_logits(), 64));
  const Scope scope{rng};
  const Var loss = mean(kCost(draw(Bernoulli(logits), mmd(options), scope), scope));
  check_close(grad({loss}, {logits})[0].value(), copies(times(expected, 1. / 64), 64), kTolerance,
              kTolerance / 64);
}

TEST_CASE("mmd: two layers of it, rows equal or not, give each row's own estimate") {
  const Rule outer = from_local(mmd(kOptions)), inner = from_local(mmd(kOptions));
  const Tensor noise1 = Tensor::from({real(.2), real(.8)}, {1, 2});
  const Tensor noise2 = Tensor::from({real(.6), real(.1)}, {1, 2});
  const auto gradients = [&](int64_t rows, const std::function<Var(const Var&)>& weigh) {
    Rng rng = Rng::replay({copies(noise1, rows), copies(noise2, rows)});
    const Var a = Var::parameter(copies(Tensor::from({real(.5), real(-.7)}, {1, 2}), rows));
    const Var c = Var::parameter(copies(Tensor::from({real(-.3), real(.8)}, {1, 2}), rows));
    const Var loss =
        weigh(expect(Bernoulli(a), outer, Scope{rng}, [&](const Var& z1, const Scope& scope) {
          return expect(Bernoulli(2 * z1 + c), inner, scope, [&](const Var& z2, const Scope&) {
            return bernoulli4_cost(concat({z1, z2}, -1)) * 2;
          });
        }));
    const auto both = grad({loss}, {a, c});
    return concat(std::vector{both[0].value(), both[1].value()}, 1);
  };
  const Tensor expected = gradients(1, [](const Var& f) { return sum(f); });
  CHECK(sum(abs(expected)).item() > .1);
  check_close(gradients(64, [](const Var& f) { return mean(f); }),
              copies(times(expected, 1. / 64), 64), kTolerance, kTolerance / 64);
  const Tensor weights = Tensor::from({4, real(.5)});
  check_close(gradients(2, [&](const Var& f) { return sum(f * Var(weights)); }),
              concat(std::vector{times(expected, 4), times(expected, .5)}, 0), kTolerance,
              kTolerance);
}

TEST_CASE("mmd: above an enumerated layer each state's row is weighted by its probability") {
  const Var logits = Var::parameter(Tensor::from({real(.5)}, {1, 1}));
  const Var above = Var::parameter(Tensor::from({real(-.3), real(.8)}, {1, 2}));
  const auto cost = [](const Var& z1, const Var& z2) {
    return sum(square(z2 * (1 + z1) - 0.3 * z1 + 0.1) * 3, {-1});
  };
  const Tensor noise = Tensor::from({real(.6), real(.1)}, {1, 2});
  Rng rng = Rng::replay({copies(noise, 2).reshape({2, 1, 2})});
  const Var loss =
      sum(expect(Bernoulli(logits), exact(), Scope{rng}, [&](const Var& z1, const Scope& scope) {
        const Bernoulli q(broadcast_to(above, {2, 1, 2}));
        return expect(q, from_local(mmd(kOptions)), scope,
                      [&](const Var& z2, const Scope&) { return cost(z1, z2); });
      }));
  const double p = 1 / (1 + std::exp(-.5));
  Tensor expected = Tensor::zeros({1, 2});
  for (const int z1 : {0, 1}) {
    Rng one = Rng::replay({noise});
    const Tensor state = Tensor::full({1, 1}, static_cast<real>(z1));
    const Tensor each =
        estimates(from_local(mmd(kOptions)), above.value(),
                  ignoring_scope([&](const Var& z2) { return cost(state, z2); }), one);
    expected = add(expected, times(each, z1 == 1 ? p : 1 - p));
  }
  check_close(grad({loss}, {above})[0].value(), expected, kTolerance, kTolerance);
}
