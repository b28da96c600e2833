// problems.h - the small problems on which rules are compared, in the tests and in estimator_lab.
//
//   toy-0.45, toy-0.499  one bit, (b - t)^2: the two states cost nearly the same (Grathwohl 2018)
//   bernoulli4           four bits, neither linear nor separable
//   two-layer            2 + 2 bits, the weights between them and a decoder
//   categorical          two units of three categories
//   poisson-critic       one count under a smooth critic, as a discriminator might be
#pragma once

#include "stflow/estimators/lab/diagnostics.h"

namespace stflow {

const std::vector<Problem>& problems();

/// The problem of that name. Throws when there is none, listing those there are.
const Problem& problem(const std::string& name);

// Costs of the problems with one layer: z [...,D] -> [...].

Var bernoulli4_cost(const Var& b);      // v.tanh(W b + c) + b0 b1 - b2 b3
Var categorical_cost(const Var& z);     // u.tanh(W z)^2 + z0 z4
Var poisson_critic_cost(const Var& z);  // sigmoid of a sum of tanh

}  // namespace stflow
