// test_rng.cpp - random numbers: known answers, independence of threads and of how draws are split.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Block = std::array<uint32_t, 4>;

double moment(const Tensor& x, int power) {
  double total = 0;
  for (const real value : x.to_vector()) total += std::pow(double{value}, power);
  return total / static_cast<double>(x.numel());
}

}  // namespace

TEST_CASE("philox4x32: gives the known answers of Random123") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t ones = 0xffffffff;
  CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform: number i is word i % 4 of block i / 4, for any seed, stream and position") {
  const uint64_t seed = 0x0123456789abcdef, stream = 0xfedcba9876543210;
  for (const uint64_t position : {uint64_t{0}, uint64_t{5}, (uint64_t{1} << 34) - 7}) {
    CAPTURE(position);
    Rng rng(Rng::State{seed, stream, position});
    const Tensor u = rng.uniform({300});
    for (uint64_t i = 0; i < 300; ++i) {
      const uint64_t block = (position + i) / 4;
      const uint32_t word = philox4x32(
          {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
           static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)},
          {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)})[(position + i) % 4];
      const double expected = (2.0 * (word >> 9) + 1) / (1 << 24);
      REQUIRE(double{u[static_cast<int64_t>(i)]} == expected);
    }
    CHECK(rng.state() == Rng::State{seed, stream, position + 300});
  }
}

TEST_CASE("uniform: golden values of seed 1") {
  Rng rng(1);
  const std::vector<int> odd = {14936071, 15010319, 9826851, 11933099, 11274261};
  const Tensor u = rng.uniform({5});
  for (int i = 0; i < 5; ++i) CHECK(double{u[i]} == odd[i] * 0x1p-24);
}

TEST_CASE("uniform: stays inside (0, 1) and 1 - u is exact") {
  Rng rng(2);
  const Tensor u = rng.uniform({100000});
  for (const real value : u.to_vector()) {
    REQUIRE(value > 0);
    REQUIRE(value < 1);
    REQUIRE(1 - (1 - value) == value);
  }
}

TEST_CASE("uniform and normal: the numbers do not depend on how draws are split into tensors") {
  for (const bool normal : {false, true}) {
    CAPTURE(normal);
    Rng whole(7), parts(7);
    const auto draw = [&](Rng& rng, int64_t n) {
      return normal ? rng.normal({n}) : rng.uniform({n});
    };
    const Tensor first = draw(parts, 3), nothing = draw(parts, 0), second = draw(parts, 500);
    check_equal(concat({first, nothing, second}, 0), draw(whole, 503));
  }
}

TEST_CASE("uniform, normal: the same bits for any number of threads") {
  const int before = num_threads();
  const int64_t n = 200001;
  set_num_threads(1);
  Rng one(3);
  const Tensor uniform = one.uniform({n}), normal = one.normal({n});
  for (const int threads : {2, 5}) {
    CAPTURE(threads);
    set_num_threads(threads);
    Rng more(3);
    check_equal(more.uniform({n}), uniform);
    check_equal(more.normal({n}), normal);
  }
  set_num_threads(before);
}

TEST_CASE("normal: golden values of seed 1") {
  Rng rng(1);
  check_close(rng.normal({4}),
              Tensor::from({real(0.38040070203473), real(-0.24923309957906), real(0.62694785155667),
                            real(-0.67827138696510)}),
              1e-6, 0);
}

// Each bound is five standard errors: a right generator fails with probability below 1e-5.
TEST_CASE("uniform and normal: moments are those of the distribution") {
  Rng rng(4);
  const Tensor u = rng.uniform({100000}), z = rng.normal({100000});
  CHECK(std::abs(moment(u, 1) - 1.0 / 2) < 5 * std::sqrt(1.0 / 12 / 1e5));
  CHECK(std::abs(moment(u, 2) - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / 1e5));
  CHECK(std::abs(moment(z, 1)) < 5 * std::sqrt(1 / 1e5));
  CHECK(std::abs(moment(z, 2) - 1) < 5 * std::sqrt(2 / 1e5));
  CHECK(std::abs(moment(z, 3)) < 5 * std::sqrt(15 / 1e5));
  CHECK(std::abs(moment(z, 4) - 3) < 5 * std::sqrt(96 / 1e5));
}

TEST_CASE("Rng: streams and seeds differ, and manual_seed starts over") {
  Rng a(1, 0), b(1, 1), c(2, 0);
  const Tensor first = a.uniform({8});
  CHECK_FALSE(allclose(first, b.uniform({8}), 0, 1e-3));
  CHECK_FALSE(allclose(first, c.uniform({8}), 0, 1e-3));
  a.manual_seed(1);
  check_equal(a.uniform({8}), first);
  const Rng::State saved = a.state();
  const Tensor next = a.uniform({8});
  check_equal(Rng(saved).uniform({8}), next);
}

TEST_CASE("bernoulli: compares its probabilities with the uniforms of the same position") {
  Rng rng(5), same(5);
  const Tensor probs = Tensor::from({0, 0.25, 0.5, 0.75, 1});
  const Tensor draws = rng.bernoulli(broadcast_to(probs, {1000, 5}));
  const Tensor noise = same.uniform({1000, 5});
  for (int64_t i = 0; i < draws.numel(); ++i) REQUIRE(draws[i] == (noise[i] < probs[i % 5]));
  const Tensor frequency = mean(draws, {0});
  CHECK(frequency[0] == 0);
  CHECK(frequency[4] == 1);
  check_close(frequency, probs, 0, 5 * 0.5 / std::sqrt(1000));

  check_contains(message_of([&] {
                   rng.bernoulli(Tensor::from({0.5, 1.5}));
                 }),
                 "[Rng::bernoulli]", "1.5", "position 1");
  check_contains(message_of([&] { rng.bernoulli(Tensor::scalar(std::nan(""))); }), "nan");
}

TEST_CASE("below: reaches every number under n evenly, and refuses n = 0") {
  Rng rng(6);
  std::vector<int> count(10, 0);
  for (int i = 0; i < 10000; ++i) ++count.at(rng.below(10));
  for (const int times : count) CHECK(std::abs(times - 1000) < 5 * std::sqrt(900));
  CHECK(rng.below(1) == 0);
  check_contains(message_of([&] { rng.below(0); }), "[Rng::below]", "got 0");
}

TEST_CASE("permutation: contains every number once, and orders are evenly likely") {
  Rng rng(8);
  std::vector<int> count(6, 0);  // of the six orders of three
  for (int i = 0; i < 6000; ++i) {
    std::vector<int64_t> order = rng.permutation(3);
    ++count[order[0] * 2 + (order[1] > order[2])];
    std::sort(order.begin(), order.end());
    REQUIRE(order == std::vector<int64_t>{0, 1, 2});
  }
  for (const int times : count) CHECK(std::abs(times - 1000) < 5 * std::sqrt(6000 * 5 / 36.0));
  CHECK(rng.permutation(0).empty());
  check_contains(message_of([&] { rng.permutation(-1); }), "[Rng::permutation]", "got -1");
}

TEST_CASE("replay: hands out its tensors in order and says what does not fit") {
  const Tensor u = Tensor::from({0.25, 0.75}), z = Tensor::from({-1, 2}, {1, 2});
  Rng rng = Rng::replay({u, z, u, u});
  check_equal(rng.uniform({2}), u);
  check_equal(rng.normal({1, 2}), z);
  check_equal(rng.bernoulli(Tensor::from({0.5, 0.5})), Tensor::from({1, 0}));
  check_contains(message_of([&] { rng.uniform({3}); }),
                 "[Rng::uniform] replay: expected shape [3], next tensor has [2]");
  check_contains(message_of([&] { rng.below(2); }), "[Rng::below]", "replay");
  check_equal(rng.uniform({2}), u);
  check_contains(message_of([&] { rng.uniform({2}); }), "[Rng::uniform] replay", "[2]",
                 "no tensor is left");
}
