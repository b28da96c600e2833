// vae.h - a variational autoencoder whose latents are Bernoulli or categorical units, in one or
// several stochastic layers.
//
// It is one recursion, Vae::neg_elbo: a layer encodes what it is given, samples, decodes, and lets
// the layer above explain the sample. The rule by which each layer's sample gets a gradient is a
// member. Evaluation and pictures, which other models need too, are in train/evaluate.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stflow/estimators/estimators.h"
#include "stflow/nn/nn.h"
#include "stflow/train/data.h"
#include "stflow/train/evaluate.h"
#include "stflow/train/run.h"

namespace stflow {

struct VaeOptions {
  /// For each stochastic layer the widths of its encoder, from its input to its units:
  /// {784,200,200}. The decoder has the same widths backwards. LeakyReLU(0.1) between linear
  /// layers.
  std::vector<std::vector<int64_t>> sizes;
  int64_t categories = 0;  // 0: Bernoulli latents; else so many numbers are one categorical unit
  bool learned_prior = false;  // prior logits of the top layer are trained, not fixed at 0
  bool pm1 = false;            // networks are fed 2v - 1 in place of every image or sample v
};

/// linear, two-layer, nonlinear: the networks of the paper's Table 2, with 200 units in each
/// stochastic layer and the inputs and prior of the protocol the paper follows (Yin & Zhou 2019).
const std::vector<std::string>& table2_architectures();
VaeOptions table2_vae(const std::string& architecture, int64_t pixels);

struct Vae : nn::Module {
  Vae(const VaeOptions& options, Rng& rng);

  /// -ELBO of each example with z drawn from q: v [...,B,D] -> [...,B], nats. For layers above the
  /// first, v is the sample of the layer below. Not finite once the weights are not.
  Var neg_elbo(const Var& v, const Scope& scope, size_t layer = 0) const;

  /// How often the rules evaluated the cost of the top layer for each image in the last neg_elbo.
  /// In training: 1 for straight-through, 3 for ARM with two layers.
  int64_t evaluations() const { return evaluations_; }

  /// P(x = 1) for sampled images: [count, D].
  Tensor sample(int64_t count, Rng& rng) const;
  /// P(x = 1) given one draw of the first layer's latents: [B,D] -> [B,D].
  Tensor reconstruct(const Tensor& x, Rng& rng) const;

  using Networks = std::vector<std::shared_ptr<nn::MLP>>;
  /// The parameters of some networks, and of all: all but the prior's.
  static Vars weights(const Networks& networks);
  Vars weights() const;

  Networks encoders, decoders;  // [0]: between x and z1, [1]: between z1 and z2
  Var prior_logits;
  std::vector<Rule> rules;  // one for each stochastic layer, to be set before training

 private:
  using DistributionPtr = std::unique_ptr<Distribution>;
  DistributionPtr latents(const Var& logits) const;
  DistributionPtr encode(size_t layer, const Var& v) const;
  DistributionPtr decode(size_t layer, const Var& z) const;

  int64_t categories_;
  bool pm1_;
  mutable int64_t evaluations_ = 0;
};

/// -ELBO on each part of the data, by the names that it has in the metrics.
inline const std::vector<std::string> kFigures{"train_neg_elbo", "validation_neg_elbo",
                                               "test_neg_elbo"};

/// Ends an epoch with its row of metrics. `rng` is the same after every epoch, and none of
/// training's: curves differ by weights alone.
void end_epoch(Run& run, int64_t epoch, const ImageCost& neg_elbo, const DataParts& data, Rng rng,
               const Record& more);
/// Samples, reconstructions and curves of a run that ends.
void draw_pictures(Run& run, const Vae& vae, const Dataset& test, Rng rng);

}  // namespace stflow
