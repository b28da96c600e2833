// test_nn.cpp - modules: names, modes, state; layers, initial values and losses.
#include <doctest/doctest.h>

#include <cmath>

#include "stflow/autodiff/grad.h"
#include "stflow/nn/nn.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_close;
using stflow::testing::check_contains;
using stflow::testing::check_equal;
using stflow::testing::message_of;

namespace {

constexpr double kTolerance = sizeof(real) == 4 ? 1e-6 : 1e-14;

struct Autoencoder : nn::Module {
  nn::MLP encoder;
  nn::Linear decoder;
  Var prior;

  explicit Autoencoder(Rng& rng) : encoder({6, 4, 2}, rng), decoder(2, 6, rng, {.bias = false}) {
    prior = register_parameter("prior", Tensor::zeros({2}));
    register_module("encoder", encoder);
    register_module("decoder", decoder);
  }
  Var forward(const Var& x) override { return decoder(encoder(x) + prior); }
};

std::vector<std::string> names_of(const nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : module.named_parameters()) names.push_back(name);
  return names;
}

/// Gives a test the protected half of Module.
struct Open : nn::Module {
  using nn::Module::register_module;
  using nn::Module::register_parameter;
};

}  // namespace

TEST_CASE("module: parameters have dotted names, in the order they were registered") {
  Rng rng(1);
  const Autoencoder model(rng);
  CHECK(names_of(model) == std::vector<std::string>{"prior", "encoder.0.weight", "encoder.0.bias",
                                                    "encoder.2.weight", "encoder.2.bias",
                                                    "decoder.weight"});
  CHECK(model.parameters().size() == 6);
  CHECK(model.parameters()[5].shape() == Shape{2, 6});
  CHECK(model.encoder.path() == "encoder");
}

TEST_CASE("module: gradients reach every parameter, and zero_grad removes them") {
  Rng rng(1);
  Autoencoder model(rng);
  const Var x = rng.normal({5, 6});
  mean(nn::mse_loss(model(x), x)).backward();
  for (const Var& parameter : model.parameters()) CHECK(parameter.grad().defined());
  model.zero_grad();
  for (const Var& parameter : model.parameters()) CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("module: train and eval reach all children") {
  Rng rng(1);
  Autoencoder model(rng);
  CHECK(model.encoder.is_training());
  model.eval();
  CHECK_FALSE(model.is_training());
  CHECK_FALSE(model.encoder[0].is_training());
  model.train();
  CHECK(model.encoder[0].is_training());
}

TEST_CASE("module: state_dict is a copy, and load_state_dict restores it") {
  Rng rng(1);
  Autoencoder model(rng);
  const nn::NamedTensors state = model.state_dict();
  const Tensor before = model.decoder.weight.value().clone();
  fill_(model.decoder.weight.mutable_value(), 7);
  check_equal(transpose(state.at("decoder.weight")), before);  // [out,in], as PyTorch's

  model.load_state_dict(state);
  check_equal(model.decoder.weight.value(), before);
  fill_(model.decoder.weight.mutable_value(), 7);
  check_equal(transpose(state.at("decoder.weight")), before);
}

TEST_CASE("module: load_state_dict names every key that does not fit, and loads nothing") {
  Rng rng(1);
  Autoencoder model(rng);
  nn::NamedTensors state = model.state_dict();
  const nn::NamedTensors before = model.state_dict();
  fill_(state.at("encoder.0.bias"), 5);
  state.erase("prior");
  state["decoder.weight"] = Tensor::zeros({2, 6});
  state["decoder.bias"] = Tensor::zeros({6});
  const std::string text =
      message_of<std::runtime_error>([&] { model.load_state_dict(state, "model.safetensors"); });
  check_contains(text, "model.safetensors does not fit this model:", "missing: prior [2]",
                 "wrong shape: decoder.weight is [2,6], expected [6,2]",
                 "unexpected: decoder.bias [6]");
  for (const auto& [name, tensor] : model.state_dict()) check_equal(tensor, before.at(name));
}

TEST_CASE("module: a layer reached by two names is listed and saved once") {
  Rng rng(1);
  Open model;
  nn::Linear shared(2, 2, rng);
  model.register_module("first", shared);
  model.register_module("second", shared);
  CHECK(names_of(model) == std::vector<std::string>{"first.weight", "first.bias"});
}

TEST_CASE("module: wrong names are refused") {
  Open model, child;
  const Tensor value = Tensor::zeros({1});
  model.register_parameter("scale", value);
  check_contains(message_of([&] { model.register_parameter("scale", value); }),
                 "[register_parameter] 'scale' is already registered");
  check_contains(message_of([&] { model.register_module("scale", child); }),
                 "[register_module] 'scale' is already registered");
  check_contains(message_of([&] { model.register_module("a.b", child); }),
                 "[register_module] name 'a.b'", "no dot");
  check_contains(message_of([&] { model.register_parameter("", value); }), "name ''");
  check_contains(message_of([&] { model.register_module("self", model); }),
                 "'self' is the module itself");
  check_contains(message_of([&] { model(Var(1.0)); }), "forward(x) is not defined");
}

TEST_CASE("linear: computes x W + b and starts from Glorot weights and zero biases") {
  Rng rng(3);
  nn::Linear layer(3, 2, rng);
  CHECK(layer.weight.shape() == Shape{3, 2});
  check_equal(layer.bias.value(), Tensor::zeros({2}));
  Rng again(3);
  check_equal(layer.weight.value(), nn::glorot_uniform({3, 2}, again));

  layer.weight.mutable_value() = Tensor::from({1, 4, 2, 5, 3, 6}, {3, 2});
  layer.bias.mutable_value() = Tensor::from({10, 20});
  check_equal(layer(Tensor::from({1, 0, -1})).value(), Tensor::from({8, 18}));
  CHECK(layer(Tensor::zeros({5, 4, 3})).shape() == Shape{5, 4, 2});
}

TEST_CASE("linear: has no bias when asked") {
  Rng rng(3);
  nn::Linear layer(3, 2, rng, {.bias = false});
  CHECK_FALSE(layer.bias.defined());
  CHECK(names_of(layer) == std::vector<std::string>{"weight"});
  check_equal(layer(Tensor::zeros({1, 3})).value(), Tensor::zeros({1, 2}));
}

TEST_CASE("linear: a wrong input is reported with the layer's path and both shapes") {
  Rng rng(1);
  struct Model : nn::Module {
    nn::MLP encoder;
    explicit Model(Rng& noise) : encoder({784, 256}, noise) { register_module("encoder", encoder); }
  } model(rng);
  CHECK(message_of([&] {
          model.encoder(Tensor::zeros({64, 100}));
        }) ==
        "Linear 'encoder.0': input has 100 features, weight expects 784 "
        "(input [64,100] x weight [784,256])");
  nn::Linear free(3, 2, rng);
  check_contains(message_of([&] { free(Tensor::zeros({4})); }), "Linear: input has 4 features");
  check_contains(message_of([&] { free(Var(1.0)); }), "Linear: input is a scalar");
  check_contains(message_of([&] { nn::Linear(0, 2, rng); }), "[Linear]", "got 0 inputs");
}

TEST_CASE("init: each distribution has its bound or its variance") {
  Rng rng(5);
  const Shape shape{400, 200};
  const auto largest = [](const Tensor& w) { return max(abs(w)).item(); };
  const auto variance = [](const Tensor& w) { return mean(square(w)).item(); };
  const Tensor glorot = nn::glorot_uniform(shape, rng), he = nn::he_uniform(shape, rng);
  CHECK(largest(glorot) == doctest::Approx(std::sqrt(6.0 / 600)).epsilon(1e-3));
  CHECK(largest(he) == doctest::Approx(std::sqrt(6.0 / 400)).epsilon(1e-3));
  CHECK(largest(glorot) <= std::sqrt(6.0 / 600));
  CHECK(largest(he) <= std::sqrt(6.0 / 400));
  CHECK(std::abs(mean(glorot).item()) < 1e-3);
  // 80,000 draws: the standard deviation of a measured variance is 0.5 % of it.
  CHECK(variance(glorot) == doctest::Approx(2.0 / 600).epsilon(0.03));
  CHECK(variance(he) == doctest::Approx(2.0 / 400).epsilon(0.03));
  CHECK(variance(nn::glorot_normal(shape, rng)) == doctest::Approx(2.0 / 600).epsilon(0.03));
  CHECK(variance(nn::he_normal(shape, rng)) == doctest::Approx(2.0 / 400).epsilon(0.03));
  check_contains(message_of([&] { nn::he_normal({3}, rng); }), "[he_normal]", "got [3]");
  check_contains(message_of([&] { nn::glorot_uniform({3, 0}, rng); }), "[glorot_uniform]", "[3,0]");
}

TEST_CASE("sequential: applies its elements in order") {
  Rng rng(1);
  nn::Sequential net{std::make_shared<nn::Linear>(2, 3, rng), std::make_shared<nn::Tanh>()};
  net.push_back(std::make_shared<nn::Linear>(3, 1, rng));
  CHECK(net.size() == 3);
  CHECK(names_of(net) == std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"});
  const Var x = rng.normal({4, 2});
  check_equal(net(x).value(), net[2](tanh(net[0](x))).value());
  check_contains(message_of([&] { net.push_back(nullptr); }), "[Sequential] element 3 is a null");
}

TEST_CASE("mlp: has the activation between its layers and none after the last") {
  Rng rng(1);
  nn::MLP net({2, 5, 3}, rng, std::make_shared<nn::LeakyReLU>(0.1));
  CHECK(net.size() == 3);
  const Var x = rng.normal({4, 2});
  check_equal(net(x).value(), net[2](leaky_relu(net[0](x), 0.1)).value());
  check_contains(message_of([&] { nn::MLP({7}, rng); }), "[MLP]", "got 1 sizes");
}

TEST_CASE("activations: modules are the ops of the same names") {
  const Var x = Tensor::from({-2, 0, 3});
  check_equal(nn::ReLU()(x).value(), Tensor::from({0, 0, 3}));
  check_equal(nn::LeakyReLU(0.5)(x).value(), Tensor::from({-1, 0, 3}));
  check_equal(nn::Tanh()(x).value(), tanh(x).value());
  check_equal(nn::Sigmoid()(x).value(), sigmoid(x).value());
  check_equal(nn::Softplus()(x).value(), softplus(x).value());
}

TEST_CASE(
    "dropout: in training zeroes a share p and scales the rest; the gradient has the same mask") {
  Rng rng(2);
  nn::Dropout dropout(0.25, rng);
  Var x = Var::parameter(Tensor::ones({40000}));
  const Var y = dropout(x);
  const Tensor kept = greater(y.value(), Tensor::scalar(0));
  check_close(y.value(), mul(kept, Tensor::scalar(real(4) / 3)), kTolerance, 0);
  // The standard deviation of the share is 0.0022.
  CHECK(mean(kept).item() == doctest::Approx(0.75).epsilon(0.015));
  sum(y).backward();
  check_equal(x.grad(), y.value());
}

TEST_CASE("dropout: is the identity in evaluation and for p = 0, and draws nothing") {
  Rng rng(2);
  const Var x = Tensor::from({1, 2, 3});
  nn::Dropout dropout(0.5, rng), nothing(0, rng);
  dropout.eval();
  check_equal(dropout(x).value(), x.value());
  check_equal(nothing(x).value(), x.value());
  CHECK(rng.state() == Rng(2).state());
  check_contains(message_of([&] { nn::Dropout(1, rng); }), "[Dropout] p must be in [0, 1), got 1");
  check_contains(message_of([&] { nn::Dropout(-0.1, rng); }), "got -0.1");
}

TEST_CASE("losses: one number per example") {
  const Var a = Tensor::from({1, 2, 3, 4}, {2, 2}), b = Tensor::from({1, 0, 0, 0}, {2, 2});
  check_equal(nn::mse_loss(a, b).value(), Tensor::from({2, real(12.5)}));

  // -[t log s(a) + (1 - t) log(1 - s(a))], written out with s(1) = 0.7310585786300049.
  const double one = -std::log(0.7310585786300049), zero = -std::log(1 - 0.8807970779778823);
  const Var logits = Tensor::from({1, 2}, {1, 2}), target = Tensor::from({1, 0}, {1, 2});
  check_close(nn::bce_with_logits(logits, target).value(),
              Tensor::from({static_cast<real>((one + zero) / 2)}), 10 * kTolerance, 0);

  const double log_sum = std::log(std::exp(1.0) + std::exp(2.0));
  check_close(nn::cross_entropy(logits, Tensor::from({0})).value(),
              Tensor::from({static_cast<real>(log_sum - 1)}), 10 * kTolerance, 0);
}

TEST_CASE("losses: shapes that would only broadcast are refused") {
  const Var column = Tensor::zeros({4, 1}), row = Tensor::zeros({4});
  check_contains(message_of([&] { nn::mse_loss(column, row); }), "[mse_loss]", "[4,1]", "[4]");
  check_contains(message_of([&] { nn::bce_with_logits(column, row); }), "[bce_with_logits]",
                 "[4,1]", "[4]");
}

TEST_CASE("accuracy: the share of examples whose largest logit is at the label") {
  const Tensor logits = Tensor::from({1, 2, 5, 0, 0, 3, 1, 0}, {4, 2});
  CHECK(nn::accuracy(logits, Tensor::from({1, 0, 1, 1})) == 0.75);
  check_contains(message_of([&] { nn::accuracy(logits, Tensor::zeros({3})); }), "[accuracy]",
                 "[4,2]", "[3]");
}

TEST_CASE("mlp: learns exclusive or") {
  Rng rng(4);
  nn::MLP net({2, 8, 1}, rng, std::make_shared<nn::Tanh>());
  const Var x = Tensor::from({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const Var target = Tensor::from({0, 1, 1, 0}, {4, 1});
  optim::Adam adam(net.parameters(), {.lr = 0.05});
  for (int step = 0; step < 300; ++step) {
    adam.zero_grad();
    mean(nn::bce_with_logits(net(x), target)).backward();
    adam.step();
  }
  CHECK(mean(nn::bce_with_logits(net(x), target)).item() < 0.01);
}
