// control_variate.h - how the rules that have parameters of their own train them.
#pragma once

#include <memory>
#include <string>

#include "stflow/estimators/expect.h"
#include "stflow/nn/module.h"

namespace stflow {

/// Adds to the .grad of each parameter the gradient of mean(|ghat|^2), where ghat [...,B,D] is an
/// estimate whose mean does not depend on them: that is the gradient of its variance.
void train_for_low_variance(const Var& ghat, const Vars& parameters);

/// "network.<name>" for each of its parameters.
NamedVars network_parameters(const nn::Module& network);

/// The network of learned baselines and of RELAX: inputs -> 200 ReLU -> 1 (Grathwohl et al. 2018),
/// drawn from `seed`. [...,inputs] -> [...] by `per_example`, which throws, naming the rule, when
/// the network's output is not [...,1].
std::shared_ptr<nn::Module> control_network(int64_t inputs, uint64_t seed);
Var per_example(nn::Module& network, const Var& input, const std::string& rule);

}  // namespace stflow
