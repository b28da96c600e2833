// expect.h - the expectation of a cost over a discrete sample, as one call whose gradient is a
// choice.
//
//     const auto cost = [&](const Var& z, const Scope& inner) { return f(z); };
//     Var loss = mean(expect(q, arm(), scope, cost));
//
// The result is an ordinary Var: its value is the mean cost over hard samples, its gradient the
// rule's estimate. Several stochastic layers are an expect inside the cost of an expect; the inner
// one uses the Scope that its cost was given.
//
// An estimate is unbiased for the expectation, not for a function of it: the gradient of
// log(expect) or square(expect) takes the function at a sampled value and is biased by every rule
// that samples (with `exact` it is right). More samples in one call make that bias smaller.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stflow/estimators/distributions/distribution.h"

namespace stflow {

/// How the inner stochastic layers are to be evaluated. Rules set it when they call a cost.
enum class Pass {
  sample,   // draw, with gradients by the layer's own rule
  mean,     // put the mean in place of a sample
  relaxed,  // put a continuous relaxation in its place, differentiated through
};

struct Scope {
  Rng& rng;
  Pass pass = Pass::sample;
  real temperature = 0;  // of Pass::relaxed, in all inner layers
  int64_t paths = 1;  // > 1: the first axis of every inner sample runs over this many sampled paths
  /// The cost is subtracted from one with a graph (arm, disarm, measure-valued): where that one had
  /// relaxed inner samples, this one has them under NoGradGuard too.
  bool difference = false;
  /// For a local rule that is not linear in the gradient it is given, which mmd divides by this:
  /// dL/d(cost of row i), written when backward reaches that cost, before it reaches the sample.
  /// from_local() makes it for its own draw; null for a draw outside expect().
  std::shared_ptr<Tensor> row_weight = {};
};

/// z [...,B,D] -> one cost for each example, [...,B], never averaged inside. It touches only the
/// last axis and lets its data x [B,...] broadcast, so that S samples or M states are one call. (In
/// Pass::mean and Pass::relaxed leading axes may be added: those of samples z does not depend on.)
/// Inside it, log q(z | .) should use q.detach(): E[d log q] = 0, so that is unbiased with less
/// variance (Roeder et al. 2017). Rules that need the gradient in z refuse a cost that no op
/// connects with z; one that is constant on purpose adds 0 * sum(z, {-1}).
using Cost = std::function<Var(const Var& z, const Scope& scope)>;

/// Which distributions a rule takes: those that fit every line. `expect` and `draw` refuse the
/// others by name before the rule sees them.
struct Takes {
  std::vector<std::string> names = {};  // one of these, for a formula in its very parameter
  std::vector<Support> supports = {};   // one of these
  std::vector<Trait> traits = {};       // has one of these
  std::string why = {};                 // ends the message

  /// What is wrong with q under this rule; empty when the rule takes it.
  std::string refusal(const std::string& rule, const Distribution& q) const;
};

/// What a rule is asked for: E_{z ~ q}[cost(z)] and its gradient.
struct Expectation {
  const Distribution& q;
  const Scope& scope;
  const Cost& cost;
  const Var& context;  // [B,I]: what a learned baseline may look at; empty when there is none
};

using NamedVars = std::vector<std::pair<std::string, Var>>;

/// How one stochastic layer gets its gradient. rules.h makes them; each layer wants its own object
/// when the rule has parameters.
struct Rule {
  std::string name;
  std::function<Var(const Expectation&)> apply;
  /// What the rule itself trains (temperature, scale of a control variate), by the names that
  /// checkpoints use. `expect` adds to their .grad as it is called, so zero_grad() comes before it,
  /// not between it and backward(); the user steps them: optim::Adam(rule.trained(), ...).
  NamedVars parameters = {};
  /// Running values that are kept but not trained (the mean of past costs).
  NamedVars buffers = {};
  /// The value is the expectation itself, not a sample's cost: used also where no gradient is
  /// wanted.
  bool enumerates = false;
  /// The value is the cost at a relaxed sample, not at a hard one: see Scope::difference.
  bool relaxes = false;
  Takes takes = {};  // every distribution
  /// The learning rate of its parameters, as a multiple of the model's.
  double learning_rate_scale = 10;
  /// Numbers that tell how its control variate fares, for logs; empty: there is nothing to tell.
  std::function<std::vector<std::pair<std::string, double>>()> report = {};

  Vars trained() const;  // parameters without their names
};

/// E_{z ~ q}[cost(z)] for each example, [...,B]. Under NoGradGuard it is the cost of one hard
/// sample; by a rule that enumerates the expectation, and where scope.difference is set by a rule
/// that relaxes the cost of a relaxed sample.
Var expect(const Distribution& q, const Rule& rule, const Scope& scope, const Cost& cost,
           const Var& context = {});

/// A rule that needs only the sample and the gradient of the cost at it: how to draw so that a
/// gradient comes back.
struct LocalRule {
  std::string name;
  std::function<Var(const Distribution&, const Scope&)> draw;
  bool relaxes = false;  // these two as in Rule
  Takes takes = {};
};

/// The same with one draw by a local rule.
Var expect(const Distribution& q, const LocalRule& rule, const Scope& scope, const Cost& cost);

/// A sample of q with a gradient by `rule`; in other passes, q's mean or relaxation. [...,D]
Var draw(const Distribution& q, const LocalRule& rule, const Scope& scope);

/// A sample as a node of the graph, labelled distribution[rule], whose gradient with respect to
/// `input` is backward(out, upstream). Differentiating it a second time throws: an estimate of a
/// gradient has no meaningful derivative.
Var sample_node(const Distribution& q, const std::string& rule, const Tensor& z, const Var& input,
                const Backward& backward);

/// The mean of `samples` draws by a local rule, as a rule for expect.
Rule from_local(const LocalRule& rule, int64_t samples = 1);

/// Zero, of shape [...,B], whose gradient with respect to param [...,B,D] is upstream * ghat: how a
/// rule hands in its estimate. Differentiating it twice throws.
Var attach(const Var& param, const Tensor& ghat);

}  // namespace stflow
