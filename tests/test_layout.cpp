// test_layout.cpp - kernels that move numbers: each against plain loops that compute where a number
// must land.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "tests/plain_index.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// 0, 1, 2, ... in a shape: every number says where it came from.
Tensor counted(const Shape& shape) { return arange(shape.numel()).reshape(shape); }

Tensor plain_transpose(const Tensor& x, int axis0, int axis1) {
  const Shape shape = x.shape().with(axis0, x.dim(axis1)).with(axis1, x.dim(axis0));
  Tensor out(shape);
  int64_t i = 0;
  for_each_index(shape, [&](Index index) {
    std::swap(index[axis0], index[axis1]);
    out.data()[i++] = x[position(index, x.shape())];
  });
  return out;
}

}  // namespace

TEST_CASE("arange: counts from zero") {
  check_equal(arange(4), Tensor::from({0, 1, 2, 3}));
  CHECK(arange(0).shape() == Shape{0});
  check_contains(message_of([] { arange(-1); }), "[arange] needs n >= 0, got -1");
}

TEST_CASE("broadcast_to: every pattern of ranks 0 to 6 equals plain loops") {
  const std::vector<int64_t> extents = {2, 3, 2, 1, 3, 2};
  for (int rank = 0; rank <= Shape::kMaxRank; ++rank) {
    const Shape to(std::vector<int64_t>(extents.begin(), extents.begin() + rank));
    for (int bits = 0; bits < 1 << rank; ++bits) {
      Shape from = to;
      for (int axis = 0; axis < rank; ++axis) {
        if (bits >> axis & 1) from = from.with(axis, 1);
      }
      for (;; from = from.without(0)) {  // also with leading ones left out
        CAPTURE(from);
        CAPTURE(to);
        const Tensor x = counted(from);
        Tensor expected(to);
        int64_t i = 0;
        for_each_index(
            to, [&](const Index& index) { expected.data()[i++] = x[position(index, from)]; });
        check_equal(broadcast_to(x, to), expected);
        if (from.rank() == 0 || from[0] != 1) break;
      }
    }
  }
  CHECK(broadcast_to(Tensor({1, 3}), {0, 3}).shape() == Shape{0, 3});
  check_contains(message_of([] {
                   broadcast_to(Tensor({2, 3}), {2, 4});
                 }),
                 "[broadcast_to] [2,3] cannot be repeated to [2,4]");
  check_contains(message_of([] {
                   broadcast_to(Tensor({2, 3}), {3});
                 }),
                 "[broadcast_to] [2,3]", "[3]");
}

TEST_CASE("transpose: swaps any two axes of ranks 2 to 6") {
  const std::vector<int64_t> extents = {2, 3, 4, 1, 2, 3};
  for (int rank = 2; rank <= Shape::kMaxRank; ++rank) {
    const Tensor x = counted(Shape(std::vector<int64_t>(extents.begin(), extents.begin() + rank)));
    for (int first = 0; first < rank; ++first) {
      for (int second = 0; second < rank; ++second) {
        CAPTURE(x.shape());
        CAPTURE(first);
        CAPTURE(second);
        const Tensor expected = plain_transpose(x, first, second);
        check_equal(transpose(x, first, second), expected);
        check_equal(transpose(x, first - rank, second), expected);
      }
    }
    check_equal(transpose(x), plain_transpose(x, rank - 2, rank - 1));
  }
}

TEST_CASE("transpose: large, thin and empty matrices, for any number of threads") {
  const int before = num_threads();
  for (const Shape& shape :
       {Shape{300, 500}, Shape{1, 200000}, Shape{200000, 1}, Shape{2, 70000, 2}}) {
    CAPTURE(shape);
    const Tensor x = counted(shape), expected = plain_transpose(x, 0, 1);
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      check_equal(transpose(x, 0, 1), expected);
    }
  }
  set_num_threads(before);
  CHECK(transpose(Tensor({0, 3})).shape() == Shape{3, 0});
  check_contains(message_of([] { transpose(Tensor({4})); }), "axis -2 does not exist in [4]");
}

TEST_CASE("slice: takes a range of positions of any axis") {
  const Tensor x = counted({3, 4, 5});
  for (int axis = 0; axis < 3; ++axis) {
    for (int64_t begin = 0; begin <= x.dim(axis); ++begin) {
      for (int64_t end = begin; end <= x.dim(axis); ++end) {
        CAPTURE(axis);
        CAPTURE(begin);
        CAPTURE(end);
        Tensor expected(x.shape().with(axis, end - begin));
        int64_t i = 0;
        for_each_index(expected.shape(), [&](Index index) {
          index[axis] += begin;
          expected.data()[i++] = x[position(index, x.shape())];
        });
        check_equal(slice(x, axis, begin, end), expected);
        check_equal(slice(x, axis - 3, begin, end), expected);
      }
    }
  }
  for (const auto& range : {std::pair(-1, 2), std::pair(2, 5), std::pair(3, 2)}) {
    check_contains(message_of([&] { slice(x, 1, range.first, range.second); }),
                   concat_message("[slice] range ", range.first, "..", range.second,
                                  " does not fit axis 1 of [3,4,5]"));
  }
}

TEST_CASE("concat: puts back together what slice takes apart, along any axis") {
  const Tensor x = counted({3, 4, 5});
  for (int axis = 0; axis < 3; ++axis) {
    CAPTURE(axis);
    const std::vector<Tensor> parts = {slice(x, axis, 0, 1), slice(x, axis, 1, 1),
                                       slice(x, axis, 1, x.dim(axis))};
    check_equal(concat(parts, axis), x);
    check_equal(concat(parts, axis - 3), x);
    check_equal(concat(std::vector<Tensor>{x}, axis), x);
  }
  check_equal(concat(std::vector<Tensor>{Tensor({0, 2}), Tensor({0, 2})}, 0), Tensor({0, 2}));
}

TEST_CASE("concat: parts that do not fit are named") {
  const auto concat_of = [](const std::vector<Tensor>& parts, int axis) {
    return message_of([&] { concat(parts, axis); });
  };
  check_contains(concat_of({}, 0), "[concat] needs at least one");
  check_contains(concat_of({Tensor({2, 3}), Tensor({2, 4})}, 0),
                 "[concat] along axis 0: [2,4] does not match [2,3]");
  check_contains(concat_of({Tensor({2, 3}), Tensor({3})}, 1),
                 "[concat] along axis 1: [3] does not match [2,3]");
  check_contains(concat_of({Tensor({2, 3})}, 2), "axis 2 does not exist in [2,3]");
}

TEST_CASE("gather_rows: takes rows in any order, also twice or none") {
  const Tensor x = counted({3, 2});
  check_equal(gather_rows(x, {2, 0, 2}), Tensor::from({4, 5, 0, 1, 4, 5}, {3, 2}));
  check_equal(gather_rows(counted({4}), {3, 1}), Tensor::from({3, 1}));
  CHECK(gather_rows(x, {}).shape() == Shape{0, 2});
  check_contains(message_of([&] {
                   gather_rows(x, {0, 3});
                 }),
                 "[gather_rows] index 3 is out of range for [3,2]");
  check_contains(message_of([&] { gather_rows(x, {-1}); }), "[gather_rows] index -1");
  check_contains(message_of([] { gather_rows(Tensor::scalar(1), {0}); }),
                 "[gather_rows] needs at least one axis");
}

TEST_CASE("one_hot: has a one at the label's place, along a new last axis") {
  check_equal(one_hot(Tensor::from({2, 0}), 3), Tensor::from({0, 0, 1, 1, 0, 0}, {2, 3}));
  check_equal(one_hot(Tensor::scalar(1), 2), Tensor::from({0, 1}));
  CHECK(one_hot(Tensor::zeros({2, 3}), 4).shape() == Shape{2, 3, 4});
  CHECK(one_hot(Tensor({0}), 3).shape() == Shape{0, 3});
}

TEST_CASE("one_hot: labels that are no whole number in range are named") {
  using Limits = std::numeric_limits<real>;
  for (const real label : {real(-1), real(3), real(0.5), real(1e30), -Limits::infinity(),
                           Limits::infinity(), Limits::quiet_NaN()}) {
    CAPTURE(label);
    check_contains(
        message_of([&] {
          one_hot(Tensor::from({0, label}), 3);
        }),
        concat_message("[one_hot] label ", label, " at position 1 is not a whole number in 0..2"));
  }
}
