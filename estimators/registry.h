// registry.h - the rules by name, so that programs, diagnostics and tests can loop over them.
#pragma once

#include <string>
#include <vector>

#include "stflow/estimators/rules/rules.h"

namespace stflow {

/// Every setting a rule may look at; each uses its own.
struct RuleOptions {
  int64_t samples = 0;       // draws a node (local rules: default 1; leave-one-out: 4); 0: default
  double temperature = 0.5;  // of the Gumbel rules and of the control variate of rebar and relax
  bool tune = true;          // rebar trains eta and temperature
  int64_t tune_every = 4;    // in one call of so many
  StOptions st = {};
  MmdOptions mmd = {};
  int64_t inputs = 0;   // width of the context, for the baseline of reinforce-net
  int64_t latents = 0;  // width of the parameter, for the network of relax
  uint64_t seed = 0;    // of those networks' weights
};

struct RuleInfo {
  std::string name;
  bool unbiased;
  bool local;                     // needs only the sample and the gradient of the cost at it
  std::vector<std::string> laws;  // that it fits
  std::function<Rule(const RuleOptions&)> make;
  /// Fits laws of one's own too, if they have what the rule calls: states (exact), a relaxation
  /// (rebar, relax), a differentiable mean (st, muprop).
  bool any_law = false;

  bool fits(const std::string& law) const;
};

const std::vector<RuleInfo>& rule_registry();

/// Names of the rules that fit a law, in the registry's order; for a law that is not stflow's,
/// those with any_law.
std::vector<std::string> rule_names(const std::string& law);

/// Both throw when there is no rule of that name, listing those there are.
const RuleInfo& rule_info(const std::string& name);
Rule make_rule(const std::string& name, const RuleOptions& options = {});

}  // namespace stflow
