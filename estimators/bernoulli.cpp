#include "estimators/bernoulli.h"

namespace stflow {

Bernoulli Bernoulli::from_probs(const Var& probs) {
  for (int64_t i = 0; i < probs.value().numel(); ++i) {
    CHECK_ARG(probs.value()[i] > 0 && probs.value()[i] < 1, "[Bernoulli::from_probs] probability ",
              probs.value()[i], " at position ", i, " is not strictly between 0 and 1");
  }
  return Bernoulli(log(probs) - log1p(-probs));
}

std::unique_ptr<Distribution> Bernoulli::with_param(const Var& logits) const {
  return std::make_unique<Bernoulli>(logits);
}

Tensor Bernoulli::sample(Rng& rng) const { return rng.bernoulli(sigmoid(logits().value())); }

Tensor Bernoulli::score(const Tensor& z) const { return sub(z, sigmoid(logits().value())); }

Var Bernoulli::entropy() const { return sum(softplus(logits()) - probs() * logits(), {-1}); }

Tensor Bernoulli::states() const { return all_states(2, param().dim(-1), law()); }

Var Bernoulli::relaxed(const Var& temperature, Rng& rng) const {
  CHECK_ARG(temperature.item() > 0, "[relaxed] temperature must be positive, got ",
            temperature.item());
  return sigmoid(noisy_logits(rng.uniform(logits().shape())) / temperature);
}

Var Bernoulli::noisy_logits(const Tensor& u) const {
  const Var noise(u);
  return logits() + (log(noise) - log1p(-noise));
}

// u given z: uniform on (1-p, 1) if z = 1, on (0, 1-p) if z = 0. Written in logits with softplus,
// because 1 - p rounds to 0 or 1 in float beyond |logit| = 14.
Var Bernoulli::noisy_logits_given(const Tensor& z, const Tensor& v) const {
  const Var noise(v);
  const Var logit_v = log(noise) - log1p(-noise);
  return where(z, softplus(logit_v + softplus(logits())), -softplus(softplus(-logits()) - logit_v));
}

const Bernoulli& require_bernoulli(const Distribution& q, const std::string& rule) {
  const auto* bernoulli = dynamic_cast<const Bernoulli*>(&q);
  CHECK_ARG(bernoulli != nullptr, "rule '", rule, "' fits bernoulli layers only, this one is ",
            q.law());
  return *bernoulli;
}

Var kl(const Bernoulli& q, const Bernoulli& p) {
  const Var expected_ratio = q.probs() * (q.logits() - p.logits());
  return sum(expected_ratio - softplus(q.logits()) + softplus(p.logits()), {-1});
}

}  // namespace stflow
