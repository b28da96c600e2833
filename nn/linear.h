// linear.h - the fully connected layer, y = x W + b.
#pragma once

#include "stflow/nn/module.h"
#include "stflow/tensor/rng.h"

namespace stflow::nn {

struct LinearOptions {
  bool bias = true;
};

class Linear : public Module {
 public:
  /// Weight [I,O] from glorot_uniform, bias [O] zero; files hold the weight as [O,I]. For another
  /// start, load or set the values.
  Linear(int64_t inputs, int64_t outputs, Rng& rng, LinearOptions options = {});
  /// [...,I] -> [...,O]
  Var forward(const Var& x) override;

  Var weight;
  Var bias;  // empty when the layer has none
};

}  // namespace stflow::nn
