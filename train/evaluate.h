// evaluate.h - evaluation and pictures of latent-variable models of images, whatever their form.
//
// A model is given as functions. Under NoGradGuard its cost is that of one hard sample, so each
// call draws a new one.
#pragma once

#include <functional>

#include "stflow/autodiff/var.h"
#include "stflow/datasets/dataset.h"
#include "stflow/tensor/rng.h"
#include "stflow/train/run.h"

namespace stflow {

/// x [B,D] -> one cost for each image, [B], in nats.
using ImageCost = std::function<Var(const Tensor& x, Rng& rng)>;

/// Mean cost over a dataset with one sample an image, nats per image.
double mean_cost(const ImageCost& cost, const Dataset& data, Rng& rng);

/// Mean over a dataset of -log(1/S sum_s exp(-cost_s)) with S = samples an image: nats per image,
/// below mean_cost and nearer to the negative log-likelihood the larger S is (Burda et al. 2016).
/// NaN when `samples` is 0 or Ctrl-C ended it.
double mean_nll(const ImageCost& cost, const Dataset& data, int64_t samples, Rng& rng);

/// The layout of a picture of these images.
ImageGrid grid_of(const Dataset& images);

/// NAME.png of the run, ten rows of ten: a row of images, then `draws` rows of what `reconstruct`
/// makes of them, and so on.
void save_reconstructions(Run& run, const std::string& name, const Dataset& images,
                          const std::function<Tensor(const Tensor& x)>& reconstruct,
                          int64_t draws = 1);

}  // namespace stflow
