// test_threads.cpp - whole models in several threads of one program, their loops with helpers.
//
// `make tsan` runs this file, and those on what threads share, under the thread sanitizer.
#include <doctest/doctest.h>

#include <thread>

#include "stflow/estimators/estimators.h"
#include "stflow/nn/nn.h"
#include "stflow/tensor/parallel.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// The parameters after some steps of a small model with a stochastic layer.
std::vector<Tensor> trained(const std::string& rule_name, const Tensor& x) {
  Rng rng(7);
  const int64_t inputs = x.dim(-1);
  nn::Linear encoder(inputs, 4, rng);
  nn::MLP decoder({4, 30, inputs}, rng);
  const Rule rule = make_rule(rule_name, {.inputs = inputs, .latents = 4});
  Vars parameters = encoder.parameters();
  for (const Var& each : decoder.parameters()) parameters.push_back(each);
  optim::Adam adam(parameters, {.lr = 0.01});
  for (int step = 0; step < 3; ++step) {
    adam.zero_grad();
    const Var cost = expect(
        Bernoulli(encoder(x)), rule, Scope{rng},
        [&](const Var& z, const Scope&) { return sum(square(decoder(z) - x), {-1}); }, x);
    mean(cost).backward();
    adam.step();
  }
  std::vector<Tensor> values;
  for (const Var& each : parameters) values.push_back(each.value());
  return values;
}

}  // namespace

TEST_CASE("threads: two models train at once by any rule, with the bits of one that trains alone") {
  const int before = num_threads();
  Rng rng(1);
  const Tensor x = rng.uniform({64, 400});
  for (const std::string& rule : rule_names("bernoulli")) {
    CAPTURE(rule);
    set_num_threads(1);
    const std::vector<Tensor> alone = trained(rule, x);
    set_num_threads(3);
    std::vector<std::vector<Tensor>> found(2);
    std::thread first([&] { found[0] = trained(rule, x); });
    std::thread second([&] { found[1] = trained(rule, x); });
    first.join();
    second.join();
    for (const std::vector<Tensor>& values : found) {
      for (size_t i = 0; i < alone.size(); ++i) check_equal(values[i], alone[i]);
    }
  }
  set_num_threads(before);
}
