// rules.h - every rule by which a discrete sample can get a gradient: the table of contents of this
// folder.
//
// A local rule needs the sample and the gradient of the cost at it; `from_local` makes it a rule
// for expect(). An evaluation rule calls the cost again. Each is derived in the file that bears its
// name, or its family's: straight_through.cpp (st, none), gumbel.cpp, reinmax.cpp (fini2),
// reinforce.cpp. Notation: a logit, p = sigmoid(a), f the cost of one example, f' = df/dz, score =
// d log q(z) / d param. A rule takes every distribution, one of your own too, unless its line says
// which (Rule::takes). Numbers out of range are refused by name. To add one: its file, a line here,
// a row in registry.cpp.
#pragma once

#include <memory>
#include <optional>

#include "stflow/estimators/expect.h"
#include "stflow/estimators/flow/kernel.h"
#include "stflow/nn/module.h"

namespace stflow {

// ---- local rules ----
LocalRule none();  // no gradient at all: the other layers are trained, this one is not

struct StOptions {
  bool on_param = false;  // df/d(logits) := f'(z) instead, without the chain rule from the mean
};
LocalRule st(const StOptions& options = {});  // straight-through: df/d(mean) := f'(z)

struct MmdOptions {
  Kernel kernel = Kernel::rbf;  // rbf: exp(-(x-y)^2 / (2 h^2)); linear: x y
  /// h, 1e-6 to 1e6, in units of the sample; for counts choose 2 sqrt(rate) or more, or some pushes
  /// come back with the wrong sign. Empty: the median distance between samples, at least 1
  /// (counts only).
  std::optional<double> bandwidth = 1.0;
  double epsilon = 0.1;         // step by which a sample is pushed down the gradient of its cost
  bool control_variate = true;  // subtract what the same samples give before they are pushed
  /// true: times h^2 / (2 epsilon) (rbf) or 1 / (2 epsilon) (linear), the scale of
  /// straight-through; false: the gradient of MMD^2 itself.
  bool st_scale = true;
  /// Divide by E[w], the mean weight that small pushes get (rbf kernel), to compare with
  /// straight-through at an equal learning rate: exp(-1/(2h^2)) for bits, exp(-1/h^2) for one-hot.
  bool divide_by_mean_weight = false;
  /// For samples drawn outside expect(): how many times the gradient of one example's cost is
  /// larger than what arrives (B S for a mean over B examples and S samples). Inside expect() it is
  /// known.
  double loss_scale = 1;
};
/// Projection by maximum mean discrepancy ("pWGF"). With the rbf kernel, counts must have states.
LocalRule mmd(const MmdOptions& options = {});

LocalRule reinmax(
    double temperature = 1);  // straight-through to second order; Bernoulli, Categorical
LocalRule fini2();            // the same for counts

// Relaxations, at temperatures from 1e-10 to 1e10; bits and one-hot units that have them.
LocalRule gumbel_softmax(double temperature = 0.5);     // the sample replaced by its relaxation
LocalRule st_gumbel_softmax(double temperature = 0.5);  // hard value, relaxed gradient
LocalRule gumbel_rao(double temperature = 0.5, int64_t draws = 10);  // averaged over noise given z

// ---- evaluation rules ----
Rule exact();                             // sum over all states: the ground truth for small layers
Rule reinforce();                         // f(z) score
Rule reinforce_mean(double decay = 0.9);  // minus the running mean of past costs
Rule reinforce_net(
    const std::shared_ptr<nn::Module>& network);  // minus network(context), [...,I] -> [...,1]
Rule leave_one_out(int64_t samples = 4);          // minus the mean cost of the other samples
Rule muprop();                                    // minus the tangent at the mean
Rule arm();             // augment-reinforce-merge: two evaluations at antithetic samples; Bernoulli
Rule disarm();          // ARM averaged over what the pair does not depend on; Bernoulli
Rule measure_valued();  // the effect of another count; those that have it

struct RebarOptions {
  double temperature = 0.5;  // of the relaxed control variate, 1e-10 to 1e10
  double eta = 1;            // its scale
  bool tune = true;        // make eta and log temperature rule.parameters, trained for low variance
  int64_t tune_every = 4;  // rebar gives these two a gradient in one call of so many, relax in all
};
/// REINFORCE with a relaxed control variate. Distributions with a relaxation: Bernoulli,
/// Categorical, Poisson.
Rule rebar(const RebarOptions& options = {});
/// rebar with network(z), [...,Z] -> [...,1], added to the control variate; all of it is trained. Z
/// is the size of the parameter. Counts need no relaxation.
Rule relax(const std::shared_ptr<nn::Module>& network, const RebarOptions& options = {});

}  // namespace stflow
