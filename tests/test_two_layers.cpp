// test_two_layers.cpp - expect inside expect: 2 + 2 units, every rule and mixture against
// enumeration, with the gradients of the network between the layers and of the decoder.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

// z1 ~ Bernoulli(a), z2 ~ Bernoulli(W z1 + c), cost (target - decoder(z1, z2))^2 + z1 . z2
struct Network {
  Var a, w, c, decoder;

  explicit Network(int64_t rows)
      : a(Var::parameter(copies(Tensor::from({real(.5), real(-.7)}, {1, 2}), rows))),
        w(Var::parameter(copies(Tensor::from({1, -2, real(1.5), real(.5)}, {1, 4}), rows)
                             .reshape({rows, 2, 2}))),
        c(Var::parameter(copies(Tensor::from({real(-.3), real(.8)}, {1, 2}), rows))),
        decoder(Var::parameter(
            copies(Tensor::from({1, real(-.8), real(1.2), real(.6)}, {1, 4}), rows))) {}

  std::vector<Var> parameters() const { return {a, w, c, decoder}; }

  // Every row has its own parameters, so that row r of a gradient is an estimate of its own.
  Var loss(const Rule& outer, const Rule& inner, Rng& rng) const {
    const Bernoulli q1(a);
    return expect(q1, outer, Scope{rng}, [&](const Var& z1, const Scope& scope) {
      const Bernoulli q2(sum(w * reshape(z1, z1.shape().inserted(z1.rank() - 1, 1)), {-1}) + c);
      return expect(q2, inner, scope, [&](const Var& z2, const Scope&) {
        const Var lower = broadcast_to(z1, z2.shape());
        const Var output = tanh(sum(concat({lower, z2}, -1) * decoder, {-1}));
        return square(0.7 - output) * 3 + sum(lower * z2, {-1});
      });
    });
  }

  // The gradients of all parameters in one row each: [rows, 12].
  Tensor gradients(const Rule& outer, const Rule& inner, Rng& rng) const {
    std::vector<Tensor> flat;
    for (const Var& g : grad({sum(loss(outer, inner, rng))}, parameters())) {
      flat.push_back(g.value().reshape({g.dim(0), -1}));
    }
    return concat(flat, 1);
  }
};

// Which pairs are unbiased: what is above a local rule may be anything that is, the local rule
// itself is not.
const std::vector<std::string> kUnbiased{"exact", "reinforce", "arm", "rebar"};

Tensor exact_gradients() {
  Rng rng(1);
  return Network(1).gradients(exact(), exact(), rng);
}

}  // namespace

TEST_CASE("two layers: enumeration agrees with finite differences of the expectation") {
  Rng rng(1);
  Network network(1);
  const Tensor gradients = exact_gradients();
  int64_t column = 0;
  const double h = std::is_same_v<real, double> ? 1e-6 : 1e-2;
  for (Var parameter : network.parameters()) {
    for (int64_t i = 0; i < parameter.value().numel(); ++i, ++column) {
      real& x = parameter.mutable_value().data()[i];
      const real middle = x;
      x = static_cast<real>(middle + h);
      const double above = network.loss(exact(), exact(), rng).item();
      x = static_cast<real>(middle - h);
      const double below = network.loss(exact(), exact(), rng).item();
      x = middle;
      CAPTURE(column);
      CHECK(std::abs((above - below) / (2 * h) - gradients[column]) <
            (std::is_same_v<real, double> ? 1e-8 : 1e-3));
    }
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
      const Network network(20'000);
      // 12 components x 15 pairs: 5 standard errors fail for one seed set in 10,000
      check_unbiased(moments(network.gradients(make_rule(outer), make_rule(inner), rng)), expected,
                     5);
    }
  }
}

TEST_CASE("two layers: straight-through has its enumerated bias, decoder gradients none") {
  // The rule's noise enumerated: 16 joint states, weighted by their probabilities.
  const Bernoulli q1(Var(Network(1).a.value()));
  const Tensor z1 = q1.states();
  const Network network(16);
  std::vector<Tensor> noise1, noise2, weight;
  const Tensor first = noise_for_states(q1);
  for (int64_t s = 0; s < 4; ++s) {
    const Network row(1);
    const Tensor logits = sum(mul(row.w.value(), z1.rows(s, s + 1).reshape({1, 1, 2})), {-1});
    const Bernoulli q2(Var(add(logits, row.c.value())));
    noise1.push_back(copies(first.rows(s, s + 1), 4));
    noise2.push_back(noise_for_states(q2));
    const Tensor p1 = exp(q1.log_prob(Var(z1.rows(s, s + 1))).value());
    weight.push_back(mul(p1, exp(q2.log_prob(Var(q2.states())).value())));
  }
  Rng rng = Rng::replay({concat(noise1, 0), concat(noise2, 0)});
  const Rule rule = from_local(st());
  const Tensor each = network.gradients(rule, rule, rng);
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
  CHECK(calls("arm", "arm") == 3);      // L + 1
  CHECK(calls("rebar", "rebar") == 5);  // 1 + 2 L
}
