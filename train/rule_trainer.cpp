#include "stflow/train/rule_trainer.h"

#include <cmath>

namespace stflow {

std::vector<std::string> scalable_rules(const std::string& law) {
  std::vector<std::string> names = rule_names(law);
  std::erase(names, "exact");
  return names;
}

void add_rule_options(Options& options, RuleChoice& choice, const std::string& law) {
  RuleOptions& o = choice.options;
  options.choice("--rule", choice.name, scalable_rules(law), "gradient rule of the sampling nodes");
  options.flag("--on-logit", o.st.on_param,
               "rule st hands the gradient to the logit as it is, not through the probability");
  options.add("--bandwidth", *o.mmd.bandwidth, "of rule mmd's kernel", of_scale());
  options.add("--epsilon", o.mmd.epsilon, "step of rule mmd's flow", of_scale());
  options.add("--samples", o.samples, "draws at each sampling node; 0: 4 for leave-one-out, else 1",
              between(0, 1e4));
  options.add("--temperature", o.temperature, "of relaxed samples; where rebar and relax start",
              of_scale());
  options.add("--tune-every", o.tune_every,
              "rebar trains eta and temperature in one step of so many", between(1, kMostSteps));
  std::vector<std::string> with_samples{"leave-one-out"}, with_temperature{"rebar", "relax"};
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.local) with_samples.push_back(rule.name);
    if (rule.name.find("gumbel") != std::string::npos) with_temperature.push_back(rule.name);
  }
  options.only_with("--rule", {"st"}, {"--on-logit"});
  options.only_with("--rule", {"mmd"}, {"--bandwidth", "--epsilon"});
  options.only_with("--rule", with_samples, {"--samples"});
  options.only_with("--rule", with_temperature, {"--temperature"});
  options.only_with("--rule", {"rebar"}, {"--tune-every"});
}

std::vector<Rule> make_rules(const RuleChoice& choice,
                             const std::vector<std::vector<int64_t>>& layers) {
  std::vector<Rule> rules;
  for (const std::vector<int64_t>& widths : layers) {
    RuleOptions options = choice.options;
    options.inputs = widths.front();
    options.latents = widths.back();
    options.seed += rules.size();
    rules.push_back(make_rule(choice.name, options));
  }
  return rules;
}

bool has_relaxed_control_variate(const Rule& rule) {
  return rule.name == "rebar" || rule.name == "relax";
}

RuleTrainer::RuleTrainer(const std::vector<Rule>& rules, double model_lr, int64_t tune_every)
    : rules_(rules) {
  Vars parameters;
  for (const Rule& rule : rules) {
    parameters.insert(parameters.end(), rule.parameters.begin(), rule.parameters.end());
  }
  if (parameters.empty()) return;
  const double factor = rules[0].name == "relax"   ? 0.1
                        : rules[0].name == "rebar" ? 10 * static_cast<double>(tune_every)
                                                   : 10;
  adam_.emplace(parameters, optim::AdamOptions{.lr = model_lr * factor});
}

void RuleTrainer::step() {
  if (!adam_) return;
  adam_->step();
  adam_->zero_grad();
}

void RuleTrainer::add_to(TrainingState& state) {
  state.add("rules", rules_);
  if (adam_) state.add("rule_adam", *adam_);
}

Record RuleTrainer::log() const {
  Record record;
  for (size_t layer = 0; layer < rules_.size(); ++layer) {
    if (!has_relaxed_control_variate(rules_[layer])) continue;
    const Vars& trained = rules_[layer].parameters;  // ..., eta, log temperature
    const std::string suffix = rules_.size() > 1 ? "_" + std::to_string(layer + 1) : "";
    record.push_back({"eta" + suffix, trained.at(trained.size() - 2).item()});
    record.push_back({"temperature" + suffix, std::exp(trained.back().item())});
  }
  return record;
}

}  // namespace stflow
