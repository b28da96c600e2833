#include "stflow/estimators/distributions/categorical.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stflow/tensor/special.h"

namespace stflow {
namespace {

// -log(-log u)
Tensor gumbel(const Tensor& u) { return -log(-log(u)); }

/// How far each logit is below the largest of its unit; 0 for -inf, whose probability is 0.
Var gap_to_largest(const Var& logits) {
  return replace_inf(Var(max(logits.value(), {-1}, true)) - logits, 0);
}

// log1p(sum of e^-gap without the largest) + E gap: of positive terms, so that nothing cancels
// where one probability is near 1. [...,K] -> [...]
Tensor unit_entropy(const Tensor& logits) {
  const Tensor top = max(logits, {-1}, true);
  const Tensor others = 1 - one_hot(argmax(logits), logits.dim(-1));
  const Tensor weight = exp(logits - top) * others;
  const Tensor total = sum(weight, {-1});
  const Tensor gaps = sum(weight * gap_to_largest(logits).value(), {-1});
  return log1p(total) + gaps / (total + 1);
}

/// log_softmax of K logits, in double.
std::vector<double> log_probs(const real* logits, int64_t count) {
  const double top = *std::max_element(logits, logits + count);
  double total = 0;
  for (int64_t k = 0; k < count; ++k) total += std::exp(logits[k] - top);
  std::vector<double> result;
  for (int64_t k = 0; k < count; ++k) result.push_back(logits[k] - top - std::log(total));
  return result;
}

/// f(log q, log p) for the numbers of each unit, [...,K] both.
template <typename Function>
void for_each_unit(const Tensor& q_logits, const Tensor& p_logits, Function f) {
  const int64_t count = q_logits.dim(-1);
  for (int64_t begin = 0; begin < q_logits.numel(); begin += count) {
    f(begin / count, log_probs(q_logits.data() + begin, count),
      log_probs(p_logits.data() + begin, count));
  }
}

// sum q log(q/p) as sum [q log(q/p) - q + p], whose terms are not negative.
Tensor unit_kl(const Tensor& q_logits, const Tensor& p_logits) {
  Tensor result(q_logits.shape().without(-1));
  for_each_unit(q_logits, p_logits, [&](int64_t unit, const auto& log_q, const auto& log_p) {
    double total = 0;
    for (size_t k = 0; k < log_q.size(); ++k) {
      total += deviance(std::exp(log_q[k]), std::exp(log_p[k]), log_q[k] - log_p[k]);
    }
    result.data()[unit] = static_cast<real>(total);
  });
  return result;
}

/// log(q/p), where both may be near 1; 0 where q is 0. [...,K]
Var log_ratio(const Var& q_logits, const Var& p_logits) {
  Tensor value(q_logits.shape());
  for_each_unit(q_logits.value(), p_logits.value(),
                [out = value.data()](int64_t unit, const auto& log_q, const auto& log_p) {
                  for (size_t k = 0; k < log_q.size(); ++k) {
                    const double ratio = std::isinf(log_q[k]) ? 0 : log_q[k] - log_p[k];
                    out[static_cast<size_t>(unit) * log_q.size() + k] = static_cast<real>(ratio);
                  }
                });
  return make_node("log_ratio", value, {q_logits, p_logits}, [](const Var& out, const Var& up) {
    const Var total = sum(up, {-1}, true);
    return Vars{up - softmax(out.input(0)) * total, softmax(out.input(1)) * total - up};
  });
}

}  // namespace

Categorical::Categorical(const Var& logits, int64_t categories)
    : Distribution(logits), categories_(categories) {
  CHECK_ARG(categories >= 2 && logits.dim(-1) % categories == 0,
            "[Categorical] the last axis of logits ", logits.shape(),
            " is not a multiple of the number of categories ", categories, " (at least 2)");
}

std::unique_ptr<Distribution> Categorical::with_param(const Var& logits) const {
  return std::make_unique<Categorical>(logits, categories_);
}

Var Categorical::split(const Var& flat) const {
  const Shape shape = flat.shape().with(-1, categories_);
  return reshape(flat, shape.inserted(shape.rank() - 1, flat.dim(-1) / categories_));
}

Var Categorical::join(const Var& split) const {
  const Shape shape = split.shape().without(-1);
  return reshape(split, shape.with(-1, shape[-1] * categories_));
}

Tensor Categorical::sample(Rng& rng) const {
  return harden(logits().value() + gumbel(rng.uniform(logits().shape())));
}

Var Categorical::log_prob(const Var& z) const {
  return sum(categorical_log_prob(split(logits()), split(z)), {-1});
}

Tensor Categorical::score(const Tensor& z) const { return z - mean().value(); }

Var Categorical::mean() const { return join(softmax(split(logits()))); }

Var Categorical::variance() const {
  const Var pi = mean();
  return pi * (1 - pi);
}

Var Categorical::second_order(const Var& z, const Var& up, double temperature) const {
  const auto jacobian_product = [](const Var& q, const Var& v) {
    return q * (v - sum(q * v, {-1}, true));
  };
  const Var a = logits().detach(), pi_t = softmax(split(a / temperature));
  return join(trapezoid(softmax(split(a)), pi_t, split(z), split(up), jacobian_product));
}

Var Categorical::entropy() const {
  return sum(make_node("entropy", unit_entropy(split(logits()).value()), {split(logits())},
                       [](const Var& out, const Var& up) {
                         const Var &a = out.input(0), pi = softmax(a);
                         const Var gap = gap_to_largest(a);
                         const Var expected = sum(pi * gap, {-1}, true);
                         return Vars{per_row(up) * pi * (gap - expected)};
                       }),
             {-1});
}

Tensor Categorical::states() const {
  const Tensor choices = all_states(categories_, units(), name());
  return one_hot(choices, categories_).reshape({choices.dim(0), param().dim(-1)});
}

Var Categorical::perturbed(const Tensor& u) const {
  return join(log_softmax(split(logits()))) + gumbel(u);
}

// The largest Gumbel of a unit is a standard one, whatever the winner; the others are what they
// were, cut off above by it (Maddison, Tarlow & Minka 2014): with g = gumbel(v) and w the winner,
// -log(e^-g_w + e^-(log pi + g)), where 1/pi itself may overflow.
Var Categorical::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Var log_pi = log_softmax(split(logits()));
  const Tensor g = split(gumbel(v)).value();
  const Tensor won = split(z).value();
  const Tensor winner = sum(g * won, {-1}, true);
  const Var others = winner - softplus((winner - g) - log_pi);
  return join(where(won, g, others));
}

Tensor Categorical::harden(const Tensor& perturbed) const {
  return one_hot(argmax(split(perturbed).value()), categories_).reshape(perturbed.shape());
}

Var Categorical::soften(const Var& perturbed, const Var& temperature) const {
  // -inf is taken for a very low number, so that the temperature's gradient is 0 there, not NaN.
  return join(softmax(split(replace_inf(perturbed, -1e30) / temperature)));
}

Var kl(const Categorical& q, const Categorical& p) {
  CHECK_ARG(q.categories() == p.categories(), "[kl] categories differ: ", q.categories(), " and ",
            p.categories());
  const Shape shape = broadcast_shapes(q.logits().shape(), p.logits().shape(), "kl");
  const Var a = q.split(broadcast_to(q.logits(), shape));
  const Var b = p.split(broadcast_to(p.logits(), shape));
  const auto backward = [](const Var& out, const Var& up) {
    const Var &a_k = out.input(0), &b_k = out.input(1), pi = softmax(a_k);
    const Var ratio = log_ratio(a_k, b_k);
    const Var each = per_row(up);
    return Vars{each * pi * (ratio - per_row(out)), each * (softmax(b_k) - pi)};
  };
  return sum(make_node("kl", unit_kl(a.value(), b.value()), {a, b}, backward), {-1});
}

}  // namespace stflow
