#include "examples/common/vae.h"

#include <cmath>

#include "datasets/data_loader.h"
#include "examples/common/program.h"

namespace stflow {

const std::vector<std::string>& table2_architectures() {
  static const std::vector<std::string> names{"linear", "two-layer", "nonlinear"};
  return names;
}

VaeOptions table2_vae(const std::string& architecture, int64_t pixels) {
  if (architecture == "linear")
    return {.sizes = {{pixels, 200}}, .learned_prior = true, .pm1 = true};
  if (architecture == "two-layer")
    return {.sizes = {{pixels, 200}, {200, 200}}, .learned_prior = true};
  CHECK_ARG(architecture == "nonlinear", "[table2_vae] there is no architecture '", architecture,
            "'");
  return {.sizes = {{pixels, 200, 200, 200}}};
}

Vae::Vae(const VaeOptions& options, Rng& rng) : pm1_(options.pm1) {
  const auto activation = std::make_shared<nn::LeakyReLU>(0.1);
  for (const std::vector<int64_t>& up : options.sizes) {
    const std::vector<int64_t> down(up.rbegin(), up.rend());
    encoders.push_back(std::make_shared<nn::MLP>(up, rng, activation));
    decoders.push_back(std::make_shared<nn::MLP>(down, rng, activation));
    const std::string number = std::to_string(encoders.size());
    register_module("encoder" + number, *encoders.back());
    register_module("decoder" + number, *decoders.back());
  }
  const Tensor zeros = Tensor::zeros({options.sizes.back().back()});
  prior_logits = options.learned_prior ? register_parameter("prior_logits", zeros) : Var(zeros);
}

Bernoulli Vae::encode(size_t layer, const Var& v) const {
  return Bernoulli((*encoders[layer])(pm1_ ? 2 * v - 1 : v));
}

Bernoulli Vae::decode(size_t layer, const Var& z) const {
  return Bernoulli((*decoders[layer])(pm1_ ? 2 * z - 1 : z));
}

Var Vae::neg_elbo(const Var& v, const Scope& scope, size_t layer) const {
  const Bernoulli q = encode(layer, v);
  if (!all_finite(q.logits().value())) return sum(q.logits(), {-1});  // no such law: diverged
  return expect(q, rules.at(layer), scope, [&](const Var& z, const Scope& inner) {
    // -log p(z): the prior's, or bounded by the layer above
    const Var above = layer + 1 < encoders.size() ? neg_elbo(z, inner, layer + 1)
                                                  : -Bernoulli(prior_logits).log_prob(z);
    return q.detach().log_prob(z) - decode(layer, z).log_prob(v) + above;
  });
}

std::vector<Var> Vae::weights() const {
  std::vector<Var> result;
  for (const auto& networks : {encoders, decoders}) {
    for (const auto& network : networks) {
      for (const Var& weight : network->parameters()) result.push_back(weight);
    }
  }
  return result;
}

Tensor Vae::sample(int64_t count, Rng& rng) const {
  const NoGradGuard no_grad;
  Tensor z = Bernoulli(broadcast_to(prior_logits, {count, prior_logits.dim(-1)})).sample(rng);
  for (size_t layer = decoders.size() - 1; layer > 0; --layer) z = decode(layer, z).sample(rng);
  return decode(0, z).probs().value();
}

Tensor Vae::reconstruct(const Tensor& x, Rng& rng) const {
  const NoGradGuard no_grad;
  return decode(0, encode(0, x).sample(rng)).probs().value();
}

double mean_neg_elbo(const Vae& vae, const Dataset& data, Rng& rng) {
  const NoGradGuard no_grad;
  double total = 0;
  const DataLoader loader(data, {.batch_size = 500, .shuffle = false});
  for (const Batch& batch : loader.epoch(0)) {
    total += sum(vae.neg_elbo(batch.x, Scope{rng})).item();
  }
  return total / static_cast<double>(data.size());
}

double mean_nll(const Vae& vae, const Dataset& data, int64_t samples, Rng& rng) {
  if (samples == 0) return std::nan("");
  const NoGradGuard no_grad;
  double total = 0;
  const DataLoader loader(data, {.batch_size = 500, .shuffle = false});
  for (const Batch& batch : loader.epoch(0)) {
    std::vector<Tensor> log_weights;
    for (int64_t s = 0; s < samples; ++s) {
      if (interrupted()) return std::nan("");
      log_weights.push_back(per_row(neg(vae.neg_elbo(batch.x, Scope{rng}).value())));
    }
    const double log_sum = sum(logsumexp(concat(log_weights, -1), {-1})).item();
    total -= log_sum - static_cast<double>(batch.size()) * std::log(samples);
  }
  return total / static_cast<double>(data.size());
}

}  // namespace stflow
