// test_math.cpp - elementwise kernels against plain loops: every pattern of broadcasting, edge
// values, cuts between threads. How exact exp and its kin are: test_accuracy.cpp; reductions and
// moves: test_reduce.cpp, test_layout.cpp.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/edge_values.h"
#include "tests/plain_index.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Binary = Tensor (*)(const Tensor&, const Tensor&);

struct BinaryRow {
  std::string name;
  Binary kernel;
  std::function<real(real, real)> plain;
};

const std::vector<BinaryRow>& binary_rows() {
  static const std::vector<BinaryRow> rows = {
      {"add", add, [](double a, double b) { return a + b; }},
      {"sub", sub, [](double a, double b) { return a - b; }},
      {"mul", mul, [](double a, double b) { return a * b; }},
      {"div", div, [](double a, double b) { return a / b; }},
      {"greater", greater, [](double a, double b) { return a > b ? 1 : 0; }},
      {"equal", equal, [](double a, double b) { return a == b ? 1 : 0; }},
  };
  return rows;
}

Tensor plain_zip(const Tensor& a, const Tensor& b, const Shape& shape, const BinaryRow& row) {
  Tensor out(shape);
  int64_t i = 0;
  for_each_index(shape, [&](const Index& index) {
    out.data()[i++] = row.plain(a[position(index, a.shape())], b[position(index, b.shape())]);
  });
  return out;
}

/// The shape without its leading extents of one: broadcasting puts them back.
Shape stripped(Shape shape) {
  while (shape.rank() > 0 && shape[0] == 1) shape = shape.without(0);
  return shape;
}

}  // namespace

TEST_CASE("formulas of tensors and numbers are the named kernels, bit for bit") {
  Rng rng(2);
  const Tensor a = rng.normal({3, 4}), b = rng.normal({4}), third = Tensor::scalar(1.0 / 3);
  const auto is = [](const Tensor& formula, const Tensor& named) { check_equal(formula, named); };
  is(a + b, add(a, b));
  is(a - b, sub(a, b));
  is(a * b, mul(a, b));
  is(a / b, div(a, b));
  is(-a, neg(a));
  is(a + 1.0 / 3, add(a, third));
  is(a - 1.0 / 3, sub(a, third));
  is(a * (1.0 / 3), mul(a, third));
  is(a / (1.0 / 3), div(a, third));
  is(1.0 / 3 + a, add(third, a));
  is(1.0 / 3 - a, sub(third, a));
  is(1.0 / 3 * a, mul(third, a));
  is(1.0 / 3 / a, div(third, a));
  is(2 * a - 1, sub(mul(a, Tensor::scalar(2)), Tensor::scalar(1)));  // an int is a number as well
  is(a * real(0.1), mul(a, Tensor::scalar(real(0.1))));
  CHECK_THROWS_WITH_AS(a * rng.normal({3}), doctest::Contains("mul"), std::invalid_argument);
}

TEST_CASE("broadcasting: every pattern of ranks 0 to 6 equals plain loops") {
  const std::vector<int64_t> extents = {2, 3, 2, 3, 2, 2};
  Rng rng(1);
  const BinaryRow& row = binary_rows()[1];
  for (int rank = 0; rank <= Shape::kMaxRank; ++rank) {
    for (int pattern = 0; pattern < 1 << (2 * rank);
         ++pattern) {  // two bits an axis: a, b repeated
      Shape a_shape(std::vector<int64_t>(extents.begin(), extents.begin() + rank)),
          b_shape = a_shape;
      for (int axis = 0; axis < rank; ++axis) {
        if (pattern >> (2 * axis) & 1) a_shape = a_shape.with(axis, 1);
        if (pattern >> (2 * axis) & 2) b_shape = b_shape.with(axis, 1);
      }
      CAPTURE(a_shape);
      CAPTURE(b_shape);
      const Tensor a = rng.normal(a_shape), b = rng.normal(b_shape);
      const Tensor expected = plain_zip(a, b, broadcast_shapes(a_shape, b_shape, "test"), row);
      check_equal(sub(a, b), expected);
      const Tensor short_a = a.reshape(stripped(a_shape)), short_b = b.reshape(stripped(b_shape));
      check_equal(sub(short_a, b), expected);
      check_equal(sub(a, short_b), expected);
    }
  }
}

TEST_CASE("broadcasting: tensors of no elements give one of no elements") {
  struct Row {
    Shape a, b, both;
  };
  for (const Row& row :
       {Row{{0}, {0}, {0}}, Row{{0}, {}, {0}}, Row{{0}, {1}, {0}}, Row{{2, 0}, {2, 1}, {2, 0}},
        Row{{0, 3}, {3}, {0, 3}}, Row{{3, 1}, {0}, {3, 0}}}) {
    CAPTURE(row.a);
    CAPTURE(row.b);
    CHECK(add(Tensor(row.a), Tensor::ones(row.b)).shape() == row.both);
    CHECK(add(Tensor::ones(row.b), Tensor(row.a)).shape() == row.both);
    CHECK(where(Tensor(row.a), Tensor::ones(row.b), Tensor::ones({1})).shape() == row.both);
  }
  CHECK(exp(Tensor({3, 0})).shape() == Shape{3, 0});
}

TEST_CASE("binary kernels: equal plain loops, also at infinity, NaN and zero") {
  Rng rng(2);
  const int64_t n = static_cast<int64_t>(kEdges.size());
  const Tensor column = Tensor::from(kEdges, {n, 1}), line = Tensor::from(kEdges);
  const Tensor x = rng.normal({3, 1, 5}), y = rng.normal({4, 1});
  for (const BinaryRow& row : binary_rows()) {
    CAPTURE(row.name);
    check_bits(row.kernel(column, line), plain_zip(column, line, {n, n}, row).to_vector());
    check_equal(row.kernel(x, y), plain_zip(x, y, {3, 4, 5}, row));
    check_equal(row.kernel(y, x), plain_zip(y, x, {3, 4, 5}, row));
  }
}

TEST_CASE("binary kernels: long runs are cut without a seam, for any number of threads") {
  Rng rng(3);
  const int64_t n = 2 * kElementwiseGrain + 7;
  const std::vector<std::vector<Tensor>> pairs = {
      {rng.normal({n}), rng.normal({n})},    {rng.normal({n}), rng.normal({})},
      {rng.normal({}), rng.normal({n})},     {rng.normal({3, n}), rng.normal({3, 1})},
      {rng.normal({n, 3}), rng.normal({3})}, {rng.normal({n, 1}), rng.normal({n, 3})}};
  const int before = num_threads();
  for (const std::vector<Tensor>& pair : pairs) {
    const Shape shape = broadcast_shapes(pair[0].shape(), pair[1].shape(), "test");
    CAPTURE(shape);
    const Tensor expected = plain_zip(pair[0], pair[1], shape, binary_rows()[1]);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      check_equal(sub(pair[0], pair[1]), expected);
    }
  }
  set_num_threads(before);
}

TEST_CASE("where: chooses number by number, with all three arguments broadcast") {
  Rng rng(4);
  for (const std::vector<Shape>& s : std::vector<std::vector<Shape>>{{{2, 3}, {2, 3}, {2, 3}},
                                                                     {{}, {2, 3}, {3}},
                                                                     {{3}, {2, 1}, {}},
                                                                     {{4, 1, 3}, {2, 1}, {1, 3}},
                                                                     {{2, 3}, {}, {}}}) {
    const Tensor c = rng.bernoulli(Tensor::full(s[0], 0.5)), a = rng.normal(s[1]),
                 b = rng.normal(s[2]);
    const Shape shape = broadcast_shapes(broadcast_shapes(s[0], s[1], "test"), s[2], "test");
    CAPTURE(shape);
    Tensor expected(shape);
    int64_t i = 0;
    for_each_index(shape, [&](const Index& index) {
      const bool yes = c[position(index, s[0])] != 0;
      expected.data()[i++] = yes ? a[position(index, s[1])] : b[position(index, s[2])];
    });
    check_equal(where(c, a, b), expected);
  }
  // What is not chosen leaves no trace; NaN is not zero.
  check_bits(
      where(Tensor::from({0, 2, kNan}), Tensor::from({kNan, 1, 3}), Tensor::from({4, kNan, 5})),
      {4, 1, 3});
}

TEST_CASE("unary kernels: those that round once equal the plain function") {
  const Tensor x = Tensor::from(kEdges);
  struct Row {
    std::string name;
    Tensor found;
    std::function<real(real)> plain;
  };
  const std::vector<Row> rows = {
      {"neg", neg(x), [](real v) { return -v; }},
      {"sqrt", sqrt(x), [](real v) { return std::sqrt(v); }},
      {"square", square(x), [](real v) { return v * v; }},
      {"abs", abs(x), [](real v) { return std::abs(v); }},
      {"sign", sign(x), [](real v) { return v > 0   ? real(1)
                                            : v < 0 ? real(-1)
                                                    : real(0); }},
      {"relu", relu(x), [](real v) { return v < 0 ? real(0) : v; }},
      {"leaky_relu", leaky_relu(x, real(0.1)), [](real v) { return v > 0 ? v : real(0.1) * v; }},
      {"clamp", clamp(x, -1, 2), [](real v) { return v < -1  ? real(-1)
                                                     : v > 2 ? real(2)
                                                             : v; }},
      {"clamp to a point", clamp(x, 1, 1), [](real v) { return std::isnan(v) ? v : real(1); }},
      {"pow 0.5", pow(x, real(0.5)), [](real v) { return std::pow(v, real(0.5)); }},
      {"pow 3", pow(x, 3), [](real v) { return std::pow(v, real(3)); }},
      {"pow -1", pow(x, -1), [](real v) { return std::pow(v, real(-1)); }},
      {"pow 0", pow(x, 0), [](real) { return real(1); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::vector<real> expected;
    for (const real v : kEdges) expected.push_back(row.plain(v));
    check_bits(row.found, expected);
  }
}

TEST_CASE("in place: add_scaled_ and fill_ change the numbers every handle sees") {
  Tensor y = Tensor::from({1, 2, 3});
  const Tensor handle = y;
  add_scaled_(y, Tensor::from({1, 10, 100}), 2);
  check_equal(handle, Tensor::from({3, 22, 203}));
  add_scaled_(y, y, 1);
  check_equal(handle, Tensor::from({6, 44, 406}));
  fill_(y, 7);
  check_equal(handle, Tensor::full({3}, 7));
  Tensor part = y.rows(1, 2);
  fill_(part, 0);
  check_equal(handle, Tensor::from({7, 0, 7}));
}

TEST_CASE("elementwise kernels: arguments that do not fit are named") {
  const Tensor a({2, 3}), b({4});
  for (const BinaryRow& row : binary_rows()) {
    check_contains(message_of([&] { row.kernel(a, b); }),
                   "[" + row.name + "] shapes [2,3] and [4]");
  }
  check_contains(message_of([&] { where(a, a, b); }), "[where] shapes [2,3] and [4]");
  check_contains(message_of([&] { where(b, a, a); }), "[where] shapes [4] and [2,3]");
  check_contains(message_of([&] { clamp(a, 2, 1); }), "[clamp] low 2 is above high 1");
  check_contains(message_of([&] { polygamma(-2, a); }), "[polygamma]", "at least -1, got -2");
  check_contains(message_of([&] { map([](real u, real v) { return u + v; }, a, b); }),
                 "[map] expected tensors of one shape, got [2,3] and [4]");
  Tensor y({3});
  check_contains(message_of([&] { add_scaled_(y, b, 1); }),
                 "[add_scaled_] shapes differ: [3] and [4]");
}
