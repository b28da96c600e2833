// distribution.h - what a stochastic layer draws from: independent units along the last axis.
//
// A distribution holds one parameter, a Var, in the form that every rule gives gradients for:
// logits for Bernoulli and Categorical, the rate for Poisson. A sample is a plain Tensor, a
// function of parameter and noise; how a gradient passes through it is the business of a rule
// (rules.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"

namespace stflow {

/// What a unit's sample can be.
enum class Support {
  bits,     // 0 or 1
  one_hot,  // one 1 among zeros
  counts,   // 0, 1, 2, ..., each unit with a parameter of its own
};

/// What a distribution may have beyond a sample, a score and moments, for the rules that need it.
enum class Trait {
  states,          // states()
  relaxation,      // perturbed(), perturbed_given(), harden(), soften()
  probabilities,   // of each value of a unit: the mean of bits and one-hot units, table() of counts
  inverse,         // inverse_given()
  measure_valued,  // measure_valued()
  mean_parameter,  // a unit is known by its mean: bits, one-hot units, counts with param_of_mean()
};

/// The counts first, first + 1, ... of one unit and their probabilities.
struct CountTable {
  int64_t first = 0;
  std::vector<double> pmf;
};

class Distribution {
 public:
  virtual ~Distribution() = default;

  // What it is: by these a rule knows whether it can take it.

  virtual std::string name() const = 0;  // "bernoulli", "categorical", "poisson", ...
  virtual Support support() const = 0;
  /// How many numbers of the last axis make a unit: one-hot units have several.
  virtual int64_t categories() const { return 1; }
  /// The largest value of a unit, infinite for most counts. No mean is above it.
  virtual double largest() const;
  /// By default: it has states, and what follows from them.
  virtual bool has(Trait trait) const;

  /// Logits or rate, [...,D].
  const Var& param() const { return param_; }
  /// The same distribution with another parameter (detached, repeated for several samples, ...).
  virtual std::unique_ptr<Distribution> with_param(const Var& param) const = 0;

  /// One draw for each unit: [...,D], of the parameter's shape.
  virtual Tensor sample(Rng& rng) const = 0;
  /// Log-probability summed over units, for z [...,D] that broadcasts with the parameter: -> [...].
  /// Differentiable in the parameter and in z, which may lie between the support's points.
  virtual Var log_prob(const Var& z) const = 0;
  /// d log_prob / d param at z, [...,D]: the score function.
  virtual Tensor score(const Tensor& z) const = 0;
  virtual Var mean() const = 0;      // [...,D]
  virtual Var variance() const = 0;  // of each number, [...,D]
  virtual Var entropy() const = 0;   // summed over units, nats: [...]

  /// Every joint state of the D units, [M,D]. Throws above 2^16 states.
  virtual Tensor states() const = 0;

  // What rules ask for where distributions differ.

  /// Straight-through to second order (reinmax.cpp): the gradient in the parameter, from the sample
  /// z and the gradient `up` of the cost at it. `temperature` is that of ReinMax's pi_t.
  virtual Var second_order(const Var& z, const Var& up, double temperature = 1) const;
  /// Counts: one unit's table at this value of the parameter, and the derivatives of the
  /// probabilities of first, first + 1, ... in it; there may be more of these. From states(),
  /// log_prob() and score() where a class has nothing better.
  virtual CountTable table(double param) const;
  virtual std::vector<double> table_slopes(const CountTable& table, double param) const;
  /// Counts: the parameter at which the mean is this one, above 0 and at most largest().
  virtual double param_of_mean(double mean) const;
  /// Counts: d P(z > k) / d(mean) for each k of the table, the rate at which probability goes from
  /// k to k + 1 as the mean grows; these add up to 1. From table_slopes() by default.
  virtual std::vector<double> tail_slopes(const CountTable& table, double param) const;
  /// Counts: u = F(z - 1) + v P(z), for v in (0,1) a uniform that inverts to z, and its derivative
  /// in the parameter, [...,D] both.
  struct Inverse {
    Tensor u, slope;
  };
  virtual Inverse inverse_given(const Tensor& z, const Tensor& v) const;
  /// Another value for each unit and its weight, such that for a sample z, unit by unit,
  /// d/d(param) E f(z) = E[weight (f(other) - f(z))]. [...,D] both
  struct Difference {
    Tensor other, weight;
  };
  virtual Difference measure_valued(const Tensor& z, Rng& rng) const;

  // Relaxation. A sample can be written as harden(perturbed): the parameter, moved by noise, and
  // cut. In place of the cut, soften() gives a continuous stand-in. Without Trait::relaxation they
  // throw.

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

/// ReinMax's 2 J((pi_t + z)/2) v - 1/2 J(pi) v, where product(q, v) = J(q) v = dmean/d(logits) v.
template <typename Product>
Var trapezoid(const Var& pi, const Var& pi_t, const Var& z, const Var& v, Product product) {
  return 2 * product((pi_t + z) / 2, v) - 0.5 * product(pi, v);
}

/// [...] -> [...,1], so that one number a row meets D numbers a row.
Var per_row(const Var& x);
Tensor per_row(const Tensor& x);

/// The distribution for `samples` draws at once: parameter [...,D] -> [samples,...,D].
std::unique_ptr<Distribution> repeated(const Distribution& q, int64_t samples);

/// The grid of all combinations: each of `units` columns runs through `values`, the last one
/// fastest. [values^units, units]; throws above 2^16 rows, naming the distribution.
Tensor all_states(int64_t values, int64_t units, const std::string& name);

}  // namespace stflow
