// straight_through.cpp - the straight-through estimator (Hinton 2012; Bengio, Leonard & Courville
// 2013).
//
// Distributions: all. Biased; exact when f is linear in each unit. Evaluations: one, with its
// gradient. The cost must be differentiable in z.
//     d/d(mean) E f(z)  :=  f'(z)
//
// As a projected Wasserstein gradient flow (the paper, section 2.1): draw z_n from mu, push each
// down its cost, z~_n = z_n - epsilon f'(z_n), and look for the distribution whose *mean* is
// nearest to the mean of the pushed samples. With the z_n themselves as control variate, the
// squared distance |E mu - mean z~|^2 has the gradient 2 epsilon mean f'(z_n) in the mean
// parameter: straight-through times 2 epsilon. From the mean to logits or rate goes the chain rule,
// so the input of the node below is q.mean(). Some implementations leave the chain rule out and
// hand f'(z) to the logits: `on_param` is that, a larger step for units that are nearly certain.
#include <cmath>

#include "stflow/estimators/rules/rules.h"
#include "stflow/tensor/kernels/map.h"

namespace stflow {

LocalRule st(const StOptions& options) {
  return {"st", [options](const Distribution& q, const Scope& scope) {
            const bool on_param = options.on_param;
            const auto backward = [on_param](const Var& z, const Var& up) -> Vars {
              if (!on_param) return {up};
              // A parameter that is not a number has no gradient that is one.
              const auto each = [](real g, real a) { return std::isnan(a) ? a : g; };
              return {Var(map(each, up.value(), z.input(0).value()))};
            };
            return sample_node(q, "st", q.sample(scope.rng), on_param ? q.param() : q.mean(),
                               backward);
          }};
}

LocalRule none() {
  return {"none",
          [](const Distribution& q, const Scope& scope) { return Var(q.sample(scope.rng)); }};
}

}  // namespace stflow
