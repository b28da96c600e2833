// diagnostics.h - is a rule right, how noisy is it, and what does it cost? Answered on a problem
// small enough to enumerate.
//
// A problem is a loss written with an `expectation` in place of expect() and its rule:
//
//     Problem coin{"coin", Tensor::full({1, 1}, 0.3),
//                  [](const Var& logits, const Scope& scope, const Layer& expectation) {
//                    return expectation(Bernoulli(logits), scope, [](const Var& z, const Scope&) {
//                      return sum(square(z - 0.45), {-1});
//                    });
//                  }};
//     Rng rng(1);
//     Diagnosis found = diagnose(coin, rules_for(coin, "st"), 100'000, rng);
//
// Statistics are over independent estimates, each a row of a large batch.
//
// A model too large to enumerate has gradient_moments(): the noise of its gradient, parameter by
// parameter, from estimating one batch's loss again and again.
#pragma once

#include "stflow/estimators/registry.h"

namespace stflow {

/// expect() by the rule under diagnosis. One inside the cost of another takes the scope that this
/// cost was given.
using Layer = std::function<Var(const Distribution& q, const Scope& scope, const Cost& cost)>;

struct Problem {
  std::string name;
  Tensor param;  // [1,D]: all that is differentiated
  /// param [B,D] -> [B]. Row r depends on row r of param alone.
  std::function<Var(const Var& param, const Scope& scope, const Layer& expectation)> loss;
};

/// The distributions that the loss asks expectations of, from the outermost layer on; they may be
/// of your own.
std::vector<std::unique_ptr<Distribution>> layers_of(const Problem& problem);

/// The rule of that name, one object for each layer. Throws when there is none of that name or it
/// does not take one of the problem's distributions.
std::vector<Rule> rules_for(const Problem& problem, const std::string& name,
                            RuleOptions options = {});

/// Names of the rules that take every layer of the problem.
std::vector<std::string> rule_names(const Problem& problem);

/// `rows` independent estimates of the gradient with respect to the problem's param, [rows,D]. The
/// context of learned baselines is the parameter of their layer.
Tensor estimates(const Problem& problem, const std::vector<Rule>& rules, int64_t rows, Rng& rng);

/// Most draws, or steps of training, that one call takes: an hour or more.
inline constexpr int64_t kMostDraws = 1'000'000'000;

/// How often diagnose() calls an unbiased rule biased, at most, once its means are nearly normal.
inline constexpr double kFalseAlarmRate = 1e-4;

struct Diagnosis {
  Tensor exact, mean;     // the gradient by enumeration, and the mean estimate: [1,D]
  double relative_bias;   // |mean - exact| / |exact|. An unbiased rule has about bias_error.
  double bias_error;      // Its standard error: sqrt(trace_variance / draws) / |exact|.
  double p_value;         // that an unbiased rule's worst component is as far off
  double cosine;          // between mean and exact; NaN if one of them is zero
  double trace_variance;  // of one estimate, summed over components
  int64_t evaluations;    // calls of the innermost cost an estimate
  double microseconds;    // an estimate, forward and backward, 4096 at a time: the median

  /// A component of the mean lies further off than chance allows, or is not finite.
  bool biased() const { return !(p_value >= kFalseAlarmRate); }
};

/// Steps of Adam on what the rules train, each on 1000 estimates; running baselines settle too.
void train_rules(const Problem& problem, const std::vector<Rule>& rules, int64_t steps, Rng& rng,
                 double lr = 0.01);

/// Compares a rule (one object a layer) with enumeration, over `draws` >= 2 estimates. The z-test
/// of each component is two-sided, with Bonferroni's correction for D of them. What a rule trains
/// stays as it is: call train_rules() first.
Diagnosis diagnose(const Problem& problem, const std::vector<Rule>& rules, int64_t draws, Rng& rng);

/// Of the estimates of one parameter's gradient.
struct GradientMoments {
  double squared_mean;    // |E g|^2, without what the noise of the mean adds; at least 0
  double trace_variance;  // of one estimate, summed over components
};

/// Calls `loss` (a scalar, drawn anew each time) `draws` >= 2 times and differentiates it: one
/// entry for each parameter. `rules` are those inside the loss: what they have learnt and remember
/// is left as it was, and so is every .grad.
std::vector<GradientMoments> gradient_moments(const std::function<Var()>& loss,
                                              const Vars& parameters,
                                              const std::vector<Rule>& rules, int64_t draws);

}  // namespace stflow
