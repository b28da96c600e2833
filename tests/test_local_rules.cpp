// test_local_rules.cpp - ReinMax and the Gumbel rules on bernoulli4: their known biases, what makes
// them exact, and the classic mistakes caught.
#include <doctest/doctest.h>

#include "tests/estimator_problems.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

const Cost kBernoulli4 = ignoring_scope(bernoulli4_cost);

Moments sampled_moments(const LocalRule& rule, uint64_t seed, int64_t rows = 400'000) {
  Rng rng(seed);
  return moments(estimates(from_local(rule), copies(bernoulli4_logits(), rows), kBernoulli4, rng));
}

double bias_percent(const Moments& estimate) {
  const Tensor error = sub(estimate.mean, bernoulli4_exact());
  return 100 * std::sqrt(sum(square(error)).item() / sum(square(bernoulli4_exact())).item());
}

// gumbel-rao that differentiates through the shifts.
LocalRule attached_gumbel_rao() {
  return {"attached", [](const Distribution& q, const Scope& scope) {
            const Tensor z = q.sample(scope.rng);
            const Var y = q.soften(q.perturbed_given(z, q.noise(scope.rng)), 0.5);
            return make_node("attached", z, {y},
                             [](const Var&, const Var& up) { return Vars{up}; });
          }};
}

}  // namespace

TEST_CASE("reinmax: expectation over all states has the known bias and variance") {
  const Moments all = enumerated_moments(from_local(reinmax()), bernoulli4_logits(), kBernoulli4);
  CHECK(bias_percent(all) == doctest::Approx(6.2).epsilon(0.01));
  CHECK(all.trace_variance == doctest::Approx(0.570).epsilon(0.005));
}

TEST_CASE("reinmax: exact for a quadratic cost") {
  const Cost quadratic = ignoring_scope([](const Var& b) {
    return select(b, -1, 0) * select(b, -1, 1) * 2 - select(b, -1, 2) * select(b, -1, 3) +
           sum(square(b - 0.3) * Var(Tensor::from({1, -2, 3, -4})), {-1});
  });
  Rng rng(1);
  const Tensor expected = estimates(exact(), bernoulli4_logits(), quadratic, rng);
  const Moments all = enumerated_moments(from_local(reinmax()), bernoulli4_logits(), quadratic);
  check_close(all.mean, expected, 1e-5, 2e-6);
}

TEST_CASE("st: hands the slope to the mean, or if asked to the logit as it is") {
  const Tensor a = Tensor::from({real(.4), real(-.9)}, {1, 2});
  const Tensor slope = Tensor::from({3, -2}, {1, 2});
  const auto gradient = [&](const StOptions& options) {
    Rng rng(3);
    const Var logits = Var::parameter(a);
    const Var z = draw(Bernoulli(logits), st(options), Scope{rng});
    return grad({sum(z * Var(slope))}, {logits})[0].value();
  };
  const Tensor p = sigmoid(a);
  check_close(gradient({}), mul(slope, mul(p, sub(Tensor::scalar(1), p))), 1e-6, 0);
  check_equal(gradient({.on_param = true}), slope);
}

TEST_CASE("reinmax: for a bit it is half the tangent times the other state's probability") {
  Rng rng(3);
  const Var logits =
      Var::parameter(Tensor::from({real(.4), real(-.9), real(1.3), real(-.2)}, {1, 4}));
  const Var z = draw(Bernoulli(logits), reinmax(), Scope{rng});
  const Tensor slope = Tensor::from({1, 2, -3, real(.5)}, {1, 4});
  const Tensor found = grad({sum(z * Var(slope))}, {logits})[0].value();
  const Tensor p = sigmoid(logits.value());
  const Tensor expected = mul(mul(abs(sub(z.value(), p)), slope), Tensor::scalar(real(.5)));
  check_close(found, expected, 1e-5, 1e-7);
}

TEST_CASE("gumbel-softmax: bias and variance at temperature 0.5 are the known ones") {
  const Moments draws = sampled_moments(gumbel_softmax(0.5), 51);
  CHECK(std::abs(bias_percent(draws) - 12.4) < 0.5);
  CHECK(draws.trace_variance == doctest::Approx(0.709).epsilon(0.05));
}

TEST_CASE("st-gumbel-softmax: bias and variance at temperature 0.5 are the known ones") {
  const Moments draws = sampled_moments(st_gumbel_softmax(0.5), 52);
  CHECK(std::abs(bias_percent(draws) - 20.7) < 0.5);
  CHECK(draws.trace_variance == doctest::Approx(0.726).epsilon(0.05));
}

TEST_CASE("gumbel-rao: the expectation of st-gumbel-softmax with less variance") {
  const Moments rao = sampled_moments(gumbel_rao(0.5, 10), 53, 100'000);
  const Moments plain = sampled_moments(st_gumbel_softmax(0.5), 54, 100'000);
  for (int64_t d = 0; d < 4; ++d) {
    const double error = std::hypot(rao.standard_error[d], plain.standard_error[d]);
    CHECK(std::abs(rao.mean[d] - plain.mean[d]) < 4.5 * error);
  }
  CHECK(rao.trace_variance < 0.8 * plain.trace_variance);
}

TEST_CASE("gumbel-rao: differentiating through the shifts is caught") {
  const Moments draws = sampled_moments(attached_gumbel_rao(), 55, 100'000);
  CHECK(bias_percent(draws) > 60);
}
