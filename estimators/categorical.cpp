#include "estimators/categorical.h"

namespace stflow {
namespace {

// -log(-log u)
Tensor gumbel(const Tensor& u) { return neg(log(neg(log(u)))); }

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
  return reshape(split, split.shape().without(-1).with(-1, -1));
}

Tensor Categorical::sample(Rng& rng) const {
  return harden(add(logits().value(), gumbel(rng.uniform(logits().shape()))));
}

Var Categorical::log_prob(const Var& z) const {
  return sum(categorical_log_prob(split(logits()), split(z)), {-1});
}

Tensor Categorical::score(const Tensor& z) const { return sub(z, mean().value()); }

Var Categorical::mean() const { return join(softmax(split(logits()))); }

Var Categorical::entropy() const {
  const Var log_pi = log_softmax(split(logits()));
  return -sum(exp(log_pi) * log_pi, {-2, -1});
}

Tensor Categorical::states() const {
  const Tensor choices = all_states(categories_, units(), law());
  return one_hot(choices, categories_).reshape({choices.dim(0), param().dim(-1)});
}

Var Categorical::perturbed(const Tensor& u) const {
  return join(log_softmax(split(logits()))) + Var(gumbel(u));
}

// The largest Gumbel of a unit is a standard one, whatever the winner; the others are what they
// were, cut off above by it (Maddison, Tarlow & Minka 2014).
Var Categorical::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Var log_pi = log_softmax(split(logits()));
  const Tensor minus_log_v = split(neg(log(v))).value();
  const Tensor won = split(z).value();
  const Tensor minus_log_winner = sum(mul(minus_log_v, won), {-1}, true);
  const Var others = -log(Var(minus_log_v) * exp(-log_pi) + Var(minus_log_winner));
  return join(where(won, Var(neg(log(minus_log_v))), others));
}

Tensor Categorical::harden(const Tensor& perturbed) const {
  return one_hot(argmax(split(perturbed).value()), categories_).reshape(perturbed.shape());
}

Var Categorical::soften(const Var& perturbed, const Var& temperature) const {
  return join(softmax(split(perturbed / temperature)));
}

Var kl(const Categorical& q, const Categorical& p) {
  CHECK_ARG(q.categories() == p.categories(), "[kl] categories differ: ", q.categories(), " and ",
            p.categories());
  const Var log_q = log_softmax(q.split(q.logits())), log_p = log_softmax(p.split(p.logits()));
  return sum(exp(log_q) * (log_q - log_p), {-2, -1});
}

}  // namespace stflow
