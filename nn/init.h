// init.h - first values of weights: random, with a spread that keeps signals at one scale.
//
// All take the shape [I,O] of a weight and draw from `rng`, one output's weights after the other's.
// Glorot looks at both directions (tanh, sigmoid, linear layers), He at the forward one (ReLU and
// its relatives).
#pragma once

#include "stflow/tensor/rng.h"
#include "stflow/tensor/tensor.h"

namespace stflow::nn {

/// Uniform on +-sqrt(6 / (I + O)) (Glorot & Bengio 2010, eq. 16).
Tensor glorot_uniform(const Shape& shape, Rng& rng);
/// Normal with variance 2 / (I + O).
Tensor glorot_normal(const Shape& shape, Rng& rng);
/// Uniform on +-sqrt(6 / I) (He et al. 2015, eq. 10, uniform with the same variance).
Tensor he_uniform(const Shape& shape, Rng& rng);
/// Normal with variance 2 / I.
Tensor he_normal(const Shape& shape, Rng& rng);

}  // namespace stflow::nn
