// test_extreme_distributions.cpp - the distributions where plain formulas lose their digits or
// overflow: logits far apart, infinite or nearly equal, rates from 1e-30 to 1e6. Expected numbers
// are from mpmath, with 40 digits.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "stflow/estimators/flow/projection.h"
#include "tests/edge_values.h"
#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = kFloat ? 1e-6 : 1e-9;

using Values = std::vector<real>;

/// f at x and its gradients there are these numbers.
void check_at(const std::function<Var(const Vars&)>& f, const std::vector<Values>& x, double value,
              const std::vector<Values>& gradients, double tolerance = kTolerance) {
  Vars inputs;
  for (const Values& each : x) {
    inputs.push_back(Var::parameter(Tensor::from(each, {1, static_cast<int64_t>(each.size())})));
  }
  const Var y = f(inputs);
  CAPTURE(value);
  check_close(y.value(), Tensor::full({1}, static_cast<real>(value)), tolerance, 0);
  const Vars found = grad({y}, inputs);
  for (size_t i = 0; i < gradients.size(); ++i) {
    CAPTURE(i);
    const Tensor expected = Tensor::from(gradients[i]).reshape(inputs[i].shape());
    check_close(found[i].value(), expected, tolerance, tolerance * max(abs(expected)).item());
  }
}

const Tensor& masked_logits() {
  static const Tensor logits = Tensor::from({real(.3), -kInf, real(-1.1)}, {1, 3});
  return logits;
}

}  // namespace

TEST_CASE("entropy of poisson: right with its gradient from rate 1e-30 to 1e6") {
  struct Row {
    real rate;
    double value, slope;
  };
  const std::vector<Row> rows{{real(1e-30), 7.0077552789821371e-29, 69.077552789821371},
                              {real(1e-5), 1.2512928930701337e-4, 11.51293239642765},
                              {real(.5), .92763746749579737, 1.0070175690293758},
                              {real(3.2), 1.966673638160817, .16989147397822474},
                              {100, 3.7206860722602589, .0050084182967992078},
                              {100000, 7.1754004323522869, 5.0000083334166683e-6},
                              {1000000, 8.3266937288534348, 5.0000008333341667e-7}};
  for (const Row& row : rows) {
    CAPTURE(row.rate);
    check_at([](const auto& in) { return Poisson(in[0]).entropy(); }, {{row.rate}}, row.value,
             {{static_cast<real>(row.slope)}});
  }
  // The second derivative is -1/(2 rate^2) and less.
  const Var rate = Var::parameter(Tensor::full({1}, 100000));
  const Var slope = grad({Poisson(rate).entropy()}, {rate}, /*create_graph=*/true)[0];
  check_close(grad({slope}, {rate})[0].value(), Tensor::full({1}, real(-5.0000166669e-11)), 1e-4,
              0);
}

TEST_CASE("log_prob of poisson: right with its gradients from rate 1e-30 to 1e6") {
  struct Row {
    real z, rate;
    double value, in_rate, in_z;
  };
  const std::vector<Row> rows{
      {1000000, 1000000, -7.8266938955201431, 0, -4.9999991666666667e-7},
      {1003000, 1000000, -12.323698387635038, .003, -.0029960074842021836},
      {0, 1000000, -1e6, -1, 14.392726222865807},
      {20, real(3.2), -22.272600264639867, 5.25, -1.8573731824364681},
      {15.5, 15, -2.3029763979565585, .5 / 15, -.064701170520413431},
      {16.5, 15, -2.3982865777608834, .1, -.12530723112647404},
      {100000, 100128, -6.7572522609966714, -128. / 100128, .0012741815067135978},
      {400, real(.001), -4763.6038095760962, 399999, -12.900469305257111},
      {3, real(1e-30), -209.02441783869217, 3e30, -70.333670458253171},
      {2.5, 700, -684.82327276473856, -697.5 / 700, 5.4479236943981615}};
  for (const Row& row : rows) {
    CAPTURE(row.z);
    CAPTURE(row.rate);
    check_at([](const auto& in) { return Poisson(in[0]).log_prob(in[1]); }, {{row.rate}, {row.z}},
             row.value, {{static_cast<real>(row.in_rate)}, {static_cast<real>(row.in_z)}});
    const Poisson q(Tensor::full({1, 1}, row.rate));
    check_close(q.score(Tensor::full({1, 1}, row.z)),
                Tensor::full({1, 1}, static_cast<real>(row.in_rate)), kTolerance, 0);
  }
  // From the log of the rate, which in float is that of another one, about .4 away from a million.
  const Var log_rate(Tensor::full({1}, static_cast<real>(std::log(1e6))));
  CHECK(poisson_log_prob(log_rate, Tensor::full({1}, 1000000)).item() ==
        doctest::Approx(-7.8266939).epsilon(1e-6));
}

TEST_CASE("kl: right with its gradients between distributions nearly equal and far apart") {
  const auto poisson = [](const auto& in) { return kl(Poisson(in[0]), Poisson(in[1])); };
  check_at(poisson, {{100000}, {100010}}, 4.9996666916646668e-4,
           {{real(-9.9995000333308335e-5)}, {real(9.9990000999900010e-5)}});
  check_at(poisson, {{999999}, {1000000}}, 5.0000016666675e-7,
           {{real(-1.0000005000003333e-6)}, {real(1e-6)}});
  check_at(poisson, {{3}, {real(3.0009765625)}}, 1.58911234391407e-7,
           {{real(-3.2546786292186953e-4)}, {real(3.2541490400260332e-4)}});
  check_at(poisson, {{real(1e-6)}, {1000000}}, 999999.99997136898,
           {{real(-27.631021115928548)}, {1}});
  check_at(poisson, {{1000000}, {real(1e-3)}}, 19723265.837946411,
           {{real(20.723265836946411)}, {real(-999999999)}});

  const auto bernoulli = [](const auto& in) { return kl(Bernoulli(in[0]), Bernoulli(in[1])); };
  check_at(bernoulli, {{.25}, {real(.2509765625)}}, 1.1736112119147439e-7,
           {{real(-2.4036531517343589e-4)}, {real(2.4035070216031511e-4)}});
  check_at(bernoulli, {{17}, {real(17.0078125)}}, 1.2601249126972001e-12,
           {{real(-3.2343260750027357e-10)}, {real(3.2217248269164231e-10)}});
  check_at(bernoulli, {{-80}, {80}}, 80, {{real(-2.8877622205526643e-33)}, {1}});
  check_at(bernoulli, {{3}, {-2}}, 1.8412112935813965, {{real(.22588329865456066)}});

  const auto categorical = [](const auto& in) {
    return kl(Categorical(in[0], in[0].dim(-1)), Categorical(in[1], in[1].dim(-1)));
  };
  check_at(categorical, {{.5, -1, 2}, {real(.5009765625), -1, 2}}, 6.894790304727279e-8, {});
  check_at(categorical, {{0, -100, -200}, {-200, -100, 0}}, 200, {});
  check_at(categorical, {{17, 0}, {real(17.0078125), 0}}, 1.2601249126972001e-12,
           {{real(-3.2343260750027357e-10), real(3.2343260750027357e-10)}}, 1e-4);
}

TEST_CASE("kl of counts: right with its gradients between distributions near equal and far apart") {
  struct Row {
    double size;  // n or r
    real q, p;
    double value, in_q, in_p;
  };
  const auto check_rows = [](const std::vector<Row>& rows, const auto& kl_of) {
    for (const Row& row : rows) {
      CAPTURE(row.q);
      check_at([&](const Vars& in) { return kl_of(row.size, in[0], in[1]); }, {{row.q}, {row.p}},
               row.value, {{static_cast<real>(row.in_q)}, {static_cast<real>(row.in_p)}});
    }
  };
  const std::vector<Row> failures{
      {1, -11.5, -11.25, .034025008093123955, -.28402213092235363, .28402172233265888},
      {1, 17, real(17.0078125), 1.2601249648655867e-12, -3.2343262094235046e-10,
       3.2217249602938244e-10},
      {1, 20, -10, 10.000045355615084, 4.1222978878913935e-8, -.99995460213120399},
      {1, -11, 100, 5987402.171511431, -5987413.1715281326, 59874.141715197818},
      {2.5, -6, real(-5.9990234375), 1.189530569439077e-6, -.0024365561616801047,
       .002436553218508351},
      {1e6, 2.5, real(2.5009765625), .03616201233457395, -74.082997111437262, 74.049576633663687},
      {.001, -18, -14, .049598128157105326, -.053598127340806933, .053598105464780257}};
  check_rows(failures, [](double r, const Var& a, const Var& b) {
    return kl(NegativeBinomial(r, a), NegativeBinomial(r, b));
  });
  const std::vector<Row> successes{
      {1e6, 17, real(17.0078125), 1.2601249126972001e-6, -3.2343260750027357e-4,
       3.2217248269164231e-4},
      {1e6, 17, 18, .01522997877178232, -.041399373760035016, .026169395961182957},
      {1e6, .25, real(.2509765625), .11736112119147439, -240.36531517343589, 240.35070216031511},
      {50, 3, -2, 92.060564679069827, 11.294164932728033, -41.668560240015783},
      {9, -80, 80, 720, -2.5989859984973978e-32, 9}};
  check_rows(successes, [](double n, const Var& a, const Var& b) {
    return kl(Binomial(static_cast<int64_t>(n), a), Binomial(static_cast<int64_t>(n), b));
  });
}

TEST_CASE(
    "kl of counts: certain units have none and no gradient, impossible counts infinitely much") {
  const auto geometric = [](const auto& in) { return kl(Geometric(in[0]), Geometric(in[1])); };
  const auto binomial = [](const auto& in) { return kl(Binomial(7, in[0]), Binomial(7, in[1])); };
  check_at(geometric, {{kInf, kMax}, {kInf, kMax}}, 0, {{0, 0}, {0, 0}});
  check_at(geometric, {{kInf}, {0}}, std::log(2), {{0}, {real(-.5)}});
  check_at(binomial, {{kInf, -kInf}, {kInf, -kInf}}, 0, {{0, 0}, {0, 0}});
  check_at(binomial, {{-kInf}, {0}}, 7 * std::log(2), {{0}, {3.5}});
  check_at(binomial, {{kMax}, {0}}, 7 * std::log(2), {{0}, {-3.5}});
  const Var fair(Tensor::zeros({1, 1})), certain(Tensor::full({1, 1}, kInf));
  check_bits(kl(Geometric(fair), Geometric(certain)).value(), {kInf});
  check_bits(kl(Binomial(7, fair), Binomial(7, certain)).value(), {kInf});
}

TEST_CASE("kl: never negative, and nothing between equals") {
  Rng rng(4);
  const int64_t n = 2000;
  const Tensor a = mul(rng.normal({n, 6}), Tensor::scalar(3));
  for (const real change : {real(0), real(1e-6), real(1e-4), real(.1)}) {
    CAPTURE(change);
    const Tensor b = add(a, mul(rng.normal({n, 6}), Tensor::scalar(change)));
    for (const Tensor& found :
         {kl(Bernoulli(a), Bernoulli(b)).value(), kl(Categorical(a, 3), Categorical(b, 3)).value(),
          kl(Poisson(exp(a)), Poisson(exp(b))).value(), kl(Binomial(9, a), Binomial(9, b)).value(),
          kl(NegativeBinomial(.01, a), NegativeBinomial(.01, b)).value()}) {
      CHECK(neg(max(neg(found))).item() >= 0);
      if (change == 0) check_equal(found, Tensor::zeros({n}));
    }
  }
}

TEST_CASE("entropy: of distributions that are nearly certain, with its gradient") {
  const auto bits = [](const auto& in) { return Bernoulli(in[0]).entropy(); };
  const auto choice = [](const auto& in) { return Categorical(in[0], in[0].dim(-1)).entropy(); };
  const real slope17 = real(7.0378935392059528e-7), slope80 = real(1.4438811102763321e-33);
  for (const real sign : {1, -1}) {
    check_at(bits, {{17 * sign}}, 7.4518875938793368e-7, {{-sign * slope17}});
    check_at(bits, {{40 * sign}}, 1.7418252446695515e-16, {{-sign * real(1.6993417021166356e-16)}});
    check_at(bits, {{80 * sign}}, 1.4619296241547863e-33, {{-sign * slope80}});
    check_at(bits, {{kInf * sign}}, 0, {{0}});
  }
  check_at(bits, {{0}}, .69314718055994531, {{0}});
  check_at(choice, {{17, 0}}, 7.4518875938793368e-7, {{-slope17, slope17}});
  check_at(choice, {{40, 0, 0}}, 3.4836504893391029e-16,
           {{real(-3.39868340423e-16), real(1.69934170212e-16), real(1.69934170212e-16)}});
  check_at(choice, {{0, -kInf, -kInf}}, 0, {{0, 0, 0}});
}

TEST_CASE("a masked category: the distribution is that of the others, and it gets no gradient") {
  const auto masked = [](const auto& in) { return Categorical(in[0], 3); };
  const Values logits{real(.3), -kInf, real(-1.1)};
  const Tensor first = Tensor::from({1, 0, 0}, {1, 3}), second = Tensor::from({0, 1, 0}, {1, 3});
  const real p = real(.80218388855858160), slope = real(.22215885649406);
  check_at([&](const auto& in) { return masked(in).log_prob(first); }, {logits}, -.220417409918,
           {{1 - p, 0, p - 1}});
  check_at([&](const auto& in) { return masked(in).entropy(); }, {logits}, .497359965936,
           {{-slope, 0, slope}});
  check_at(
      [&](const auto& in) {
        return kl(masked(in), Categorical(Tensor::zeros({1, 3}), 3));
      },
      {logits}, .601252322732, {{slope, 0, -slope}});
  check_at([&](const auto& in) { return kl(masked(in), masked(in)); }, {logits}, 0, {{0, 0, 0}});
  check_at([](const auto& in) { return cross_entropy(in[0], Tensor::from({0})); }, {logits},
           .220417409918, {{p - 1, 0, 1 - p}});
  const Categorical q(masked_logits(), 3);
  check_bits(q.log_prob(second).value(), {-kInf});
  check_bits(kl(Categorical(Tensor::zeros({1, 3}), 3), q).value(), {kInf});
  check_equal(q.score(second), sub(second, q.mean().value()));
  // What log_prob says of z: nothing of a category that cannot be.
  const Var z = Var::parameter(first);
  const Tensor in_z = grad({q.log_prob(z)}, {z})[0].value();
  CHECK(in_z[0] == doctest::Approx(-.220417409918));
  CHECK(in_z[1] == 0);
  Rng rng(1);
  const Tensor draws = Categorical(copies(masked_logits(), 1000), 3).sample(rng);
  CHECK(sum(slice(draws, 1, 1, 2)).item() == 0);
  // A unit of nothing but masked categories has no distribution.
  const Categorical none(Tensor::full({1, 3}, -kInf), 3);
  CHECK(std::isnan(none.entropy().item()));
  CHECK(std::isnan(none.log_prob(first).item()));
}

TEST_CASE("an infinite logit of a bit: a certain bit, which gets no gradient") {
  const Values logits{kInf, 0, -kInf};
  const real half = real(.5);
  const auto likelihood = [](const Values& x) {
    return [x](const auto& in) { return Bernoulli(in[0]).log_prob(Tensor::from(x, {1, 3})); };
  };
  check_at(likelihood({1, 1, 0}), {logits}, std::log(.5), {{0, half, 0}});
  check_at(likelihood({1, 0, 0}), {logits}, std::log(.5), {{0, -half, 0}});
  const Bernoulli q(Tensor::from(logits, {1, 3}));
  check_bits(q.log_prob(Tensor::from({0, 1, 0}, {1, 3})).value(), {-kInf});
  check_bits(q.log_prob(Tensor::from({1, 1, 1}, {1, 3})).value(), {-kInf});
  const Var z = Var::parameter(Tensor::from({1, 1, 0}, {1, 3}));
  check_equal(grad({q.log_prob(z)}, {z})[0].value(), Tensor::zeros({1, 3}));
  check_at([](const auto& in) { return Bernoulli(in[0]).entropy(); }, {logits}, std::log(2),
           {{0, 0, 0}});
  check_at(
      [](const auto& in) {
        return kl(Bernoulli(in[0]), Bernoulli(Tensor::zeros({1, 3})));
      },
      {logits}, 2 * std::log(2), {{0, 0, 0}});
  check_bits(kl(Bernoulli(Tensor::zeros({1, 3})), q).value(), {kInf});
}

TEST_CASE("perturbed_given: right value and slope for categories far below the rest") {
  for (const real low : {real(-3), real(-88), real(-104), real(-1000), -kInf}) {
    for (const real v0 : {real(0x1p-24), real(.4), real(1 - 0x1p-24)}) {
      CAPTURE(low);
      CAPTURE(v0);
      const Var logits = Var::parameter(Tensor::from({0, low}, {1, 2}));
      const Tensor v = Tensor::from({v0, real(.7)}, {1, 2});
      const Var z = Categorical(logits, 2).perturbed_given(Tensor::from({1, 0}, {1, 2}), v);
      // -log(-log v_1 / pi_1 - log v_0), with log pi_1 taken out of the logarithm
      const double log_pi = double{low} - std::log1p(std::exp(double{low}));
      const double mine = -std::log(.7), winner = -std::log(double{v0}) * std::exp(log_pi);
      CHECK(z.value()[0] == doctest::Approx(-std::log(-std::log(double{v0}))).epsilon(1e-6));
      if (std::isinf(low)) {
        CHECK(z.value()[1] == -kInf);
      } else {
        CHECK(z.value()[1] == doctest::Approx(log_pi - std::log(mine + winner)).epsilon(1e-6));
      }
      const double slope = mine / (mine + winner), pi = std::exp(log_pi);
      const Tensor found = grad({select(z, -1, 1)}, {logits})[0].value();
      CHECK(found[0] == doctest::Approx(-(1 - pi) * slope).epsilon(1e-5));
      CHECK(found[1] == doctest::Approx((1 - pi) * slope).epsilon(1e-5));
    }
  }
}

TEST_CASE("quantiles and samples of poisson: right from rate 1e-5 to 1e6") {
  struct Row {
    double u;
    std::vector<int64_t> counts;  // at rates 1e-5, 3.2, 120, 1e5, 1e6, by scipy
  };
  const std::vector<Row> rows{{0x1p-45, {0, 0, 48, 97633, 992494}},
                              {1e-9, {0, 0, 60, 98109, 994008}},
                              {.5, {0, 3, 120, 100000, 1000000}},
                              {.999999999, {1, 19, 191, 101902, 1006004}},
                              {1 - 0x1p-40, {2, 22, 205, 102237, 1007056}}};
  const std::vector<double> rates{1e-5, 3.2, 120, 1e5, 1e6};
  for (const Row& row : rows) {
    for (size_t i = 0; i < rates.size(); ++i) {
      CAPTURE(row.u);
      CAPTURE(rates[i]);
      CHECK(poisson_quantile(rates[i], row.u) == row.counts[i]);
    }
  }
  Rng rng(5);
  const int64_t n = 4000;
  const Tensor z = Poisson(Tensor::full({n}, 1000000)).sample(rng);
  const Tensor apart = div(sub(z, Tensor::scalar(1000000)), Tensor::scalar(1000));
  CHECK(std::abs(mean(apart).item()) < 4.5 / std::sqrt(double(n)));
  CHECK(std::abs(mean(square(apart)).item() - 1) < 4.5 * std::sqrt(2 / double(n)));
}

TEST_CASE("mmd: at a very large bandwidth it is the squared difference of means over h^2") {
  const double h = 1e8;
  const Atoms a({.2, .9}), b({1, 2.5, 4}), bits({.2, .4, 1.2});
  const double squared = mmd_squared(a, b, Kernel::rbf, h);
  CHECK(squared * h * h == doctest::Approx(1.95 * 1.95).epsilon(1e-9));
  CHECK(mmd_squared(a, a, Kernel::rbf, h) == 0);

  ProjectionOptions options{.distance = Distance::mmd, .bandwidth = h};
  CHECK(project(bits, options) == doctest::Approx(.6).epsilon(1e-9));
  CHECK(distance_slope(.5, {}, bits, options) * h * h == doctest::Approx(-.2).epsilon(1e-9));
  options.family = std::make_shared<Poisson>(Tensor::ones({1}));
  CHECK(project(b, options) == doctest::Approx(2.5).epsilon(1e-5));
  options.family = std::make_shared<Categorical>(Tensor::zeros({2}), 2);
  const Tensor points = Tensor::from({real(.25), real(.5), real(.75), real(.75)}, {2, 2});
  // The point of the simplex nearest to the mean (.5, .625).
  check_close(project(points, options), Tensor::from({real(.4375), real(.5625)}), 1e-6, 0);
  const Tensor slope =
      distance_gradient(Tensor::from({real(.5), real(.5)}), Tensor(), points, options);
  CHECK((slope[0] - slope[1]) * h * h == doctest::Approx(2 * .125).epsilon(1e-6));
}

TEST_CASE("mmd: bandwidths whose square leaves the range of double are refused") {
  const Atoms a({.2, .9}), b({1, 2});
  for (const double h : {1e-200, 1e200, HUGE_VAL, double{NAN}, 0., -1.}) {
    CAPTURE(h);
    check_contains(message_of([&] { project(a, {.bandwidth = h}); }), "[projection]", "bandwidth",
                   "1e100");
    check_contains(message_of([&] { mmd_squared(a, b, Kernel::rbf, h); }), "[mmd_squared]",
                   "bandwidth", "1e100");
  }
  for (const double h : {1e-100, 1e-3, 1e100}) {
    CAPTURE(h);
    CHECK(std::isfinite(project(a, {.distance = Distance::mmd, .bandwidth = h})));
    CHECK(std::isfinite(mmd_squared(a, b, Kernel::rbf, h)));
  }
}

TEST_CASE("flow: a cost without a path to the particles is refused, a constant one moves nothing") {
  Rng rng(1);
  const Tensor p = Tensor::full({1}, real(.5));
  const auto step = [](const Var& z) {
    return sum(Var(greater(z.value(), Tensor::scalar(0))), {-1});
  };
  check_contains(message_of([&] { flow_step(p, step, {.particles = 5}, rng); }), "[flow_step]",
                 "no op leads", "0 * sum(z, {-1})");
  const FlowStep still = flow_step(
      p, [](const Var& z) { return 3 + 0 * sum(z, {-1}); }, {.particles = 5}, rng);
  check_equal(still.pushed, still.particles);
}
