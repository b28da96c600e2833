// registry.h - the rules by name, so that programs, diagnostics and tests can loop over them.
#pragma once

#include <string>
#include <vector>

#include "stflow/estimators/rules/rules.h"

namespace stflow {

struct ReinmaxOptions {
  double temperature = 1;
};
struct GumbelOptions {
  double temperature = 0.5;
  int64_t draws = 10;  // gumbel-rao
};
struct ReinforceMeanOptions {
  double decay = 0.9;
};

/// What rules are made with; each looks at its own. All but the last three, which follow from the
/// model, are reached by name as well: see set_rule_option.
struct RuleOptions {
  int64_t samples = 0;  // draws a node (local rules: default 1; leave-one-out: 4); 0: default
  StOptions st = {};
  MmdOptions mmd = {};
  ReinmaxOptions reinmax = {};
  GumbelOptions gumbel = {};
  ReinforceMeanOptions reinforce_mean = {};
  RebarOptions rebar = {};  // and relax, which always tunes
  int64_t inputs = 0;       // width of the context, for the baseline of reinforce-net
  int64_t latents = 0;      // width of the parameter, for the network of relax
  uint64_t seed = 0;        // of those networks' weights
};

/// One option by name.
struct RuleOption {
  std::vector<std::string> rules;  // that look at it
  std::string name;
  std::function<std::string(const RuleOptions&)> get;
  std::function<bool(RuleOptions&, const std::string& text)> set;  // false: text is no value
};

const std::vector<RuleOption>& rule_option_registry();

/// Sets an option of that rule from "name=value". Throws when it has none of that name, listing
/// those it has, or the value is none; whether it is in range the rule says when it is made.
void set_rule_option(RuleOptions& options, const std::string& rule, const std::string& assignment);

struct RuleInfo {
  std::string name;
  bool unbiased;
  bool local;  // needs only the sample and the gradient of the cost at it
  std::function<Rule(const RuleOptions&)> make;

  /// What the rule with default options says to q: empty when it takes it.
  std::string refusal(const Distribution& q) const;
};

const std::vector<RuleInfo>& rule_registry();

/// stflow's distributions, so that tests and lists can loop over them.
struct DistributionInfo {
  std::string name;
  Tensor example;  // a parameter, [1,D]
  std::function<std::unique_ptr<Distribution>(const Var& param)> make;
};

const std::vector<DistributionInfo>& distribution_registry();

/// Names of the rules that take q, or stflow's distribution of that name, in the registry's order.
std::vector<std::string> rule_names(const Distribution& q);
std::vector<std::string> rule_names(const std::string& distribution);

/// Both throw when there is no rule of that name, listing those there are.
const RuleInfo& rule_info(const std::string& name);
Rule make_rule(const std::string& name, const RuleOptions& options = {});

}  // namespace stflow
