// test_long_sums.cpp - reductions of many numbers: the error does not grow with their count, and
// the bits of those that are not long are what plain loops give.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kClose = 1e-6;
constexpr int64_t kMany = 5'000'000;
constexpr real kNan = std::numeric_limits<real>::quiet_NaN();

double sum_of(const Tensor& x, int64_t first, int64_t step) {
  double total = 0;
  for (int64_t i = first; i < x.numel(); i += step) total += x[i];
  return total;
}

}  // namespace

TEST_CASE("sums: five million numbers lose no more digits than a few") {
  for (const Tensor& x : {Rng(1).uniform({kMany, 2}), Tensor::full({kMany, 2}, real(.1))}) {
    const double left = sum_of(x, 0, 2), right = sum_of(x, 1, 2);
    const Tensor both = Tensor::from({real(left), real(right)});
    check_close(sum(x, {0}), both, kClose, 0);
    check_close(sum_to(x, {2}), both, kClose, 0);
    check_close(mul_sum_to(x, Tensor::ones({2}), {2}), both, kClose, 0);
    check_close(mean(x, {0}), mul(both, Tensor::scalar(real(1. / kMany))), kClose, 0);
    check_close(sum(x), Tensor::scalar(real(left + right)), kClose, 0);
    const Tensor rows = Tensor::from(
        {real(sum_of(x.rows(0, kMany / 2), 0, 1)), real(sum_of(x.rows(kMany / 2, kMany), 0, 1))});
    check_close(sum(x.reshape({2, kMany}), {1}), rows, kClose, 0);
    const Var w = Var::parameter(Tensor::from({1, 2}));
    check_close(grad({sum(w * x)}, {w})[0].value(), both, kClose, 0);
  }
  const double expected = std::log(double{kMany}) + .5;
  const Tensor half = Tensor::full({kMany, 2}, real(.5));
  check_close(logsumexp(half, {0}), Tensor::full({2}, real(expected)), kClose, 0);
}

TEST_CASE("sums: a long row's likelihood and its slope lose no digits") {
  const Tensor logits = Tensor::full({kMany}, real(.1)), x = Tensor::ones({kMany});
  const double each = .1 - std::log1p(std::exp(.1)), p = 1 / (1 + std::exp(-.1));
  Tensor residual;
  check_close(bernoulli_log_prob(logits, x), Tensor::scalar(real(each * kMany)), kClose, 0);
  check_close(bernoulli_log_prob(logits, x, &residual), Tensor::scalar(real(each * kMany)), kClose,
              0);
  const Tensor slope = bernoulli_residual_backward(x, Tensor::ones({1}), logits, residual, nullptr);
  check_close(slope, Tensor::from({real((1 - p) * kMany)}), kClose, 0);
}

TEST_CASE("sums: up to 1024 rows the bits are those of adding one row after the other") {
  for (const int64_t rows : {1, 33, 100, 1000, 1024}) {
    CAPTURE(rows);
    const Tensor x = Rng(2).normal({rows, 37});
    Tensor plain = Tensor::zeros({37});
    for (int64_t i = 0; i < rows; ++i) add_scaled_(plain, x.rows(i, i + 1).reshape({37}), 1);
    check_equal(sum(x, {0}), plain);
  }
}

TEST_CASE("sums: long ones have the same bits for any number of threads") {
  const int before = num_threads();
  const Tensor x = Rng(3).normal({100'000, 40});
  set_num_threads(1);
  const Tensor columns = sum(x, {0}), all = sum(x), top = max(x, {0});
  set_num_threads(4);
  check_equal(sum(x, {0}), columns);
  check_equal(sum(x), all);
  check_equal(max(x, {0}), top);
  set_num_threads(before);
}

TEST_CASE("max and argmax: NaN is the largest, wherever it stands, and the first of several") {
  for (const auto& [numbers, place] :
       {std::pair(Tensor::from({1, kNan, 3}), 1), std::pair(Tensor::from({kNan, 1, 3}), 0),
        std::pair(Tensor::from({1, 3, kNan}), 2), std::pair(Tensor::from({1, kNan, kNan}), 1)}) {
    CAPTURE(place);
    CHECK(argmax(numbers).item() == place);
    CHECK(std::isnan(max(numbers).item()));
    CHECK(std::isnan(max(numbers.reshape({3, 1}), {0}).item()));
  }
  CHECK(argmax(Tensor::from({1, 3, 3})).item() == 1);
  Tensor many = Tensor::zeros({kMany});
  many.data()[kMany / 3] = kNan;
  CHECK(std::isnan(max(many).item()));
  CHECK(std::isnan(max(many.reshape({kMany / 2, 2}), {0})[(kMany / 3) % 2]));
}

TEST_CASE("log_softmax, cross_entropy, logsumexp: an offset of all logits changes nothing") {
  const double log2 = std::log(2.);
  for (const double offset : {0., 1e4, -1e4, 1e7, 1e8, -1e8, 1e30, -1e30}) {
    CAPTURE(offset);
    const Var x = Var::parameter(Tensor::full({1, 2}, static_cast<real>(offset)));
    const Var loss = cross_entropy(x, Tensor::from({0}));
    check_close(loss.value(), Tensor::from({real(log2)}), kClose, 0);
    check_close(grad({loss}, {x})[0].value(), Tensor::from({-.5, .5}, {1, 2}), kClose, 0);
    check_close(log_softmax(x).value(), Tensor::full({1, 2}, real(-log2)), kClose, 0);
    check_close(softmax(x).value(), Tensor::full({1, 2}, real(.5)), kClose, 0);
    check_close(grad({logsumexp(x)}, {x})[0].value(), Tensor::full({1, 2}, real(.5)), kClose, 0);
    check_close(logsumexp(x).value(), Tensor::scalar(real(offset + log2)), kClose, 0);
    const Var bits = bernoulli_log_prob(x, Tensor::ones({1, 2}));
    const double each = offset > 0 ? 0 : offset == 0 ? -log2 : offset;
    check_close(bits.value(), Tensor::from({real(2 * each)}), kClose, 0);
  }
}

TEST_CASE("edges that are decided: sqrt and the norm at 0, a dead branch of where, all -inf") {
  constexpr real inf = std::numeric_limits<real>::infinity();
  const Var zero = Var::parameter(Tensor::zeros({2}));
  CHECK(grad({sqrt(zero)}, {zero})[0].value()[0] == inf);
  CHECK(std::isnan(grad({sqrt(sum(square(zero)))}, {zero})[0].value()[0]));
  check_equal(grad({sqrt(sum(square(zero)) + 1)}, {zero})[0].value(), Tensor::zeros({2}));

  const Tensor positive = greater(zero.value(), Tensor::scalar(0));
  CHECK(std::isnan(grad({where(positive, log(zero) * zero, 0)}, {zero})[0].value()[0]));
  const Var safe = where(positive, log(where(positive, zero, 1)), 0);
  check_equal(grad({safe}, {zero})[0].value(), Tensor::zeros({2}));

  const Var masked = Var::parameter(Tensor::full({2}, -inf));
  CHECK(logsumexp(masked).item() == -inf);
  CHECK(std::isnan(grad({logsumexp(masked)}, {masked})[0].value()[0]));
}

TEST_CASE("a batch of 0: means over its features are empty, their gradients too") {
  const Var x = Var::parameter(Tensor({0, 3}));
  for (const Var& y : {mean(x, {-1}), sum(x, {1}), max(x, {1}), logsumexp(x, {-1}),
                       mean(softmax(x), {1}), mean(log_softmax(x), {1})}) {
    CAPTURE(y.op());
    CHECK(y.shape() == Shape{0});
    CHECK(grad({y}, {x})[0].shape() == Shape{0, 3});
  }
  check_equal(sum(x, {0}).value(), Tensor::zeros({3}));
}

TEST_CASE("grad: an upstream gradient has the shape of its output") {
  const Var x = Var::parameter(Tensor::from({1, 2, 3})), y = x * 2;
  check_contains(message_of([&] {
                   grad({y}, {x}, false, {Tensor::ones({2, 3})});
                 }),
                 "[grad] upstream gradient 0 has shape [2,3], output 0 has [3]");
  check_contains(message_of([&] { grad({y}, {x}, false, {1.0}); }), "upstream gradient 0 has");
  check_contains(message_of([&] { grad({y, y}, {x}, false, {y, Var()}); }), "[Var] used while");
}
