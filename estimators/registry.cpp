#include "stflow/estimators/registry.h"

#include <algorithm>

#include "stflow/estimators/rules/control_variate.h"

namespace stflow {

const std::vector<RuleInfo>& rule_registry() {
  using Options = const RuleOptions&;
  static const std::vector<std::string> all{"bernoulli", "categorical", "poisson"};
  static const std::vector<std::string> bits{"bernoulli"}, counts{"poisson"};
  static const std::vector<std::string> choices{"bernoulli", "categorical"};
  const auto local = [](const LocalRule& rule, Options o) {
    return from_local(rule, o.samples > 0 ? o.samples : 1);
  };
  static const std::vector<RuleInfo> rules{
      // name, unbiased, local, laws, factory
      {"st", false, true, all, [=](Options o) { return local(st(o.st), o); }, true},
      {"mmd", false, true, all, [=](Options o) { return local(mmd(o.mmd), o); }},
      {"reinmax", false, true, choices, [=](Options o) { return local(reinmax(), o); }},
      {"fini2", false, true, counts, [=](Options o) { return local(fini2(), o); }},
      {"gumbel-softmax", false, true, choices,
       [=](Options o) { return local(gumbel_softmax(o.temperature), o); }},
      {"st-gumbel-softmax", false, true, choices,
       [=](Options o) { return local(st_gumbel_softmax(o.temperature), o); }},
      {"gumbel-rao", false, true, choices,
       [=](Options o) { return local(gumbel_rao(o.temperature), o); }},
      {"none", false, true, all, [=](Options o) { return local(none(), o); }, true},
      {"exact", true, false, all, [](Options) { return exact(); }, true},
      {"reinforce", true, false, all, [](Options) { return reinforce(); }, true},
      {"reinforce-mean", true, false, all, [](Options) { return reinforce_mean(); }, true},
      {"reinforce-net", true, false, all,
       [](Options o) {
         CHECK_ARG(o.inputs > 0, "rule 'reinforce-net' needs the number of inputs of its baseline");
         return reinforce_net(control_network(o.inputs, o.seed));
       },
       true},
      {"leave-one-out", true, false, all,
       [](Options o) { return o.samples > 0 ? leave_one_out(o.samples) : leave_one_out(); }, true},
      {"muprop", true, false, all, [](Options) { return muprop(); }, true},
      {"arm", true, false, bits, [](Options) { return arm(); }},
      {"disarm", true, false, bits, [](Options) { return disarm(); }},
      {"rebar", true, false, all,
       [](Options o) {
         return rebar({.temperature = o.temperature, .tune = o.tune, .tune_every = o.tune_every});
       },
       true},
      {"relax", true, false, all,
       [](Options o) {
         CHECK_ARG(o.latents > 0, "rule 'relax' needs the number of latents for its network");
         return relax(control_network(o.latents, o.seed), {.temperature = o.temperature});
       },
       true},
      {"measure-valued", true, false, counts, [](Options) { return measure_valued(); }},
  };
  return rules;
}

bool RuleInfo::fits(const std::string& law) const {
  return any_law || std::count(laws.begin(), laws.end(), law) > 0;
}

std::vector<std::string> rule_names(const std::string& law) {
  std::vector<std::string> names;
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.fits(law)) names.push_back(rule.name);
  }
  return names;
}

const RuleInfo& rule_info(const std::string& name) {
  std::string known;
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.name == name) return rule;
    known += (known.empty() ? "" : ", ") + rule.name;
  }
  throw std::invalid_argument("rule '" + name + "' is not one of " + known);
}

Rule make_rule(const std::string& name, const RuleOptions& options) {
  const RuleInfo& rule = rule_info(name);
  CHECK_ARG(options.samples >= 0, "rule '", name, "': samples must not be negative, got ",
            options.samples);
  return rule.make(options);
}

}  // namespace stflow
