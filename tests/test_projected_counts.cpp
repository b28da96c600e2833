// test_projected_counts.cpp - projection onto Geometric, Binomial and NegativeBinomial where the
// answer is known: formulas, one particle, and the rules that the distances stand for. Scans and
// central differences, for all families, are in test_projection.cpp.
#include <doctest/doctest.h>

#include <cmath>

#include "stflow/tensor/kernels/map.h"
#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

double slope_at(double z) { return .8 * std::cos(1.3 * z) + .3 * z - .5; }

}  // namespace

TEST_CASE("atoms_of: the counts of a mean have the probabilities of the formula") {
  for (const family::Any& each : family::other_counts) {
    for (const double mean : {.3, 2.2, 5.1}) {
      CAPTURE(each->name());
      const Atoms atoms = atoms_of(*each, mean);
      CHECK(atoms.mean() == doctest::Approx(mean).epsilon(1e-12));
      for (size_t i = 0; i < atoms.points().size(); ++i) {
        const double expected = plain_count_pmf(each->name(), mean, atoms.points()[i]);
        CHECK(std::abs(atoms.weights()[i] - expected) < 1e-13);
      }
    }
  }
}

TEST_CASE("project: the mean nearest to one particle by W2 is where its derivative is zero") {
  // E (z - y)^2 = v + (m - y)^2, where v = m + m^2 / r, and v = m - m^2 / n for Binomial
  const auto nearest = [](const family::Any& onto, double y) {
    return project(Atoms({y}), {.family = onto, .distance = Distance::wasserstein});
  };
  CHECK(nearest(family::geometric, 20) == doctest::Approx(19.5 / 2).epsilon(1e-6));
  CHECK(nearest(family::negative_binomial, 20) == doctest::Approx(19.5 / 1.4).epsilon(1e-6));
  CHECK(nearest(family::binomial, 4) == doctest::Approx(3.5 * 6 / 5).epsilon(1e-6));
  CHECK(nearest(family::poisson, 20) == doctest::Approx(19.5).epsilon(1e-6));
}

TEST_CASE("other counts: W2 gives Fini-2 too, the means straight-through") {
  const double epsilon = 1e-4;
  const auto each_slope = [](const Tensor& states) {
    return map([](real z) { return static_cast<real>(slope_at(z)); }, states);
  };
  for (const family::Any& each : family::other_counts) {
    CAPTURE(each->name());
    const double theta = 1.8;
    const auto pmf = [&](double k) { return plain_count_pmf(each->name(), theta, k); };
    const MakeDistribution make = [&](const Var& logits) { return each->with_param(logits); };
    const Tensor logits = Tensor::full({1, 1}, static_cast<real>(each->param_of_mean(theta)));
    const Enumerated all = enumerate_counts(theta, pmf);
    const auto by_rule = [&](const LocalRule& rule) {
      Rng rng = Rng::replay(all.noise);
      const MmdCase unit{"logits", each->name(), make, logits, {}};
      const Draws found = draws(unit, rule, each_slope(all.states), rng);
      check_equal(found.z, all.states);
      return sum(mul(found.gradient, all.weight), {0}).item();
    };
    const Atoms mu = atoms_of(*each, theta);
    std::vector<double> points;
    for (const double z : mu.points()) points.push_back(z - epsilon * slope_at(z));
    const Atoms moved(points, mu.weights());
    const auto by_distance = [&](Distance distance) {  // in the logits
      const double slope =
          distance_slope(theta, {}, moved, {.family = each, .distance = distance}) / (2 * epsilon);
      const double variance = make(logits)->variance().item();
      return slope * (each == family::binomial ? variance : -theta);
    };
    CHECK(std::abs(by_distance(Distance::wasserstein) - by_rule(fini2())) < 2e-5);
    CHECK(std::abs(by_distance(Distance::mean) - by_rule(st())) < 2e-5);
    CHECK(std::abs(by_rule(fini2()) - by_rule(st())) > .01);
  }
}
