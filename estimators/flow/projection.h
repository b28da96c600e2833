// projection.h - the projected Wasserstein gradient flow of the paper (Figure 2), to run and watch.
//
// To lower F(mu) = E_{z~mu} f(z) over a family of distributions: (A) draw particles z_n from mu;
// (B) move each down its cost, z~_n = z_n - epsilon grad f(z_n), which leaves the family; (C)
// project: take the member of the family that is nearest to the moved particles. Which estimator
// this is depends on what "near" means: the difference of means gives straight-through, MMD the
// rule `mmd`, and the symmetric derivative of W2^2 gives ReinMax and Fini-2.
//
// The paper prints step B with a plus: right for a reward f, not for a cost. Its estimators don't
// project all the way: they make one step down the gradient of the distance (`learning_rate`).
//
// The units are independent and described by their means: p in [0,1] for each bit, pi of K numbers
// for each one-hot unit, the mean of each count, which for Poisson is lambda. Each unit is
// projected on its own, which by Theorem 2.1 is the same for a product of pushed units. Where f
// couples them, it is the projection of the product of their marginals. For small problems: to
// train a model take the rules.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "stflow/autodiff/var.h"
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/flow/wasserstein.h"
#include "stflow/tensor/rng.h"

namespace stflow {

enum class Distance { mean, mmd, wasserstein };  // all squared: |E z - E z~|^2, MMD^2, W2^2

struct ProjectionOptions {
  /// The family: any distribution with Trait::mean_parameter. What it has beside its own parameter
  /// is kept (categories, Binomial's n), that parameter is not looked at.
  std::shared_ptr<const Distribution> family = std::make_shared<Bernoulli>(Tensor::zeros({1}));
  Distance distance = Distance::mean;
  Kernel kernel = Kernel::rbf;  // of Distance::mmd
  double bandwidth = 1;         // h, of the rbf kernel
  double min_mean = 1e-3;       // the least mean of counts
};

// ---- one unit, as atoms: a bit or a count. The atoms of one-hot units lie on no line ----

/// One unit of the family, with this mean.
Atoms atoms_of(const Distribution& family, double mean);

/// Squared distance between the family's member with mean theta and another distribution.
double distance_squared(double theta, const Atoms& pushed, const ProjectionOptions& options);

/// The mean whose distribution is nearest to `pushed`: in closed form, except for counts by MMD or
/// W2. There the distance is minimised over the range of the particles and one unit around it, to
/// 1e-6 in the mean (relative above 1; see minimise.h). Where the variance is larger than the mean,
/// from min_mean to twice the end of that range too; and in all of a range that has an end, as
/// Binomial's. Throws on such particles beyond 1e4.
double project(const Atoms& pushed, const ProjectionOptions& options);

/// d distance^2 / d theta at theta, without control variate or, where `before` is given, with the
/// particles before their move as control variate. At a kink of W2^2: the mean of both one-sided
/// derivatives.
double distance_slope(double theta, const std::optional<Atoms>& before, const Atoms& pushed,
                      const ProjectionOptions& options);

// ---- all units at once ----

/// The nearest parameters to particles [N,D]: [D], where D = units * K if they are one-hot.
/// Throws unless particles are finite and N, D >= 1.
Tensor project(const Tensor& pushed, const ProjectionOptions& options);

/// d distance^2 / d theta for parameters theta [D]: [D]. `before` [N,D] are the particles before
/// the move, as control variate, or an empty Tensor. Throws for W2 and one-hot units: where more
/// than one direction leads away from a kink, there is no such derivative.
Tensor distance_gradient(const Tensor& theta, const Tensor& before, const Tensor& pushed,
                         const ProjectionOptions& options);

/// The point of the probability simplex nearest to v (Held, Wolfe & Crowder 1974).
std::vector<double> project_to_simplex(const std::vector<double>& v);

// ---- the flow ----

struct FlowOptions {
  ProjectionOptions onto = {};
  int64_t particles = 1000;  // N
  double epsilon = 0.1;      // step of the particles
  /// Empty: project, which brings the noise of drawing N particles into each step, however short.
  /// Else the paper's estimator: theta minus this times distance_gradient, put back into the
  /// family: [0,1], the simplex, from min_mean to the largest count. 1/(2 epsilon) makes it
  /// straight-through at a learning rate of 1.
  std::optional<double> learning_rate = {};
  bool control_variate = true;  // of that gradient
};

/// What one step saw: parameters before and after [D], particles before and after the move [N,D].
struct FlowStep {
  Tensor theta, particles, pushed, next;
};

/// A cost for each particle: [N,D] -> [N], differentiable. Row n depends on particle n alone.
using ParticleCost = std::function<Var(const Var& z)>;

/// One step of the flow from parameters theta [D]. Throws when f has another shape or theta is not
/// in the family.
FlowStep flow_step(const Tensor& theta, const ParticleCost& f, const FlowOptions& options,
                   Rng& rng);

/// So many steps, each from where the last one ended.
std::vector<FlowStep> projected_flow(const Tensor& theta, const ParticleCost& f, int64_t steps,
                                     const FlowOptions& options, Rng& rng);

}  // namespace stflow
