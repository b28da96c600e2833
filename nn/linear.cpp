// linear.cpp - see linear.h; the work is done by the op of the same name.
#include "stflow/nn/linear.h"

#include "stflow/autodiff/ops.h"
#include "stflow/nn/init.h"

namespace stflow::nn {

Linear::Linear(int64_t inputs, int64_t outputs, Rng& rng, LinearOptions options) {
  CHECK_ARG(inputs >= 1 && outputs >= 1, "[Linear] sizes must be at least 1, got ", inputs,
            " inputs and ", outputs, " outputs");
  weight = register_parameter("weight", glorot_uniform({inputs, outputs}, rng), Stored::transposed);
  if (options.bias) bias = register_parameter("bias", Tensor::zeros({outputs}));
}

Var Linear::forward(const Var& x) {
  CHECK_ARG(x.rank("Linear") >= 1, describe("Linear"), ": input is a scalar, weight expects ",
            weight.dim(0), " features");
  CHECK_ARG(x.dim(-1) == weight.dim(0), describe("Linear"), ": input has ", x.dim(-1),
            " features, weight expects ", weight.dim(0), " (input ", x.shape(), " x weight ",
            weight.shape(), ")");
  return linear(x, weight, bias);
}

}  // namespace stflow::nn
