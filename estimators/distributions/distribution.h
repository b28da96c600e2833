// distribution.h - what a stochastic layer draws from: independent units along the last axis.
//
// A distribution holds one parameter, a Var, in the form that every rule gives gradients for:
// logits for Bernoulli and Categorical, the rate for Poisson. A sample is a plain Tensor, a
// function of parameter and noise; how a gradient passes through it is the business of a rule
// (rules.h).
#pragma once

#include <memory>
#include <string>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"

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
  // Relaxation. A sample can be written as harden(perturbed): the parameter, moved by noise, and
  // cut. In place of the cut, soften() gives a continuous stand-in. Laws without one throw.

  /// Uniforms for one perturbation.
  virtual Tensor noise(Rng& rng) const { return rng.uniform(param_.shape()); }
  /// The perturbed parameter, from noise u in (0,1).
  virtual Var perturbed(const Tensor& u) const;
  /// The same quantity given the sample z that it hardens to, from fresh noise v. Its derivative in
  /// the parameter is part of REBAR: do not detach it.
  virtual Var perturbed_given(const Tensor& z, const Tensor& v) const;
  /// The sample that a perturbed parameter stands for.
  virtual Tensor harden(const Tensor& perturbed) const;
  /// A continuous version of harden(), nearer to it the lower the temperature > 0 (a scalar).
  virtual Var soften(const Var& perturbed, const Var& temperature) const;

  /// soften(perturbed(noise), temperature): a relaxed sample, differentiable in the parameter.
  Var relaxed(const Var& temperature, Rng& rng) const;

 protected:
  explicit Distribution(const Var& param);

 private:
  Var param_;
};

/// [...] -> [...,1], so that one number a row meets D numbers a row.
Var per_row(const Var& x);
Tensor per_row(const Tensor& x);

/// The distribution for `samples` draws at once: parameter [...,D] -> [samples,...,D].
std::unique_ptr<Distribution> repeated(const Distribution& q, int64_t samples);

/// The grid of all combinations: each of `units` columns runs through `values`, the last one
/// fastest. [values^units, units]; throws above 2^16 rows, naming the law.
Tensor all_states(int64_t values, int64_t units, const std::string& law);

}  // namespace stflow
