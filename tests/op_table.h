// op_table.h - what the tests know of every function of autodiff/ops.h; test_ops.cpp drives the
// tables.
//
// gradient_rows: inputs at which gradients of first and second order are compared with differences;
// at least one row for each function, broadcasting and axes among them, away from kinks (those are
// in op_edges.h). A row's name begins with the function's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"

namespace stflow::testing {

using Inputs = const Vars&;

struct GradientRow {
  std::string name;
  std::function<Var(Inputs)> f;
  std::vector<Tensor> inputs;
};

inline std::vector<GradientRow> gradient_rows() {
  Rng rng(1);
  // Uniform numbers between low and high.
  const auto any = [&](const Shape& shape, double low = -2, double high = 2) {
    const Tensor u = rng.uniform(shape);
    return stflow::add(stflow::mul(u, Tensor::scalar(real(high - low))), Tensor::scalar(real(low)));
  };
  const auto positive = [&](const Shape& shape) { return any(shape, 0.3, 3); };
  // Either sign, never near 0.
  const auto nonzero = [&](const Shape& shape) {
    const Tensor x = positive(shape);
    return stflow::where(rng.bernoulli(Tensor::full(shape, 0.5)), x, stflow::neg(x));
  };
  const Tensor mask = Tensor::from({1, 0, 0, 1, 1, 0}, {2, 3});
  const Tensor sign = Tensor::from({1, -1, -1, 1, 1, -1}, {2, 3});
  const Tensor uniform = Tensor::from({0.2, 0.7, 0.5, 0.9, 0.1, 0.4}, {2, 3});

  return {
      // ---- arithmetic
      {"add", [](Inputs v) { return add(v[0], v[1]); }, {any({2, 3}), any({2, 3})}},
      {"add [2,3] + [3]", [](Inputs v) { return v[0] + v[1]; }, {any({2, 3}), any({3})}},
      {"add [2,1] + [1,3]", [](Inputs v) { return v[0] + v[1]; }, {any({2, 1}), any({1, 3})}},
      {"add [] + [2,1,3]", [](Inputs v) { return v[0] + v[1]; }, {any({}), any({2, 1, 3})}},
      {"add x + x", [](Inputs v) { return square(v[0] + v[0]); }, {any({3})}},
      {"sub", [](Inputs v) { return sub(v[0], v[1]); }, {any({2, 3}), any({2, 3})}},
      {"sub [3] - [2,1]", [](Inputs v) { return v[0] - v[1]; }, {any({3}), any({2, 1})}},
      {"mul", [](Inputs v) { return mul(v[0], v[1]); }, {any({2, 3}), any({2, 3})}},
      {"mul [2,3] * []", [](Inputs v) { return v[0] * v[1]; }, {any({2, 3}), any({})}},
      {"mul [2,1,3] * [4,1]", [](Inputs v) { return v[0] * v[1]; }, {any({2, 1, 3}), any({4, 1})}},
      {"mul x * x", [](Inputs v) { return v[0] * v[0]; }, {any({3})}},
      {"div", [](Inputs v) { return div(v[0], v[1]); }, {any({2, 3}), nonzero({2, 3})}},
      {"div [2,3] / [2,1]", [](Inputs v) { return v[0] / v[1]; }, {any({2, 3}), nonzero({2, 1})}},
      {"div [3] / [2,3]", [](Inputs v) { return v[0] / v[1]; }, {any({3}), nonzero({2, 3})}},
      {"neg", [](Inputs v) { return neg(v[0]); }, {any({2, 3})}},
      {"pow 2.5", [](Inputs v) { return pow(v[0], 2.5); }, {positive({2, 3})}},
      {"pow -2", [](Inputs v) { return pow(v[0], -2); }, {nonzero({2, 3})}},
      {"pow 3, also at 0", [](Inputs v) { return pow(v[0], 3); }, {Tensor::from({-1.5, 0, 2})}},
      {"pow 1, also at 0", [](Inputs v) { return pow(v[0], 1); }, {Tensor::from({-1.5, 0, 2})}},
      {"pow 0, also at 0", [](Inputs v) { return pow(v[0], 0); }, {Tensor::from({-1.5, 0, 2})}},
      {"where",
       [mask](Inputs v) { return where(mask, square(v[0]), v[1] * v[0]); },
       {any({2, 3}), any({2, 3})}},
      {"where [2,3] ? [3] : []",
       [mask](Inputs v) { return where(mask, square(v[0]), square(v[1])); },
       {any({3}), any({})}},
      {"where [2,3] ? [4,1,1] : [3]",
       [mask](Inputs v) { return where(mask, v[0], v[1]); },
       {any({4, 1, 1}), any({3})}},

      // ---- elementwise functions
      {"exp", [](Inputs v) { return exp(v[0]); }, {any({2, 3})}},
      {"expm1", [](Inputs v) { return expm1(v[0]); }, {any({2, 3})}},
      {"log", [](Inputs v) { return log(v[0]); }, {positive({2, 3})}},
      {"log1p", [](Inputs v) { return log1p(v[0]); }, {any({2, 3}, -0.6, 3)}},
      {"sqrt", [](Inputs v) { return sqrt(v[0]); }, {positive({2, 3})}},
      {"square", [](Inputs v) { return square(v[0]); }, {any({2, 3})}},
      {"abs", [](Inputs v) { return abs(v[0]); }, {nonzero({2, 3})}},
      {"abs of a product", [](Inputs v) { return abs(v[0] * v[1]); }, {nonzero({4}), nonzero({4})}},
      {"tanh", [](Inputs v) { return tanh(v[0]); }, {any({2, 3})}},
      {"sigmoid", [](Inputs v) { return sigmoid(v[0]); }, {any({2, 3}, -4, 4)}},
      {"softplus", [](Inputs v) { return softplus(v[0]); }, {any({2, 3}, -4, 4)}},
      {"relu", [](Inputs v) { return relu(v[0]); }, {nonzero({2, 3})}},
      {"relu of a product",
       [](Inputs v) { return relu(v[0] * v[1]); },
       {nonzero({4}), nonzero({4})}},
      {"leaky_relu", [](Inputs v) { return leaky_relu(v[0], 0.1); }, {nonzero({2, 3})}},
      {"leaky_relu of a square",
       [](Inputs v) { return leaky_relu(square(v[0]) - 1, 0.1); },
       {Tensor::from({-2, -0.5, 0.3, 1.7})}},
      {"replace_inf", [](Inputs v) { return replace_inf(v[0], 2); }, {any({2, 3})}},
      {"clamp",
       [](Inputs v) { return clamp(square(v[0]), 0.5, 2); },
       {Tensor::from({-2, -1, -0.5, 0.3, 1.2, 1.7})}},
      {"polygamma -1", [](Inputs v) { return polygamma(-1, v[0]); }, {positive({2, 3})}},
      {"polygamma 0", [](Inputs v) { return polygamma(0, v[0]); }, {any({4}, 0.8, 20)}},
      {"polygamma 1", [](Inputs v) { return polygamma(1, v[0]); }, {any({4}, 0.8, 20)}},

      // ---- reductions
      {"sum", [](Inputs v) { return square(sum(v[0])); }, {any({2, 3})}},
      {"sum axis 0", [](Inputs v) { return square(sum(v[0], {0})); }, {any({2, 3})}},
      {"sum axes -1 and 0, kept",
       [](Inputs v) {
         return square(sum(v[0], {-1, 0}, true));
       },
       {any({2, 3, 2})}},
      {"sum of a scalar", [](Inputs v) { return square(sum(v[0])); }, {any({})}},
      {"mean", [](Inputs v) { return square(mean(v[0])); }, {any({2, 3})}},
      {"mean axis 1", [](Inputs v) { return square(mean(v[0], {1})); }, {any({2, 3, 2})}},
      {"mean axis 0, kept", [](Inputs v) { return square(mean(v[0], {0}, true)); }, {any({2, 3})}},
      {"max", [](Inputs v) { return square(max(v[0])); }, {any({2, 3})}},
      {"max axis 0", [](Inputs v) { return square(max(v[0], {0})); }, {any({2, 3})}},
      {"max axis -1, kept", [](Inputs v) { return square(max(v[0], {-1}, true)); }, {any({2, 3})}},
      {"logsumexp", [](Inputs v) { return logsumexp(v[0]); }, {any({2, 3})}},
      {"logsumexp axis 0", [](Inputs v) { return logsumexp(v[0], {0}); }, {any({2, 3})}},
      {"logsumexp axes 0 and 2, kept",
       [](Inputs v) {
         return logsumexp(v[0], {0, 2}, true);
       },
       {any({2, 2, 3})}},
      {"softmax", [](Inputs v) { return softmax(v[0]); }, {any({2, 3})}},
      {"softmax axis 0", [](Inputs v) { return softmax(v[0], 0); }, {any({2, 2, 3})}},
      {"log_softmax", [](Inputs v) { return log_softmax(v[0]); }, {any({2, 3})}},
      {"log_softmax axis 1", [](Inputs v) { return log_softmax(v[0], 1); }, {any({2, 2, 3})}},
      {"sum_to [3]", [](Inputs v) { return square(sum_to(v[0], {3})); }, {any({2, 3})}},
      {"sum_to [2,1]",
       [](Inputs v) {
         return square(sum_to(v[0], {2, 1}));
       },
       {any({4, 2, 3})}},
      {"broadcast_to",
       [](Inputs v) {
         return square(broadcast_to(v[0], {4, 2, 3}));
       },
       {any({2, 1})}},
      {"mul_to repeated",
       [](Inputs v) {
         return square(mul_to(v[0], v[1], {4, 2, 3}));
       },
       {any({2, 1}), any({3})}},
      {"mul_to rows summed",
       [](Inputs v) {
         return square(mul_to(v[0], v[1], {2, 1}));
       },
       {any({2, 3}), any({2, 3})}},
      {"mul_to rows of repeated factors",
       [](Inputs v) {
         return square(mul_to(v[0], v[1], {2, 1}));
       },
       {any({3}), any({4, 2, 3})}},
      {"mul_to of two repeated factors",
       [](Inputs v) { return square(mul_to(v[0], v[1], {})); },
       {any({2, 1}), any({3})}},
      {"mul_to []",
       [](Inputs v) { return square(mul_to(v[0], v[1], {})); },
       {any({2, 3}), any({3})}},
      {"mul_to [3]",
       [](Inputs v) { return square(mul_to(v[0], v[1], {3})); },
       {any({2, 3}), any({2, 1})}},
      {"broadcast_to from []", [](Inputs v) { return square(broadcast_to(v[0], {3})); }, {any({})}},

      // ---- shape
      {"reshape",
       [](Inputs v) {
         return square(reshape(v[0], {3, -1}));
       },
       {any({2, 3})}},
      {"transpose", [](Inputs v) { return square(transpose(v[0])); }, {any({2, 3})}},
      {"transpose 0, 2", [](Inputs v) { return square(transpose(v[0], 0, 2)); }, {any({2, 3, 2})}},
      {"slice", [](Inputs v) { return square(slice(v[0], 0, 1, 3)); }, {any({4, 2})}},
      {"slice axis -1", [](Inputs v) { return square(slice(v[0], -1, 0, 2)); }, {any({2, 3})}},
      {"select", [](Inputs v) { return square(select(v[0], 1, 2)); }, {any({2, 3, 2})}},
      {"concat",
       [](Inputs v) {
         return square(concat({v[0], v[1], v[0]}, 0));
       },
       {any({2, 2}), any({1, 2})}},
      {"stack",
       [](Inputs v) {
         return square(stack({v[0], v[1]}));
       },
       {any({2, 3}), any({2, 3})}},
      {"concat axis -1",
       [](Inputs v) {
         return square(concat({v[0], v[1]}, -1));
       },
       {any({2, 1}), any({2, 3})}},

      // ---- matrices
      {"matmul", [](Inputs v) { return matmul(v[0], v[1]); }, {any({2, 3}), any({3, 4})}},
      {"matmul a^T", [](Inputs v) { return matmul(v[0], v[1], true); }, {any({3, 2}), any({3, 4})}},
      {"matmul b^T",
       [](Inputs v) { return matmul(v[0], v[1], false, true); },
       {any({2, 3}), any({4, 3})}},
      {"matmul a^T b^T",
       [](Inputs v) { return matmul(v[0], v[1], true, true); },
       {any({3, 2}), any({4, 3})}},
      {"matmul x x^T", [](Inputs v) { return matmul(v[0], v[0], false, true); }, {any({2, 3})}},
      {"matmul [2,2,3] x [3,2]",
       [](Inputs v) { return matmul(v[0], v[1]); },
       {any({2, 2, 3}), any({3, 2})}},
      {"matmul [2,3,2]^T x [2,3]^T",
       [](Inputs v) { return matmul(v[0], v[1], true, true); },
       {any({2, 3, 2}), any({2, 3})}},
      {"matmul [2,2,3] x [2,3,2]",
       [](Inputs v) { return matmul(v[0], v[1]); },
       {any({2, 2, 3}), any({2, 3, 2})}},
      {"matmul [2,3,2]^T x [2,2,3]^T",
       [](Inputs v) { return matmul(v[0], v[1], true, true); },
       {any({2, 3, 2}), any({2, 2, 3})}},
      {"linear_weight_gradient",
       [](Inputs v) { return linear_weight_gradient(v[0], v[1]); },
       {any({3, 2}), any({3, 4})}},
      {"linear",
       [](Inputs v) { return linear(v[0], v[1], v[2]); },
       {any({3, 2}), any({2, 4}), any({4})}},
      {"linear without bias",
       [](Inputs v) { return linear(v[0], v[1]); },
       {any({3, 2}), any({2, 4})}},
      {"linear [2,2,3]",
       [](Inputs v) { return linear(v[0], v[1], v[2]); },
       {any({2, 2, 3}), any({3, 2}), any({2})}},
      {"linear [3]",
       [](Inputs v) { return linear(v[0], v[1], v[2]); },
       {any({3}), any({3, 2}), any({2})}},

      // ---- log-likelihoods
      {"bernoulli_log_prob",
       [](Inputs v) { return bernoulli_log_prob(v[0], v[1]); },
       {any({2, 3}), any({2, 3})}},
      {"bernoulli_log_prob [2,1,3], [2,3]",
       [](Inputs v) { return bernoulli_log_prob(v[0], v[1]); },
       {any({2, 1, 3}), any({2, 3})}},
      {"bernoulli_log_prob [3], [2,3]",
       [](Inputs v) { return bernoulli_log_prob(v[0], v[1]); },
       {any({3}), any({2, 3})}},
      {"categorical_log_prob",
       [](Inputs v) { return categorical_log_prob(v[0], v[1]); },
       {any({2, 3}), any({2, 3})}},
      {"categorical_log_prob [3], [2,3]",
       [](Inputs v) { return categorical_log_prob(v[0], v[1]); },
       {any({3}), any({2, 3})}},
      {"poisson_log_prob",
       [](Inputs v) { return poisson_log_prob(v[0], v[1]); },
       {any({2, 3}), positive({2, 3})}},
      {"poisson_log_prob [2,3], [3]",
       [](Inputs v) { return poisson_log_prob(v[0], v[1]); },
       {any({2, 3}), positive({3})}},
      {"poisson_log_pmf",
       [](Inputs v) { return poisson_log_pmf(v[0], v[1]); },
       {positive({2, 3}), positive({3})}},
      {"cross_entropy",
       [](Inputs v) {
         return cross_entropy(v[0], Tensor::from({2, 0}));
       },
       {any({2, 3})}},

      // ---- fused
      {"bernoulli_log_prob_grad",
       [](Inputs v) {
         const Tensor residual = sub(v[2].value(), sigmoid(v[1].value()));
         return bernoulli_log_prob_grad(v[0], v[1], v[2], residual);
       },
       {any({2, 1}), any({2, 3}), any({2, 3})}},
      {"bernoulli_log_prob_grad [2,1], [3], [2,3]",
       [](Inputs v) {
         const Tensor residual = sub(v[2].value(), sigmoid(v[1].value()));
         return bernoulli_log_prob_grad(v[0], v[1], v[2], residual);
       },
       {any({2, 1}), any({3}), any({2, 3})}},
      {"perturbed_given",
       [=](Inputs v) { return perturbed_given(v[0], sign, uniform); },
       {any({2, 3})}},
      {"perturbed_given_slope",
       [=](Inputs v) {
         const Tensor perturbed = perturbed_given(v[0], sign, uniform).value();
         return perturbed_given_slope(v[0], sign, perturbed);
       },
       {any({2, 3})}},
      {"soften", [](Inputs v) { return soften(v[0], v[1]); }, {any({2, 3}), positive({})}},
      {"soften_slope",
       [](Inputs v) { return soften_slope(v[0], v[1]); },
       {any({2, 3}, 0.1, 0.9), positive({})}},
  };
}

}  // namespace stflow::testing
