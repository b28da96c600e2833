// test_wasserstein.cpp - atoms on the line and their distances: W1, W2 and MMD against brute force.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

TEST_CASE("wasserstein: unequal weights are transported as worked out by hand") {
  // 1/4 stays at 0, 1/4 goes 0 -> 2, 1/2 goes 3 -> 2
  const Atoms a({3, 0}, {2, 2}), b({0, 2}, {.25, .75});
  CHECK(wasserstein1(a, b) == doctest::Approx(.5 + .5));
  CHECK(wasserstein2_squared(a, b) == doctest::Approx(1 + .5));
  CHECK(wasserstein2_squared(b, a) == doctest::Approx(1.5));
  CHECK(wasserstein2_squared(a, a) == 0);
  // all counts grow with the rate, so that W1 is the difference of the means
  CHECK(wasserstein1(atoms_of(*family::poisson, 2), atoms_of(*family::poisson, 3.5)) ==
        doctest::Approx(1.5));
}

TEST_CASE("wasserstein: no pairing of two samples is cheaper") {
  const std::vector<double> x{.3, -1, 2.2, .9, 5}, y{.1, 3, -2, .4, 1};
  std::vector<size_t> order{0, 1, 2, 3, 4};
  double w1 = 1e9, w2 = 1e9, dearest = 0;
  do {
    double length = 0, square = 0;
    for (size_t i = 0; i < 5; ++i) {
      length += std::abs(x[i] - y[order[i]]) / 5;
      square += std::pow(x[i] - y[order[i]], 2) / 5;
    }
    w1 = std::min(w1, length), w2 = std::min(w2, square), dearest = std::max(dearest, square);
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(std::abs(wasserstein1(Atoms(x), Atoms(y)) - w1) < 1e-14);
  CHECK(std::abs(wasserstein2_squared(Atoms(x), Atoms(y)) - w2) < 1e-14);
  CHECK(dearest > 2 * w2);
}

TEST_CASE("quantile: smallest point with the mass, halfway where the mass is just reached") {
  const Atoms atoms({1, 4, 2}, {.5, .3, .2});
  CHECK(atoms.quantile(0) == 1);
  CHECK(atoms.quantile(.49) == 1);
  CHECK(atoms.quantile(.5) == 1.5);
  CHECK(atoms.quantile(.51) == 2);
  CHECK(atoms.quantile(.7) == 3);
  CHECK(atoms.quantile(1) == 4);
}

TEST_CASE("mmd_squared: equals the double sum of the definition; linear, it compares means") {
  const Atoms mu = atoms_of(*family::poisson, 3.2), sample({.3, 2.5, 2.5, 7});
  const std::vector<Point> points{{.3}, {2.5}, {2.5}, {7}};
  for (const double h : {.5, 2.}) {
    const double expected = mmd_squared(plain_unit("poisson", {3.2}), plain_rbf(h), points);
    CHECK(std::abs(mmd_squared(mu, sample, Kernel::rbf, h) - expected) < 1e-12);
    CHECK(std::abs(mmd_squared(sample, sample, Kernel::rbf, h)) < 1e-15);
  }
  CHECK(mmd_squared(mu, sample, Kernel::linear, 1) == doctest::Approx(std::pow(3.2 - 3.075, 2)));
}
