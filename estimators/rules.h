// rules.h - every rule by which a discrete sample can get a gradient: the table of contents of this
// folder.
//
// A local rule needs the sample and the gradient of the cost at it; `from_local` makes it a rule
// for expect(). An evaluation rule calls the cost again. Each is derived in the file that bears its
// name. Notation: a logit, p = sigmoid(a), f the cost of one example, f' = df/dz, score = d log
// q(z) / d param. To add one: its file, a line here, a row in registry.cpp.
#pragma once

#include <optional>

#include "estimators/expect.h"

namespace stflow {

// ---- local rules ----
LocalRule none();  // no gradient at all: the other layers are trained, this one is not
LocalRule st();    // straight-through: df/d(mean) := f'(z)

enum class Kernel { rbf, linear };

struct MmdOptions {
  Kernel kernel = Kernel::rbf;  // rbf: exp(-(x-y)^2 / (2 h^2)); linear: x y
  /// h, in units of the sample; empty: the median distance between samples (Poisson only), at
  /// least 1.
  std::optional<double> bandwidth = 1.0;
  double epsilon = 0.1;         // step by which a sample is pushed down the gradient of its cost
  bool control_variate = true;  // subtract what the same samples give before they are pushed
  /// true: times h^2 / (2 epsilon) (rbf) or 1 / (2 epsilon) (linear), the scale of
  /// straight-through; false: the gradient of MMD^2 itself.
  bool st_scale = true;
  /// Divide by E[w], the mean weight that small pushes get (Poisson, rbf), to compare with
  /// straight-through at an equal learning rate.
  bool divide_by_mean_weight = false;
  /// For samples drawn outside expect(): how many times the gradient of one example's cost is
  /// larger than what arrives (B S for a mean over B examples and S samples). Inside expect() it is
  /// known.
  double loss_scale = 1;
};
LocalRule mmd(const MmdOptions& options = {});  // projection by maximum mean discrepancy ("pWGF")

// ---- evaluation rules ----
Rule exact();      // sum over all states: the ground truth for small layers
Rule reinforce();  // f(z) score
Rule arm();        // augment-reinforce-merge: two evaluations at antithetic samples; Bernoulli

struct RebarOptions {
  double temperature = 0.5;  // of the relaxed control variate, > 0
  double eta = 1;            // its scale
  bool tune = false;  // make eta and log temperature rule.parameters, trained for low variance
};
Rule rebar(
    const RebarOptions& options = {});  // REINFORCE with a relaxed control variate; Bernoulli

}  // namespace stflow
