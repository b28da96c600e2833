// registry.h - the rules by name, so that programs, diagnostics and tests can loop over them.
#pragma once

#include <string>
#include <vector>

#include "estimators/rules.h"

namespace stflow {

/// Every setting a rule may look at; each uses its own.
struct RuleOptions {
  int64_t samples = 1;  // draws a node, for local rules
  MmdOptions mmd = {};
  RebarOptions rebar = {};
};

struct RuleInfo {
  std::string name;
  bool unbiased;
  std::vector<std::string> laws;  // that it fits
  std::function<Rule(const RuleOptions&)> make;
};

const std::vector<RuleInfo>& rule_registry();

/// Names of the rules that fit a law, in the registry's order.
std::vector<std::string> rule_names(const std::string& law);

/// Throws when there is no rule of that name, listing those there are.
Rule make_rule(const std::string& name, const RuleOptions& options = {});

}  // namespace stflow
