// op_edges.h - values and gradients of ops where formulas overflow, cancel or jump; test_ops.cpp
// drives the table. A row's name begins with the function's.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "stflow/autodiff/ops.h"

namespace stflow::testing {

struct EdgeRow {
  std::string name;
  std::function<Var(const Var&)> f;
  std::vector<real> x, value;  // f(x) must be `value` ...
  std::vector<real> gradient;  // ... and the gradient of its sum this, unless the list is empty
};

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
