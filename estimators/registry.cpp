#include "estimators/registry.h"

#include <algorithm>

namespace stflow {

const std::vector<RuleInfo>& rule_registry() {
  using Options = const RuleOptions&;
  static const std::vector<std::string> all{"bernoulli", "categorical", "poisson"};
  static const std::vector<std::string> bits{"bernoulli"};
  static const std::vector<RuleInfo> rules{
      {"st", false, all, [](Options o) { return from_local(st(), o.samples); }},
      {"mmd", false, all, [](Options o) { return from_local(mmd(o.mmd), o.samples); }},
      {"none", false, all, [](Options o) { return from_local(none(), o.samples); }},
      {"exact", true, all, [](Options) { return exact(); }},
      {"reinforce", true, all, [](Options) { return reinforce(); }},
      {"arm", true, bits, [](Options) { return arm(); }},
      {"rebar", true, bits, [](Options o) { return rebar(o.rebar); }},
  };
  return rules;
}

std::vector<std::string> rule_names(const std::string& law) {
  std::vector<std::string> names;
  for (const RuleInfo& rule : rule_registry()) {
    if (std::count(rule.laws.begin(), rule.laws.end(), law)) names.push_back(rule.name);
  }
  return names;
}

Rule make_rule(const std::string& name, const RuleOptions& options) {
  std::string known;
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.name == name) return rule.make(options);
    known += (known.empty() ? "" : ", ") + rule.name;
  }
  throw std::invalid_argument("rule '" + name + "' is not one of " + known);
}

}  // namespace stflow
