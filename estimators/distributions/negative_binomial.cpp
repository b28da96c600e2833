#include "stflow/estimators/distributions/negative_binomial.h"

#include <cmath>

#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/geometric.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/special.h"

namespace stflow {
namespace {

CountTable table_of(double r, double logit) {
  const double failure = 1 / (1 + std::exp(logit));
  const double mode = std::floor(std::max(0.0, (r - 1) * std::exp(-logit)));
  return count_table(
      static_cast<int64_t>(mode), [=](double k) { return k / ((k - 1 + r) * failure); },
      [=](double k) { return (k + r) / (k + 1) * failure; });
}

}  // namespace

NegativeBinomial::NegativeBinomial(double r, const Var& logits) : Counts(logits), r_(r) {
  constexpr double kLargestR = 1e6, kLargestMean = 1e5;
  CHECK_ARG(r > 0 && r <= kLargestR, "[NegativeBinomial] r must lie in (0, ", kLargestR, "], got ",
            r);
  for (int64_t i = 0; i < logits.value().numel(); ++i) {
    const double a = logits.value()[i];
    CHECK_ARG(r * std::exp(-a) <= kLargestMean, "[NegativeBinomial] logit ", a, " at position ", i,
              " has a mean of ", r * std::exp(-a), ", which is not at most ", kLargestMean);
  }
}

std::unique_ptr<Distribution> NegativeBinomial::with_param(const Var& logits) const {
  return std::make_unique<NegativeBinomial>(r_, logits);
}

Var NegativeBinomial::log_prob(const Var& z) const {
  const Var ways = polygamma(-1, z + r_) - polygamma(-1, z + 1) - polygamma(-1, r_);
  return sum(ways - r_ * softplus(-logits()) - z * softplus(logits()), {-1});
}

Tensor NegativeBinomial::score(const Tensor& z) const {
  const Tensor& a = logits().value();
  return sub(mul(sigmoid(neg(a)), Tensor::scalar(static_cast<real>(r_))), mul(z, sigmoid(a)));
}

Var NegativeBinomial::entropy() const {
  const auto log_ways = [r = r_](double z) {
    return polygamma(-1, z + r) - polygamma(-1, z + 1) - polygamma(-1, r);
  };
  const Var ways = negative_binomial_expectation(r_, logits(), log_ways);
  return sum(r_ * softplus(-logits()) + mean() * softplus(logits()) - ways, {-1});
}

CountTable NegativeBinomial::table(double logit) const { return table_of(r_, logit); }

// score(k) P_r(k) = r (1-p) P_r(k) - k p P_r(k), and k p P_r(k) = r (1-p) P_(r+1)(k-1). One success
// more to wait for adds the failures w before it: z + w is a draw for r + 1.
Distribution::Difference NegativeBinomial::measure_valued(const Tensor& z, Rng& rng) const {
  const Tensor more = add(Geometric(logits().detach()).sample(rng), Tensor::scalar(1));
  return {add(z, more),
          mul(sigmoid(neg(logits().value())), Tensor::scalar(static_cast<real>(-r_)))};
}

// That of one trial, times the mean number of trials, r / p.
Var kl(const NegativeBinomial& q, const NegativeBinomial& p) {
  CHECK_ARG(q.r() == p.r(), "[kl] of ", q.name(), " and ", p.name(),
            " distributions is known for equal r, not for ", q.r(), " and ", p.r());
  const Var &a = q.logits(), &b = p.logits();
  const Var trial = kl(Bernoulli(per_row(a)), Bernoulli(per_row(b)));  // of each unit
  return sum(q.r() * (1 + exp(-a)) * trial, {-1});
}

Var negative_binomial_expectation(double r, const Var& logits,
                                  const std::function<double(double)>& g) {
  CHECK_ARG(g, "[negative_binomial_expectation] g is an empty function");
  const auto tables = [r](double a) { return table_of(r, a); };
  const auto expected = [&](double, const CountTable& table) { return mean_over(table, g); };
  return make_node(
      "negative_binomial_expectation", for_each_table(logits.value(), tables, expected), {logits},
      [r, g](const Var& node, const Var& up) {
        const Var& a = node.input(0);
        const auto next = [g](double z) { return g(z + 1); };
        return Vars{up * r * sigmoid(-a) * (node - negative_binomial_expectation(r + 1, a, next))};
      });
}

}  // namespace stflow
