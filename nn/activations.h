// activations.h - layers without parameters: the elementwise functions of ops.h as modules, for use
// in a Sequential, and Dropout.
#pragma once

#include "stflow/autodiff/ops.h"
#include "stflow/nn/module.h"
#include "stflow/tensor/rng.h"

namespace stflow::nn {

class ReLU : public Module {
 public:
  Var forward(const Var& x) override { return relu(x); }
};

/// x > 0 ? x : slope x
class LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double slope = 0.01) : slope_(slope) {}
  Var forward(const Var& x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

class Tanh : public Module {
 public:
  Var forward(const Var& x) override { return tanh(x); }
};

class Sigmoid : public Module {
 public:
  Var forward(const Var& x) override { return sigmoid(x); }
};

class Softplus : public Module {
 public:
  Var forward(const Var& x) override { return softplus(x); }
};

/// In training each element is zeroed with probability p and the rest is divided by 1 - p, so that
/// the expectation is x; in evaluation it is x itself. Keeps a reference to `rng`.
class Dropout : public Module {
 public:
  /// Throws unless 0 <= p < 1.
  Dropout(double p, Rng& rng);
  Var forward(const Var& x) override;

 private:
  double p_;
  Rng& rng_;
};

}  // namespace stflow::nn
