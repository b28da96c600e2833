// test_reduce.cpp - sums, maxima, softmax and likelihoods against plain loops in double, over every
// choice of axes; what happens to empty tensors, NaN and infinity; the same bits for any number of
// threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/edge_values.h"
#include "tests/plain_index.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = std::is_same_v<real, float> ? 1e-6 : 1e-14;

using Numbers = std::vector<double>;

double plain_sum(const Numbers& x) {
  double total = 0;
  for (const double v : x) total += v;
  return total;
}
double plain_mean(const Numbers& x) { return plain_sum(x) / static_cast<double>(x.size()); }
double plain_max(const Numbers& x) { return *std::max_element(x.begin(), x.end()); }
double plain_logsumexp(const Numbers& x) {
  double total = 0;
  for (const double v : x) total += std::exp(v);
  return std::log(total);
}

struct ReduceRow {
  std::string name;
  Tensor (*kernel)(const Tensor&, const Axes&, bool);
  double (*plain)(const Numbers&);
};
const std::vector<ReduceRow> kReductions = {{"sum", sum, plain_sum},
                                            {"mean", mean, plain_mean},
                                            {"max", max, plain_max},
                                            {"logsumexp", logsumexp, plain_logsumexp}};

/// `plain` of the numbers that share all indices but the reduced ones; reduced axes keep extent 1.
Tensor plain_reduce(const Tensor& x, const Axes& axes, double (*plain)(const Numbers&)) {
  Shape kept = x.shape();
  for (const int axis : axes) kept = kept.with(axis, 1);
  std::vector<Numbers> groups(kept.numel());
  int64_t i = 0;
  for_each_index(x.shape(),
                 [&](const Index& index) { groups[position(index, kept)].push_back(x[i++]); });
  Tensor out(kept);
  std::transform(groups.begin(), groups.end(), out.data(),
                 [&](const Numbers& group) { return static_cast<real>(plain(group)); });
  return out;
}

/// The axes whose bits are set.
Axes axes_of(int bits) {
  Axes axes;
  for (int axis = 0; axis < Shape::kMaxRank; ++axis) {
    if (bits >> axis & 1) axes.push_back(axis);
  }
  return axes;
}

Shape without_axes(Shape shape, const Axes& ascending) {
  for (auto axis = ascending.rbegin(); axis != ascending.rend(); ++axis)
    shape = shape.without(*axis);
  return shape;
}

/// Fails unless `call` gives the same numbers, bit by bit, with 1, 2 and 3 threads.
void check_same_for_any_threads(const std::function<Tensor()>& call) {
  const int before = num_threads();
  set_num_threads(1);
  const Tensor expected = call();
  for (const int threads : {2, 3}) {
    CAPTURE(threads);
    set_num_threads(threads);
    check_equal(call(), expected);
  }
  set_num_threads(before);
}

}  // namespace

TEST_CASE("reductions: over every choice of axes of ranks 0 to 6 equal plain loops") {
  const std::vector<int64_t> extents = {2, 3, 1, 2, 3, 2};
  Rng rng(1);
  for (int rank = 0; rank <= Shape::kMaxRank; ++rank) {
    const Tensor x =
        rng.normal(Shape(std::vector<int64_t>(extents.begin(), extents.begin() + rank)));
    for (int bits = 0; bits < 1 << rank; ++bits) {
      const Axes axes = axes_of(bits), reduced = axes.empty() ? axes_of((1 << rank) - 1) : axes;
      for (const ReduceRow& row : kReductions) {
        CAPTURE(row.name);
        CAPTURE(x.shape());
        CAPTURE(bits);
        const Tensor expected = plain_reduce(x, reduced, row.plain);
        check_close(row.kernel(x, axes, true), expected, kTolerance, kTolerance);
        check_close(row.kernel(x, axes, false), expected.reshape(without_axes(x.shape(), reduced)),
                    kTolerance, kTolerance);
      }
    }
  }
}

TEST_CASE("reductions: axes may be negative and in any order") {
  const Tensor x = Rng(2).normal({2, 3, 4, 5});
  for (const ReduceRow& row : kReductions) {
    CAPTURE(row.name);
    check_equal(row.kernel(x, {-1, 0}, false), row.kernel(x, {0, 3}, false));
    check_equal(row.kernel(x, {2, -3, 0}, true), row.kernel(x, {0, 1, 2}, true));
  }
}

TEST_CASE("reductions: long axes at either end and in the middle equal plain loops") {
  Rng rng(3);
  for (const Shape& shape :
       {Shape{70000}, Shape{3, 40000}, Shape{40000, 3}, Shape{3, 5000, 7}, Shape{2, 3, 20000}}) {
    CAPTURE(shape);
    const Tensor x = rng.uniform(shape);
    for (int bits = 1; bits < 1 << shape.rank(); ++bits) {
      for (const ReduceRow& row : kReductions) {
        CAPTURE(row.name);
        CAPTURE(bits);
        check_close(row.kernel(x, axes_of(bits), true), plain_reduce(x, axes_of(bits), row.plain),
                    100 * kTolerance, 0);
      }
    }
  }
}

TEST_CASE("sum: of no numbers is zero, and of no groups is empty") {
  check_equal(sum(Tensor({0})), Tensor::scalar(0));
  check_equal(sum(Tensor({0, 3}), {0}), Tensor::zeros({3}));
  check_equal(sum(Tensor({3, 0}), {1}, true), Tensor::zeros({3, 1}));
  check_equal(sum(Tensor({2, 0, 3}), {1}), Tensor::zeros({2, 3}));
  check_equal(sum(Tensor({2, 0, 3})), Tensor::scalar(0));
  CHECK(sum(Tensor({2, 0, 3}), {0, 2}).shape() == Shape{0});
  CHECK(max(Tensor({0, 3}), {1}).shape() == Shape{0});
  CHECK(mean(Tensor({3, 0}), {0}).shape() == Shape{0});
  CHECK(logsumexp(Tensor({0, 3}), {-1}, true).shape() == Shape{0, 1});
  CHECK(softmax(Tensor({0, 3})).shape() == Shape{0, 3});
  CHECK(log_softmax(Tensor({3, 0}), 0).shape() == Shape{3, 0});
  CHECK(argmax(Tensor({0, 3})).shape() == Shape{0});
}

TEST_CASE("reductions: long ones have the same bits for any number of threads") {
  Rng rng(4);
  const Tensor line = rng.normal({200003}), rows = rng.normal({3, 70001}),
               columns = rng.normal({70001, 3}), middle = rng.normal({5, 70, 301}),
               ends = rng.normal({300, 3, 301});
  check_same_for_any_threads([&] { return sum(line); });
  check_same_for_any_threads([&] { return mean(line); });
  check_same_for_any_threads([&] { return logsumexp(line); });
  check_same_for_any_threads([&] { return sum(rows, {1}); });
  check_same_for_any_threads([&] { return sum(columns, {0}); });
  check_same_for_any_threads([&] { return sum(middle, {1}); });
  check_same_for_any_threads([&] { return sum(ends, {0, 2}); });
  check_same_for_any_threads([&] { return softmax(rows); });
  check_same_for_any_threads([&] { return log_softmax(columns, 0); });
  check_same_for_any_threads(
      [&] { return bernoulli_log_prob(rows, greater(rows, Tensor::scalar(0))); });
}

TEST_CASE("sum: of many equal numbers does not drift") {
  const Tensor tenths = Tensor::full({3000000}, real(0.1));
  check_close(sum(tenths), Tensor::scalar(real(3000000 * double{real(0.1)})), 10 * kTolerance, 0);
}

TEST_CASE("max: NaN wins over any number, wherever it stands") {
  for (const int64_t place : {0, 1, 16, 39}) {
    CAPTURE(place);
    Tensor x = arange(40);
    x.data()[place] = kNan;
    CHECK(std::isnan(max(x).item()));
    CHECK(std::isnan(max(x.reshape({40, 1}), {0})[0]));
    CHECK(std::isnan(max(x.reshape({4, 10}), {0})[place % 10]));
  }
  CHECK(max(Tensor::from({-kInf, -kInf})).item() == -kInf);
  CHECK(max(Tensor::from({-kInf, 3, kInf})).item() == kInf);
}

TEST_CASE("logsumexp and softmax: far from zero, with infinities and NaN") {
  check_close(logsumexp(Tensor::from({1000, 1000})), Tensor::scalar(real(1000 + std::log(2.0))),
              kTolerance, 0);
  check_close(logsumexp(Tensor::from({-1000, -1000})), Tensor::scalar(real(-1000 + std::log(2.0))),
              kTolerance, 0);
  CHECK(logsumexp(Tensor::from({-kInf, 2})).item() == 2);
  CHECK(logsumexp(Tensor::from({-kInf, -kInf})).item() == -kInf);
  CHECK(logsumexp(Tensor::from({kInf, 2})).item() == kInf);
  CHECK(std::isnan(logsumexp(Tensor::from({kNan, 2})).item()));
  check_equal(softmax(Tensor::from({1000, 1000, -kInf})), Tensor::from({0.5, 0.5, 0}));
  check_equal(log_softmax(Tensor::from({1000, -kInf})), Tensor::from({0, -kInf}));
}

TEST_CASE("softmax and log_softmax: equal plain loops along every axis") {
  const Tensor x = Rng(5).normal({2, 3, 4});
  for (int axis = 0; axis < 3; ++axis) {
    CAPTURE(axis);
    const Tensor total = plain_reduce(x, {axis}, plain_logsumexp);
    Tensor expected(x.shape());
    int64_t i = 0;
    for_each_index(x.shape(), [&](const Index& index) {
      expected.data()[i] = x[i] - total[position(index, total.shape())];
      ++i;
    });
    check_close(log_softmax(x, axis), expected, kTolerance, kTolerance);
    check_close(softmax(x, axis - 3), exp(expected), 4 * kTolerance, 0);
  }
}

TEST_CASE("argmax: is the place of the first maximum along the last axis") {
  check_equal(argmax(Tensor::from({1, 5, 2, 5, 7, 7, 0, 0, -3, -1, -2, -2}, {3, 4})),
              Tensor::from({1, 0, 1}));
  check_equal(argmax(Tensor::from({2, 4, 3})), Tensor::scalar(1));
  CHECK(argmax(Tensor::zeros({2, 3, 4})).shape() == Shape{2, 3});
}

TEST_CASE("sum_to: undoes every broadcast of ranks 0 to 4") {
  const std::vector<int64_t> extents = {2, 3, 1, 4};
  for (int rank = 0; rank <= 4; ++rank) {
    const Tensor x =
        Rng(6).normal(Shape(std::vector<int64_t>(extents.begin(), extents.begin() + rank)));
    for (int bits = 0; bits < 1 << rank; ++bits) {
      const Tensor expected = plain_reduce(x, axes_of(bits), plain_sum);
      CAPTURE(expected.shape());
      check_close(sum_to(x, expected.shape()), expected, kTolerance, kTolerance);
      const Tensor half = Tensor::full(x.shape(), real(.5)), twice = mul(x, Tensor::scalar(2));
      check_close(mul_sum_to(twice, half, expected.shape()), expected, kTolerance, kTolerance);
      Shape stripped = expected.shape();
      while (stripped.rank() > 0 && stripped[0] == 1) stripped = stripped.without(0);
      check_close(sum_to(x, stripped), expected.reshape(stripped), kTolerance, kTolerance);
    }
  }
  check_equal(sum_to(Tensor({0, 3}), {3}), Tensor::zeros({3}));
  check_equal(mul_sum_to(Tensor({0, 3}), Tensor({3}), {1, 1}), Tensor::zeros({1, 1}));
  check_equal(mul_sum_to(Tensor({3, 0}), Tensor({3, 0}), {3, 1}), Tensor::zeros({3, 1}));
  check_equal(sum_to(Tensor({0, 3}), {1, 3}), Tensor::zeros({1, 3}));
}

TEST_CASE("bernoulli_log_prob: equals plain loops for all ways in which rows repeat") {
  struct Row {
    Shape logits, x, both;
  };
  Rng rng(7);
  for (const Row& row : {Row{{3}, {3}, {3}}, Row{{4, 37}, {4, 37}, {4, 37}},
                         Row{{37}, {4, 37}, {4, 37}}, Row{{5, 4, 3}, {4, 3}, {5, 4, 3}},
                         Row{{4, 3}, {5, 1, 3}, {5, 4, 3}}, Row{{1, 4, 3}, {5, 1, 3}, {5, 4, 3}},
                         Row{{2, 1}, {1}, {2, 1}}, Row{{1, 1}, {2, 1}, {2, 1}}}) {
    CAPTURE(row.logits);
    CAPTURE(row.x);
    const Tensor a = rng.normal(row.logits), x = rng.uniform(row.x);
    Numbers expected(row.both.without(-1).numel(), 0);
    for_each_index(row.both, [&](const Index& index) {
      const double logit = a[position(index, row.logits)], value = x[position(index, row.x)];
      expected[position(Index(index.begin(), index.end() - 1), row.both.without(-1))] +=
          value * logit - std::log1p(std::exp(logit));
    });
    const Tensor plain = Tensor::from({expected.begin(), expected.end()}, row.both.without(-1));
    check_close(bernoulli_log_prob(a, x), plain, 4 * kTolerance, 4 * kTolerance);
  }
}

TEST_CASE("bernoulli_log_prob: its second derivative keeps its digits where p is next to 0 or 1") {
  const Tensor logits = Tensor::from({-15, -15, 15, 15}), x = Tensor::from({0, 1, 0, 1});
  Tensor residual, to_logits;
  bernoulli_log_prob(logits, x, &residual);
  const Tensor one = Tensor::ones({1});
  bernoulli_residual_backward(Tensor::ones({4}), one, logits, residual, &to_logits);
  const double e = std::exp(-15.0), expected = -e / ((1 + e) * (1 + e));
  for (int64_t i = 0; i < 4; ++i) CHECK(std::abs(to_logits[i] / expected - 1) < 1e-5);
}

TEST_CASE("bernoulli_log_prob: holds for extreme logits and for no units") {
  const Tensor logits = Tensor::from({-1000, 1000}), none = Tensor({2, 0});
  check_equal(bernoulli_log_prob(logits, Tensor::from({0, 1})), Tensor::scalar(0));
  check_equal(bernoulli_log_prob(logits, Tensor::from({1, 1})), Tensor::scalar(-1000));
  check_equal(bernoulli_log_prob(none, none), Tensor::zeros({2}));
  CHECK(bernoulli_log_prob(Tensor({0, 3}), Tensor({3})).shape() == Shape{0});
}

TEST_CASE("allclose: compares within both tolerances and names the worst place") {
  const Tensor a = Tensor::from({1, 2, 3}), b = Tensor::from({1, 2.5, 4});
  std::string why;
  CHECK_FALSE(allclose(a, b, 0, 0.1, &why));
  check_contains(why, "worst at flat index 2 of [3]: 3 and 4", "rtol 0", "atol 0.1");
  CHECK(allclose(a, b, 0, 1));
  CHECK(allclose(a, b, 0.25, 0));
  CHECK_FALSE(allclose(a, b, 0.2, 0));
  CHECK_FALSE(allclose(a, a.reshape({3, 1}), 1, 1, &why));
  check_contains(why, "shapes differ: [3] and [3,1]");
  CHECK(allclose(Tensor({0}), Tensor({0}), 0, 0));
}

TEST_CASE("allclose and all_finite: an infinity equals itself alone, NaN equals nothing") {
  const auto close = [](real a, real b) {
    return allclose(Tensor::scalar(a), Tensor::scalar(b), 1, 1);
  };
  CHECK(close(kInf, kInf));
  CHECK_FALSE(close(kInf, -kInf));
  CHECK_FALSE(close(1, kInf));
  CHECK_FALSE(close(kInf, 1));
  CHECK_FALSE(close(kNan, kNan));
  CHECK_FALSE(close(kNan, 0));
  CHECK_FALSE(close(0, kNan));
  CHECK(all_finite(Tensor::from({-1, 0, kMax})));
  CHECK(all_finite(Tensor({0})));
  for (const real bad : {kInf, -kInf, kNan}) CHECK_FALSE(all_finite(Tensor::from({0, bad})));
}

TEST_CASE("reductions: arguments that do not fit are named") {
  const Tensor a({2, 3}), none({0, 3});
  check_contains(message_of([&] { sum(a, {2}); }), "axis 2 does not exist in [2,3]");
  check_contains(message_of([&] { max(a, {0, -3}); }), "axis -3 does not exist in [2,3]");
  check_contains(message_of([&] { mean(none, {0}); }), "[mean] of no numbers: shape [0,3]");
  check_contains(message_of([&] { max(none); }), "[max] of no numbers: shape [0,3]");
  check_contains(message_of([&] { logsumexp(none, {0}); }), "of no numbers: shape [0,3]");
  check_contains(message_of([&] { softmax(none, 0); }), "of no numbers: shape [0,3]");
  check_contains(message_of([&] {
                   argmax(Tensor({3, 0}));
                 }),
                 "[argmax] of no numbers: shape [3,0]");
  check_contains(message_of([&] { argmax(Tensor::scalar(1)); }), "axis -1 does not exist in []");
  check_contains(message_of([&] { sum_to(a, {2}); }), "[sum_to] [2,3] cannot be summed to [2]");
  check_contains(message_of([&] { sum_to(a, {1, 2, 3}); }), "[sum_to] [2,3]", "[1,2,3]");
  check_contains(message_of([&] {
                   bernoulli_log_prob(a, Tensor({2, 1}));
                 }),
                 "[bernoulli_log_prob] logits [2,3] and values [2,1]", "same last axis");
  check_contains(message_of([&] {
                   bernoulli_log_prob(a, Tensor({4, 3}));
                 }),
                 "[bernoulli_log_prob] shapes [2,3] and [4,3]");
}
