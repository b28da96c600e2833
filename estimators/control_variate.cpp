#include "estimators/control_variate.h"

#include "autodiff/grad.h"
#include "autodiff/ops.h"
#include "nn/nn.h"

namespace stflow {

void train_for_low_variance(const Var& ghat, const std::vector<Var>& parameters) {
  if (parameters.empty()) return;
  const Var second_moment = mean(sum(square(ghat), {-1}));
  const std::vector<Var> gradients = grad({second_moment}, parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    Var parameter = parameters[i];
    parameter.add_grad(gradients[i].value());
  }
}

std::shared_ptr<nn::Module> control_network(int64_t inputs, uint64_t seed) {
  Rng rng(seed);
  return std::make_shared<nn::MLP>(std::vector<int64_t>{inputs, 200, 1}, rng);
}

Var per_example(nn::Module& network, const Var& input) { return select(network(input), -1, 0); }

}  // namespace stflow
