// test_tensor.cpp - shapes, tensors as handles and views, and the storage cache behind them.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iomanip>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stflow/tensor/kernels/storage.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/tensor.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

#if defined(__has_feature)  // clang's way to say it
#define SANITIZED_BY_CLANG __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#else
#define SANITIZED_BY_CLANG 0
#endif
#if defined(__SANITIZE_ADDRESS__) || SANITIZED_BY_CLANG
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

const Tensor kSix = Tensor::from({0, 1, 2, 3, 4, 5}, {2, 3});

std::vector<int64_t> extents(const Shape& shape) { return {shape.begin(), shape.end()}; }

int64_t bytes_of(int64_t count) { return count * static_cast<int64_t>(sizeof(real)); }

}  // namespace

TEST_CASE("shape: has extents, a rank, a number of elements and a text") {
  const Shape shape{2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape.numel() == 24);
  CHECK(shape[0] == 2);
  CHECK(shape[2] == 4);
  CHECK(shape[-1] == 4);
  CHECK(shape[-3] == 2);
  CHECK(shape.normalize(-2) == 1);
  CHECK(extents(shape) == std::vector<int64_t>{2, 3, 4});
  CHECK(shape.str() == "[2,3,4]");
  std::ostringstream text;
  text << shape;
  CHECK(text.str() == "[2,3,4]");

  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{4, 0, 3}.numel() == 0);
  CHECK(Shape{1, 2, 3, 4, 5, 6}.numel() == 720);
  CHECK(Shape(std::vector<int64_t>{7, 8}) == Shape{7, 8});
}

TEST_CASE("shape: equal when rank and all extents are") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{2} != Shape{2, 0});
  CHECK(Shape{} != Shape{0});
  CHECK(Shape{2, 3, 4}.without(2) == Shape{2, 3});
}

TEST_CASE("shape: an axis changed, removed or put in makes a new shape") {
  const Shape shape{2, 3, 4};
  CHECK(shape.with(1, 9) == Shape{2, 9, 4});
  CHECK(shape.with(-1, 9) == Shape{2, 3, 9});
  CHECK(shape.without(0) == Shape{3, 4});
  CHECK(shape.without(-1) == Shape{2, 3});
  CHECK(shape.inserted(0, 9) == Shape{9, 2, 3, 4});
  CHECK(shape.inserted(3, 9) == Shape{2, 3, 4, 9});
  CHECK(Shape{}.inserted(0, 5) == Shape{5});
  CHECK(shape == Shape{2, 3, 4});
}

TEST_CASE("shape: axes and ranks that do not exist are named") {
  const Shape shape{2, 3}, six{1, 1, 1, 1, 1, 1};
  check_contains(message_of([&] { shape[2]; }), "[Shape] axis 2", "[2,3]");
  check_contains(message_of([&] { shape[-3]; }), "[Shape] axis -3", "[2,3]");
  check_contains(message_of([&] { Shape{}[0]; }), "[Shape] axis 0", "[]");
  check_contains(message_of([&] { shape.inserted(3, 1); }), "[Shape] cannot insert", "3", "[2,3]");
  check_contains(message_of([&] { shape.inserted(-1, 1); }), "[Shape] cannot insert", "-1");
  check_contains(message_of([] { Shape({1, 1, 1, 1, 1, 1, 1}); }), "[Shape] at most 6", "got 7");
  check_contains(message_of([&] { six.inserted(0, 1); }), "[Shape] at most 6", "got 7");
}

TEST_CASE("broadcast_shapes: aligns at the last axis and repeats extents of one") {
  struct Row {
    Shape a, b, both;
  };
  const std::vector<Row> rows = {
      {{}, {}, {}},
      {{}, {2, 3}, {2, 3}},
      {{3}, {2, 3}, {2, 3}},
      {{2, 1}, {3}, {2, 3}},
      {{2, 1, 4}, {3, 1}, {2, 3, 4}},
      {{1}, {0}, {0}},
      {{5, 1}, {0}, {5, 0}},
      {{1, 1, 1, 1, 1, 1}, {2}, {1, 1, 1, 1, 1, 2}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.a);
    CAPTURE(row.b);
    CHECK(broadcast_shapes(row.a, row.b, "op") == row.both);
    CHECK(broadcast_shapes(row.b, row.a, "op") == row.both);
    CHECK(broadcasts_to(row.a, row.both));
    CHECK(broadcasts_to(row.b, row.both));
    CHECK(broadcasts_to(row.both, row.a) == (row.a == row.both));
  }
  CHECK_FALSE(broadcasts_to({2}, {3}));
  CHECK_FALSE(broadcasts_to({2, 3}, {3}));
  CHECK_FALSE(broadcasts_to({2}, {2, 3}));
  check_contains(message_of([] {
                   broadcast_shapes({2, 3}, {2}, "op");
                 }),
                 "[op] shapes [2,3]", "[2] do not broadcast");
  CHECK_THROWS(broadcast_shapes({0}, {2}, "op"));
}

TEST_CASE("tensor: is made of zeros, ones, one number or a list") {
  CHECK(Tensor::zeros({2}).to_vector() == std::vector<real>{0, 0});
  CHECK(Tensor::ones({2}).to_vector() == std::vector<real>{1, 1});
  CHECK(Tensor::full({2}, 3).to_vector() == std::vector<real>{3, 3});
  CHECK(Tensor::scalar(4).shape() == Shape{});
  CHECK(Tensor::scalar(4).item() == 4);
  CHECK(Tensor::full({1, 1}, 5).item() == 5);
  CHECK(Tensor::from({1, 2}).shape() == Shape{2});
  CHECK(kSix.shape() == Shape{2, 3});
  CHECK(kSix.rank() == 2);
  CHECK(kSix.dim(-1) == 3);
  CHECK(kSix.numel() == 6);
  CHECK(kSix[5] == 5);
}

TEST_CASE("tensor: of no elements is defined and empty") {
  const Tensor empty({3, 0});
  CHECK(empty.defined());
  CHECK(empty.data() != nullptr);
  CHECK(empty.numel() == 0);
  CHECK(empty.to_vector().empty());
  CHECK(empty.clone().shape() == Shape{3, 0});
}

TEST_CASE("tensor: made without a shape it is undefined, and so is its clone") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK(none.numel() == 0);
  CHECK(none.str() == "undefined tensor");
  CHECK_FALSE(none.clone().defined());
}

TEST_CASE("tensor: a copy is a second handle on the same numbers, a clone is not") {
  Tensor a = Tensor::from({1, 2, 3});
  const Tensor copy = a, clone = a.clone();
  a.data()[0] = 9;
  CHECK(copy[0] == 9);
  CHECK(clone[0] == 1);
  CHECK(copy.shares_storage(a));
  CHECK_FALSE(clone.shares_storage(a));
  const Tensor moved = std::move(a);
  CHECK(moved.shares_storage(copy));
}

TEST_CASE("tensor: reshape is a view, and infers one extent") {
  Tensor x = kSix.clone();
  const Tensor column = x.reshape({6, 1}), inferred = x.reshape({3, -1});
  x.data()[4] = 40;
  CHECK(column.shape() == Shape{6, 1});
  CHECK(column[4] == 40);
  CHECK(column.shares_storage(x));
  CHECK(inferred.shape() == Shape{3, 2});
  CHECK(x.reshape({-1}).shape() == Shape{6});
  CHECK(x.reshape({-1, 6, 1}).shape() == Shape{1, 6, 1});
  CHECK(Tensor::scalar(1).reshape({1, 1}).shape() == Shape{1, 1});
  CHECK(Tensor({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});
  CHECK(Tensor({2, 0}).reshape({0, 7}).shape() == Shape{0, 7});
  CHECK(x.shape() == Shape{2, 3});
}

TEST_CASE("tensor: rows is a view of leading rows that outlives the handle it came from") {
  Tensor view;
  {
    Tensor x = Tensor::from({0, 1, 2, 3, 4, 5, 6, 7}, {4, 2});
    view = x.rows(1, 3);
    x.data()[2] = 20;
    CHECK_FALSE(view.shares_storage(x));  // not from the same first element
    CHECK(x.rows(0, 2).shares_storage(x));
  }
  CHECK(view.shape() == Shape{2, 2});
  CHECK(view.to_vector() == std::vector<real>{20, 3, 4, 5});
  CHECK(view.rows(1, 2).to_vector() == std::vector<real>{4, 5});
  CHECK(view.rows(2, 2).shape() == Shape{0, 2});
  CHECK(Tensor({0, 3}).rows(0, 0).shape() == Shape{0, 3});
  CHECK(Tensor({4, 0}).rows(1, 3).shape() == Shape{2, 0});
}

TEST_CASE("tensor: what does not fit is named with both sizes") {
  check_contains(message_of([] { Tensor({2, -1}); }), "[Tensor] negative extent", "[2,-1]");
  check_contains(message_of([] {
                   Tensor::from({1, 2, 3}, {2, 2});
                 }),
                 "[Tensor::from]", "[2,2]", "4 numbers, got 3");
  check_contains(message_of([] { kSix.item(); }), "[Tensor::item]", "exactly one", "[2,3]");
  check_contains(message_of([] { Tensor().item(); }), "[Tensor::item]", "exactly one");
  check_contains(message_of([] { kSix.rows(1, 3); }), "[rows] range 1..3", "[2,3]");
  check_contains(message_of([] { kSix.rows(-1, 1); }), "[rows] range -1..1", "[2,3]");
  check_contains(message_of([] { kSix.rows(2, 1); }), "[rows] range 2..1", "[2,3]");
  check_contains(message_of([] { Tensor::scalar(1).rows(0, 0); }), "[rows]", "shape []");
  for (const Shape& shape : {Shape{4}, Shape{-1, 4}, Shape{-1, -1}, Shape{-2, -3}, Shape{0, -1}}) {
    CAPTURE(shape);
    check_contains(message_of([&] { kSix.reshape(shape); }), "[reshape] [2,3] cannot become",
                   shape.str());
  }
  CHECK_THROWS(Tensor({0}).reshape({0, -5}));
}

TEST_CASE("tensor: as text it shows its shape and first numbers") {
  CHECK(Tensor::scalar(2.5).str() == "[] {2.5}");
  CHECK(Tensor::from({1, -2}).str() == "[2] {1, -2}");
  CHECK(Tensor({0}).str() == "[0] {}");
  CHECK(Tensor::zeros({8}).str() == "[8] {0, 0, 0, 0, 0, 0, 0, 0}");
  CHECK(Tensor::zeros({3, 3}).str() == "[3,3] {0, 0, 0, 0, 0, 0, 0, 0, ...}");
}

TEST_CASE("tensor: a stream shows nested rows in columns, as NumPy does") {
  const auto shown = [](const Tensor& x, int precision = 6) {
    std::ostringstream out;
    out << std::setprecision(precision) << x;
    return out.str();
  };
  CHECK(shown(Tensor()) == "undefined tensor");
  CHECK(shown(Tensor::scalar(2.5)) == "2.5");
  CHECK(shown(Tensor::from({1, -2, 0.5})) == "[  1,  -2, 0.5]");
  CHECK(shown(Tensor::from({1, 2, 30, 4}, {2, 2})) == "[[ 1,  2],\n [30,  4]]");
  CHECK(shown(Tensor::from({1, 2, 3, 4}, {2, 1, 2})) == "[[[1, 2]],\n\n [[3, 4]]]");
  CHECK(shown(Tensor({0})) == "[]");
  CHECK(shown(Tensor({2, 0})) == "[[],\n []]");
  CHECK(shown(Tensor::scalar(2.0 / 3), 3) == "0.667");
}

TEST_CASE("tensor: of more than 1000 numbers a stream shows the first and last three of an axis") {
  const auto shown = [](const Tensor& x) {
    std::ostringstream out;
    out << x;
    return out.str();
  };
  CHECK(shown(arange(1001)) == "[   0,    1,    2, ...,  998,  999, 1000]");
  CHECK(shown(arange(1000)).find("...") == std::string::npos);
  CHECK(shown(arange(1400).reshape({2, 700})) ==
        "[[   0,    1,    2, ...,  697,  698,  699],\n"
        " [ 700,  701,  702, ..., 1397, 1398, 1399]]");
  CHECK(shown(arange(1400).reshape({700, 2})) ==
        "[[   0,    1],\n [   2,    3],\n [   4,    5],\n ...,\n"
        " [1394, 1395],\n [1396, 1397],\n [1398, 1399]]");
}

TEST_CASE("storage: blocks of any size are aligned to 64 bytes and do not overlap") {
  std::vector<Tensor> tensors;
  for (int64_t size = 0; size < 300; ++size) tensors.push_back(Tensor::full({size}, real(size)));
  for (int64_t size = 1000; size < 2000000; size = size * 3 / 2 + 1) {
    tensors.push_back(Tensor::full({size}, real(size)));
  }
  for (const Tensor& tensor : tensors) {
    const std::vector<real> numbers = tensor.to_vector();
    CAPTURE(numbers.size());
    CHECK(reinterpret_cast<uintptr_t>(tensor.data()) % 64 == 0);
    CHECK(std::count(numbers.begin(), numbers.end(), real(tensor.numel())) == tensor.numel());
  }
}

TEST_CASE("storage: a freed block serves the next tensor of about its size") {
  const real* block = nullptr;
  {
    const Tensor x({1000});
    block = x.data();
  }
  const Tensor same({990});
  CHECK(same.data() == block);
  CHECK(Tensor({1000}).data() != block);  // it is in use
}

TEST_CASE("storage: a block is in use as long as a view of it lives") {
  Tensor view;
  const real* block = nullptr;
  {
    const Tensor x({1000, 2});
    block = x.data();
    view = x.reshape({2000}).rows(1990, 2000);
  }
  CHECK(Tensor({2000}).data() != block);
  view = Tensor();
  CHECK(Tensor({2000}).data() == block);
}

TEST_CASE("storage_stats: counts live and cached bytes; release gives back the cached ones") {
  for (const int64_t count : {0, 1, 17, 33, 100, 4096, 5000, 300001}) {
    CAPTURE(count);
    release_storage_cache();
    const StorageStats before = storage_stats();
    CHECK(before.cached_bytes == 0);
    int64_t block = 0;
    {
      const Tensor x({count});
      block = storage_stats().live_bytes - before.live_bytes;
      CHECK(block >= bytes_of(count));
      CHECK(block <= std::max<int64_t>(64, (bytes_of(count) + 63) * 3 / 2));  // a third wasted
    }
    CHECK(storage_stats().live_bytes == before.live_bytes);
    CHECK(storage_stats().cached_bytes == block);
    { const Tensor again({count}); }
    CHECK(storage_stats().cached_bytes == block);
  }
  const Tensor live = Tensor::full({1000}, 7);
  release_storage_cache();
  CHECK(storage_stats().cached_bytes == 0);
  CHECK(storage_stats().live_bytes >= bytes_of(1000));
  CHECK(live[999] == 7);
}

TEST_CASE("storage: a request that cannot be met throws and is not counted" *
          doctest::skip(kSanitized)) {
  const StorageStats before = storage_stats();
  CHECK_THROWS_AS(allocate_storage(int64_t{1} << 55), std::bad_alloc);
  rlimit limit;
  REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
  const rlimit small{rlim_t{1} << 34, limit.rlim_max};
  REQUIRE(setrlimit(RLIMIT_AS, &small) == 0);
  const std::string message = message_of<std::runtime_error>([] { Tensor({1 << 10, 1 << 24}); });
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  check_contains(message, "[Tensor] no memory for shape [1024,16777216]", " bytes");
  CHECK(storage_stats().live_bytes == before.live_bytes);
}

TEST_CASE("storage: threads allocate and free at once without sharing a block") {
  const int64_t before = storage_stats().live_bytes;
  std::atomic<int> wrong = 0;
  const auto work = [&wrong](int thread) {
    std::vector<Tensor> held(8);
    for (int i = 0; i < 4000; ++i) {
      Tensor& slot = held[i % held.size()];
      if (slot.defined() && slot[0] + slot[slot.numel() - 1] != real(2 * thread)) ++wrong;
      slot = Tensor::full({1 + i % 50}, real(thread));
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 1; thread <= 3; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(storage_stats().live_bytes == before);
}
