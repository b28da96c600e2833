// test_mmd_limits.cpp - where the MMD rule becomes straight-through, by which constants it differs
// from it, and where it turns against it. Also the bandwidth and the weights of Poisson layers.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/mmd_reference.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

// The estimate divided by straight-through's, at the same samples, for upstream gradients that are
// the same in all rows but differ between components.
Tensor ratio_to_st(const MmdCase& c, const MmdOptions& options, double upstream, int64_t rows) {
  Tensor up({rows, c.param.dim(1)});
  for (int64_t i = 0; i < up.numel(); ++i) {
    up.data()[i] = static_cast<real>(upstream * (i % up.dim(1) == 0 ? 1 : -.7));
  }
  Rng one(1), same(1);
  return div(draws(c, mmd(options), up, one).gradient, draws(c, st(), up, same).gradient);
}

// The ST-scaled estimate at z = 1 for upstream gradient g, in p.
double outward(double h, double g) {
  const Var probs = Var::parameter(Tensor::full({1}, real(.5)));
  Rng rng = Rng::replay({Tensor::full({1}, real(.1))});
  const Var z = draw(Bernoulli::from_probs(probs), mmd({.bandwidth = h, .epsilon = 1}), Scope{rng});
  return grad({z}, {probs}, false, {Var(Tensor::full({1}, static_cast<real>(g)))})[0].item();
}

// w(k), by which small pushes of a Poisson sample k are multiplied, and its probability.
struct Weights {
  Tensor w, p;
  double mean;
};
Weights poisson_weights(double rate, const MmdOptions& options) {
  const Enumerated all = enumerate_counts(rate);
  const int64_t rows = all.states.dim(0);
  Rng rng = Rng::replay(all.noise);
  const Var lambda = Var::parameter(Tensor::full({rows, 1}, static_cast<real>(rate)));
  const Var z = draw(Poisson(lambda), mmd(options), Scope{rng});
  check_equal(z.value(), all.states);
  const Tensor w = grad({z}, {lambda})[0].value();  // upstream gradients of 1
  return {w, all.weight, sum(mul(w, all.weight)).item()};
}

}  // namespace

TEST_CASE("mmd: a growing bandwidth makes it straight-through, sample by sample") {
  for (const MmdCase& c : mmd_cases()) {
    for (const double h : {100., 1000.}) {
      CAPTURE(c.name);
      CAPTURE(h);
      const Tensor ratio = ratio_to_st(c, {.bandwidth = h}, 1.3, 20);
      check_close(ratio, Tensor::ones(ratio.shape()), h == 100 ? 1e-2 : 1e-4, 0);
      if (c.distribution != "poisson")
        check_close(ratio, Tensor::ones(ratio.shape()), 4 / (h * h) + 1e-5, 0);
    }
  }
}

TEST_CASE("mmd: the linear kernel is straight-through for any step") {
  for (const MmdCase& c : mmd_cases()) {
    for (const double epsilon : {1e-3, .1, 10.}) {
      CAPTURE(c.name);
      CAPTURE(epsilon);
      const Tensor ratio = ratio_to_st(c, {.kernel = Kernel::linear, .epsilon = epsilon}, 1.3, 20);
      check_close(ratio, Tensor::ones(ratio.shape()), 1e-5, 0);
    }
  }
}

TEST_CASE("mmd: without control variate, too, float keeps its digits at a large bandwidth") {
  // What is left of the kernel is then linear: in the mean parameter, (mean - z) / epsilon + g.
  const double epsilon = .5, h = 1000;
  for (const MmdCase& c : mmd_cases()) {
    CAPTURE(c.name);
    const Point theta = mean_parameter(c);
    Rng rng(4);
    const Tensor up = rng.normal({10, c.param.dim(1)});
    const Draws found =
        draws(c, mmd({.bandwidth = h, .epsilon = epsilon, .control_variate = false}), up, rng);
    for (int64_t row = 0; row < 10; ++row) {
      const Point z = row_of(found.z, row), g = row_of(up, row);
      Point expected;
      for (size_t i = 0; i < z.size(); ++i) expected.push_back((theta[i] - z[i]) / epsilon + g[i]);
      expected = c.chain(theta, expected);
      for (size_t i = 0; i < z.size(); ++i) {
        CHECK(row_of(found.gradient, row)[i] ==
              doctest::Approx(expected[i]).epsilon(c.distribution == "poisson" ? 1e-3 : 2e-5));
      }
    }
  }
}

TEST_CASE("mmd: a vanishing step leaves straight-through times a constant, bits and one-hot") {
  const double epsilon = kDouble ? 1e-7 : 1e-4;
  for (const MmdCase& c : mmd_cases()) {
    if (c.distribution == "poisson") continue;
    for (const double h : {.5, 1., 2., 10.}) {
      CAPTURE(c.name);
      CAPTURE(h);
      const double constant = std::exp(-1 / ((c.distribution == "bernoulli" ? 2 : 1) * h * h));
      const Tensor ratio = ratio_to_st(c, {.bandwidth = h, .epsilon = epsilon}, .8, 20);
      check_close(ratio, Tensor::full(ratio.shape(), static_cast<real>(constant)), 200 * epsilon,
                  0);
      const MmdOptions divided{.bandwidth = h, .epsilon = epsilon, .divide_by_mean_weight = true};
      const Tensor one = ratio_to_st(c, divided, .8, 20);
      check_close(one, Tensor::ones(one.shape()), 200 * epsilon, 0);
    }
  }
}

TEST_CASE("mmd: outward pushes peak, and turn the sign at a root that grows with the bandwidth") {
  const std::vector<std::pair<double, double>> roots{{.5, .20}, {1, 1.21}, {2, 3.70}, {5, 12.3}};
  for (const auto& [h, root] : roots) {
    CAPTURE(h);
    double low = 1e-3, high = 20;
    REQUIRE(outward(h, -low) < 0);
    REQUIRE(outward(h, -high) > 0);
    for (int step = 0; step < 40; ++step) {
      const double middle = (low + high) / 2;
      (outward(h, -middle) < 0 ? low : high) = middle;
    }
    CHECK(low == doctest::Approx(root).epsilon(.02));
    // D(1) = D(1 + root): the root is where the kernel's differences agree
    const auto kernel = [h = h](double x) { return std::exp(-x * x / (2 * h * h)); };
    CHECK(std::abs((kernel(0) - kernel(1)) - (kernel(low) - kernel(1 + low))) <
          (kDouble ? 1e-9 : 1e-6));
    // an inward push of the same size keeps its sign
    CHECK(outward(h, root) > 0);
  }
}

TEST_CASE("mmd: small pushes of counts are weighted by w, whose mean and negative part are known") {
  const std::vector<std::array<double, 3>> table{
      {1, .028, .26}, {2, .15, .19}, {3, .32, .07}, {5, .60, .014}, {10, .86, 0}};
  for (const auto& [h, mean, negative] : table) {
    CAPTURE(h);
    const MmdOptions options{.bandwidth = h, .epsilon = kDouble ? 1e-6 : 1e-3};
    const Weights weights = poisson_weights(5, options);
    CHECK(weights.mean == doctest::Approx(mean).epsilon(.02));
    const Tensor outside = greater(Tensor::scalar(0), weights.w);
    CHECK(std::abs(sum(mul(outside, weights.p)).item() - negative) < .005);

    MmdOptions divided = options;
    divided.divide_by_mean_weight = true;
    check_close(poisson_weights(5, divided).w,
                div(weights.w, Tensor::scalar(static_cast<real>(weights.mean))),
                kDouble ? 1e-5 : 5e-3, kDouble ? 1e-6 : 1e-3);
  }
}

TEST_CASE("mmd: mean projection and MMD can both go uphill on counts") {
  // f(z) = (z - 5)^2 / 50 at rate 4.75: the derivative of E f is .01, straight-through's -.01
  const double rate = 4.75;
  const Enumerated all = enumerate_counts(rate);
  const auto expected_direction = [&](const LocalRule& rule) {
    Rng rng = Rng::replay(all.noise);
    const Tensor each =
        estimates(from_local(rule), Tensor::full(all.states.shape(), real(rate)),
                  ignoring_scope([](const Var& z) { return sum(square(z - 5) / 50, {-1}); }), rng,
                  make_poisson);
    return double{sum(mul(each, all.weight)).item()};
  };
  CHECK(expected_direction(st()) == doctest::Approx(-.010).epsilon(.01));
  for (const double h : {1., 2., 5., 20.}) {
    CAPTURE(h);
    const double direction = expected_direction(mmd({.bandwidth = h, .epsilon = .01}));
    CHECK(direction < 0);
    CHECK(direction > -.01);
  }
}

TEST_CASE("mmd: the median bandwidth is the median distance of samples, at least 1") {
  struct Size {
    double rate;
    int64_t rows, units;
  };
  for (const Size& size :
       std::vector<Size>{{.01, 9, 3}, {2, 9, 3}, {30, 9, 3}, {1000, 4, 1}, {1000, 2, 3}}) {
    const Shape shape{size.rows, size.units};
    CAPTURE(size.rate);
    CAPTURE(shape);
    const auto estimate = [&](const MmdOptions& options, Tensor* samples = nullptr) {
      Rng rng(5);
      const Var lambda = Var::parameter(Tensor::full(shape, static_cast<real>(size.rate)));
      const Var z = draw(Poisson(lambda), mmd(options), Scope{rng});
      if (samples) *samples = z.value();
      return grad({z}, {lambda}, false, {Var(rng.normal(shape))})[0].value();
    };
    Tensor z;
    const Tensor found = estimate({.bandwidth = {}}, &z);
    std::vector<double> distances;
    for (int64_t unit = 0; unit < size.units; ++unit) {
      for (int64_t i = 0; i < size.rows; ++i) {
        for (int64_t j = 0; j < i; ++j) {
          distances.push_back(std::abs(z[i * size.units + unit] - z[j * size.units + unit]));
        }
      }
    }
    std::sort(distances.begin(), distances.end());
    const double median = std::max(1., distances[distances.size() / 2]);
    check_equal(found, estimate({.bandwidth = median}));
    CHECK_FALSE(allclose(found, estimate({.bandwidth = median + 1}), 1e-3, 1e-6));
  }
  // one row has no pairs
  Rng one(6), same(6);
  const MmdCase counts = mmd_cases()[3];
  const Tensor up = Tensor::ones({1, 1});
  check_equal(draws(counts, mmd({.bandwidth = {}}), up, one).gradient,
              draws(counts, mmd({.bandwidth = 1}), up, same).gradient);
}

TEST_CASE("mmd: options that make no sense are refused") {
  Rng rng(1);
  const Bernoulli bits(Tensor::zeros({1, 1}));
  const Poisson counts(Tensor::ones({1, 1}));
  check_contains(message_of([] { mmd({.epsilon = std::nan("")}); }), "epsilon", "nan");
  check_contains(message_of([] { mmd({.loss_scale = 0}); }), "loss_scale", "0");
  check_contains(message_of([&] { draw(bits, mmd({.bandwidth = {}}), Scope{rng}); }), "median",
                 "bernoulli");
  check_contains(message_of([&] {
                   draw(counts, mmd({.kernel = Kernel::linear, .divide_by_mean_weight = true}),
                        Scope{rng});
                 }),
                 "divide_by_mean_weight", "rbf");
}

TEST_CASE(
    "mmd: narrow kernels, far pushes and high rates give the finite value of the definition") {
  std::vector<MmdCase> cases = mmd_cases();
  for (const real rate : {real(1e-3), real(40), real(2000)}) {
    cases.push_back(cases[3]);
    cases.back().param = Tensor::full({1, 1}, rate);
  }
  for (const MmdCase& c : cases) {
    const Point theta = mean_parameter(c);
    const PlainUnit unit = plain_unit(c.distribution, theta);
    for (const bool control_variate : {true, false}) {
      if (!control_variate && theta[0] > 100) continue;  // a double sum over a thousand atoms
      for (const double h : {.03, .2, 1.}) {
        CAPTURE(c.name);
        CAPTURE(theta[0]);
        CAPTURE(control_variate);
        CAPTURE(h);
        const std::vector<real> pushes{-2000, -30, -1, 0, 1, 30, 2000};
        Tensor up({7, c.param.dim(1)});
        for (int64_t i = 0; i < up.numel(); ++i) {
          up.data()[i] = pushes[static_cast<size_t>(i / up.dim(1))] * (i % up.dim(1) == 0 ? 1 : -1);
        }
        Rng rng(7);
        const Draws found = draws(c,
                                  mmd({.bandwidth = h,
                                       .epsilon = 1,
                                       .control_variate = control_variate,
                                       .st_scale = false}),
                                  up, rng);
        CHECK(all_finite(found.gradient));
        for (int64_t row = 0; row < 7; ++row) {
          const Point z = row_of(found.z, row);
          Point pushed = z;
          for (size_t i = 0; i < z.size(); ++i) pushed[i] -= row_of(up, row)[i];
          const Point expected =
              c.chain(theta, mmd_estimate(unit, plain_rbf(h), z, pushed, control_variate));
          for (size_t i = 0; i < z.size(); ++i) {
            CHECK(std::abs(row_of(found.gradient, row)[i] - expected[i]) <
                  (kDouble ? 1e-10 : 1e-5));
          }
        }
      }
    }
  }
}
