// distribution.h - what a stochastic layer draws from: independent units along the last axis.
//
// A distribution holds one parameter, a Var, in the form that every rule gives gradients for:
// logits for Bernoulli and Categorical, the rate for Poisson. A sample is a plain Tensor, a
// function of parameter and noise; how a gradient passes through it is the business of a rule
// (rules.h).
#pragma once

#include <memory>
#include <string>

#include "autodiff/ops.h"
#include "tensor/rng.h"

namespace stflow {

class Distribution {
 public:
  virtual ~Distribution() = default;

  /// "bernoulli", "categorical", "poisson".
  virtual std::string law() const = 0;
  /// Logits or rate, [...,D].
  const Var& param() const { return param_; }
  /// The same law with another parameter (detached, repeated for several samples, ...).
  virtual std::unique_ptr<Distribution> with_param(const Var& param) const = 0;

  /// One draw for each unit: [...,D], of the parameter's shape.
  virtual Tensor sample(Rng& rng) const = 0;
  /// Log-probability summed over units, for z [...,D] that broadcasts with the parameter: -> [...].
  /// Differentiable in the parameter and in z, which may lie between the support's points.
  virtual Var log_prob(const Var& z) const = 0;
  /// d log_prob / d param at z, [...,D]: the score function.
  virtual Tensor score(const Tensor& z) const = 0;
  virtual Var mean() const = 0;     // [...,D]
  virtual Var entropy() const = 0;  // summed over units, nats: [...]

  /// Every joint state of the D units, [M,D]. Throws above 2^16 states.
  virtual Tensor states() const = 0;
  /// A continuous stand-in for a sample, differentiable in the parameter and in temperature > 0 (a
  /// scalar); closer to a sample the lower the temperature. Throws for laws that have none.
  virtual Var relaxed(const Var& temperature, Rng& rng) const;

 protected:
  explicit Distribution(const Var& param);

 private:
  Var param_;
};

/// The distribution for `samples` draws at once: parameter [...,D] -> [samples,...,D].
std::unique_ptr<Distribution> repeated(const Distribution& q, int64_t samples);

/// The grid of all combinations: each of `units` columns runs through `values`, the last one
/// fastest. [values^units, units]; throws above 2^16 rows, naming the law.
Tensor all_states(int64_t values, int64_t units, const std::string& law);

}  // namespace stflow
