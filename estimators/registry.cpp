#include "stflow/estimators/registry.h"

#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/binomial.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/geometric.h"
#include "stflow/estimators/distributions/negative_binomial.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/rules/control_variate.h"
#include "stflow/tensor/text.h"

namespace stflow {

const std::vector<RuleInfo>& rule_registry() {
  using Options = const RuleOptions&;
  const auto local = [](const LocalRule& rule, Options o) {
    return from_local(rule, o.samples > 0 ? o.samples : 1);
  };
  static const std::vector<RuleInfo> rules{
      // name, unbiased, local, factory
      {"st", false, true, [=](Options o) { return local(st(o.st), o); }},
      {"mmd", false, true, [=](Options o) { return local(mmd(o.mmd), o); }},
      {"reinmax", false, true, [=](Options o) { return local(reinmax(o.reinmax.temperature), o); }},
      {"fini2", false, true, [=](Options o) { return local(fini2(), o); }},
      {"gumbel-softmax", false, true,
       [=](Options o) { return local(gumbel_softmax(o.gumbel.temperature), o); }},
      {"st-gumbel-softmax", false, true,
       [=](Options o) { return local(st_gumbel_softmax(o.gumbel.temperature), o); }},
      {"gumbel-rao", false, true,
       [=](Options o) { return local(gumbel_rao(o.gumbel.temperature, o.gumbel.draws), o); }},
      {"none", false, true, [=](Options o) { return local(none(), o); }},
      {"exact", true, false, [](Options) { return exact(); }},
      {"reinforce", true, false, [](Options) { return reinforce(); }},
      {"reinforce-mean", true, false,
       [](Options o) { return reinforce_mean(o.reinforce_mean.decay); }},
      {"reinforce-net", true, false,
       [](Options o) {
         CHECK_ARG(o.inputs > 0, "rule 'reinforce-net' needs the number of inputs of its baseline");
         return reinforce_net(control_network(o.inputs, o.seed));
       }},
      {"leave-one-out", true, false,
       [](Options o) { return o.samples > 0 ? leave_one_out(o.samples) : leave_one_out(); }},
      {"muprop", true, false, [](Options) { return muprop(); }},
      {"arm", true, false, [](Options) { return arm(); }},
      {"disarm", true, false, [](Options) { return disarm(); }},
      {"rebar", true, false, [](Options o) { return rebar(o.rebar); }},
      {"relax", true, false,
       [](Options o) {
         CHECK_ARG(o.latents > 0, "rule 'relax' needs the number of latents for its network");
         return relax(control_network(o.latents, o.seed), o.rebar);
       }},
      {"measure-valued", true, false, [](Options) { return measure_valued(); }},
  };
  return rules;
}

std::string RuleInfo::refusal(const Distribution& q) const {
  return make({.inputs = 1, .latents = 1}).takes.refusal(name, q);
}

const std::vector<DistributionInfo>& distribution_registry() {
  const auto row = [](real a, real b) { return Tensor::from({a, b}, {1, 2}); };
  static const std::vector<DistributionInfo> distributions{
      {"bernoulli", row(real(.4), -1), [](const Var& a) { return std::make_unique<Bernoulli>(a); }},
      {"categorical", concat(std::vector{row(real(.4), -1), row(1, real(.2)), row(-1, 0)}, 1),
       [](const Var& a) { return std::make_unique<Categorical>(a, 3); }},
      {"poisson", row(real(.7), 3), [](const Var& a) { return std::make_unique<Poisson>(a); }},
      {"geometric", row(real(.4), 1), [](const Var& a) { return std::make_unique<Geometric>(a); }},
      {"binomial", row(real(.4), -1),
       [](const Var& a) { return std::make_unique<Binomial>(5, a); }},
      {"negative_binomial", row(real(.4), 1),
       [](const Var& a) { return std::make_unique<NegativeBinomial>(2.5, a); }},
  };
  return distributions;
}

std::vector<std::string> rule_names(const Distribution& q) {
  std::vector<std::string> names;
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.refusal(q).empty()) names.push_back(rule.name);
  }
  return names;
}

std::vector<std::string> rule_names(const std::string& distribution) {
  const auto& info = find_named("distribution", distribution_registry(), distribution);
  return rule_names(*info.make(info.example));
}

const RuleInfo& rule_info(const std::string& name) {
  return find_named("rule", rule_registry(), name);
}

Rule make_rule(const std::string& name, const RuleOptions& options) {
  const RuleInfo& rule = rule_info(name);
  CHECK_ARG(options.samples >= 0, "rule '", name, "': samples must not be negative, got ",
            options.samples);
  return rule.make(options);
}

}  // namespace stflow
