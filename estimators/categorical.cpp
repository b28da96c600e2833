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
  const Tensor noisy = add(logits().value(), gumbel(rng.uniform(logits().shape())));
  const Tensor z = one_hot(argmax(split(noisy).value()), categories_);
  return z.reshape(logits().shape());
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

Var Categorical::relaxed(const Var& temperature, Rng& rng) const {
  CHECK_ARG(temperature.item() > 0, "[relaxed] temperature must be positive, got ",
            temperature.item());
  const Var noisy = logits() + Var(gumbel(rng.uniform(logits().shape())));
  return join(softmax(split(noisy / temperature)));
}

Var kl(const Categorical& q, const Categorical& p) {
  CHECK_ARG(q.categories() == p.categories(), "[kl] categories differ: ", q.categories(), " and ",
            p.categories());
  const Var log_q = log_softmax(q.split(q.logits())), log_p = log_softmax(p.split(p.logits()));
  return sum(exp(log_q) * (log_q - log_p), {-2, -1});
}

}  // namespace stflow
