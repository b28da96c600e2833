// update.h - the loops of the optimisers: each changes a parameter and its running averages in
// place, in one pass over memory. When and with which numbers they run is decided in nn/optim.cpp.
#pragma once

#include "tensor/tensor.h"

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
  double beta1;
  double beta2;
  double eps;
  double rate;   // lr / (1 - beta1^t)
  double scale;  // sqrt(1 - beta2^t)
  double decay;  // lr times the decoupled weight decay
};
/// mean = beta1 mean + (1 - beta1) grad;  square = beta2 square + (1 - beta2) grad^2;
/// value = (1 - decay) value - rate mean / (sqrt(square) / scale + eps).
/// Throws unless all shapes are equal.
void adam_update_(Tensor& value, Tensor& mean, Tensor& square, const Tensor& grad,
                  const AdamUpdate& update);

}  // namespace stflow
