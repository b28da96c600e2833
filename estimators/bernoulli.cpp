#include "estimators/bernoulli.h"

#include "tensor/map.h"

namespace stflow {
namespace {

Tensor logit(const Tensor& u) { return sub(log(u), log1p(neg(u))); }

}  // namespace

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

Tensor Bernoulli::sample(Rng& rng) const {
  return map([](real a, real u) { return simd::sigmoid(a) > u ? real(1) : real(0); },
             logits().value(), rng.uniform(logits().shape()));
}

Tensor Bernoulli::score(const Tensor& z) const { return sub(z, sigmoid(logits().value())); }

Var Bernoulli::entropy() const { return sum(softplus(logits()) - probs() * logits(), {-1}); }

Tensor Bernoulli::states() const { return all_states(2, param().dim(-1), law()); }

Var Bernoulli::perturbed(const Tensor& u) const { return logits() - Var(logit(u)); }

// 1 - u given z: uniform on (1-p, 1) if z = 1, on (0, 1-p) if z = 0. For z = 1 that is logits +
// logit(1-p + v p) = log(v / ((1-v) (1-p)) + 1) = softplus(logit(v) - log(1-p)), and -log(1-p) =
// softplus(logits); z = 0 is its mirror image. 1 - p itself has lost its digits in float by |logit|
// = 14.
Var Bernoulli::perturbed_given(const Tensor& z, const Tensor& v) const {
  const Var logit_v(logit(v));
  return where(z, softplus(logit_v + softplus(logits())), -softplus(softplus(-logits()) - logit_v));
}

Tensor Bernoulli::harden(const Tensor& perturbed) const {
  return greater(perturbed, Tensor::scalar(0));
}

Var Bernoulli::soften(const Var& perturbed, const Var& temperature) const {
  return sigmoid(perturbed / temperature);
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
