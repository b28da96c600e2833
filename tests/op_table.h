// op_table.h - what the tests know of every function of autodiff/ops.h; test_ops.cpp drives the
// tables.
//
// gradient_rows: inputs at which gradients of first and second order are compared with differences;
// at least one row for each function, broadcasting and axes among them, away from kinks. edge_rows:
// values and gradients where formulas overflow, cancel or jump. A row's name begins with the
// function's.
#pragma once

#include <functional>
#include <limits>
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

struct EdgeRow {
  std::string name;
  std::function<Var(const Var&)> f;
  std::vector<real> x, value;  // f(x) must be `value` ...
  std::vector<real> gradient;  // ... and the gradient of its sum this, unless the list is empty
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
      {"detach", [](Inputs v) { return square(v[0]) + detach(0 * v[0]); }, {any({2, 3})}},

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
       {any({3, 2}), any({4, 2}), any({4})}},
      {"linear without bias",
       [](Inputs v) { return linear(v[0], v[1]); },
       {any({3, 2}), any({4, 2})}},
      {"linear [2,2,3]",
       [](Inputs v) { return linear(v[0], v[1], v[2]); },
       {any({2, 2, 3}), any({2, 3}), any({2})}},
      {"linear [3]",
       [](Inputs v) { return linear(v[0], v[1], v[2]); },
       {any({3}), any({2, 3}), any({2})}},

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
  };
}

inline std::vector<EdgeRow> edge_rows() {
  constexpr real inf = std::numeric_limits<real>::infinity();
  constexpr real nan = std::numeric_limits<real>::quiet_NaN();
  const real log2 = 0.69314718055994531, tiny = 2.0611536224385583e-9;  // e^-20
  const auto ones = [](int64_t n) { return Tensor::ones({n}); };
  return {
      {"exp",
       [](const Var& x) { return exp(x); },
       {-1000, -20, 0, 1000},
       {0, tiny, 1, inf},
       {0, tiny, 1, inf}},
      {"expm1",
       [](const Var& x) { return expm1(x); },
       {-1000, 1e-5, 0},
       {-1, 1.0000050000166668e-5, 0},
       {0, 1.0000100000500002, 1}},
      {"log", [](const Var& x) { return log(x); }, {0, 1, inf, -1}, {-inf, 0, inf, nan}, {}},
      {"log1p",
       [](const Var& x) { return log1p(x); },
       {-1, 1e-5, 0, -2},
       {-inf, 9.999950000333332e-6, 0, nan},
       {}},
      {"sqrt", [](const Var& x) { return sqrt(x); }, {0, 4, inf, -1}, {0, 2, inf, nan}, {}},
      {"div", [](const Var& x) { return x / Var(0.0); }, {1, -1, 0}, {inf, -inf, nan}, {}},
      {"pow 2", [](const Var& x) { return pow(x, 2); }, {-3, 0, inf}, {9, 0, inf}, {-6, 0, inf}},
      {"pow 0", [](const Var& x) { return pow(x, 0); }, {-3, 0}, {1, 1}, {0, 0}},
      {"square", [](const Var& x) { return square(x); }, {-3, 0}, {9, 0}, {-6, 0}},
      {"abs",
       [](const Var& x) { return abs(x); },
       {-inf, -2, 0, 2},
       {inf, 2, 0, 2},
       {-1, -1, 0, 1}},
      {"tanh",
       [](const Var& x) { return tanh(x); },
       {-1000, 1e-4, 1000},
       {-1, 9.999999966666668e-5, 1},
       {0, 0.99999999, 0}},
      {"sigmoid",
       [](const Var& x) { return sigmoid(x); },
       {-1000, -20, 0, 1000},
       {0, 2.0611536181902037e-9, 0.5, 1},
       {0, 2.0611536139418494e-9, 0.25, 0}},
      {"softplus",
       [](const Var& x) { return softplus(x); },
       {-1000, -20, 0, 1000},
       {0, 2.061153620314381e-9, log2, 1000},
       {0, 2.0611536181902037e-9, 0.5, 1}},
      {"relu", [](const Var& x) { return relu(x); }, {-2, 0, 2, nan}, {0, 0, 2, nan}, {}},
      {"relu at 0", [](const Var& x) { return relu(x); }, {-2, 0, 2}, {0, 0, 2}, {0, 0, 1}},
      {"leaky_relu",
       [](const Var& x) { return leaky_relu(x, 0.25); },
       {-2, 0, 2},
       {-0.5, 0, 2},
       {0.25, 0.25, 1}},
      {"clamp",
       [](const Var& x) { return clamp(x, -1, 2); },
       {-3, -1, 0, 2, 5},
       {-1, -1, 0, 2, 2},
       {0, 1, 1, 1, 0}},
      {"clamp keeps NaN", [](const Var& x) { return clamp(x, -1, 2); }, {nan}, {nan}, {}},
      {"polygamma -1",
       [](const Var& x) { return polygamma(-1, x); },
       {0.5, 3, 100},
       {0.5723649429247001, log2, 359.1342053695754},
       {}},
      {"polygamma 0",
       [](const Var& x) { return polygamma(0, x); },
       {0.5, 1, 100},
       {-1.96351002602142348, -0.57721566490153286, 4.6001618527380874},
       {4.93480220054467931, 1.64493406684822644, 0.010050166663333571}},
      {"polygamma outside x > 0",
       [](const Var& x) { return polygamma(0, x); },
       {-inf, -1, 0, inf},
       {nan, nan, -inf, inf},
       {}},
      {"polygamma 2", [](const Var& x) { return polygamma(2, x); }, {1}, {-2.4041138063191886}, {}},
      {"max with ties", [](const Var& x) { return max(x); }, {3, 1, 3}, {3}, {0.5, 0, 0.5}},
      {"max of -inf", [](const Var& x) { return max(x); }, {-inf, -inf}, {-inf}, {}},
      {"logsumexp", [](const Var& x) { return logsumexp(x); }, {1000, 0}, {1000}, {1, 0}},
      {"logsumexp far below 0",
       [](const Var& x) { return logsumexp(x); },
       {-1000, -1000},
       {log2 - 1000},
       {}},
      {"logsumexp with -inf", [](const Var& x) { return logsumexp(x); }, {-inf, 2}, {2}, {0, 1}},
      {"logsumexp of -inf", [](const Var& x) { return logsumexp(x); }, {-inf, -inf}, {-inf}, {}},
      {"softmax",
       [](const Var& x) { return softmax(x); },
       {1000, 0, 1000},
       {0.5, 0, 0.5},
       {0, 0, 0}},
      {"log_softmax", [](const Var& x) { return log_softmax(x); }, {1000, 0}, {0, -1000}, {-1, 1}},
      {"sum of nothing", [](const Var& x) { return sum(x); }, {}, {0}, {}},
      {"bernoulli_log_prob",
       [ones](const Var& x) { return bernoulli_log_prob(x, ones(2)); },
       {-1000, 1000},
       {-1000},
       {1, 0}},
      {"categorical_log_prob",
       [](const Var& x) {
         return categorical_log_prob(x, Tensor::from({0, 1}));
       },
       {1000, 0},
       {-1000},
       {-1, 1}},
      {"poisson_log_prob",
       [](const Var& x) { return poisson_log_prob(x, Tensor::scalar(2)); },
       {0, -1000},
       {-2001 - 2 * log2},
       {1, 2}},
      {"poisson_log_pmf",
       [](const Var& x) { return poisson_log_pmf(x, Tensor::scalar(2)); },
       {2, 500000},
       {log2 - 2, -499974.448420426},
       {0, -0.999996}},
      {"replace_inf",
       [](const Var& x) { return replace_inf(x, 3); },
       {1, -inf, inf, nan},
       {1, 3, 3, nan},
       {1, 0, 0, 1}},
      {"cross_entropy",
       [](const Var& x) { return cross_entropy(x, Tensor::scalar(1)); },
       {1000, 0},
       {1000},
       {1, -1}},
  };
}

}  // namespace stflow::testing
