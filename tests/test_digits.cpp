// test_digits.cpp - generated digits: repeatable, and worth learning from.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "stflow/datasets/digits.h"
#include "stflow/tensor/parallel.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

TEST_CASE("digits: the bytes of seed 1 are pinned") {
  const Dataset digits = generate_digits(1000, 1, Split::train);
  CHECK(digits.shape() == Shape{1000, 28, 28, 1});
  CHECK(digits.sources[0].path == "generated, seed 1, train, 1000 images");
  CHECK(digits.sources[0].sha256 ==
        "b6915e7f1262a26e6893564ef66b1d658afe1c7b3b630e50b7972ed3bcf80019");
}

TEST_CASE("digits: same seed same bytes for any number of threads; a longer set begins alike") {
  const int threads = num_threads();
  set_num_threads(1);
  const Dataset one = generate_digits(600, 3, Split::train);
  set_num_threads(2);
  const Dataset two = generate_digits(900, 3, Split::train);
  set_num_threads(threads);
  CHECK(std::equal(one.pixels->begin(), one.pixels->end(), two.pixels->begin()));
}

TEST_CASE("digits: seeds and halves differ") {
  const auto bytes = [](uint64_t seed, Split split) {
    return *generate_digits(10, seed, split).pixels;
  };
  CHECK(bytes(1, Split::train) != bytes(2, Split::train));
  CHECK(bytes(1, Split::train) != bytes(1, Split::test));
}

TEST_CASE("digits: the nearest class mean already tells most of them, and not all") {
  const Dataset train = generate_digits(1000, 1, Split::train);
  const Dataset test = generate_digits(500, 1, Split::test);
  const int64_t features = train.features();
  std::array<std::vector<double>, 10> means;
  means.fill(std::vector<double>(static_cast<size_t>(features)));
  for (int64_t i = 0; i < train.size(); ++i) {
    std::vector<double>& mean = means[static_cast<size_t>(train.label(i))];
    for (int64_t j = 0; j < features; ++j) mean[static_cast<size_t>(j)] += train.image(i)[j] / 100.;
  }
  int correct = 0;
  for (int64_t i = 0; i < test.size(); ++i) {
    std::array<double, 10> distances{};
    for (size_t k = 0; k < 10; ++k) {
      for (int64_t j = 0; j < features; ++j) {
        const double difference = test.image(i)[j] - means[k][static_cast<size_t>(j)];
        distances[k] += difference * difference;
      }
    }
    const auto nearest = std::min_element(distances.begin(), distances.end());
    correct += nearest - distances.begin() == test.label(i);
  }
  CAPTURE(correct);
  CHECK(correct > 350);
  CHECK(correct < 500);
}

TEST_CASE("digits: a negative count and a huge one are refused") {
  check_contains(message_of([] { generate_digits(-1, 1, Split::train); }),
                 "[generate_digits] count must not be negative, got -1");
  for (int64_t count : {kMostDigits + 1, int64_t{1} << 60, INT64_MAX}) {
    check_contains(
        message_of([&] { generate_digits(count, 1, Split::train); }),
        "[generate_digits] count must be at most 10000000, got " + std::to_string(count));
  }
}
