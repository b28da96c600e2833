// test_gradcheck.cpp - gradcheck finds what is wrong: each test is an op with one typical mistake.
#include <doctest/doctest.h>

#include <stdexcept>
#include <type_traits>
#include <vector>

#include "stflow/autodiff/gradcheck.h"
#include "stflow/autodiff/ops.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Inputs = const Vars&;

const Tensor kX = Tensor::from({0.5, -1.25, 2, 0.75, 1.5, -0.5}, {2, 3});

/// x^2 whose gradient is off by a factor.
Var square_off_by(const Var& x, double factor) {
  return make_node(
      "square_off", stflow::square(x.value()), {x},
      [factor](const Var& out, const Var& up) { return Vars{up * (2 * factor) * out.input(0)}; });
}

std::string complaint(const std::function<Var(Inputs)>& f, const std::vector<Tensor>& inputs,
                      int order) {
  return message_of<std::runtime_error>([&] { gradcheck(f, inputs, {.order = order}); });
}

}  // namespace

TEST_CASE("gradcheck: accepts a right gradient, in both builds") {
  const auto f = [](Inputs v) { return tanh(v[0] * v[1]); };
  CHECK_NOTHROW(gradcheck(f, {kX, Tensor::from({1, 0.5, -1})}, {.order = 2}));
}

TEST_CASE("gradcheck: finds a sign mistake, in both builds, and names the place") {
  const auto f = [](Inputs v) { return v[0] + square_off_by(v[1], -1); };
  const std::string message = complaint(f, {Tensor::from({1, 2}), Tensor::from({1, 2})}, 1);
  check_contains(message, "[gradcheck] order 1, input 1 of shape [2] at [0]: analytic", "numeric");
}

TEST_CASE("gradcheck: finds a rule that is off by 0.1 %" * doctest::skip(kFloat)) {
  const auto f = [](Inputs v) { return square_off_by(v[0], 1.001); };
  check_contains(complaint(f, {kX}, 1), "order 1, input 0");
  CHECK_NOTHROW(gradcheck([](Inputs v) { return square_off_by(v[0], 1); }, {kX}, {.order = 2}));
}

TEST_CASE("gradcheck: finds a single wrong number and says where" * doctest::skip(kFloat)) {
  const Tensor factor = Tensor::from({1, 1, 1, 1, 1.001, 1}, {2, 3});
  const auto f = [&](Inputs v) {
    return make_node(
        "square_off", stflow::square(v[0].value()), {v[0]},
        [factor](const Var& out, const Var& up) { return Vars{up * 2 * factor * out.input(0)}; });
  };
  check_contains(complaint(f, {kX}, 1), "input 0 of shape [2,3] at [1,1]");
}

TEST_CASE("gradcheck: finds a rule that is wrong at second order only" * doctest::skip(kFloat)) {
  // The first gradient is right, but its factor 2 x is taken as a constant.
  const auto f = [](Inputs v) {
    return make_node(
        "square_once", stflow::square(v[0].value()), {v[0]},
        [](const Var& out, const Var& up) { return Vars{up * 2 * out.input(0).detach()}; });
  };
  CHECK_NOTHROW(gradcheck(f, {kX}));
  check_contains(complaint(f, {kX}, 2), "order 2, input 0");
}

TEST_CASE("gradcheck: finds a rule that drops the upstream gradient's graph" *
          doctest::skip(kFloat)) {
  const auto f = [](Inputs v) {
    return make_node(
        "square_once", stflow::square(v[0].value()), {v[0]},
        [](const Var& out, const Var& up) { return Vars{up.detach() * 2 * out.input(0)}; });
  };
  CHECK_NOTHROW(gradcheck(f, {kX}));
  check_contains(complaint(f, {kX}, 2), "order 2, input 1");  // the direction w comes after x
}

TEST_CASE("gradcheck: finds a rule that forgets a broadcast") {
  // x [2,3] + bias [3], with the bias gradient of the first row only.
  const auto f = [](Inputs v) {
    return make_node("add_bias", stflow::add(v[0].value(), v[1].value()), {v[0], v[1]},
                     [](const Var&, const Var& up) {
                       return Vars{up, slice(up, 0, 0, 1)};
                     });
  };
  check_contains(complaint(f, {kX, Tensor::from({1, 2, 3})}, 1), "order 1, input 1");

  // A sum whose rule does not spread the gradient over the numbers again: the engine itself
  // objects.
  const auto g = [](Inputs v) {
    return make_node("sum_once", stflow::sum(v[0].value()), {v[0]},
                     [](const Var&, const Var& up) { return Vars{up}; });
  };
  check_contains(message_of([&] { gradcheck(g, {kX}); }), "'sum_once'",
                 "shape [] for input 0 of shape [2,3]");
}

TEST_CASE("gradcheck: finds a gradient that is not finite") {
  const auto f = [](Inputs v) { return sqrt(v[0]); };
  check_contains(complaint(f, {Tensor::from({1, 0})}, 1), "at [1]: analytic", "inf");
}

TEST_CASE("gradcheck: accepts a function without gradient and refuses an unknown order") {
  CHECK_NOTHROW(gradcheck([](Inputs v) { return (0 * v[0]).detach(); }, {kX}, {.order = 2}));
  const auto f = [](Inputs v) { return v[0]; };
  check_contains(message_of([&] { gradcheck(f, {kX}, {.order = 3}); }), "[gradcheck] order",
                 "got 3");
}
