// optim_kernels.h - the loops of the optimisers: each changes a parameter and its running averages
// in place, in one pass over memory. When and with which numbers they run is decided in
// nn/optim.cpp.
#pragma once

#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow {

struct SgdUpdate {
  double lr;
  double momentum;
  double weight_decay;
  bool nesterov;
};
/// g = grad + weight_decay value;  velocity = momentum velocity + g;
/// value -= lr (nesterov ? g + momentum velocity : velocity).
/// Without momentum the velocity is neither read nor written. Throws unless all shapes are equal.
void sgd_update_(Tensor& value, Tensor& velocity, const Tensor& grad, const SgdUpdate& update);

struct AdamUpdate {
  Tensor* value;
  Tensor* mean;
  Tensor* square;
  const Tensor* grad;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double rate = 0;   // lr / (1 - beta1^t)
  double scale = 1;  // sqrt(1 - beta2^t)
  double decay = 0;  // lr times the decoupled weight decay
};
/// mean = beta1 mean + (1 - beta1) grad;  square = beta2 square + (1 - beta2) grad^2;
/// value = (1 - decay) value - rate mean / (sqrt(square) / scale + eps),
/// for all parameters of a model in one parallel loop. Throws unless the shapes of each are equal.
void adam_update_(const std::vector<AdamUpdate>& updates);

}  // namespace stflow
