#include "examples/models/vae.h"

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

Vae::Vae(const VaeOptions& options, Rng& rng) : categories_(options.categories), pm1_(options.pm1) {
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

Vae::DistributionPtr Vae::latents(const Var& logits) const {
  if (categories_ > 0) return std::make_unique<Categorical>(logits, categories_);
  return std::make_unique<Bernoulli>(logits);
}

Vae::DistributionPtr Vae::encode(size_t layer, const Var& v) const {
  return latents((*encoders[layer])(pm1_ ? 2 * v - 1 : v));
}

Vae::DistributionPtr Vae::decode(size_t layer, const Var& z) const {
  const Var logits = (*decoders[layer])(pm1_ ? 2 * z - 1 : z);
  return layer == 0 ? std::make_unique<Bernoulli>(logits) : latents(logits);  // 0: pixels
}

Var Vae::neg_elbo(const Var& v, const Scope& scope, size_t layer) const {
  const int64_t images = v.dim(-2);
  if (layer == 0) evaluations_ = 0;
  const DistributionPtr q = encode(layer, v), fixed_q = q->with_param(q->param().detach());
  const auto cost = [&](const Var& z, const Scope& inner) {
    const bool top = layer + 1 == encoders.size();
    if (top) evaluations_ += z.value().numel() / z.dim(-1) / images;
    // -log p(z): the prior's, or bounded by the layer above
    const Var above = top ? -latents(prior_logits)->log_prob(z) : neg_elbo(z, inner, layer + 1);
    return fixed_q->log_prob(z) - decode(layer, z)->log_prob(v) + above;
  };
  return expect(*q, rules.at(layer), scope, cost, /*context=*/v);
}

Vars Vae::weights(const Networks& networks) {
  Vars result;
  for (const auto& network : networks) {
    for (const Var& weight : network->parameters()) result.push_back(weight);
  }
  return result;
}

Vars Vae::weights() const {
  Networks all = encoders;
  all.insert(all.end(), decoders.begin(), decoders.end());
  return weights(all);
}

Tensor Vae::sample(int64_t count, Rng& rng) const {
  const NoGradGuard no_grad;
  Tensor z = latents(broadcast_to(prior_logits, {count, prior_logits.dim(-1)}))->sample(rng);
  for (size_t layer = decoders.size() - 1; layer > 0; --layer) z = decode(layer, z)->sample(rng);
  return decode(0, z)->mean().value();
}

Tensor Vae::reconstruct(const Tensor& x, Rng& rng) const {
  const NoGradGuard no_grad;
  return decode(0, encode(0, x)->sample(rng))->mean().value();
}

void end_epoch(Run& run, int64_t epoch, const ImageCost& neg_elbo, const DataParts& data, Rng rng,
               const Record& more) {
  const double validation = mean_cost(neg_elbo, data.validation, rng);
  const double test = mean_cost(neg_elbo, data.test, rng);
  run.epoch({{"epoch", epoch},
             {kFigures[0], run.train_loss()},
             {kFigures[1], validation},
             {kFigures[2], test}},
            validation, more);
}

void draw_pictures(Run& run, const Vae& vae, const Dataset& test, Rng rng) {
  run.save_images("samples", vae.sample(100, rng), grid_of(test));
  save_reconstructions(run, "reconstructions", test,
                       [&](const Tensor& x) { return vae.reconstruct(x, rng); });
  run.plot_metrics("curves", "-ELBO (nats per image)", kFigures);
}

}  // namespace stflow
