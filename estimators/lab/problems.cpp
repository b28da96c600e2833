#include "stflow/estimators/lab/problems.h"

#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

Problem toy(const std::string& target) {
  const double t = std::stod(target);
  return {"toy-" + target, Tensor::full({1, 1}, real(.3)),
          [t](const Var& logits, const Scope& scope, const Layer& expectation) {
            return expectation(Bernoulli(logits), scope, [t](const Var& z, const Scope&) {
              return sum(square(z - t), {-1});
            });
          }};
}

// z1 ~ Bernoulli(a), z2 ~ Bernoulli(W z1 + c), cost 3 (.7 - tanh(d . (z1, z2)))^2 + z1 . z2, where
// param = (a, W, c, d).
Var two_layer_loss(const Var& param, const Scope& scope, const Layer& expectation) {
  const Var a = slice(param, -1, 0, 2), c = slice(param, -1, 6, 8), d = slice(param, -1, 8, 12);
  const Var w = reshape(slice(param, -1, 2, 6), {param.dim(0), 2, 2});
  return expectation(Bernoulli(a), scope, [&](const Var& z1, const Scope& inner) {
    const Var column = reshape(z1, z1.shape().inserted(z1.rank() - 1, 1));
    return expectation(Bernoulli(sum(w * column, {-1}) + c), inner,
                       [&](const Var& z2, const Scope&) {
                         const Var lower = broadcast_to(z1, z2.shape());
                         const Var output = tanh(sum(concat({lower, z2}, -1) * d, {-1}));
                         return square(0.7 - output) * 3 + sum(lower * z2, {-1});
                       });
  });
}

}  // namespace

Var bernoulli4_cost(const Var& b) {
  const Tensor w = Tensor::from({1.5, -1, .5, -1, 2, 1, .5, 1, -2, 2, -.5, 1}, {4, 3});
  const Tensor c = Tensor::from({-.5, .5, -1}), v = Tensor::from({1, -1.5, 2});
  const Var hidden = sum(tanh(linear(b, w, c)) * Var(v), {-1});
  return hidden + select(b, -1, 0) * select(b, -1, 1) - select(b, -1, 2) * select(b, -1, 3);
}

Var categorical_cost(const Var& z) {
  const Tensor w = Tensor::from({1, -1, real(-.5), 2, real(.7), real(.4), real(1.2), real(-.8), -1,
                                 real(.5), real(.3), real(1.1)},
                                {6, 2});
  return sum(square(tanh(linear(z, w))) * Var(Tensor::from({2, -3})), {-1}) +
         select(z, -1, 0) * select(z, -1, 4);
}

Var poisson_critic_cost(const Var& z) {
  const Var s = 1.5 * tanh(0.9 * z - 3) + 1.1 * tanh(-0.6 * z + 2.5) - 2 * tanh(0.4 * z - 0.2) +
                0.8 * tanh(1.3 * z - 6);
  return sum(sigmoid(s), {-1});
}

const std::vector<Problem>& problems() {
  static const std::vector<Problem> all{
      toy("0.45"),
      toy("0.499"),
      {"bernoulli4", Tensor::from({real(.4), real(-.9), real(1.3), real(-.2)}, {1, 4}),
       [](const Var& logits, const Scope& scope, const Layer& expectation) {
         return expectation(Bernoulli(logits), scope,
                            [](const Var& b, const Scope&) { return bernoulli4_cost(b); });
       }},
      {"two-layer",
       Tensor::from({real(.5), real(-.7), 1, -2, real(1.5), real(.5), real(-.3), real(.8), 1,
                     real(-.8), real(1.2), real(.6)},
                    {1, 12}),
       two_layer_loss},
      {"categorical",
       Tensor::from({real(.3), real(-.5), real(.8), real(-1), real(.2), real(.4)}, {1, 6}),
       [](const Var& logits, const Scope& scope, const Layer& expectation) {
         return expectation(Categorical(logits, 3), scope,
                            [](const Var& z, const Scope&) { return categorical_cost(z); });
       }},
      {"poisson-critic", Tensor::full({1, 1}, real(3.2)),
       [](const Var& rate, const Scope& scope, const Layer& expectation) {
         return expectation(Poisson(rate), scope,
                            [](const Var& z, const Scope&) { return poisson_critic_cost(z); });
       }},
  };
  return all;
}

const Problem& problem(const std::string& name) { return find_named("problem", problems(), name); }

}  // namespace stflow
