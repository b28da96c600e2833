// test_optim.cpp - optimisers against numbers computed outside this project from PyTorch's
// formulas.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "stflow/autodiff/ops.h"
#include "stflow/nn/nn.h"
#include "stflow/tensor/kernels/optim_kernels.h"
#include "stflow/tensor/parallel.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_close;
using stflow::testing::check_contains;
using stflow::testing::check_equal;
using stflow::testing::message_of;

namespace {

constexpr double kTolerance = sizeof(real) == 4 ? 1e-6 : 1e-14;

Var start() { return Var::parameter(Tensor::from({1, -2, real(0.5)})); }

Tensor gradient_at(int t) { return Tensor::from({real(0.1) * t, real(-0.3), real(0.5) / t}); }

void run(optim::Optimizer& optimizer, Var w, int first, int last) {
  for (int t = first; t <= last; ++t) {
    w.set_grad(gradient_at(t));
    optimizer.step();
  }
}

Tensor three(double a, double b, double c) {
  return Tensor::from({static_cast<real>(a), static_cast<real>(b), static_cast<real>(c)});
}

}  // namespace

TEST_CASE("sgd: three steps with weight decay") {
  Var w = start();
  optim::SGD sgd({w}, {.lr = 0.1, .weight_decay = 0.01});
  run(sgd, w, 1, 3);
  check_close(w.value(), three(0.9370429889999999, -1.904095968, 0.4069597828333333), kTolerance,
              0);
}

TEST_CASE("sgd: three steps with momentum and weight decay") {
  Var w = start();
  optim::SGD sgd({w}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
  run(sgd, w, 1, 3);
  check_close(w.value(), three(0.8993527889999999, -1.820633568, 0.2977456828333334), kTolerance,
              0);
}

TEST_CASE("sgd: three steps with Nesterov momentum and weight decay") {
  Var w = start();
  optim::SGD sgd({w}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  run(sgd, w, 1, 3);
  check_close(w.value(), three(0.8465500125509999, -1.742876836512, 0.2252205909538333), kTolerance,
              0);
}

TEST_CASE("adam: three steps") {
  Var w = start();
  optim::Adam adam({w}, {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-3});
  run(adam, w, 1, 3);
  check_close(w.value(), three(0.710093113094667, -1.700996677740864, 0.2197759568174121),
              kTolerance, 0);
}

TEST_CASE("adamw: three steps, the decay is not part of the gradient") {
  Var w = start();
  optim::AdamW adamw({w},
                     {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-3, .weight_decay = 0.2});
  run(adamw, w, 1, 3);
  check_close(w.value(), three(0.6571215575095231, -1.589320877076412, 0.1961862305323875),
              kTolerance, 0);
}

TEST_CASE("adam: the first step has length lr, whatever the scale of the gradient") {
  for (double scale : {1e-3, 1.0, 1e3}) {
    CAPTURE(scale);
    Var w = Var::parameter(Tensor::zeros({2}));
    optim::Adam adam({w}, {.lr = 0.5});
    w.set_grad(Tensor::from({static_cast<real>(scale), static_cast<real>(-scale)}));
    adam.step();
    check_close(w.value(), Tensor::from({real(-0.5), real(0.5)}), 2e-5, 0);
  }
}

TEST_CASE("optimizer: large parameters have the same bits for any number of threads") {
  const int before = num_threads();
  std::vector<Tensor> results;
  for (int threads : {1, 2}) {
    set_num_threads(threads);
    Rng rng(1);
    const Shape shape{3 * kElementwiseGrain + 17};
    Var a = Var::parameter(rng.normal(shape)), b = Var::parameter(rng.normal(shape));
    optim::Adam adam({a}, {.lr = 0.1});
    optim::SGD sgd({b}, {.lr = 0.1, .momentum = 0.9});
    a.set_grad(rng.normal(shape));
    b.set_grad(rng.normal(shape));
    adam.step();
    sgd.step();
    results.push_back(concat(std::vector<Tensor>{a.value(), b.value()}, 0));
  }
  set_num_threads(before);
  check_equal(results[0], results[1]);
}

TEST_CASE("optimizer: a parameter without a gradient is skipped and its steps are not counted") {
  Var used = start(), idle = start();
  optim::AdamW adamw({used, idle}, {.lr = 0.1});
  run(adamw, used, 1, 3);
  check_equal(idle.value(), start().value());
  CHECK(adamw.state_dict().at("0.step").item() == 3);
  CHECK(adamw.state_dict().at("1.step").item() == 0);
  optim::SGD sgd({used, idle}, {.lr = 0.1, .weight_decay = 1});
  sgd.step();
  check_equal(idle.value(), start().value());
}

TEST_CASE("optimizer: zero_grad removes the gradients") {
  Var w = start();
  optim::SGD sgd({w});
  w.set_grad(gradient_at(1));
  sgd.zero_grad();
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("optimizer: lr may be changed between steps, and is checked again") {
  Var w = start();
  optim::SGD sgd({w}, {.lr = 0.1});
  sgd.options.lr = 0;
  run(sgd, w, 1, 1);
  check_equal(w.value(), start().value());
  sgd.options.lr = -1;
  check_contains(message_of([&] { sgd.step(); }), "[SGD] lr must be at least 0, got -1");
}

TEST_CASE("optimizer: a run resumed from state_dict has the bits of an uninterrupted one") {
  Var whole = start();
  optim::Adam uninterrupted({whole}, {.lr = 0.1});
  run(uninterrupted, whole, 1, 4);

  Var first = start();
  optim::Adam adam({first}, {.lr = 0.1});
  run(adam, first, 1, 2);
  const nn::NamedTensors state = adam.state_dict();
  Var second = Var::parameter(first.value().clone());
  run(adam, first, 3, 4);  // must not reach into `state`

  optim::Adam resumed({second}, {.lr = 0.1});
  resumed.load_state_dict(state);
  run(resumed, second, 3, 4);
  check_equal(second.value(), whole.value());
}

TEST_CASE("optimizer: the state of a weight [in,out] is [out,in] in state_dict, as in files") {
  Rng rng(2);
  const Tensor value = rng.normal({2, 3}), slope = rng.normal({2, 3});
  Var weight = Var::parameter(value, Stored::transposed), plain = Var::parameter(value.clone());
  optim::Adam adam({weight}), as_it_is({plain});
  for (Var* w : {&weight, &plain}) w->set_grad(slope);
  adam.step();
  as_it_is.step();
  const nn::NamedTensors state = adam.state_dict();
  for (const char* name : {"0.exp_avg", "0.exp_avg_sq"})
    check_equal(state.at(name), transpose(as_it_is.state_dict().at(name)));

  Var again = Var::parameter(weight.value().clone(), Stored::transposed);
  optim::Adam resumed({again});
  resumed.load_state_dict(state);
  for (Var* w : {&again, &plain}) w->set_grad(slope);
  resumed.step();
  as_it_is.step();
  check_equal(again.value(), plain.value());
}

TEST_CASE("optimizer: momentum is part of state_dict") {
  Var whole = start(), part = start();
  optim::SGD a({whole}, {.lr = 0.1, .momentum = 0.9}), b({part}, {.lr = 0.1, .momentum = 0.9});
  run(a, whole, 1, 3);
  run(b, part, 1, 2);
  optim::SGD resumed({part}, {.lr = 0.1, .momentum = 0.9});
  resumed.load_state_dict(b.state_dict());
  run(resumed, part, 3, 3);
  check_equal(part.value(), whole.value());
}

TEST_CASE("optimizer: a state that does not fit is refused and changes nothing") {
  Var w = start();
  optim::Adam adam({w});
  run(adam, w, 1, 1);
  const nn::NamedTensors before = adam.state_dict();
  nn::NamedTensors state = before;
  state.erase("0.step");
  state["0.exp_avg"] = Tensor::zeros({4});
  state["1.exp_avg"] = Tensor::zeros({3});
  check_contains(
      message_of<std::runtime_error>([&] { adam.load_state_dict(state, "last.safetensors"); }),
      "last.safetensors does not fit this optimizer:", "missing: 0.step []",
      "wrong shape: 0.exp_avg is [4], expected [3]", "unexpected: 1.exp_avg [3]");
  for (const auto& [name, tensor] : adam.state_dict()) check_equal(tensor, before.at(name));
}

TEST_CASE("optimizer: wrong arguments are named") {
  Var w = start();
  const Vars none;
  const Var constant = Tensor::zeros({2});
  const auto sgd = [](Vars parameters, optim::SGDOptions options = {}) {
    return message_of([&] { optim::SGD optimizer(parameters, options); });
  };
  check_contains(sgd(none), "[SGD] the list of parameters is empty");
  check_contains(sgd({w, constant}), "[SGD] entry 1 is not a parameter but constant");
  check_contains(sgd({w * 2}), "[SGD] entry 0 is not a parameter but mul");
  check_contains(sgd({w, Var()}), "[SGD] entry 1 is not a parameter but empty");
  check_contains(sgd({w, w}), "[SGD] entry 1, of shape [3], is in the list twice");
  check_contains(sgd({w}, {.lr = -0.5}), "[SGD] lr must be at least 0, got -0.5");
  check_contains(sgd({w}, {.lr = std::nan("")}), "[SGD] lr must be at least 0, got nan");
  check_contains(sgd({w}, {.momentum = -1}), "[SGD] momentum must be at least 0, got -1");
  check_contains(sgd({w}, {.weight_decay = -1}), "[SGD] weight_decay must be at least 0, got -1");
  check_contains(sgd({w}, {.nesterov = true}), "[SGD] nesterov needs momentum above 0, got 0");
  const auto adam = [&](optim::AdamOptions options) {
    return message_of([&] { optim::Adam optimizer({w}, options); });
  };
  check_contains(adam({.lr = -1}), "[Adam] lr must be at least 0, got -1");
  check_contains(adam({.beta1 = 1}), "[Adam] beta1 must be in [0, 1), got 1");
  check_contains(adam({.beta2 = -0.5}), "[Adam] beta2 must be in [0, 1), got -0.5");
  check_contains(adam({.eps = -1}), "[Adam] eps must be at least 0, got -1");
  check_contains(message_of([&] { optim::AdamW optimizer({w}, {.weight_decay = -1}); }),
                 "[AdamW] weight_decay must be at least 0, got -1");
}

TEST_CASE("update loops: shapes that differ are refused") {
  Tensor a = Tensor::zeros({2}), b = Tensor::zeros({2});
  const Tensor c = Tensor::zeros({3});
  check_contains(message_of([&] { sgd_update_(a, b, c, {}); }), "[sgd_update_]", "grad [3]");
  check_contains(
      message_of([&] { adam_update_({{.value = &a, .mean = &b, .square = &b, .grad = &c}}); }),
      "[adam_update_]", "grad [3]");
}

TEST_CASE("clip_grad_norm: large gradients are scaled to the limit, small ones are left alone") {
  Var a = Var::parameter(Tensor::zeros({2})), b = Var::parameter(Tensor::zeros({1}));
  Var idle = Var::parameter(Tensor::zeros({1}));
  a.set_grad(Tensor::from({3, 0}));
  b.set_grad(Tensor::from({-4}));
  CHECK(optim::clip_grad_norm({a, b, idle}, 10) == 5);
  check_equal(a.grad(), Tensor::from({3, 0}));
  CHECK(optim::clip_grad_norm({a, b, idle}, 0.5) == 5);
  const double factor = 0.5 / (5 + 1e-6);  // as in torch.nn.utils.clip_grad_norm_
  check_close(a.grad(), Tensor::from({real(3 * factor), 0}), kTolerance, 0);
  check_close(b.grad(), Tensor::from({real(-4 * factor)}), kTolerance, 0);
  CHECK_FALSE(idle.grad().defined());
  check_contains(message_of([&] { optim::clip_grad_norm({a}, -1); }),
                 "[clip_grad_norm] max_norm must be at least 0, got -1");
}

TEST_CASE("clip_grad_norm: a norm within 1e-6 of the limit is clipped, as PyTorch does") {
  Var a = Var::parameter(Tensor::zeros({1}));
  a.set_grad(Tensor::from({real(1e-6)}));
  optim::clip_grad_norm({a}, 1e-6);
  check_close(a.grad(), Tensor::from({real(.5e-6)}), 1e-5, 0);
}

TEST_CASE("clip_grad_norm: a gradient that other handles share is not changed under them") {
  Var a = Var::parameter(Tensor::zeros({1}));
  const Tensor shared = Tensor::from({8});
  a.set_grad(shared);
  optim::clip_grad_norm({a}, 1);
  CHECK(shared.item() == 8);
}

TEST_CASE("clip_grad_norm: an infinite norm is returned and the gradients stay as they are") {
  Var a = Var::parameter(Tensor::zeros({2}));
  a.set_grad(Tensor::from({1, std::numeric_limits<real>::infinity()}));
  CHECK(std::isinf(optim::clip_grad_norm({a}, 1)));
  CHECK(a.grad()[0] == 1);
}

TEST_CASE("clip_grad_norm: squares beyond the range of numbers do not spoil the norm") {
  for (const double size : {1e-30, 1e30}) {
    CAPTURE(size);
    Var a = Var::parameter(Tensor::zeros({2}));
    const auto x = static_cast<real>(size);
    a.set_grad(Tensor::from({3 * x, -4 * x}));
    const double norm = optim::clip_grad_norm({a}, size * 1e-12);
    CHECK(norm == doctest::Approx(5 * size).epsilon(1e-6));
    const double factor = size * 1e-12 / (5 * size + 1e-6);
    CHECK(a.grad()[0] == doctest::Approx(3 * size * factor).epsilon(1e-5));
  }
}

TEST_CASE("adam: a state that no training leaves is refused by name, and nothing is taken over") {
  const Var w = Var::parameter(Tensor::zeros({2}));
  for (const auto& [name, number, words] :
       {std::tuple{"0.exp_avg_sq", -1., "0.exp_avg_sq is -1 at position "},
        std::tuple{"0.step", -1., "0.step is -1 at position 0"},
        std::tuple{"0.step", .5, "0.step is 0.5 at position 0"},
        std::tuple{"0.step", double(NAN), "0.step is nan at position 0"}}) {
    const std::string what = words;  // clang cannot capture a binding
    CAPTURE(what);
    optim::Adam adam({w});
    optim::AdamW adamw({w});
    for (optim::Optimizer* each :
         {static_cast<optim::Optimizer*>(&adam), static_cast<optim::Optimizer*>(&adamw)}) {
      optim::NamedTensors state = each->state_dict();
      state.at("0.exp_avg") = Tensor::full({2}, 7);
      Tensor& bad = state.at(name);
      bad.data()[bad.numel() - 1] = static_cast<real>(number);
      check_contains(message_of<std::runtime_error>([&] { each->load_state_dict(state, "file"); }),
                     "file does not fit this optimizer: ", what);
      CHECK(each->state_dict().at("0.exp_avg")[0] == 0);
    }
  }
}
