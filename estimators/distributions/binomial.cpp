#include "stflow/estimators/distributions/binomial.h"

#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/tensor/kernels/map.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

CountTable table_of(int64_t trials, double logit) {
  constexpr double kCertain = 80;  // beyond, the rarer outcome of all trials is below 1e-28
  const double odds = std::exp(std::clamp(logit, -kCertain, kCertain));
  const auto n = static_cast<double>(trials);
  const auto mode = static_cast<int64_t>(std::min(n, (n + 1) * odds / (1 + odds)));
  return count_table(
      mode, [=](double k) { return k / ((n - k + 1) * odds); },
      [=](double k) { return (n - k) / (k + 1) * odds; });
}

}  // namespace

Binomial::Binomial(int64_t n, const Var& logits) : Counts(logits), n_(n) {
  constexpr int64_t kMostTrials = 1'000'000;
  CHECK_ARG(n >= 1 && n <= kMostTrials, "[Binomial] needs 1 to ", kMostTrials, " trials, got ", n);
  for (int64_t i = 0; i < logits.value().numel(); ++i) {
    CHECK_ARG(!std::isnan(logits.value()[i]), "[Binomial] logit nan at position ", i,
              " is not a number");
  }
}

std::unique_ptr<Distribution> Binomial::with_param(const Var& logits) const {
  return std::make_unique<Binomial>(n_, logits);
}

Var Binomial::log_prob(const Var& z) const {
  const Var ways =
      polygamma(-1, trials() + 1) - polygamma(-1, z + 1) - polygamma(-1, trials() - z + 1);
  return sum(ways - z * softplus(-logits()) - (trials() - z) * softplus(logits()), {-1});
}

Tensor Binomial::score(const Tensor& z) const { return sub(z, mean().value()); }

Var Binomial::entropy() const {
  const auto log_ways = [n = trials()](double z) {
    return polygamma(-1, n + 1) - polygamma(-1, z + 1) - polygamma(-1, n - z + 1);
  };
  const Var ways = sum(binomial_expectation(n_, logits(), log_ways), {-1});
  return trials() * Bernoulli(logits()).entropy() - ways;
}

CountTable Binomial::table(double logit) const { return table_of(n_, logit); }

// (k - n p) P_n(k) = n p (1-p) (P_(n-1)(k-1) - P_(n-1)(k)). Of n trials with z successes a random
// one is a success with probability z/n; the others are a draw z' of n - 1. If it was, f(z'+1) -
// f(z') = f(z) - f(z-1), else f(z+1) - f(z).
Distribution::Difference Binomial::measure_valued(const Tensor& z, Rng& rng) const {
  const auto n = static_cast<real>(n_);
  const auto turn = [n](real k, real u) { return u * n < k ? real(-1) : real(1); };
  const Tensor step = map(turn, z, rng.uniform(z.shape()));
  return {add(z, step), mul(step, variance().value())};
}

Var kl(const Binomial& q, const Binomial& p) {
  CHECK_ARG(q.n() == p.n(), "[kl] of binomial distributions is known for equal numbers of trials, ",
            "not for ", q.n(), " and ", p.n());
  return static_cast<double>(q.n()) * kl(Bernoulli(q.logits()), Bernoulli(p.logits()));
}

Var binomial_expectation(int64_t n, const Var& logits, const std::function<double(double)>& g) {
  CHECK_ARG(g, "[binomial_expectation] g is an empty function");
  CHECK_ARG(n >= 0, "[binomial_expectation] n must not be negative, got ", n);
  const auto tables = [n](double a) { return table_of(n, a); };
  const auto expected = [&](double, const CountTable& table) { return mean_over(table, g); };
  return make_node("binomial_expectation", for_each_table(logits.value(), tables, expected),
                   {logits}, [n, g](const Var& node, const Var& up) -> Vars {
                     if (n == 0) return {Var()};
                     const Var& a = node.input(0);
                     const auto change = [g](double z) { return g(z + 1) - g(z); };
                     return {up * static_cast<double>(n) * sigmoid(a) * sigmoid(-a) *
                             binomial_expectation(n - 1, a, change)};
                   });
}

}  // namespace stflow
