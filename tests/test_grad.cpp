// test_grad.cpp - the engine: which rules run, how often and in which mode, and what they add up
// to. The rules of the ops themselves are tested in test_ops.cpp.
#include <doctest/doctest.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = sizeof(real) == 4 ? 1e-5 : 1e-12;

using Reals = std::vector<real>;

Var parameter(const Reals& values) { return Var::parameter(Tensor::from(values)); }

/// x itself, through a node that counts how often its rule runs.
Var counted(const Var& x, int& calls) {
  return make_node("counted", x.value(), {x}, [&calls](const Var&, const Var& up) {
    ++calls;
    return Vars{up};
  });
}

/// A node on the given inputs, of the first one's shape, with any rule.
Var node(const Vars& inputs, const Backward& rule) {
  return make_node("node", inputs[0].value(), inputs, rule);
}

/// Fails unless the gradient of one output with respect to one Var has these numbers.
void check_slope(const Var& output, const Var& x, const Reals& expected) {
  check_equal(grad({output}, {x})[0].value(), Tensor::from(expected));
}

}  // namespace

TEST_CASE("grad: a node with several users runs its rule once, after all of them") {
  int calls = 0;
  const Var x = parameter({3});
  const Var h = counted(x * x, calls);             // 9, dh/dx = 6
  const Var y = (h * 2 + h * h) * h + exp(h - h);  // 2 h^2 + h^3 + 1
  check_slope(y, x, {(4 * 9 + 3 * 81) * 6});
  CHECK(calls == 1);
}

TEST_CASE("grad: a chain of diamonds costs one rule call a node, not one a path") {
  int calls = 0;
  const Var x = parameter({1});
  Var y = x;
  for (int i = 0; i < 60; ++i) {
    y = counted(y, calls);
    y = y + y;  // 2^60 paths
  }
  check_slope(y, x, {real(int64_t{1} << 60)});
  CHECK(calls == 60);
}

TEST_CASE("grad: an input that is used twice by one node gets both gradients") {
  const Var x = parameter({2, 3});
  check_slope(x * x, x, {4, 6});
  check_slope(x + x, x, {2, 2});
  check_slope(x - x, x, {0, 0});
  check_slope(concat({x, x * 2, x}, 0), x, {4, 4});
}

TEST_CASE("grad: of outputs with any shape is that of their sum") {
  const Var x = parameter({1, 2, 3});
  check_slope(square(x), x, {2, 4, 6});
  const Vars both = grad({square(x), sum(x), square(x)}, {x});
  check_equal(both[0].value(), Tensor::from({5, 9, 13}));
  check_equal(grad({}, {x})[0].value(), Tensor::from({0, 0, 0}));
}

TEST_CASE("grad: takes given upstream gradients, one an output") {
  const Var x = parameter({1, 2}), up = Tensor::from({10, 100}), two = 2.0;
  check_equal(grad({square(x)}, {x}, false, {up})[0].value(), Tensor::from({20, 400}));
  const Vars both = grad({square(x), sum(x)}, {x}, false, {up, two});
  check_equal(both[0].value(), Tensor::from({22, 402}));
  check_equal(grad({x}, {x}, false, {up})[0].value(), Tensor::from({10, 100}));
}

TEST_CASE("grad: an upstream gradient can itself be differentiated") {
  const Var x = parameter({1, 2}), up = parameter({10, 100});
  const Var g = grad({square(x)}, {x}, true, {up})[0];  // 2 x up
  check_slope(g, up, {2, 4});
  check_slope(g, x, {20, 200});
}

TEST_CASE("grad: an input that was broadcast gets the sum over its repetitions") {
  const Var x = Var::parameter(Tensor::from({1, 2, 3}, {3, 1})),
            y = Var::parameter(Tensor::scalar(4));
  const Vars gradients = grad({x * Tensor::ones({2, 1, 5}) * y}, {x, y});
  check_equal(gradients[0].value(), Tensor::full({3, 1}, 40));
  check_equal(gradients[1].value(), Tensor::scalar(60));
}

TEST_CASE("grad: with respect to an intermediate, alone or together with what is behind it") {
  const Var x = parameter({3});
  const Var h = square(x), y = square(h);
  check_slope(y, h, {18});
  const Vars both = grad({y}, {h, x, h, y});
  CHECK(both[0].item() == 18);
  CHECK(both[1].item() == 108);
  CHECK(both[2].item() == 18);
  CHECK(both[3].item() == 1);
}

TEST_CASE("grad: what no output depends on gets zeros of its shape") {
  const Var x = parameter({1, 2}), other = Var::parameter(Tensor::ones({2, 3}));
  const Vars gradients = grad({sum(x), sum(Var(Tensor::ones({4})))}, {other, x, square(x)});
  check_equal(gradients[0].value(), Tensor::zeros({2, 3}));
  check_equal(gradients[1].value(), Tensor::ones({2}));
  check_equal(gradients[2].value(), Tensor::zeros({2}));
}

TEST_CASE("grad: leaves the graph as it was, so that it can be asked again") {
  const Var x = parameter({1, 2});
  const Var y = exp(x) * x;
  const Tensor first = grad({y}, {x})[0].value();
  check_equal(grad({y}, {x})[0].value(), first);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("grad: a rule may answer zero with an empty Var") {
  const Var x = parameter({1}), y = parameter({1});
  const Var z = node({x, y}, [](const Var&, const Var& up) { return Vars{Var(), up}; });
  const Vars gradients = grad({z}, {x, y});
  check_equal(gradients[0].value(), Tensor::from({0}));
  check_equal(gradients[1].value(), Tensor::from({1}));
}

TEST_CASE("create_graph: x^4 differentiated four times, however it is written") {
  const Var x = parameter({-1, 2});
  for (const Var& power : {square(square(x)), x * x * x * x, pow(x, 4)}) {
    CAPTURE(power.op());
    const Var first = grad({power}, {x}, true)[0];
    const Var second = grad({first}, {x}, true)[0];
    const Var third = grad({second}, {x}, true)[0];
    check_close(first.value(), Tensor::from({-4, 32}), kTolerance, 0);
    check_close(second.value(), Tensor::from({12, 48}), kTolerance, 0);
    check_close(third.value(), Tensor::from({-24, 48}), kTolerance, 0);
    check_close(grad({third}, {x})[0].value(), Tensor::from({24, 24}), kTolerance, 0);
  }
}

TEST_CASE("create_graph: a gradient penalty trains the weights behind a gradient") {
  const Var x = parameter({0.5, -1}), w = parameter({2, 3});
  const Var slope_at_x = grad({sum(w * square(x))}, {x}, true)[0];  // 2 w x
  check_slope(square(slope_at_x), w, {4, 24});                      // 8 w x^2
}

TEST_CASE(
    "create_graph: without it a gradient is a constant, with it recorded even under no-grad") {
  const Var x = parameter({2});
  const Var y = x * x * x;
  CHECK_FALSE(grad({y}, {x})[0].requires_grad());
  CHECK(grad({y}, {x})[0].inputs().empty());
  const NoGradGuard off;
  CHECK_FALSE(grad({y}, {x})[0].requires_grad());
  const Var recorded = grad({y}, {x}, true)[0];
  check_slope(recorded, x, {12});
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("rules: run without recording unless create_graph asks for it") {
  const Var x = parameter({1});
  bool recording = true;
  const Var y = node({x}, [&](const Var&, const Var& up) {
    recording = grad_enabled();
    return Vars{up};
  });
  grad({y}, {x});
  CHECK_FALSE(recording);
  grad({y}, {x}, true);
  CHECK(recording);
}

TEST_CASE("wants: a rule is told which inputs' gradients are asked for") {
  const Var x = parameter({1}), w = parameter({1}), c = Tensor::from({1});
  const Var h = square(w);
  std::vector<bool> wanted;
  const Var y = node({x, h, c}, [&](const Var& out, const Var& up) {
    wanted = {out.wants(0), out.wants(1), out.wants(2)};
    return Vars{up, up, up};
  });
  using Flags = std::vector<bool>;
  grad({y}, {x, w});
  CHECK(wanted == Flags{true, true, false});
  grad({y}, {x});
  CHECK(wanted == Flags{true, false, false});
  grad({y}, {w});
  CHECK(wanted == Flags{false, true, false});
  grad({y}, {h}, true);
  CHECK(wanted == Flags{false, true, false});
  y.backward();
  CHECK(wanted == Flags{true, true, false});
}

TEST_CASE("wants: answers for the innermost grad() and again for the outer one after it") {
  const Var x = parameter({1}), w = parameter({1});
  std::vector<bool> wanted;
  const Var y = node({x, w}, [&](const Var& out, const Var& up) {
    const GradMode recording(true);
    const Var inner = parameter({3});
    check_slope(square(inner), inner, {6});
    wanted = {out.wants(0), out.wants(1)};
    return Vars{up, up};
  });
  grad({y}, {w});
  CHECK(wanted == std::vector<bool>{false, true});
}

TEST_CASE("grad: a rule runs only where a wrt lies behind it") {
  int to_x = 0, to_w = 0, behind_h = 0;
  const Var x = parameter({1}), w = parameter({1});
  const Var h = counted(x, behind_h);
  const Var y = counted(h, to_x) * counted(w, to_w) * counted(Tensor::from({2}), to_w);
  check_slope(y, x, {2});
  CHECK(to_x == 1);
  CHECK(to_w == 0);
  CHECK(behind_h == 1);
  check_slope(y, h, {2});
  CHECK(to_x == 2);
  CHECK(behind_h == 1);  // nothing behind h was asked for
}

TEST_CASE("linear: the gradient of constant data is not computed") {
  const Var x = Tensor::ones({4, 3}), w = Var::parameter(Tensor::ones({3, 2}));
  const Var y = linear(x, w);
  const double before = gemm_stats().flops;
  check_equal(grad({y}, {w})[0].value(), Tensor::full({3, 2}, 4));
  CHECK(gemm_stats().flops - before == 2 * 4 * 3 * 2);  // one product, not two
}

TEST_CASE("grad: an exception in a rule leaves the thread's modes as they were") {
  const Var x = parameter({1}), w = parameter({1});
  const Var bad =
      node({x, w}, [](const Var&, const Var&) -> Vars { throw std::runtime_error("stop"); });
  CHECK_THROWS_AS(grad({bad}, {x}), std::runtime_error);
  CHECK(grad_enabled());
  CHECK(bad.wants(1));  // outside grad(): does it need a gradient at all?
}

TEST_CASE("backward: adds into .grad of every parameter behind the loss, and of nothing else") {
  Var x = parameter({1, 2}), w = parameter({3, 4}), other = parameter({5});
  const Var h = x * w, loss = sum(h);
  loss.backward();
  check_equal(x.grad(), Tensor::from({3, 4}));
  check_equal(w.grad(), Tensor::from({1, 2}));
  backward(loss);
  check_equal(x.grad(), Tensor::from({6, 8}));
  backward(sum(x) * 2);
  check_equal(x.grad(), Tensor::from({8, 10}));
  CHECK_FALSE(h.grad().defined());
  CHECK_FALSE(other.grad().defined());
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  check_equal(w.grad(), Tensor::from({2, 4}));
}

TEST_CASE("backward: of a parameter itself, and of one element in any shape") {
  const Var x = Var::parameter(Tensor::full({1, 1}, 3));
  x.backward();
  check_equal(x.grad(), Tensor::ones({1, 1}));
  square(x).backward();
  check_equal(x.grad(), Tensor::full({1, 1}, 7));
}

TEST_CASE("two threads train small graphs of their own at once, with the numbers of one") {
  const auto train = [] {
    Rng rng(1);
    const Var x = rng.normal({8, 3}), target = rng.normal({8, 2});
    Var w = Var::parameter(rng.normal({3, 2}));
    for (int step = 0; step < 200; ++step) {
      w.zero_grad();
      mean(square(tanh(linear(x, w)) - target)).backward();
      w.mutable_value() = stflow::sub(w.value(), stflow::mul(w.grad(), Tensor::scalar(real(0.1))));
    }
    return w.value();
  };
  const Tensor alone = train();
  std::vector<Tensor> found(2);
  std::thread first([&] { found[0] = train(); }), second([&] { found[1] = train(); });
  first.join();
  second.join();
  for (const Tensor& w : found) check_equal(w, alone);
}

TEST_CASE("grad and backward: wrong requests are named") {
  const Var x = parameter({1, 2}), c = Tensor::from({1});
  check_contains(message_of([&] {
                   grad({sum(x)}, {x, c});
                 }),
                 "[grad]", "'constant'", "is a constant");
  check_contains(message_of([&] { grad({sum(x)}, {Var()}); }), "[grad]", "'an empty Var'");
  check_contains(message_of([&] { grad({Var()}, {x}); }), "[Var] used while empty");
  check_contains(message_of([&] {
                   grad({x}, {x}, false, {c, c});
                 }),
                 "[grad] 1 outputs but 2 upstream");
  check_contains(message_of([&] { grad({x}, {x}, false, {Tensor::ones({3})}); }), "[3]", "[2]");
  check_contains(message_of([&] { x.backward(); }), "backward() needs a scalar, got shape [2]",
                 "sum() or mean()");
  check_contains(message_of([] { backward(Var()); }), "backward() needs a scalar", "empty Var");
}

TEST_CASE("grad: a rule that returns too few gradients, or a wrong shape, is named") {
  const Var x = parameter({1, 2}), y = parameter({1});
  const Var few = node({x, y}, [](const Var&, const Var& up) { return Vars{up}; });
  check_contains(message_of([&] { grad({few}, {x}); }),
                 "[grad] the rule of 'node' returned 1 gradients for 2 inputs");
  const Var wrong = node({x}, [](const Var&, const Var&) { return Vars{Tensor::ones({3})}; });
  check_contains(message_of([&] { grad({wrong}, {x}); }), "[3]", "[2]");
}

TEST_CASE("backward: a value with no parameter behind it is refused") {
  const NoGradGuard no_grad;
  const Var w = Var::parameter(Tensor::ones({2}));
  check_contains(message_of([&] { sum(w * w).backward(); }), "no parameter", "NoGradGuard");
}

TEST_CASE("grad: a rule that returns a wrong shape is named") {
  const Var w = Var::parameter(Tensor::ones({2, 3}));
  const Var wrong = make_node("transposed", w.value(), {w},
                              [](const Var&, const Var& up) { return Vars{transpose(up)}; });
  check_contains(message_of([&] { grad({wrong}, {w}); }), "'transposed'", "[3,2]", "[2,3]");
}
