// antithetic.h - what ARM and DisARM share: two Bernoulli samples from one noise, and the cost at
// both.
//
// u and 1 - u have the same distribution, so both samples do. They differ where the noise decides,
// and agree where the logit does: the difference of their costs is small when the layer hardly
// matters.
#pragma once

#include "stflow/estimators/expect.h"

namespace stflow {

struct AntitheticPair {
  Tensor u;        // uniform noise, [...,B,D]
  Tensor z, twin;  // 1[u < p] and 1[u > 1 - p]
  Var f;           // cost at z, with its graph, [...,B]
  Tensor f_twin;   // cost at the twin, without
};

/// Draws a pair and calls the cost twice, for q Bernoulli.
AntitheticPair evaluate_pair(const Expectation& e);

}  // namespace stflow
