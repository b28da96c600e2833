// test_two_layers.cpp - expect inside expect: 2 + 2 units, every rule and mixture against
// enumeration, with the gradients of the network between the layers and of the decoder.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Problem& kNetwork = problem("two-layer");

// Which pairs are unbiased: what is above a local rule may be anything that is, the local rule
// itself is not.
const std::vector<std::string> kUnbiased{"exact", "reinforce", "leave-one-out", "muprop",
                                         "arm",   "disarm",    "rebar",         "relax"};

Tensor exact_gradients() {
  Rng rng(1);
  return estimates(kNetwork, {exact(), exact()}, 1, rng);
}

}  // namespace

TEST_CASE("two layers: enumeration agrees with finite differences of the expectation") {
  Rng rng(1);
  const Tensor gradients = exact_gradients();
  const double h = kDouble ? 1e-6 : 1e-2;
  const auto loss = [&](int64_t i, double step) {
    Tensor moved = kNetwork.param.clone();
    moved.data()[i] += static_cast<real>(step);
    const Layer expectation = [](const Distribution& q, const Scope& scope, const Cost& cost) {
      return expect(q, exact(), scope, cost);
    };
    return double{kNetwork.loss(Var(moved), Scope{rng}, expectation).item()};
  };
  for (int64_t i = 0; i < gradients.numel(); ++i) {
    CAPTURE(i);
    CHECK(std::abs((loss(i, h) - loss(i, -h)) / (2 * h) - gradients[i]) < (kDouble ? 1e-8 : 1e-3));
  }
}

TEST_CASE("two layers: every pair of unbiased rules agrees with enumeration, decoder included") {
  const Tensor expected = exact_gradients();
  uint64_t seed = 100;
  for (const std::string& outer : kUnbiased) {
    for (const std::string& inner : kUnbiased) {
      if (outer == "exact" && inner == "exact") continue;
      CAPTURE(outer);
      CAPTURE(inner);
      Rng rng(++seed);
      // 12 components x 63 pairs: 5 standard errors fail for one seed set in 2,000
      const std::vector<Rule> rules{make_rule(outer, options_for(2)),
                                    make_rule(inner, options_for(2))};
      check_unbiased(moments(estimates(kNetwork, rules, 10'000, rng)), expected, 5);
    }
  }
}

TEST_CASE("two layers: straight-through has its enumerated bias, decoder gradients none") {
  // The rule's noise enumerated: 16 joint states, weighted by their probabilities.
  const Bernoulli q1(Var(slice(kNetwork.param, -1, 0, 2)));
  const Tensor z1 = q1.states();
  const Tensor w = slice(kNetwork.param, -1, 2, 6).reshape({1, 2, 2});
  std::vector<Tensor> noise1, noise2, weight;
  const Tensor first = noise_for_states(q1);
  for (int64_t s = 0; s < 4; ++s) {
    const Tensor logits = sum(mul(w, z1.rows(s, s + 1).reshape({1, 1, 2})), {-1});
    const Bernoulli q2(Var(add(logits, slice(kNetwork.param, -1, 6, 8))));
    noise1.push_back(copies(first.rows(s, s + 1), 4));
    noise2.push_back(noise_for_states(q2));
    const Tensor p1 = exp(q1.log_prob(Var(z1.rows(s, s + 1))).value());
    weight.push_back(mul(p1, exp(q2.log_prob(Var(q2.states())).value())));
  }
  Rng rng = Rng::replay({concat(noise1, 0), concat(noise2, 0)});
  const Rule rule = from_local(st());
  const Tensor each = estimates(kNetwork, {rule, rule}, 16, rng);
  const Tensor mean_gradient = sum(mul(each, concat(weight, 0).reshape({16, 1})), {0}, true);
  const Tensor expected = exact_gradients();
  check_close(slice(mean_gradient, 1, 8, 12), slice(expected, 1, 8, 12), 1e-5, 1e-6);  // decoder
  const double bias = std::sqrt(sum(square(sub(mean_gradient, expected))).item());
  CHECK(bias > 0.05);
}

TEST_CASE("two layers: evaluations are counted as documented") {
  const auto calls = [](const char* outer, const char* inner) {
    int count = 0;
    Rng rng(1);
    const Bernoulli q1(Var::parameter(Tensor::zeros({3, 2})));
    expect(q1, make_rule(outer), Scope{rng}, [&](const Var& z1, const Scope& scope) {
      return expect(Bernoulli(z1 * 2), make_rule(inner), scope, [&](const Var& z2, const Scope&) {
        ++count;
        return sum(z1 * z2, {-1});
      });
    });
    return count;
  };
  CHECK(calls("st", "st") == 1);
  CHECK(calls("reinforce", "reinforce") == 1);
  CHECK(calls("arm", "arm") == 3);  // L + 1
  CHECK(calls("disarm", "disarm") == 3);
  CHECK(calls("muprop", "muprop") == 3);
  CHECK(calls("leave-one-out", "leave-one-out") == 1);
  CHECK(calls("rebar", "rebar") == 3);  // both relaxed points are rows of one
}

TEST_CASE("two layers: the upper one's parameter need not depend on the sample below") {
  const Tensor logits = Tensor::from({real(.5), real(-1)}, {1, 2});
  const Tensor weight = Tensor::from({1, 2}, {2}), upper = Tensor::from({real(.4), 1}, {1, 2});
  const Tensor p = sigmoid(logits), mean_above = sum(sigmoid(upper));
  const Tensor expected = mul(mul(weight, mul(p, sub(Tensor::scalar(1), p))), mean_above);
  uint64_t seed = 300;
  for (const std::string& outer : kUnbiased) {
    CAPTURE(outer);
    Rng rng(++seed);
    const bool many = outer == "leave-one-out" || outer == "exact";  // samples are an axis
    const int64_t rows = 20'000;
    const Cost cost = [&](const Var& z1, const Scope& scope) {
      const Var fixed(copies(upper, rows));
      return expect(Bernoulli(fixed), st(), scope, [&](const Var& z2, const Scope&) {
        return sum(square(z1) * weight, {-1}) * sum(z2, {-1});
      });
    };
    const auto estimate = [&] {
      return estimates(make_rule(outer, options_for(2)), copies(logits, rows), cost, rng);
    };
    if (many) {
      check_contains(message_of(estimate), "broadcast_to() this layer's parameter");
    } else {
      check_unbiased(moments(estimate()), expected, 5);
    }
  }
}

TEST_CASE("two layers: a cost that is not summed is no shared sample") {
  Rng rng(1);
  for (const Pass pass : {Pass::sample, Pass::mean, Pass::relaxed}) {
    for (const Shape& shape : {Shape{1, 4}, Shape{4, 4}, Shape{4}}) {
      CAPTURE(shape);
      const Bernoulli q(Var::parameter(Tensor::zeros(shape)));
      check_contains(message_of([&] {
                       expect(q, st(), Scope{rng, pass, real(.5)},
                              ignoring_scope([](const Var& z) { return square(z); }));
                     }),
                     "one number for each example", "sum over axis -1");
    }
  }
}
