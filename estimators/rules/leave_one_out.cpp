// leave_one_out.cpp - REINFORCE with several samples, each one's baseline the mean cost of the
// others (Kool, van Hoof & Welling 2019; Mnih & Rezende 2016, VIMCO, for the log of an average).
//
// Distributions: all. Unbiased. Evaluations: one call with S >= 2 samples stacked. The cost need
// not be differentiable in z.
//     g = 1/(S-1) sum_s (f_s - fbar) score(z_s)
//
// f_s minus the mean of the other S-1 costs is S/(S-1) (f_s - fbar); the other samples are
// independent of z_s, so this is a baseline like any other, that needs no training and no memory.
// With several layers the outermost draws the S paths and says so in its Scope; a layer inside
// draws once on each path, and its baseline is over the paths, all of which are independent of its
// sample.
#include "stflow/estimators/distributions/checks.h"
#include "stflow/estimators/rules/rules.h"

namespace stflow {
namespace {

/// f [S,...,B] + attach of (f_s - mean of the others) score(z_s).
Var leave_one_out_estimate(const Expectation& e) {
  const Tensor z = e.q.sample(e.scope.rng);
  const Var f = e.cost(z, e.scope);
  const auto paths = static_cast<real>(e.scope.paths);
  const Tensor advantage = (f.value() - mean(f.value(), {0}, true)) * (paths / (paths - 1));
  return f + attach(e.q.param(), per_row(advantage) * e.q.score(z));
}

}  // namespace

Rule leave_one_out(int64_t samples) {
  require_samples("leave-one-out", samples, 2);
  const auto apply = [samples](const Expectation& e) {
    const Shape& shape = e.q.param().shape();
    const bool on_paths = e.scope.paths > 1 && shape.rank() > 2 && shape[0] == e.scope.paths;
    if (on_paths) return leave_one_out_estimate(e);
    const Scope several{e.scope.rng, e.scope.pass, e.scope.temperature, samples};
    const Var each = leave_one_out_estimate({*repeated(e.q, samples), several, e.cost, e.context});
    return sum(each, {0}) / static_cast<double>(samples);  // mean() wants at least one number
  };
  return {"leave-one-out", apply};
}

}  // namespace stflow
