// activations.cpp - Dropout; the other layers of activations.h are one line each, in the header.
#include "stflow/nn/activations.h"

namespace stflow::nn {

Dropout::Dropout(double p, Rng& rng) : p_(p), rng_(rng) {
  CHECK_ARG(p >= 0 && p < 1, "[Dropout] p must be in [0, 1), got ", p);
}

Var Dropout::forward(const Var& x) {
  if (!is_training() || p_ == 0) return x;
  const Tensor kept = rng_.bernoulli(Tensor::full(x.shape("Dropout"), static_cast<real>(1 - p_)));
  return x * (kept * (1 / (1 - p_)));
}

}  // namespace stflow::nn
