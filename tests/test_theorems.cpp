// test_theorems.cpp - the paper's theorems, each by its name, on distributions small enough to be
// exact.
//
// A statement is given as it is tested, and each case has a negative control: the statement
// slightly altered, which the same check refutes. All in double. The slips of appendix D are in
// test_mmd.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "stflow/tensor/kernels/map.h"
#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

using Curve = std::function<double(double)>;

// W2^2 between equally many equal atoms, over all ways to pair them.
double brute_force_w2_squared(const std::vector<Point>& from, std::vector<Point> to) {
  double least = std::numeric_limits<double>::infinity();
  std::sort(to.begin(), to.end());
  do {
    double total = 0;
    for (size_t n = 0; n < to.size(); ++n) {
      for (size_t i = 0; i < to[n].size(); ++i) total += std::pow(from[n][i] - to[n][i], 2);
    }
    least = std::min(least, total);
  } while (std::next_permutation(to.begin(), to.end()));
  return least / static_cast<double>(from.size());
}

Atoms coordinate(const std::vector<Point>& atoms, size_t i) {
  std::vector<double> points;
  for (const Point& x : atoms) points.push_back(x[i]);
  return Atoms(points);
}

std::vector<Point> product(const std::vector<double>& xs, const std::vector<double>& ys) {
  std::vector<Point> atoms;
  for (const double x : xs) {
    for (const double y : ys) atoms.push_back({x, y});
  }
  return atoms;
}

// The exact distribution after step B, z~ = z - step f'(z).
Atoms pushed(const Atoms& atoms, const Curve& slope, double step) {
  std::vector<double> points;
  for (const double z : atoms.points()) points.push_back(z - step * slope(z));
  return Atoms(points, atoms.weights());
}

double expectation(const Atoms& atoms, const Curve& f) {
  double total = 0;
  for (size_t i = 0; i < atoms.points().size(); ++i)
    total += atoms.weights()[i] * f(atoms.points()[i]);
  return total;
}

// A rule's estimate in expectation, for costs with the derivative `slope` at each state [M,D].
Tensor expected_estimate(const MmdCase& c, const LocalRule& rule,
                         const std::function<Tensor(const Tensor& states)>& slope) {
  const Enumerated all = c.distribution == "poisson" ? enumerate_counts(mean_parameter(c)[0])
                                                     : enumerate_states(*c.make(c.param));
  Rng rng = Rng::replay(all.noise);
  return sum(mul(draws(c, rule, slope(all.states), rng).gradient, all.weight), {0});
}

// Some distributions on the line that have little in common.
std::vector<Atoms> various_atoms() {
  return {Atoms({0}),
          Atoms({-1, 4}, {3, 1}),
          Atoms({.3, -2, .7, 1.1, -.4}, {.1, .3, .3, .2, .5}),
          Atoms({2, 2.5, -6, 1}, {5, 1, 1, 3}),
          atoms_of(*family::bernoulli, .2),
          atoms_of(*family::poisson, .3),
          atoms_of(*family::poisson, 7)};
}

const Curve kSmoothSlope = [](double z) { return .8 * std::cos(1.3 * z) + .3 * z - .5; };

const ProjectionOptions kBitByW2{.distance = Distance::wasserstein};
const ProjectionOptions kCountByW2{.family = family::poisson, .distance = Distance::wasserstein};

}  // namespace

TEST_CASE("theorem 2.1: W2^2 between product distributions is the sum over their dimensions") {
  const std::vector<Point> mu = product({-1, .2, 2.5}, {0, 3, 3.5});
  const std::vector<Point> nu = product({.1, .3, 4}, {-2, 1, 1.25});
  const double first = wasserstein2_squared(coordinate(mu, 0), coordinate(nu, 0));
  const double second = wasserstein2_squared(coordinate(mu, 1), coordinate(nu, 1));
  const double joint = brute_force_w2_squared(mu, nu);
  CHECK(std::abs(joint - (first + second)) < 1e-12);

  // Not so for W2 itself, nor for a distribution with the same marginals whose dimensions depend.
  CHECK(std::abs(std::sqrt(joint) - (std::sqrt(first) + std::sqrt(second))) > .1);
  std::vector<Point> dependent;
  for (size_t i = 0; i < 3; ++i) {
    dependent.insert(dependent.end(), 3, {nu[3 * i][0], nu[i][1]});
  }
  REQUIRE(wasserstein2_squared(coordinate(dependent, 0), coordinate(nu, 0)) < 1e-12);
  REQUIRE(wasserstein2_squared(coordinate(dependent, 1), coordinate(nu, 1)) < 1e-12);
  CHECK(brute_force_w2_squared(mu, dependent) > first + second + .1);
}

TEST_CASE("theorem 2.2: expectations differ by no more than the Wasserstein distance") {
  int refuted = 0;
  const std::vector<Atoms> all = various_atoms();
  for (const Atoms& mu : all) {
    for (const Atoms& nu : all) {
      const double difference = std::abs(mu.mean() - nu.mean());
      const double w1 = wasserstein1(mu, nu), w2 = std::sqrt(wasserstein2_squared(mu, nu));
      CHECK(difference <= w1 + 1e-12);
      CHECK(w1 <= w2 + 1e-12);
      refuted += difference > w2 / 2 + 1e-12;
    }
    // The bound is reached by a translation, and so cannot be improved: W/2 is refuted.
    const Atoms moved = pushed(
        mu, [](double) { return 1.0; }, .7);
    CHECK(std::abs(wasserstein1(mu, moved) - .7) < 1e-12);
    CHECK(std::abs(wasserstein2_squared(mu, moved) - .49) < 1e-12);
  }
  CHECK(refuted > 10);
}

TEST_CASE("remark 2.2: between Bernoulli distributions W2^2 is |p - q|") {
  for (const double p : {0., .1, .37, .5, .9, 1.}) {
    for (const double q : {0., .25, .37, .8, 1.}) {
      CAPTURE(p);
      CAPTURE(q);
      const double w2 =
          wasserstein2_squared(atoms_of(*family::bernoulli, p), atoms_of(*family::bernoulli, q));
      CHECK(std::abs(w2 - std::abs(p - q)) < 1e-15);
      // Thus theorem 2.2 is not tight here: the squared difference of means is |p - q|^2.
      const double distance = std::abs(p - q);
      if (distance > .01 && distance < .99) CHECK(std::abs(w2 - distance * distance) > .009);
    }
  }
}

TEST_CASE("lemma C.3: the cheapest way to send mass p to 1 and the rest to 0 is a threshold") {
  // With atoms, the one at the threshold t* is split so that exactly mass p goes to 1.
  const std::vector<double> points{-.6, -.1, .15, .3, .7, .9, 1.4, 2};
  const Atoms particles(points);
  const auto to_one = [](double z) { return (z - 1) * (z - 1); };
  const auto to_zero = [](double z) { return z * z; };
  // Points fill up `mass` from one end; the last of them is split, or goes as a whole.
  const auto threshold_cost = [&](double mass, bool from_above, bool split) {
    double total = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      const double z = points[from_above ? points.size() - 1 - i : i];
      const double share = split ? std::clamp(mass, 0., 1 / 8.) : (mass > 0 ? 1 / 8. : 0);
      total += share * to_one(z) + (1 / 8. - share) * to_zero(z);
      mass -= 1 / 8.;
    }
    return total;
  };
  for (const double p : {0., .2, .375, .55, .8125, 1.}) {
    CAPTURE(p);
    const double w2 = wasserstein2_squared(atoms_of(*family::bernoulli, p), particles);
    CHECK(std::abs(w2 - threshold_cost(p, true, true)) < 1e-14);
    // where p is no multiple of 1/8, moving the atom as a whole is another transport
    const bool between = std::abs(8 * p - std::round(8 * p)) > .01;
    CHECK((std::abs(w2 - threshold_cost(p, true, false)) > 1e-3) == between);
    // and the smallest points are the wrong ones to send to 1
    if (p > 0 && p < 1) CHECK(threshold_cost(p, false, true) > w2 + .1);
  }
  // No choice of whole points is cheaper.
  for (unsigned chosen = 0; chosen < 256; ++chosen) {
    double cost = 0, p = 0;
    for (size_t i = 0; i < 8; ++i) {
      const bool one = chosen >> i & 1;
      p += one / 8.;
      cost += (one ? to_one(points[i]) : to_zero(points[i])) / 8;
    }
    CHECK(cost >= wasserstein2_squared(atoms_of(*family::bernoulli, p), particles) - 1e-14);
  }
}

TEST_CASE("theorem C.1: a step projected back onto a manifold is the projected gradient's step") {
  // On the unit sphere of R^5: [P(x + epsilon v) - x] / epsilon -> v - (v.x) x, to first order.
  const Point x{.1, -.7, .5, .1, .4898979485566356}, v{1, .3, -2, .5, .25};
  REQUIRE(std::abs(dot_product(x, x) - 1) < 1e-12);
  const auto worst_error = [&](double epsilon, bool tangent) {
    Point y;
    for (size_t i = 0; i < x.size(); ++i) y.push_back(x[i] + epsilon * v[i]);
    const double length = std::sqrt(dot_product(y, y));
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = v[i] - (tangent ? dot_product(v, x) * x[i] : 0);
      worst = std::max(worst, std::abs((y[i] / length - x[i]) / epsilon - expected));
    }
    return worst;
  };
  CHECK(worst_error(1e-2, true) < 5e-2);
  CHECK(worst_error(1e-3, true) / worst_error(1e-2, true) == doctest::Approx(.1).epsilon(.05));
  CHECK(worst_error(1e-4, true) / worst_error(1e-3, true) == doctest::Approx(.1).epsilon(.05));
  CHECK(worst_error(1e-4, false) > .5);  // the gradient itself is not the limit
}

TEST_CASE("theorem C.2: the exact projection onto a smooth family lowers F, by |E f'|^2 a unit") {
  // Family N(m,1), as atoms on a fine grid. Nearest in W2 to a distribution is the m that is its
  // mean.
  const auto normal = [](double m) {
    std::vector<double> points, weights;
    for (int i = -800; i <= 800; ++i) {
      points.push_back(m + .01 * i);
      weights.push_back(std::exp(-.5 * 1e-4 * i * i));
    }
    return Atoms(points, weights);
  };
  const Curve f = [](double z) { return .8 / 1.3 * std::sin(1.3 * z) + .15 * z * z - .5 * z; };
  const double epsilon = 1e-4;
  for (const double m : {-3., -1., .4, 2.}) {
    CAPTURE(m);
    const Atoms mu = normal(m), moved = pushed(mu, kSmoothSlope, epsilon);
    const double next = moved.mean();
    for (const double beside : {-.02, -1e-3, 1e-3, .02}) {
      CHECK(wasserstein2_squared(normal(next + beside), moved) >
            wasserstein2_squared(normal(next), moved) + .9 * beside * beside);
    }
    const double slope = expectation(mu, kSmoothSlope), before = expectation(mu, f);
    CHECK((expectation(normal(next), f) - before) / epsilon ==
          doctest::Approx(-slope * slope).epsilon(1e-3));
    // A plus in step B, as printed in the paper's main text, raises F.
    const double wrong = pushed(mu, kSmoothSlope, -epsilon).mean();
    CHECK((expectation(normal(wrong), f) - before) / epsilon ==
          doctest::Approx(slope * slope).epsilon(1e-3));
  }
}

TEST_CASE("theorem C.2: on counts it fails, mean and MMD go uphill and W2 stays") {
  // f(z) = (z - 5)^2 / 50 at lambda = 4.75, F = (lambda + (lambda - 5)^2) / 50
  const double lambda = 4.75, epsilon = .01;
  const auto objective = [](double rate) { return (rate + (rate - 5) * (rate - 5)) / 50; };
  CHECK((objective(lambda + 1e-6) - objective(lambda - 1e-6)) / 2e-6 ==
        doctest::Approx(.010).epsilon(1e-6));
  const Curve slope = [](double z) { return (z - 5) / 25; };
  const Atoms mu = atoms_of(*family::poisson, lambda), moved = pushed(mu, slope, epsilon);

  const double by_mean = project(moved, {.family = family::poisson});
  CHECK((lambda - by_mean) / epsilon == doctest::Approx(-.010).epsilon(1e-6));
  CHECK(objective(by_mean) > objective(lambda) + 9e-5 * epsilon);

  double least = 0, most = -1;
  for (const double h : {1., 2., 5., 20.}) {
    CAPTURE(h);
    const ProjectionOptions options{
        .family = family::poisson, .distance = Distance::mmd, .bandwidth = h};
    const double by_mmd = project(moved, options);
    CHECK(by_mmd > lambda + 1e-5);
    CHECK(objective(by_mmd) > objective(lambda));
    const double direction = distance_slope(lambda, {}, moved, options) * h * h / (2 * epsilon);
    least = std::min(least, direction), most = std::max(most, direction);
  }
  CHECK(least == doctest::Approx(-.0096).epsilon(.02));
  CHECK(most == doctest::Approx(-.0003).epsilon(.2));

  CHECK(std::abs(project(moved, kCountByW2) - lambda) < 1e-8);

  // Where f is linear there is no such gap: both go down.
  const Atoms straight = pushed(
      mu, [](double) { return .01; }, epsilon);
  CHECK(project(straight, {.family = family::poisson}) < lambda - 9e-5);
  CHECK(project(straight, {.family = family::poisson, .distance = Distance::mmd, .bandwidth = 5}) <
        lambda - 9e-5);
}

TEST_CASE("step B: with the plus of the main text every projection goes uphill") {
  // f(z) = (z - 8)^2 / 50 at lambda = 4, far from its minimum
  const auto objective = [](double rate) { return (rate + (rate - 8) * (rate - 8)) / 50; };
  const Curve slope = [](double z) { return (z - 8) / 25; };
  for (const Distance distance : {Distance::mean, Distance::mmd, Distance::wasserstein}) {
    CAPTURE(static_cast<int>(distance));
    const ProjectionOptions options{
        .family = family::poisson, .distance = distance, .bandwidth = 4};
    // a long step: W2 does not let go of lambda = 4 for a short one
    const Atoms mu = atoms_of(*family::poisson, 4);
    CHECK(objective(project(pushed(mu, slope, 6), options)) < objective(4) - .01);
    CHECK(objective(project(pushed(mu, slope, -6), options)) > objective(4) + .01);
  }
}

TEST_CASE("exact W2 projection: pinned while no particle is pushed beyond the next kink") {
  for (const double epsilon : {1e-6, 1e-3, .1}) {
    CAPTURE(epsilon);
    for (const double p : {.03, .37, .5, .9}) {
      CAPTURE(p);
      const Atoms moved = pushed(atoms_of(*family::bernoulli, p), kSmoothSlope, epsilon);
      CHECK(std::abs(project(moved, kBitByW2) - p) < 1e-15);
      // a kink: W2^2 = |q - p| + O(epsilon)
      for (const double q : {.01, .4, .97}) {
        CHECK(std::abs(distance_squared(q, moved, kBitByW2) - std::abs(q - p)) < 2 * epsilon);
      }
      CHECK(std::abs(project(moved, {}) - p) > .01 * epsilon);  // the mean is not pinned
    }
    for (const double lambda : {.4, 3.2, 20.}) {
      CAPTURE(lambda);
      const Curve bounded = [](double z) { return .5 + .5 * std::cos(z); };
      const Atoms moved = pushed(atoms_of(*family::poisson, lambda), bounded, epsilon);
      CHECK(std::abs(project(moved, kCountByW2) - lambda) < 1e-7);
      CHECK(std::abs(project(moved, {.family = family::poisson}) - lambda) > .01 * epsilon);
    }
  }
  // a push across the middle between 0 and 1 moves it
  CHECK(std::abs(project(pushed(atoms_of(*family::bernoulli, .4), kSmoothSlope, -2), kBitByW2) -
                 .4) > .1);
}

TEST_CASE(
    "exact W2: its symmetric derivative is 2 epsilon times ReinMax for bits, Fini-2 for counts") {
  const double epsilon = 1e-4;
  const auto each_slope = [](const Tensor& states) {
    return map([](real z) { return static_cast<real>(kSmoothSlope(z)); }, states);
  };
  for (const MmdCase& c : mmd_cases()) {
    if (c.name != "probs" && c.name != "rate") continue;
    CAPTURE(c.name);
    const bool bits = c.distribution == "bernoulli";
    const double theta = mean_parameter(c)[0];
    const ProjectionOptions options = bits ? kBitByW2 : kCountByW2;
    const Atoms mu = bits ? atoms_of(*family::bernoulli, theta) : atoms_of(*family::poisson, theta);
    const Atoms moved = pushed(mu, kSmoothSlope, epsilon);
    const double found = distance_slope(theta, {}, moved, options) / (2 * epsilon);
    const double rule = expected_estimate(c, bits ? reinmax() : fini2(), each_slope).item();
    CHECK(std::abs(found - rule) < 1e-5);
    // Straight-through is another estimate.
    CHECK(std::abs(found - expected_estimate(c, st(), each_slope).item()) > .02);
  }
}

TEST_CASE("exact W2: ReinMax for one-hot units is its symmetric derivative, pair by pair") {
  // Masses: 4, 2, 1 of 7 atoms at the vertices. W2^2 is linear in the mass that changes from j to
  // i, so that moving one atom shows its derivative. The mean of it there and back, over 2 epsilon,
  // is d_ij, and component i of ReinMax is pi_i sum_j pi_j d_ij.
  const std::vector<Point> slope{{.3, -1, .6}, {1.2, .1, -.4}, {-.7, .2, .9}};  // f' at each
  const double epsilon = 1e-3;
  const auto atoms = [&](const std::vector<int>& counts, double step) {
    std::vector<Point> result;
    for (size_t k = 0; k < 3; ++k) {
      Point at(3);
      for (size_t i = 0; i < 3; ++i) at[i] = (i == k) - step * slope[k][i];
      result.insert(result.end(), static_cast<size_t>(counts[k]), at);
    }
    return result;
  };
  const std::vector<int> counts{4, 2, 1};
  const std::vector<Point> moved = atoms(counts, epsilon);
  const auto changed = [&](size_t from, size_t to) {
    std::vector<int> other = counts;
    --other[from], ++other[to];
    return brute_force_w2_squared(atoms(other, 0), moved);
  };
  Tensor each_slope({3, 3}), logits({1, 3});
  for (size_t k = 0; k < 3; ++k) {
    logits.data()[k] = static_cast<real>(std::log(counts[k] / 7.));
    for (size_t i = 0; i < 3; ++i) each_slope.data()[3 * k + i] = static_cast<real>(slope[k][i]);
  }
  MmdCase unit = mmd_cases()[2];
  unit.param = logits;
  const auto slope_at = [&](const Tensor& z) { return matmul(Var(z), Var(each_slope)).value(); };
  Tensor by_w2 = Tensor::zeros({3});
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      const double derivative = (changed(j, i) - changed(i, j)) / (2. / 7) / (2 * epsilon);
      by_w2.data()[i] += static_cast<real>(counts[i] / 7. * counts[j] / 7. * derivative);
    }
  }
  check_close(by_w2, expected_estimate(unit, reinmax(), slope_at), 0, 1e-6);
  CHECK_FALSE(allclose(by_w2, expected_estimate(unit, st(), slope_at), 0, .02));

  // The projection itself stays where it was, until a push reaches the middle between two vertices.
  const auto projected = [&](double step) {
    std::vector<real> z;
    for (const Point& at : atoms(counts, step)) z.insert(z.end(), at.begin(), at.end());
    return project(Tensor::from(z, {7, 3}),
                   {.family = family::one_of_three, .distance = Distance::wasserstein});
  };
  const Tensor start = exp(logits).reshape({3});
  check_close(projected(.35), start, 0, 1e-6);
  const Tensor far = projected(2);
  CHECK_FALSE(allclose(far, start, 0, .1));
  // There, too, no other distribution is nearer.
  const auto far_distance = [&](int first, int second) {
    return brute_force_w2_squared(atoms({first, second, 7 - first - second}, 0), atoms(counts, 2));
  };
  const auto share = [&](int64_t i) { return static_cast<int>(std::lround(7 * far[i])); };
  for (int first = 0; first <= 7; ++first) {
    for (int second = 0; first + second <= 7; ++second) {
      CHECK(far_distance(first, second) >= far_distance(share(0), share(1)) - 1e-12);
    }
  }
}
