// test_mmd.cpp - the MMD rule's estimate of one draw, against the definition (mmd_reference.h), and
// its expectation. Its limits, weights and constants are in test_mmd_limits.cpp.
#include <doctest/doctest.h>

#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

struct Setting {
  std::string name;
  MmdOptions options;
  PlainKernel kernel;
  double st_scale;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const bool control_variate : {true, false}) {
    for (const double epsilon : {.1, 1.0}) {
      for (const double h : {.5, 1.0, 2.0, 10.0}) {
        all.push_back({"rbf",
                       {.bandwidth = h, .epsilon = epsilon, .control_variate = control_variate},
                       plain_rbf(h),
                       h * h / (2 * epsilon)});
      }
      all.push_back(
          {"linear",
           {.kernel = Kernel::linear, .epsilon = epsilon, .control_variate = control_variate},
           dot_product,
           1 / (2 * epsilon)});
    }
  }
  return all;
}

Point pushed_by(const Point& z, const Point& g, double epsilon) {
  Point result;
  for (size_t i = 0; i < z.size(); ++i) result.push_back(z[i] - epsilon * g[i]);
  return result;
}

Tensor upstream(const MmdCase& c, int64_t rows, Rng& rng) {
  return mul(rng.normal({rows, c.param.dim(1)}), Tensor::scalar(2));
}

}  // namespace

TEST_CASE(
    "mmd: the estimate of one draw equals the definition, for every distribution, kernel and "
    "scale") {
  for (const MmdCase& c : mmd_cases()) {
    const Point theta = mean_parameter(c);
    const PlainUnit unit = plain_unit(c.distribution, theta);
    for (Setting setting : settings()) {
      for (const bool st_scale : {true, false}) {
        setting.options.st_scale = st_scale;
        CAPTURE(c.name);
        CAPTURE(setting.name);
        CAPTURE(setting.options.epsilon);
        CAPTURE(*setting.options.bandwidth);
        CAPTURE(setting.options.control_variate);
        CAPTURE(st_scale);
        const double scale = st_scale ? setting.st_scale : 1;
        Rng rng(1);
        const Tensor up = upstream(c, 6, rng);
        const Draws found = draws(c, mmd(setting.options), up, rng);
        for (int64_t row = 0; row < 6; ++row) {
          const Point z = row_of(found.z, row);
          const Point expected =
              c.chain(theta, mmd_estimate(unit, setting.kernel, z,
                                          pushed_by(z, row_of(up, row), setting.options.epsilon),
                                          setting.options.control_variate));
          const Point gradient = row_of(found.gradient, row);
          for (size_t i = 0; i < expected.size(); ++i) {
            CHECK(std::abs(gradient[i] - scale * expected[i]) <
                  (kDouble ? 1e-11 : 4e-6) * scale * (1 + std::abs(expected[i])));
          }
        }
      }
    }
  }
}

TEST_CASE("mmd: units of a categorical layer don't see each other") {
  const Tensor first = Tensor::from({real(.5), -1, real(.9)}, {1, 3});
  const Tensor second = Tensor::from({0, 1, real(-.3)}, {1, 3});
  Rng rng(1);
  const Tensor u = rng.uniform({1, 6}), up = rng.normal({1, 6});
  const auto gradient = [&](const Tensor& logits, int64_t begin, int64_t end) {
    Rng replay = Rng::replay({slice(u, 1, begin, end)});
    const Var a = Var::parameter(logits);
    const Var z = draw(Categorical(a, 3), mmd(), Scope{replay});
    return grad({z}, {a}, false, {Var(slice(up, 1, begin, end))})[0].value();
  };
  const Tensor together = gradient(concat(std::vector{first, second}, 1), 0, 6);
  check_close(slice(together, 1, 0, 3), gradient(first, 0, 3), 1e-6, 1e-7);
  check_close(slice(together, 1, 3, 6), gradient(second, 3, 6), 1e-6, 1e-7);
}

TEST_CASE("mmd: raw and without control variate, it is the derivative of MMD^2 by differences") {
  for (const MmdCase& c : mmd_cases()) {
    const Point theta = mean_parameter(c);
    for (Setting setting : settings()) {
      if (setting.options.control_variate) continue;
      setting.options.st_scale = false;
      CAPTURE(c.name);
      CAPTURE(setting.name);
      CAPTURE(*setting.options.bandwidth);
      Rng rng(2);
      const Tensor up = upstream(c, 5, rng);
      const Draws found = draws(c, mmd(setting.options), up, rng);
      std::vector<Point> pushed;
      for (int64_t row = 0; row < 5; ++row) {
        pushed.push_back(pushed_by(row_of(found.z, row), row_of(up, row), setting.options.epsilon));
      }
      const Point expected =
          c.chain(theta, mmd_slope(c.distribution, theta, setting.kernel, pushed));
      const Point gradient = row_of(mean(found.gradient, {0}, true), 0);
      for (size_t i = 0; i < expected.size(); ++i) {
        CHECK(std::abs(gradient[i] - expected[i]) <
              (kDouble ? 1e-8 : 2e-5) * (1 + std::abs(expected[i])));
      }
    }
  }
}

TEST_CASE("mmd: the gradient printed in the paper's appendix D fails the test that ours passes") {
  const double p = .37, k = std::exp(-.5), pushed = .195;
  const PlainKernel kernel = plain_rbf(1);
  const double slope = mmd_slope("bernoulli", {p}, kernel, {{pushed}})[0];
  CHECK(slope == doctest::Approx(.311).epsilon(1e-3));

  const Var probs = Var::parameter(Tensor::full({1}, real(p)));
  Rng rng = Rng::replay({Tensor::full({1}, real(.9))});
  const MmdOptions options{.epsilon = 1, .control_variate = false, .st_scale = false};
  const Var z = draw(Bernoulli::from_probs(probs), mmd(options), Scope{rng});
  const Var up(Tensor::full({1}, real(-pushed)));
  CHECK(grad({z}, {probs}, false, {up})[0].item() == doctest::Approx(slope).epsilon(1e-5));

  // The appendix has "(1 - 2p)" for (2p - 1), and "K(1, z~)" where K(0, z~) belongs.
  const double to_one = kernel({1}, {pushed}), to_zero = kernel({0}, {pushed});
  const double one_slip = 2 * ((1 - 2 * p) * (1 - k) - (to_one - to_zero));
  const double both_slips = 2 * ((1 - 2 * p) * (1 - k) - (to_one - to_one));  // blind to the cost
  CHECK(one_slip == doctest::Approx(.720).epsilon(1e-3));
  CHECK(both_slips == doctest::Approx(.205).epsilon(1e-2));
}

TEST_CASE(
    "mmd: the control variate leaves the expectation alone; at small steps it saves variance") {
  const auto cost = [](const Var& z) { return sum(square(z - 0.3) * 0.4 + tanh(z), {-1}); };
  for (const MmdCase& c : mmd_cases()) {
    const Enumerated all = c.distribution == "poisson" ? enumerate_counts(mean_parameter(c)[0])
                                                       : enumerate_states(*c.make(c.param));
    const auto moments_of = [&](MmdOptions options, bool control_variate) {
      options.control_variate = control_variate;
      Rng rng = Rng::replay(all.noise);
      const Var leaf = Var::parameter(all.states);
      const Tensor up = grad({cost(leaf)}, {leaf})[0].value();
      const Draws found = draws(c, mmd(options), up, rng);
      check_equal(found.z, all.states);
      const Tensor middle = sum(mul(found.gradient, all.weight), {0}, true);
      const Tensor spread = sum(mul(square(sub(found.gradient, middle)), all.weight), {0}, true);
      return Moments{middle, Tensor(), sum(spread).item()};
    };
    for (const double h : {.7, 2.0, 5.0}) {
      CAPTURE(c.name);
      CAPTURE(h);
      const Moments with = moments_of({.bandwidth = h}, true);
      const Moments without = moments_of({.bandwidth = h}, false);
      check_close(without.mean, with.mean, kDouble ? 1e-8 : 1e-4, kDouble ? 1e-8 : 1e-4);
      CHECK(with.trace_variance < .05 * without.trace_variance);
      // the variance without it grows as 1 / epsilon^2, with it it stays
      const MmdOptions small{.bandwidth = h, .epsilon = .01};
      CHECK(moments_of(small, false).trace_variance / without.trace_variance ==
            doctest::Approx(100).epsilon(.15));
      CHECK(moments_of(small, true).trace_variance < 1.5 * with.trace_variance);
    }
  }
}

TEST_CASE("mmd: the control variate's gain on bernoulli4 is a loss when the step is long") {
  const auto deviation = [](double epsilon, bool control_variate) {
    const MmdOptions options{.epsilon = epsilon, .control_variate = control_variate};
    return std::sqrt(enumerated_moments(from_local(mmd(options)), bernoulli4_logits(),
                                        ignoring_scope(bernoulli4_cost))
                         .trace_variance);
  };
  CHECK(deviation(.1, true) == doctest::Approx(.3168).epsilon(.001));
  CHECK(deviation(.1, false) == doctest::Approx(1.517).epsilon(.001));
  CHECK(deviation(1, true) == doctest::Approx(.2027).epsilon(.001));
  CHECK(deviation(1, false) == doctest::Approx(.1255).epsilon(.001));
}
