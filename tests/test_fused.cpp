// test_fused.cpp - fused ops against the plain formulas that they stand for.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

struct Pair {
  std::string name;
  std::function<Var(const Vars&)> fused, plain;
  Vars inputs;
};

Var logit(const Tensor& v) { return log(Var(v)) - log1p(-Var(v)); }

std::vector<Pair> pairs() {
  Rng rng(3);
  const auto parameter = [&](const Shape& shape) { return Var::parameter(rng.normal(shape)); };
  const Tensor v = rng.uniform({4, 5});
  const Tensor bit = rng.bernoulli(Tensor::full({4, 5}, 0.5));
  const Tensor sign = where(bit, Tensor::scalar(1), Tensor::scalar(-1));
  const Var temperature = Var::parameter(Tensor::scalar(real(0.7)));
  const auto perturbed = [=](const Var& a) {
    return Var(sign) * softplus(softplus(Var(sign) * a) + Var(sign) * logit(v));
  };
  return {
      {"bernoulli_log_prob_grad",
       [](const Vars& in) {
         const Tensor residual = sub(in[2].value(), sigmoid(in[1].value()));
         return bernoulli_log_prob_grad(in[0], in[1], in[2], residual);
       },
       [](const Vars& in) { return in[0] * (in[2] - sigmoid(in[1])); },
       {parameter({4, 1}), parameter({4, 5}), parameter({4, 5})}},
      {"perturbed_given",
       [=](const Vars& in) { return perturbed_given(in[0], sign, v); },
       [=](const Vars& in) { return perturbed(in[0]); },
       {parameter({4, 5})}},
      {"perturbed_given_slope",
       [=](const Vars& in) {
         return perturbed_given_slope(in[0], sign, perturbed_given(in[0], sign, v).value());
       },
       [=](const Vars& in) {
         return (1 - exp(-abs(perturbed(in[0])))) * sigmoid(Var(sign) * in[0]);
       },
       {parameter({4, 5})}},
      {"soften",
       [](const Vars& in) { return soften(in[0], in[1]); },
       [](const Vars& in) { return sigmoid(in[0] / in[1]); },
       {parameter({4, 5}), temperature}},
      {"soften_slope",
       [](const Vars& in) { return soften_slope(in[0], in[1]); },
       [](const Vars& in) { return in[0] * (1 - in[0]) / in[1]; },
       {parameter({4, 5}), temperature}},
  };
}

}  // namespace

TEST_CASE("fused: value, and gradient with and without a graph, are those of the plain formula") {
  for (const Pair& pair : pairs()) {
    CAPTURE(pair.name);
    const Var fused = pair.fused(pair.inputs), plain = pair.plain(pair.inputs);
    check_close(fused.value(), plain.value(), 1e-5, 1e-6);
    const Vars expected = grad({sum(square(plain))}, pair.inputs);
    for (const bool create_graph : {false, true}) {
      CAPTURE(create_graph);
      const Vars found = grad({sum(square(fused))}, pair.inputs, create_graph);
      for (size_t i = 0; i < found.size(); ++i) {
        check_close(found[i].value(), expected[i].value(), 1e-4, 1e-5);
      }
    }
  }
}
