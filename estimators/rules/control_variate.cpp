#include "stflow/estimators/rules/control_variate.h"

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/nn/nn.h"

namespace stflow {

void train_for_low_variance(const Var& ghat, const Vars& parameters) {
  if (parameters.empty() || ghat.value().numel() == 0) return;
  const Var second_moment = mean(sum(square(ghat), {-1}));
  const Vars gradients = grad({second_moment}, parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    Var parameter = parameters[i];
    parameter.add_grad(gradients[i].value());
  }
}

NamedVars network_parameters(const nn::Module& network) {
  NamedVars named;
  for (const auto& [name, parameter] : network.named_parameters()) {
    named.push_back({"network." + name, parameter});
  }
  return named;
}

std::shared_ptr<nn::Module> control_network(int64_t inputs, uint64_t seed) {
  constexpr int64_t kMostInputs = 1 << 24;
  CHECK_ARG(inputs >= 1 && inputs <= kMostInputs, "[control_network] needs 1 to ", kMostInputs,
            " inputs, got ", inputs);
  Rng rng(seed);
  return std::make_shared<nn::MLP>(std::vector<int64_t>{inputs, 200, 1}, rng);
}

Var per_example(nn::Module& network, const Var& input, const std::string& rule) {
  const Var output = network(input);
  const Shape expected = input.shape().with(-1, 1);
  CHECK_ARG(output.defined() && output.shape() == expected, "rule '", rule,
            "': its network must make ", expected, " of an input ", input.shape(), "; it made ",
            output.defined() ? output.shape().str() : "an empty Var");
  return select(output, -1, 0);
}

}  // namespace stflow
