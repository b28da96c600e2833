// test_var.cpp - nodes and handles: what is recorded and when, how long it lives, what a leaf
// allows.
#include <doctest/doctest.h>

#include <sstream>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Reals = std::vector<real>;

Var parameter(const Reals& values) { return Var::parameter(Tensor::from(values)); }

/// Fails unless the gradient of one output with respect to one Var has these numbers.
void check_slope(const Var& output, const Var& x, const Reals& expected) {
  check_equal(grad({output}, {x})[0].value(), Tensor::from(expected));
}

}  // namespace

TEST_CASE("recording: an op on constants, or under no-grad, keeps neither inputs nor rule") {
  const Var x = parameter({2}), c = Tensor::from({3});
  const Var y = c * c;
  CHECK(y.op() == "mul");
  CHECK_FALSE(y.requires_grad());
  CHECK(y.inputs().empty());
  CHECK((x * c).inputs().size() == 2);
  CHECK((x * c).id() > x.id());
  const NoGradGuard off;
  CHECK((x * c).inputs().empty());
}

TEST_CASE("var: a stream shows the value, the op and the shape") {
  const auto shown = [](const Var& x) {
    std::ostringstream out;
    out << x;
    return out.str();
  };
  const Var x = parameter({1, 2});
  CHECK(shown(x) == "[1, 2]  (parameter, [2])");
  CHECK(shown(x * x) == "[1, 4]  (mul, [2])");
  CHECK(shown(0.5) == "0.5  (constant, [])");
  CHECK(shown(Var()) == "empty Var");
}

TEST_CASE("var: formulas of a Var with a Tensor are Vars, of Tensors and numbers are Tensors") {
  const Var x = parameter({1, 2});
  const Tensor c = Tensor::from({3, 5});
  static_assert(std::is_same_v<decltype(x * c), Var> && std::is_same_v<decltype(c * x), Var>);
  static_assert(std::is_same_v<decltype(2 * x), Var> && std::is_same_v<decltype(x / 2.0), Var>);
  static_assert(std::is_same_v<decltype(2 * c), Tensor> && std::is_same_v<decltype(-c), Tensor>);
  check_slope(sum(c * x - c), x, {3, 5});
  check_slope(sum(x * (2 * c) / 2), x, {3, 5});
}

TEST_CASE("NoGradGuard: nests, and ends with its scope, also by an exception") {
  const Var x = parameter({2});
  CHECK(grad_enabled());
  {
    const NoGradGuard off;
    CHECK_FALSE((x * x).requires_grad());
    {
      const NoGradGuard still_off;
      CHECK_FALSE(grad_enabled());
    }
    CHECK_FALSE(grad_enabled());
    {
      const GradMode on(true);
      CHECK((x * x).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  CHECK_THROWS([] {
    const NoGradGuard off;
    throw std::runtime_error("stop");
  }());
  CHECK(grad_enabled());
}

TEST_CASE("NoGradGuard: belongs to its thread") {
  const NoGradGuard off;
  bool elsewhere = false;
  std::thread([&] { elsewhere = grad_enabled(); }).join();
  CHECK(elsewhere);
}

TEST_CASE("detach: has the value but stops the gradient") {
  const Var x = parameter({3});
  check_slope(x.detach() * x, x, {3});
  CHECK(x.detach().op() == "constant");
}

TEST_CASE("leaf: a changed value is seen by graphs built after it") {
  Var x = parameter({1, 2});
  x.mutable_value() = Tensor::from({5, 6});
  check_slope(square(x), x, {10, 12});
}

TEST_CASE("a chain of a million nodes is built, differentiated and released") {
  const int64_t before = live_nodes();
  {
    const Var x = parameter({1});
    Var y = x;
    for (int i = 0; i < 1000000; ++i) y = -y;
    CHECK(live_nodes() == before + 1000001);
    check_slope(y, x, {1});
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("a deep graph with its gradient's graph, and a ladder of diamonds, are released") {
  const int64_t before = live_nodes();
  {
    const Var x = parameter({1});
    Var y = x;
    for (int i = 0; i < 50000; ++i) y = y * x;  // x^50001
    const Var slope_of_y = grad({y}, {x}, true)[0];
    CHECK(slope_of_y.item() == 50001);
    Var z = x;
    for (int i = 0; i < 50000; ++i) z = z + z * 0;
    CHECK(z.item() == 1);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("live_nodes: returns to its start when the handles are gone, also after an exception") {
  const int64_t before = live_nodes();
  {
    const Var x = parameter({1, 2}), w = parameter({3, 4});
    const Var loss = sum(exp(x * w) + softplus(x));
    const Var second = sum(grad({loss}, {x}, true)[0]);
    second.backward();
    loss.backward();
    const Var bad = make_node("bad", x.value(), {x}, [](const Var&, const Var&) -> Vars {
      throw std::runtime_error("stop");
    });
    CHECK_THROWS_AS(grad({bad * 2}, {x}), std::runtime_error);
    CHECK_THROWS_AS(grad({bad * 2}, {x}, true), std::runtime_error);
  }
  CHECK(live_nodes() == before);
}

TEST_CASE("Var: misuse is named") {
  Var x = parameter({1, 2}), c = Tensor::from({1}), empty;
  Var y = x * 2;
  check_contains(message_of([&] { y.mutable_value(); }), "[Var] only a leaf", "this is 'mul'");
  check_contains(message_of([&] { empty.mutable_value(); }), "[Var] only a leaf", "'empty'");
  check_contains(message_of([&] { empty.value(); }), "[Var] used while empty");
  check_contains(message_of([&] { x + empty; }), "[Var] used while empty");
  check_contains(message_of([] { Var{Tensor()}; }), "[Var] the tensor is undefined");
  check_contains(message_of([&] { c.set_grad(Tensor::ones({1})); }), "set_grad() on 'constant'");
  check_contains(message_of([&] { empty.set_grad(Tensor::ones({1})); }), "set_grad() on 'empty'");
  check_contains(message_of([&] { empty.add_grad(Tensor::ones({1})); }), "set_grad() on 'empty'");
  for (int time = 0; time < 2; ++time) {  // also when there is a gradient already
    check_contains(message_of([&] { x.set_grad(Tensor::ones({1})); }), "gradient of shape [1]",
                   "shape [2]");
    check_contains(message_of([&] { x.add_grad(Tensor::ones({1})); }), "gradient of shape [1]",
                   "shape [2]");
    x.add_grad(Tensor::ones({2}));
  }
  check_equal(x.grad(), Tensor::from({2, 2}));
}

TEST_CASE("Var: an empty one says so, whatever it is asked") {
  Var empty;
  check_contains(message_of([&] { empty.op(); }), "[Var]", "empty");
  check_contains(message_of([&] { empty.inputs(); }), "[Var]", "empty");
  check_contains(message_of([&] { empty.id(); }), "[Var]", "empty");
  check_contains(message_of([&] { empty.zero_grad(); }), "[Var]", "empty");
}

TEST_CASE("var: a gradient that is set or added is a copy") {
  Var set = Var::parameter(Tensor::zeros({2})), added = Var::parameter(Tensor::zeros({2}));
  Tensor mine = Tensor::ones({2});
  set.set_grad(mine);
  added.add_grad(mine);
  fill_(mine, 5);
  CHECK(set.grad()[0] == 1);
  CHECK(added.grad()[0] == 1);
}
