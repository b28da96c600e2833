// test_counts.cpp - Geometric, Binomial and NegativeBinomial: formulas against sums in double,
// draws against probabilities, and every rule that takes them against enumeration.
#include <doctest/doctest.h>

#include "stflow/autodiff/gradcheck.h"
#include "tests/estimator_problems.h"
#include "tests/threads.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

constexpr double kTolerance = kDouble ? 1e-9 : 2e-5;

struct Case {
  std::string name;
  MakeDistribution make;
  std::function<double(double a, double k)> log_pmf;
};

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// Failures before the r-th success.
double log_failures(double r, double a, double k) {
  const double p = 1 / (1 + std::exp(-a));
  return std::lgamma(k + r) - std::lgamma(r) - std::lgamma(k + 1) + r * std::log(p) +
         k * std::log1p(-p);
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"geometric", [](const Var& a) { return std::make_unique<Geometric>(a); },
       [](double a, double k) { return log_failures(1, a, k); }},
      {"binomial", [](const Var& a) { return std::make_unique<Binomial>(5, a); },
       [](double a, double k) {
         const double p = 1 / (1 + std::exp(-a));
         return k > 5 ? -1e9 : log_choose(5, k) + k * std::log(p) + (5 - k) * std::log1p(-p);
       }},
      {"negative_binomial", [](const Var& a) { return std::make_unique<NegativeBinomial>(2.5, a); },
       [](double a, double k) { return log_failures(2.5, a, k); }}};
  return all;
}

// E g(k), from the formula.
double expected(const Case& c, double a, const std::function<double(double)>& g) {
  double total = 0;
  for (int k = 0; k < 600; ++k) {
    const double p = std::exp(c.log_pmf(a, k));
    if (p > 0) total += p * g(k);
  }
  return total;
}

Tensor logit(double a) { return Tensor::full({1, 1}, static_cast<real>(a)); }

Var cost_of(const Var& z) { return sum(tanh(0.7 * z - 1) + 0.05 * square(z), {-1}); }
double cost_of(double z) { return std::tanh(.7 * z - 1) + .05 * z * z; }
double cost_slope(double z) { return .7 * (1 - std::pow(std::tanh(.7 * z - 1), 2)) + .1 * z; }

double slope_of(const Case& c, double a, const std::function<double(double)>& g) {
  return (expected(c, a + 1e-5, g) - expected(c, a - 1e-5, g)) / 2e-5;
}

// (a, c) for every case at logits on both sides of zero.
void for_all(const std::function<void(const Case&, double)>& body) {
  for (const Case& c : cases()) {
    for (const double a : {-1., .5, 2.}) {
      CAPTURE(c.name);
      CAPTURE(a);
      body(c, static_cast<double>(static_cast<real>(a)));
    }
  }
}

Problem problem_of(const Case& c, const Tensor& param) {
  const MakeDistribution make = c.make;
  return {c.name, param, [make](const Var& logits, const Scope& scope, const Layer& expectation) {
            return expectation(*make(logits), scope,
                               [](const Var& z, const Scope&) { return cost_of(z); });
          }};
}

}  // namespace

TEST_CASE("counts: log_prob, score, mean, variance and entropy are those of the formula") {
  for_all([](const Case& c, double a) {
    const auto q = c.make(logit(a));
    CHECK(q->name() == c.name);
    CHECK(q->support() == Support::counts);
    for (const double k : {0., 1., 4.}) {
      const Tensor z = Tensor::full({1, 1}, static_cast<real>(k));
      const double score = (c.log_pmf(a + 1e-5, k) - c.log_pmf(a - 1e-5, k)) / 2e-5;
      CHECK(q->log_prob(z).item() == doctest::Approx(c.log_pmf(a, k)).epsilon(kTolerance));
      CHECK(std::abs(q->score(z).item() - score) < 1e-5);
    }
    const double mean = expected(c, a, [](double k) { return k; });
    const double variance = expected(c, a, [=](double k) { return (k - mean) * (k - mean); });
    const double entropy = expected(c, a, [&](double k) { return -c.log_pmf(a, k); });
    CHECK(q->mean().item() == doctest::Approx(mean).epsilon(kTolerance));
    CHECK(q->variance().item() == doctest::Approx(variance).epsilon(kTolerance));
    CHECK(q->entropy().item() == doctest::Approx(entropy).epsilon(kTolerance));
  });
}

TEST_CASE("counts: gradients of log_prob, mean, variance and entropy pass the check") {
  for_all([](const Case& c, double a) {
    const GradcheckOptions twice{.order = kDouble ? 2 : 1};
    const Tensor z = Tensor::full({1, 1}, real(2.5));
    const auto check = [&](const std::function<Var(const Vars&)>& f,
                           const std::vector<Tensor>& inputs) {
      CHECK_NOTHROW(gradcheck(f, inputs, twice));
    };
    check([&](const auto& in) { return c.make(in[0])->log_prob(in[1]); }, {logit(a), z});
    check([&](const auto& in) { return c.make(in[0])->mean(); }, {logit(a)});
    check([&](const auto& in) { return c.make(in[0])->variance(); }, {logit(a)});
    check([&](const auto& in) { return c.make(in[0])->entropy(); }, {logit(a)});
  });
}

TEST_CASE("counts: kl is the expected log ratio, with its derivatives to second order") {
  const auto kl_of = [](const Case& c, const Var& a, const Var& b) {
    const auto q = c.make(a), p = c.make(b);
    if (c.name == "binomial") {
      return kl(dynamic_cast<const Binomial&>(*q), dynamic_cast<const Binomial&>(*p));
    }
    return kl(dynamic_cast<const NegativeBinomial&>(*q), dynamic_cast<const NegativeBinomial&>(*p));
  };
  for_all([&](const Case& c, double a) {
    for (const double b : {a + .75, a - 1.25, a + .0625}) {
      CAPTURE(b);
      const double h = 1e-3;
      const auto summed = [&](double i, double j) {  // from the formula, i and j steps away
        const double x = a + i * h, y = b + j * h;
        return expected(c, x, [&](double k) { return c.log_pmf(x, k) - c.log_pmf(y, k); });
      };
      const Var q = Var::parameter(logit(a)), p = Var::parameter(logit(b));
      const Var found = kl_of(c, q, p);
      CHECK(found.item() == doctest::Approx(summed(0, 0)).epsilon(kTolerance));
      const Vars first = grad({found}, {q, p}, /*create_graph=*/true);
      const Vars of_q = grad({first[0]}, {q, p}), of_p = grad({first[1]}, {q, p});
      const auto near = [](const Var& x, double wanted) {
        CHECK(std::abs(x.item() - wanted) < 2e-5 * (1 + std::abs(wanted)));
      };
      near(first[0], (summed(1, 0) - summed(-1, 0)) / (2 * h));
      near(first[1], (summed(0, 1) - summed(0, -1)) / (2 * h));
      near(of_q[0], (summed(1, 0) - 2 * summed(0, 0) + summed(-1, 0)) / (h * h));
      near(of_p[1], (summed(0, 1) - 2 * summed(0, 0) + summed(0, -1)) / (h * h));
      const double mixed = summed(1, 1) - summed(1, -1) - summed(-1, 1) + summed(-1, -1);
      near(of_q[1], mixed / (4 * h * h));
      near(of_p[0], mixed / (4 * h * h));
    }
  });
  // Units are summed, and shapes broadcast.
  const Var three(Tensor::from({real(-1), 0, 2}, {1, 3})), one(Tensor::full({1}, real(.5)));
  double total = 0;
  for (const double a : {-1., 0., 2.}) {
    total += kl(Geometric(logit(a)), Geometric(logit(.5))).item();
  }
  const Var both = kl(Geometric(three), Geometric(one));
  CHECK(both.shape() == Shape{1});
  CHECK(both.item() == doctest::Approx(total).epsilon(1e-6));
}

TEST_CASE("counts: the table and the states hold all of the probability") {
  for_all([](const Case& c, double a) {
    const auto q = c.make(logit(a));
    const CountTable table = q->table(a);
    double slopes = 0, mean_slope = 0;
    const std::vector<double> slope = q->table_slopes(table, a);
    for (size_t i = 0; i < table.pmf.size(); ++i) {
      const double k = static_cast<double>(table.first) + static_cast<double>(i);
      CHECK(std::abs(table.pmf[i] - std::exp(c.log_pmf(a, k))) < 1e-12);
      slopes += slope[i];
      mean_slope += slope[i] * k;
    }
    CHECK(std::abs(slopes) < (kDouble ? 1e-12 : 1e-6));
    CHECK(mean_slope == doctest::Approx(slope_of(c, a, [](double k) { return k; })).epsilon(1e-5));
    const Tensor weight = exp(q->log_prob(q->states()).value());
    CHECK(sum(weight).item() == doctest::Approx(1).epsilon(kTolerance));
  });
}

TEST_CASE("counts: samples have the formula's probabilities") {
  uint64_t seed = 0;
  for_all([&](const Case& c, double a) {
    Rng rng(++seed);
    constexpr int64_t kRows = 100'000;
    const Tensor z = c.make(Tensor::full({kRows, 1}, static_cast<real>(a)))->sample(rng);
    for (int k = 0; k < 6; ++k) {
      int64_t count = 0;
      for (int64_t i = 0; i < kRows; ++i) count += z[i] == k;
      const double p = std::exp(c.log_pmf(a, k));
      // 54 tests in all: one seed set in 2700 fails
      CHECK(std::abs(double(count) - kRows * p) < 4.3 * std::sqrt(kRows * p * (1 - p)) + 1);
    }
  });
}

TEST_CASE("counts: every unbiased rule that takes them agrees with the formula's gradient") {
  const std::vector<std::string> fits{"st",
                                      "mmd",
                                      "fini2",
                                      "none",
                                      "exact",
                                      "reinforce",
                                      "reinforce-mean",
                                      "reinforce-net",
                                      "leave-one-out",
                                      "muprop",
                                      "relax",
                                      "measure-valued"};
  for_all([&](const Case& c, double a) {
    const Problem problem = problem_of(c, logit(a));
    CHECK(rule_names(problem) == fits);
    for (const std::string& name : fits) {
      if (!rule_info(name).unbiased) continue;
      CAPTURE(name);
      Rng rng(3);
      const std::vector<Rule> rules = rules_for(problem, name);
      if (!rules[0].parameters.empty()) train_rules(problem, rules, 5, rng);
      const Diagnosis found = diagnose(problem, rules, 20'000, rng);
      CHECK(found.exact.item() ==
            doctest::Approx(slope_of(c, a, [](double z) { return cost_of(z); })).epsilon(1e-4));
      CHECK_FALSE(found.biased());
    }
  });
}

TEST_CASE("counts: fini2 is [m' + (z - m) v'/(2v)] f'(z), and exact for a quadratic cost") {
  for_all([](const Case& c, double a) {
    const auto identity = [](double k) { return k; };
    const auto spread = [&](double b) {
      const double m = expected(c, b, identity);
      return expected(c, b, [=](double k) { return (k - m) * (k - m); });
    };
    const double m = expected(c, a, identity), dm = slope_of(c, a, identity);
    const double v = spread(a), dv = (spread(a + 1e-5) - spread(a - 1e-5)) / 2e-5;
    const auto factor = [=](double z) { return dm + (z - m) * dv / (2 * v); };
    const auto quadratic = [&](double z) { return factor(z) * 2 * (z - 2.5); };
    CHECK(expected(c, a, quadratic) == doctest::Approx(slope_of(c, a, [](double z) {
                                         return (z - 2.5) * (z - 2.5);
                                       })).epsilon(1e-4));

    const auto q = c.make(logit(a));
    for (const double z : {0., 1., 4.}) {
      const Var up = logit(cost_slope(z));
      CHECK(q->second_order(logit(z), up).item() ==
            doctest::Approx(factor(z) * cost_slope(z)).epsilon(1e-4));
    }
  });
}

TEST_CASE("counts: mmd is the derivative of MMD^2 to the pushed sample") {
  for_all([](const Case& c, double a) {
    const double h = 3, epsilon = .5, push = epsilon * 1.3;
    const auto kernel = [=](double x, double y) {
      return std::exp(-(x - y) * (x - y) / (2 * h * h));
    };
    const auto witness = [&](double y) {
      return slope_of(c, a, [&](double k) { return kernel(k, y); });
    };
    const Rule rule = from_local(mmd({.bandwidth = h, .epsilon = epsilon, .st_scale = false}));
    for (const double u : {.2, .9}) {
      const Tensor noise = Tensor::full({1, 1}, static_cast<real>(u));
      const Tensor middle = Tensor::full({1, 1}, real(.5));
      Rng again = Rng::replay({noise, middle}), rng = Rng::replay({noise, middle});
      const double z = c.make(logit(a))->sample(again).item();
      const Cost cost = ignoring_scope([](const Var& x) { return 1.3 * sum(x, {-1}); });
      const double found = estimates(rule, logit(a), cost, rng, c.make).item();
      CHECK(found == doctest::Approx(2 * (witness(z) - witness(z - push))).epsilon(2e-3));
    }
  });
}

TEST_CASE("counts: straight-through hands f' to the mean") {
  for_all([](const Case& c, double a) {
    Rng rng(1);
    const Cost cost = ignoring_scope([](const Var& x) { return 1.3 * sum(x, {-1}); });
    CHECK(estimates(from_local(st()), logit(a), cost, rng, c.make).item() ==
          doctest::Approx(1.3 * slope_of(c, a, [](double k) { return k; })).epsilon(1e-4));
  });
}

TEST_CASE("counts: Geometric is the negative binomial with r = 1") {
  Rng one(5), two(5);
  const Tensor a = Tensor::from({real(-2.5), 0, 3}, {1, 3});
  check_equal(Geometric(a).sample(one), NegativeBinomial(1, a).sample(two));
}

TEST_CASE("counts: logits at which nothing is left to chance") {
  const Tensor far = Tensor::from({std::numeric_limits<real>::infinity(), 10'000}, {1, 2});
  Rng rng(1);
  check_equal(Geometric(far).sample(rng), Tensor::zeros({1, 2}));
  check_equal(Binomial(7, far).sample(rng), Tensor::full({1, 2}, 7));
  check_equal(Binomial(7, neg(far)).sample(rng), Tensor::zeros({1, 2}));
  CHECK(std::abs(Binomial(7, far).entropy().item()) < 1e-30);
  const Var leaf = Var::parameter(far);
  const auto cost = ignoring_scope([](const Var& z) { return sum(square(z), {-1}); });
  for (const LocalRule& rule : {st(), fini2(), mmd()}) {
    CAPTURE(rule.name);
    check_equal(grad({expect(Binomial(7, leaf), rule, Scope{rng}, cost)}, {leaf})[0].value(),
                Tensor::zeros({1, 2}));
  }
}

TEST_CASE("counts: inverse_given has the same bits for any number of threads") {
  Rng rng(3);
  const NegativeBinomial q(2.5, rng.uniform({40, 30}));
  const Tensor z = q.sample(rng), v = rng.uniform(z.shape());
  const auto found = [&](int threads) {
    const Threads scope(threads);
    return q.inverse_given(z, v);
  };
  const Distribution::Inverse one = found(1), three = found(3);
  check_equal(one.u, three.u);
  check_equal(one.slope, three.slope);
}

TEST_CASE("counts: parameters that are none are refused") {
  const Tensor nan = Tensor::full({1, 1}, std::numeric_limits<real>::quiet_NaN());
  const auto text = [](const std::function<void()>& f) { return message_of(f); };
  check_contains(text([&] { Geometric{Var(nan)}; }), "[NegativeBinomial] logit nan at position 0");
  check_contains(text([&] { Binomial(3, nan); }), "[Binomial] logit nan at position 0");
  check_contains(text([] { Geometric(logit(-12)); }), "[NegativeBinomial] logit -12",
                 "not at most 100000");
  check_contains(text([] { NegativeBinomial(0, logit(0)); }),
                 "[NegativeBinomial] r must lie in (0");
  check_contains(text([] { Binomial(0, logit(0)); }), "[Binomial] needs 1 to", "got 0");
  check_contains(text([] { Geometric(logit(-8)).states(); }), "[geometric] a parameter of -8",
                 "at most 4096");
  check_contains(text([] { kl(Binomial(3, logit(0)), Binomial(4, logit(0))); }), "[kl]",
                 "binomial distributions", "not for 3 and 4");
  check_contains(text([] { kl(NegativeBinomial(2.5, logit(0)), Geometric(logit(0))); }), "[kl]",
                 "negative_binomial and geometric", "not for 2.5 and 1");
  check_contains(text([] { binomial_expectation(3, logit(0), {}); }), "[binomial_expectation] g");
  check_contains(text([] { binomial_expectation(-1, logit(0), cost_slope); }),
                 "[binomial_expectation] n must not be negative, got -1");
  check_contains(text([] { negative_binomial_expectation(1, logit(0), {}); }),
                 "[negative_binomial_expectation] g is an empty");
}
