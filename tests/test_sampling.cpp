// test_sampling.cpp - do samples follow their distribution? Counts in cells against
// probabilities, for seeds that are fixed; and the arithmetic of Poisson probabilities, from rate
// .001 to 10,000.
#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "stflow/autodiff/gradcheck.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

// Pearson's statistic must stay below its 1 - 1e-5 quantile (Wilson & Hilferty's approximation).
// Cells with fewer than 20 expected draws join the next one.
void check_fits(const std::vector<double>& probability, const std::vector<int64_t>& count) {
  const double n = static_cast<double>(std::accumulate(count.begin(), count.end(), int64_t{0}));
  double statistic = 0, expected = 0, seen = 0, left = 1;
  int cells = 0;
  const auto close_cell = [&] {
    statistic += (seen - expected) * (seen - expected) / expected;
    ++cells;
    expected = seen = 0;
  };
  for (size_t k = 0; k < probability.size(); ++k) {
    expected += n * probability[k];
    seen += static_cast<double>(count[k]);
    left -= probability[k];
    if (expected >= 20 && n * left >= 20) close_cell();
  }
  if (expected > 0) close_cell();
  REQUIRE(cells >= 2);
  const double freedom = cells - 1;
  const double cube = 1 - 2 / (9 * freedom) + 4.265 * std::sqrt(2 / (9 * freedom));
  CAPTURE(cells);
  CHECK(statistic < freedom * cube * cube * cube);
}

double poisson_pmf(double rate, int64_t k) {
  const auto z = static_cast<long double>(k), lambda = static_cast<long double>(rate);
  return static_cast<double>(std::exp(z * std::log(lambda) - lambda - std::lgamma(z + 1)));
}

const std::vector<double> kRates{1e-3, .5, 3.2, 40, 1e4};

}  // namespace

TEST_CASE("bernoulli: samples have their probabilities, and units are independent") {
  const int64_t n = 50'000;
  Rng rng(1);
  const Bernoulli q(copies(Tensor::from({real(.4), -2, real(.1)}, {1, 3}), n));
  const Tensor z = q.sample(rng);
  std::vector<int64_t> count(8);
  for (int64_t i = 0; i < n; ++i) {
    ++count[static_cast<size_t>(4 * z[3 * i] + 2 * z[3 * i + 1] + z[3 * i + 2])];
  }
  std::vector<double> probability;
  const Tensor log_prob = Bernoulli(q.logits().value().rows(0, 1)).log_prob(q.states()).value();
  for (const real lp : log_prob.to_vector()) probability.push_back(std::exp(lp));
  check_fits(probability, count);
}

TEST_CASE("categorical: samples are one-hot, have their probabilities, and units are independent") {
  const int64_t n = 50'000;
  Rng rng(2);
  const Tensor logits = Tensor::from({real(.5), -1, 2, 0, real(.3), real(-.7)}, {1, 6});
  const Categorical q(copies(logits, n), 3);
  const Tensor z = q.sample(rng);
  check_equal(sum(z.reshape({n, 2, 3}), {-1}), Tensor::ones({n, 2}));
  const Tensor choice = argmax(z.reshape({n, 2, 3}));
  std::vector<int64_t> count(9);
  for (int64_t i = 0; i < n; ++i) {
    ++count[static_cast<size_t>(3 * choice[2 * i] + choice[2 * i + 1])];
  }
  std::vector<double> probability;
  for (const real lp : Categorical(logits, 3).log_prob(q.states()).value().to_vector()) {
    probability.push_back(std::exp(lp));
  }
  check_fits(probability, count);
}

TEST_CASE("poisson: samples have the distribution's mean, variance and probabilities at any rate") {
  for (const double rate : kRates) {
    CAPTURE(rate);
    const int64_t n = rate < .01 ? 200'000 : 20'000;
    Rng rng(3);
    const Tensor z = Poisson(Tensor::full({n}, static_cast<real>(rate))).sample(rng);
    const auto largest = static_cast<int64_t>(rate + 12 * std::sqrt(rate) + 12);
    std::vector<double> probability;
    for (int64_t k = 0; k <= largest; ++k) probability.push_back(poisson_pmf(rate, k));
    std::vector<int64_t> count(probability.size());
    double total = 0, squares = 0;
    for (const real value : z.to_vector()) {
      ++count.at(static_cast<size_t>(value));
      total += value - rate;
      squares += std::pow(value - rate, 2);
    }
    check_fits(probability, count);
    // 4.5 standard errors; the fourth central moment is rate + 3 rate^2
    CHECK(std::abs(total / double(n)) < 4.5 * std::sqrt(rate / double(n)));
    CHECK(std::abs(squares / double(n) - rate) <
          4.5 * std::sqrt((rate + 2 * rate * rate) / double(n)));
  }
}

TEST_CASE("poisson_table: equals the formula and adds up to one") {
  for (const double rate : kRates) {
    CAPTURE(rate);
    const CountTable table = poisson_table(rate);
    double total = 0;
    for (size_t i = 0; i < table.pmf.size(); ++i) {
      const double expected = poisson_pmf(rate, table.first + static_cast<int64_t>(i));
      CHECK(std::abs(table.pmf[i] / expected - 1) < 1e-11);
      total += table.pmf[i];
    }
    CHECK(std::abs(total - 1) < 1e-13);
  }
}

TEST_CASE("poisson_quantile: is the inverse of the distribution function on both sides of a jump") {
  for (const double rate : kRates) {
    CAPTURE(rate);
    const auto largest = static_cast<int64_t>(rate + 12 * std::sqrt(rate) + 12);
    long double below = 0;
    for (int64_t k = 0; k <= largest; ++k) {
      const double pmf = poisson_pmf(rate, k);
      if (pmf > 1e-7) {
        CAPTURE(k);
        CHECK(poisson_quantile(rate, static_cast<double>(below + 1e-4L * pmf)) == k);
        CHECK(poisson_quantile(rate, static_cast<double>(below + (1 - 1e-4L) * pmf)) == k);
      }
      below += pmf;
    }
  }
}

TEST_CASE("poisson: a sample is the quantile of both uniform tensors, the second being finer") {
  const Tensor leading = Tensor::from({real(1 - 0x1p-24), real(1 - 0x1p-24), real(.3)});
  const Tensor trailing = Tensor::from({real(.5), real(1 - 0x1p-24), real(.9)});
  Rng rng = Rng::replay({leading, trailing});
  const Tensor z = Poisson(Tensor::full({3}, 5)).sample(rng);
  CHECK(z[0] == poisson_quantile(5, 1 - 0x1p-24));
  CHECK(z[1] == poisson_quantile(5, 1 - 0x1p-47));
  CHECK(z[1] > z[0] + 4);  // one uniform of 24 bits alone would cut the tail off
  CHECK(z[2] == poisson_quantile(5, .3));
}

TEST_CASE("poisson_expectation: gives the moments, and its derivatives those of the distribution") {
  for (const double rate : kRates) {
    CAPTURE(rate);
    const Var lambda = Var::parameter(Tensor::full({1}, static_cast<real>(rate)));
    const double used = lambda.item();
    const Var square_mean = poisson_expectation(lambda, [](double z) { return z * z; });
    const Var first = grad({square_mean}, {lambda}, true)[0];
    const Var second = grad({first}, {lambda})[0];
    CHECK(square_mean.item() == doctest::Approx(used * used + used).epsilon(1e-6));
    CHECK(first.item() == doctest::Approx(2 * used + 1).epsilon(1e-6));
    CHECK(second.item() == doctest::Approx(2).epsilon(1e-6));
  }
}

TEST_CASE("poisson_expectation: gradients pass the check") {
  CHECK_NOTHROW(gradcheck(
      [](const Vars& in) {
        return poisson_expectation(in[0], [](double z) { return std::sqrt(z + 1); });
      },
      {Tensor::from({real(.3), 4, 60})}, {.order = kDouble ? 2 : 1}));
}

TEST_CASE("poisson: entropy at large and small rates is that of the asymptotic formulas") {
  // H ~ 1/2 log(2 pi e rate) - 1 / (12 rate) - 1 / (24 rate^2);  rate (1 - log rate) + O(rate^2)
  const double large = .5 * std::log(2 * M_PI * M_E * 1e4) - 1 / 12e4;
  CHECK(Poisson(Tensor::full({1}, 1e4)).entropy().item() ==
        doctest::Approx(large).epsilon(kDouble ? 1e-9 : 1e-3));
  const double rate = real(1e-3);
  CHECK(Poisson(Tensor::full({1}, real(1e-3))).entropy().item() ==
        doctest::Approx(rate * (1 - std::log(rate))).epsilon(1e-3));
}
