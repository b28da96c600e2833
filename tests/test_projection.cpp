// test_projection.cpp - projections onto the families and the flow, each
// against its definition: scans, brute force, central differences. What the paper says about them
// is in test_theorems.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

struct OnLine {
  std::string name;
  ProjectionOptions options;
};

// All families on the line under every distance.
std::vector<OnLine> all_on_line() {
  std::vector<OnLine> all;
  std::vector<family::Any> families{family::bernoulli, family::poisson};
  families.insert(families.end(), family::other_counts.begin(), family::other_counts.end());
  for (const family::Any& each : families) {
    const std::string name = each->name() + " ";
    all.push_back({name + "mean", {.family = each}});
    all.push_back({name + "W2", {.family = each, .distance = Distance::wasserstein}});
    for (const double h : {.5, 1., 3.}) {
      all.push_back({name + "rbf", {.family = each, .distance = Distance::mmd, .bandwidth = h}});
    }
    all.push_back(
        {name + "linear", {.family = each, .distance = Distance::mmd, .kernel = Kernel::linear}});
  }
  return all;
}

// Pushed distributions with unequal weights.
std::vector<Atoms> pushed_atoms(const ProjectionOptions& options) {
  if (options.family->support() == Support::bits) {
    return {Atoms({.45, .8}, {2, 1}), Atoms({-.6, .3, .55, 1.4}, {1, 2, 3, 1.5}), Atoms({1.2, 2})};
  }
  return {Atoms({.2, 1.4, 2.9, 4.4, 6.3}, {2, 4, 4, 2, 1}), Atoms({5.5}), Atoms({-.4, .3}),
          Atoms({10.1, 11.7, 14, 17.6, 9, 13.2, 12.5})};
}

// W2^2 with the last atom of nu taking all that is left. In the library's, rounding of 1e-15 of
// mass may end the sum before the tail of mu, which a central difference of a long tail would show.
double w2_with_tail(const Atoms& mu, const Atoms& nu) {
  double total = 0, room = nu.weights()[0];
  for (size_t i = 0, j = 0; i < mu.points().size(); ++i) {
    double mass = mu.weights()[i];
    for (; j + 1 < nu.points().size() && mass > room; room = nu.weights()[++j]) {
      total += room * std::pow(mu.points()[i] - nu.points()[j], 2);
      mass -= room;
    }
    total += mass * std::pow(mu.points()[i] - nu.points()[j], 2);
    room -= mass;
  }
  return total;
}

Tensor numbers(const std::vector<double>& values, const Shape& shape) {
  return Tensor::from({values.begin(), values.end()}, shape);
}

// All pi with components k/n.
std::vector<Point> simplex_grid(int n) {
  std::vector<Point> grid;
  for (int i = 0; i <= n; ++i) {
    for (int j = 0; i + j <= n; ++j) {
      grid.push_back({double(i) / n, double(j) / n, double(n - i - j) / n});
    }
  }
  return grid;
}

const std::vector<double> kOneHotPushed{.9, .2, -.3, .8, -.1, .1, .3, .5,  .4, 1.3, .2, 0,
                                        .2, .6, .7,  .1, .9,  .4, 1,  -.2, .3, -.1, .2, 1.1};

}  // namespace

// In double whatever `real` is, so once is enough.
TEST_CASE("project: on the line, no parameter of the family is nearer" * doctest::skip(!kDouble)) {
  for (const OnLine& c : all_on_line()) {
    for (const Atoms& pushed : pushed_atoms(c.options)) {
      CAPTURE(c.name);
      CAPTURE(c.options.bandwidth);
      CAPTURE(pushed.points()[0]);
      const auto distance = [&](double at) { return distance_squared(at, pushed, c.options); };
      const bool bits = c.options.family->support() == Support::bits;
      const bool known = bits || c.options.family == family::poisson;
      const double found = project(pushed, c.options), least = distance(found);
      const double low = bits ? 0 : c.options.min_mean;
      const double high = std::min(c.options.family->largest(), known ? 25. : 35.);
      CHECK(found <= high);
      const int steps = known ? 500 : 35;  // the tables of the others are longer
      for (int i = 0; i <= steps; ++i) {
        const double other = low + (high - low) * i / steps;
        CHECK(distance(other) >= least - 1e-9);
      }
      // the check can fail: a twentieth beside, something in the scan is nearer
      const double beside = found < low + .1 ? found + .05 : found - .05;
      CHECK(distance(beside) > least + 1e-9);
    }
  }
}

TEST_CASE("project: of W2's many valleys around few counts far apart it takes the deepest") {
  const ProjectionOptions options{.family = family::poisson, .distance = Distance::wasserstein};
  for (const double far : {23., 60., 77., 100.}) {
    const Atoms pushed({0, far});
    const auto distance = [&](double at) { return distance_squared(at, pushed, options); };
    int valleys = 0;
    double least = 1e9;
    for (double at = .4 * far; at < .7 * far; at += .01) {
      valleys += distance(at) < distance(at - .01) && distance(at) < distance(at + .01);
      least = std::min(least, distance(at));
    }
    CHECK(valleys >= 2);
    CHECK(distance(project(pushed, options)) <= least);
  }
}

TEST_CASE("project: particles outside the family give its edge") {
  for (const Distance distance : {Distance::mean, Distance::mmd, Distance::wasserstein}) {
    const ProjectionOptions bit{.distance = distance};
    const ProjectionOptions count{.family = family::poisson, .distance = distance, .min_mean = .05};
    CHECK(project(Atoms({-.5}), bit) == 0);
    CHECK(project(Atoms({1.3, 1.5}), bit) == 1);
    CHECK(project(Atoms({-1.}), count) == doctest::Approx(.05).epsilon(1e-6));
    const ProjectionOptions trials{.family = family::binomial, .distance = distance};
    CHECK(project(Atoms({6.4, 6.9}), trials) == doctest::Approx(6).epsilon(1e-6));
  }
  // and so does a step down the gradient that would leave it
  Rng rng(1);
  const ParticleCost steep = [](const Var& z) { return sum(z * 100, {-1}); };
  const FlowOptions step{.onto = {.family = family::poisson}, .learning_rate = 1};
  CHECK(flow_step(Tensor::ones({1}), steep, step, rng).next.item() == real(1e-3));
  // but MMD does not see what is many bandwidths away
  CHECK(project(Atoms({-9}), {.distance = Distance::mmd}) == doctest::Approx(.5));
}

TEST_CASE("project: one-hot units go to the nearest point, distance_gradient is the derivative") {
  const Tensor pushed = numbers(kOneHotPushed, {8, 3});
  std::vector<Point> points;
  for (int64_t n = 0; n < 8; ++n) points.push_back(row_of(pushed, n));
  ProjectionOptions options{.family = family::one_of_three};
  for (const double h : {0., .5, 1., 3.}) {  // 0: by means, the kernel being the dot product
    CAPTURE(h);
    const PlainKernel kernel = h == 0 ? PlainKernel(dot_product) : plain_rbf(h);
    if (h > 0) options.distance = Distance::mmd, options.bandwidth = h;
    const auto distance = [&](const Point& pi) {
      return mmd_squared(plain_unit("categorical", pi), kernel, points);
    };
    const Point found = row_of(project(pushed, options).reshape({1, 3}), 0);
    CHECK(std::abs(found[0] + found[1] + found[2] - 1) < 1e-6);
    for (const Point& pi : simplex_grid(60)) CHECK(distance(pi) >= distance(found) - 1e-7);
    CHECK(distance({found[0] - .03, found[1] + .03, found[2]}) > distance(found) + 1e-5);

    const Point slope = mmd_slope("categorical", {.2, .3, .5}, kernel, points);
    const Tensor theta = numbers({.2, .3, .5}, {3});
    check_close(distance_gradient(theta, {}, pushed, options), numbers(slope, {3}),
                kDouble ? 1e-8 : 1e-5, 1e-6);
    // particles that have not moved: nothing is left with the control variate
    check_equal(distance_gradient(theta, pushed, pushed, options), Tensor::zeros({3}));
  }
  // W2: each particle goes to the vertex of its largest component, the nearest one
  options.distance = Distance::wasserstein;
  check_close(project(pushed, options), numbers({.5, .25, .25}, {3}), 0, 1e-6);
}

TEST_CASE("project: units are projected one by one") {
  const Tensor pushed = numbers(kOneHotPushed, {8, 3});
  for (const Distance distance : {Distance::mean, Distance::mmd, Distance::wasserstein}) {
    const ProjectionOptions one_hot{.family = family::one_of_three, .distance = distance};
    const Tensor twice = project(concat(std::vector{pushed, neg(pushed)}, 1), one_hot);
    check_equal(twice,
                concat(std::vector{project(pushed, one_hot), project(neg(pushed), one_hot)}, 0));
    const ProjectionOptions counts{.family = family::poisson, .distance = distance};
    const Tensor all = project(pushed, counts);
    for (int d = 0; d < 3; ++d) {
      check_equal(slice(all, 0, d, d + 1), project(slice(pushed, 1, d, d + 1), counts));
    }
  }
}

TEST_CASE("project_to_simplex: no point of a grid on the simplex is nearer") {
  for (const Point& v : std::vector<Point>{{.2, .3, .5}, {2, -1, .4}, {.9, .8, -3}, {5, 5, 5}}) {
    const auto distance = [&](const Point& x) {
      return std::hypot(x[0] - v[0], x[1] - v[1], x[2] - v[2]);
    };
    const Point found = project_to_simplex(v);
    CHECK(*std::min_element(found.begin(), found.end()) >= 0);
    CHECK(std::abs(found[0] + found[1] + found[2] - 1) < 1e-14);
    for (const Point& x : simplex_grid(60)) CHECK(distance(x) >= distance(found) - 1e-12);
  }
}

TEST_CASE("distance_slope: the derivative of the distance, by central differences") {
  for (const OnLine& c : all_on_line()) {
    for (const Atoms& pushed : pushed_atoms(c.options)) {
      for (const double theta : {.21, .77}) {
        CAPTURE(c.name);
        CAPTURE(theta);
        const double at = theta * std::min(c.options.family->largest(), 10.), step = 1e-6;
        const auto distance = [&](double mean) {
          const double known = distance_squared(mean, pushed, c.options);
          if (c.options.distance != Distance::wasserstein) return known;
          const double squared = w2_with_tail(atoms_of(*c.options.family, mean), pushed);
          CHECK(known == doctest::Approx(squared).epsilon(1e-10));
          return squared;
        };
        const double expected = (distance(at + step) - distance(at - step)) / (2 * step);
        CHECK(std::abs(distance_slope(at, {}, pushed, c.options) - expected) <
              1e-7 * (1 + std::abs(expected)));
        // the particles before the move in the place of the family: what they give is subtracted
        const Atoms before({0, 1, 1, 3});
        CHECK(std::abs(distance_slope(at, before, pushed, c.options) -
                       (expected - distance_slope(at, {}, before, c.options))) <
              1e-7 * (1 + std::abs(expected)));
      }
    }
  }
}

TEST_CASE("distance_slope: with one particle, means and W2 give the push, twice") {
  for (const OnLine& c : all_on_line()) {
    if (c.options.distance == Distance::mmd && c.options.kernel == Kernel::rbf) continue;
    CAPTURE(c.name);
    const double slope = distance_slope(.7, Atoms({1}), Atoms({1 - .03}), c.options);
    CHECK(slope == doctest::Approx(2 * .03).epsilon(1e-9));
  }
}

TEST_CASE("section 2.1: without control variate the means' gradient has variance 1 / epsilon^2") {
  // One particle, over all its states: f'(z) with it, (p - z~) / epsilon without it.
  enum Control { none, same_particle, another_particle };
  const double p = .37, epsilon = .01;
  const auto slope = [](double z) { return z == 1 ? .7 : -.4; };
  const auto moments_with = [&](Control control) {
    double first = 0, second = 0;
    for (const double z : {0., 1.}) {
      for (const double other : {0., 1.}) {
        const double weight = (z == 1 ? p : 1 - p) * (other == 1 ? p : 1 - p);
        std::optional<Atoms> before;
        if (control != none) before = Atoms({control == same_particle ? z : other});
        const Atoms pushed({z - epsilon * slope(z)});
        const double estimate = distance_slope(p, before, pushed, {}) / (2 * epsilon);
        first += weight * estimate;
        second += weight * estimate * estimate;
      }
    }
    return std::pair(first, second - first * first);
  };
  for (const Control control : {none, same_particle, another_particle}) {
    CHECK(moments_with(control).first == doctest::Approx(.7 * p - .4 * (1 - p)).epsilon(1e-9));
  }
  const double bit = p * (1 - p) / (epsilon * epsilon);
  CHECK(moments_with(same_particle).second == doctest::Approx(p * (1 - p) * 1.21).epsilon(1e-6));
  CHECK(moments_with(none).second == doctest::Approx(bit).epsilon(.03));
  // A particle drawn afresh is no control variate: it doubles the variance.
  CHECK(moments_with(another_particle).second == doctest::Approx(2 * bit).epsilon(.03));
}

TEST_CASE("flow_step: draws from the family, moves down the cost, and ends at the projection") {
  const ParticleCost f = [](const Var& z) { return sum(square(z - 2) * .5, {-1}); };
  const std::vector<std::pair<family::Any, Tensor>> starts{
      {family::bernoulli, numbers({.3, .9}, {2})},
      {family::poisson, numbers({1.5, 6}, {2})},
      {family::geometric, numbers({1.5, 4}, {2})},
      {family::binomial, numbers({1.5, 4}, {2})},
      {family::negative_binomial, numbers({1.5, 4}, {2})},
      {family::one_of_three, numbers({.2, .3, .5, .6, .4, 0}, {6})}};
  for (const auto& [onto, theta] : starts) {
    const bool one_hot = onto->support() == Support::one_hot;
    FlowOptions options{.onto = {.family = onto}, .particles = 4000, .epsilon = .25};
    CAPTURE(onto->name());
    Rng rng(5), same(5);
    const FlowStep step = flow_step(theta, f, options, rng);
    check_equal(step.theta, theta);
    // five standard errors of the mean of 4000
    for (int64_t d = 0; d < theta.numel(); ++d) {
      double spread = theta[d] * (1 - theta[d]);
      if (!one_hot) {
        const Atoms mu = atoms_of(*onto, theta[d]);
        spread = wasserstein2_squared(mu, Atoms({mu.mean()}));
      }
      CHECK(std::abs(mean(step.particles, {0})[d] - theta[d]) <=
            5 * std::sqrt(spread / 4000) + 1e-6);
    }
    const Tensor slope = sub(step.particles, Tensor::scalar(2));
    check_close(step.pushed, sub(step.particles, mul(slope, Tensor::scalar(real(.25)))), 0, 1e-6);
    check_equal(step.next, project(step.pushed, options.onto));
    check_equal(step.next, flow_step(theta, f, options, same).next);

    // the paper's estimator: one step down the gradient, with either control variate
    options.learning_rate = .1;
    for (const bool control_variate : {true, false}) {
      options.control_variate = control_variate;
      Rng again(5);
      const FlowStep small = flow_step(theta, f, options, again);
      const Tensor gradient = distance_gradient(theta, control_variate ? small.particles : Tensor(),
                                                small.pushed, options.onto);
      const Tensor expected = sub(theta, mul(gradient, Tensor::scalar(real(.1))));
      if (!one_hot) {
        check_close(small.next, expected, 0, 1e-6);
      } else {
        const Point unit = row_of(expected.reshape({2, 3}), 1);
        check_close(small.next.rows(3, 6), numbers(project_to_simplex(unit), {3}), 0, 1e-6);
      }
    }
    // for means and without control variate, a rate of 1/2 is the projection
    options.learning_rate = .5;
    Rng half(5);
    check_close(flow_step(theta, f, options, half).next, step.next, 1e-5, 1e-5);
  }
}

TEST_CASE("projected_flow: by means it settles where straight-through does, W2 does not") {
  // f = (b - .45)^2: mean projection has its fixed point at p = .45, the minimum is at p = 0. Exact
  // W2 is pinned to the shares of the particles drawn, a random walk that is absorbed in the end.
  const ParticleCost f = [](const Var& b) { return sum(square(b - .45), {-1}); };
  Rng rng(3);
  const Tensor start = Tensor::full({1}, real(.9));
  FlowOptions options{.particles = 2000, .epsilon = .2};
  const std::vector<FlowStep> path = projected_flow(start, f, 40, options, rng);
  REQUIRE(path.size() == 40);
  check_equal(path[0].theta, start);
  for (size_t k = 1; k < path.size(); ++k) check_equal(path[k].theta, path[k - 1].next);
  CHECK(std::abs(path.back().next.item() - .45) < .03);

  options.onto.distance = Distance::wasserstein;
  for (const FlowStep& step : projected_flow(start, f, 5, options, rng)) {
    check_close(step.next, mean(step.particles, {0}), 0, 1e-6);
  }
}

TEST_CASE("projection: what makes no sense is refused, saying what it was") {
  const auto refused = [](const std::function<void()>& call, const auto&... parts) {
    check_contains(message_of(call), parts...);
  };
  Rng rng(1);
  const Tensor p = Tensor::full({1}, real(.5)), z = Tensor::ones({4, 3}), pi = Tensor::ones({3});
  const Atoms one({1});
  refused([] { Atoms({}); }, "[Atoms]", "at least one point");
  refused([] { Atoms({1, 2}, {1}); }, "2 points", "1 weights");
  refused([] { Atoms({NAN}); }, "points must be finite", "nan");
  refused([] { Atoms({1}, {-2}); }, "not negative", "-2");
  refused([] { Atoms({1, 2}, {0, 0}); }, "all 2 are 0");
  refused([] { atoms_of(*family::bernoulli, 1.5); }, "'bernoulli'", "at most 1", "1.5");
  refused([] { atoms_of(*family::poisson, 0); }, "'poisson' must be > 0", "0");
  refused([] { atoms_of(*family::binomial, 7); }, "'binomial'", "at most 6", "7");
  refused([&] { one.quantile(2); }, "[0, 1]", "2");
  refused([&] { mmd_squared(one, one, Kernel::rbf, 0); }, "[mmd_squared]", "0");
  refused([] { project_to_simplex({}); }, "[project_to_simplex]");

  ProjectionOptions one_hot{.family = family::one_of_three, .distance = Distance::wasserstein};
  refused([&] { project(one, one_hot); }, "one-hot", "[N, D]");
  one_hot.family = std::make_shared<Categorical>(Tensor::zeros({2}), 2);
  refused([&] { project(z, one_hot); }, "units * 2", "[4,3]");
  one_hot.family = family::one_of_three;
  refused([&] { distance_gradient(pi, {}, z, one_hot); }, "kink", "'reinmax'");
  refused([&] { flow_step(pi, {}, {.onto = one_hot}, rng); }, "add up to 1", "sum of 3");
  refused([&] { flow_step(p, {}, {.onto = one_hot}, rng); }, "units of 3", "[1]");
  refused([&] { project(one, {.bandwidth = -1}); }, "bandwidth", "-1");
  refused([&] { project(one, {.min_mean = 0}); }, "min_mean", "0");
  refused([&] { project(p, {}); }, "[N, D]", "[1]");
  refused([&] { project(Tensor::full({1, 1}, real(NAN)), {}); }, "finite");
  const ProjectionOptions far{.family = family::poisson, .distance = Distance::wasserstein};
  refused([&] { project(Atoms({2e4}), far); }, "'poisson'", "10000", "20000");
  const ProjectionOptions long_tail{.family = family::geometric, .distance = Distance::mmd};
  refused([&] { project(Atoms({500}), long_tail); }, "'geometric'", "pairs", "at most 8192");
  refused([&] { project(one, {.family = nullptr}); }, "needs a distribution");
  refused([&] { project(one, {.family = family::binomial, .min_mean = 6}); }, "below 6", "got 6");
  refused([&] { flow_step(pi * 7, {}, {.onto = {.family = family::binomial}}, rng); }, "'binomial'",
          "at most 6", "got 7");
  refused([&] { distance_gradient(p, {}, z, {}); }, "[1]", "[4,3]");
  refused([&] { distance_gradient(pi, p, z, {}); }, "before and after", "[1]", "[4,3]");

  refused([&] { flow_step(p, {}, {.particles = 0}, rng); }, "particle", "0");
  refused([&] { flow_step(p, {}, {.epsilon = 0}, rng); }, "epsilon", "0");
  refused([&] { flow_step(p, {}, {.learning_rate = -.5}, rng); }, "learning rate", "-0.5");
  refused([&] { flow_step(z, {}, {}, rng); }, "[D]", "[4,3]");
  const ParticleCost wide = [](const Var& x) { return x; };
  refused([&] { flow_step(p, wide, {.particles = 7}, rng); }, "[7]", "[7,1]");
  refused([&] { projected_flow(p, wide, 0, {}, rng); }, "step", "0");
}
