// test_in_place.cpp - a value that was changed in place after the graph was made gives an error,
// where the gradient needs it, and no wrong gradient.
#include <doctest/doctest.h>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/nn/linear.h"
#include "stflow/nn/optim.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

Var parameter(const std::vector<real>& values) { return Var::parameter(Tensor::from(values)); }

std::string backward_message(const Var& loss) {
  return message_of([&] { loss.backward(); });
}

}  // namespace

TEST_CASE("in place: an optimiser's step between forward and backward is an error that names it") {
  Var w = parameter({1, 2});
  w.set_grad(Tensor::ones({2}));
  for (int kind = 0; kind < 3; ++kind) {
    CAPTURE(kind);
    const Var loss = sum(square(w));
    if (kind == 0) optim::SGD({w}).step();
    if (kind == 1) optim::Adam({w}).step();
    if (kind == 2) optim::AdamW({w}).step();
    check_contains(backward_message(loss), "[grad] the rule of 'square' needs its input 0",
                   "'parameter' of shape [2]", "changed in place");
  }
  CHECK_NOTHROW(sum(square(w)).backward());
}

TEST_CASE("in place: every way in which a leaf or a constant is changed is seen") {
  Var w = parameter({1, 2}), other = parameter({3, 4});
  Tensor constant = Tensor::from({5, 6});
  const auto changed = [&](const std::function<void()>& change) {
    const Var loss = sum(w * other * constant);
    change();
    return backward_message(loss).find("changed in place") != std::string::npos;
  };
  CHECK(changed([&] { fill_(w.mutable_value(), 1); }));
  CHECK(changed([&] { add_scaled_(w.mutable_value(), other.value(), 1); }));
  CHECK(changed([&] { w.mutable_value() = Tensor::from({7, 8}); }));
  CHECK(changed([&] { w.mutable_value().data()[0] = 9; }));
  CHECK(changed([&] { fill_(constant, 1); }));
  CHECK(changed([&] {
    Tensor view = constant.reshape({1, 2}).rows(0, 1);  // another handle on the same numbers
    fill_(view, 2);
  }));
  CHECK_FALSE(changed([&] {
    Tensor copy = constant.clone();
    fill_(copy, 3);
  }));
  CHECK_FALSE(changed([&] { w.set_grad(Tensor::ones({2})); }));
}

TEST_CASE("in place: the result of an op that was changed is named") {
  const Var x = parameter({0, 1}), y = exp(x);
  Tensor handle = y.value();
  fill_(handle, 0);
  check_contains(backward_message(sum(y)), "[grad] the result of 'exp', of shape [2]");
}

TEST_CASE("in place: a gradient that does not need the changed value is right, and allowed") {
  Var w = parameter({1, 2}), v = parameter({3, 4});
  const Var loss = sum(reshape(w + v, {2, 1})) + sum(slice(concat({w, v}, 0), 0, 1, 3)) +
                   sum(sum(broadcast_to(w, {3, 2}), {0}));
  fill_(w.mutable_value(), 0);
  loss.backward();
  check_equal(w.grad(), Tensor::from({4, 5}));
  check_equal(v.grad(), Tensor::from({2, 1}));

  Rng rng(1);
  nn::Linear layer(2, 1, rng);
  const Var first = sum(layer(Tensor::from({1, 2}, {1, 2})));  // dw needs x alone
  fill_(layer.weight.mutable_value(), 0);
  first.backward();
  check_equal(layer.weight.grad(), Tensor::from({1, 2}, {2, 1}));
}

TEST_CASE("in place: a changed layer is an error for what lies before it") {
  Rng rng(1);
  nn::Linear first(2, 2, rng), second(2, 1, rng);
  const Var loss = sum(second(first(Tensor::from({1, 2}, {1, 2}))));
  fill_(second.weight.mutable_value(), 0);
  check_contains(backward_message(loss), "[grad] the rule of 'linear' needs its input 1",
                 "'parameter' of shape [2,1]");
}

TEST_CASE("in place: a gradient of a gradient sees a change as well") {
  Var x = parameter({2});
  const Var slope = grad({sum(x * x * x)}, {x}, /*create_graph=*/true)[0];
  fill_(x.mutable_value(), 3);
  check_contains(message_of([&] { grad({slope}, {x}); }), "changed in place");
}

TEST_CASE("in place: a condition that has changed is an error, not another gradient") {
  const Var w = parameter({2});
  Tensor condition = Tensor::from({1, 0});
  const Var loss = sum(where(condition, w, 0.0));
  fill_(condition, 1);
  check_contains(backward_message(loss), "[grad] the condition of 'where', [2]",
                 "changed in place");
}
