#include "stflow/train/rule_trainer.h"

#include <sstream>

#include "stflow/train/console/program.h"
#include "stflow/tensor/text.h"

namespace stflow {

std::vector<std::string> scalable_rules(const std::string& distribution) {
  std::vector<std::string> names = rule_names(distribution);
  std::erase(names, "exact");
  return names;
}

void add_rule_options(Options& options, RuleChoice& choice, const std::string& distribution) {
  RuleOptions& o = choice.options;
  options.choice("--rule", choice.name, scalable_rules(distribution),
                 "gradient rule of the sampling nodes");
  options.flag("--on-logit", o.st.on_param,
               "rule st hands the gradient to the logit as it is, not through the probability");
  options.add("--bandwidth", *o.mmd.bandwidth, "of rule mmd's kernel", of_scale());
  options.add("--epsilon", o.mmd.epsilon, "step of rule mmd's flow", of_scale());
  options.add("--samples", o.samples, "draws at each sampling node; 0: 4 for leave-one-out, else 1",
              between(0, 1e4));
  options.add("--temperature", choice.temperature,
              "of relaxed samples; where rebar and relax start", of_scale());
  options.add("--tune-every", o.rebar.tune_every,
              "rebar trains eta and temperature in one step of so many", between(1, kMostSteps));
  std::string listed;
  for (const RuleOption& each : rule_option_registry()) {
    listed += (listed.empty() ? "" : "; ") + joined(each.rules, ", ") + ": " + each.name + "=" +
              each.initial;
  }
  options.add("--rule-option", choice.rule_option,
              "options of the rule by name, with commas between; of " + listed, "NAME=VALUE");
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
    options.gumbel.temperature = options.rebar.temperature = choice.temperature;
    std::istringstream assignments(choice.rule_option);
    for (std::string each; std::getline(assignments, each, ',');) {
      try {
        set_rule_option(options, choice.name, each);
      } catch (const std::invalid_argument& error) {
        throw UsageError(std::string("--rule-option: ") + error.what());
      }
    }
    options.inputs = widths.front();
    options.latents = widths.back();
    options.seed += rules.size();
    rules.push_back(make_rule(choice.name, options));
  }
  return rules;
}

RuleTrainer::RuleTrainer(const std::vector<Rule>& rules, double model_lr) : rules_(rules) {
  for (const Rule& rule : rules) {
    if (rule.parameters.empty()) continue;
    adams_.emplace_back(rule.trained(),
                        optim::AdamOptions{.lr = model_lr * rule.learning_rate_scale});
  }
}

void RuleTrainer::step() {
  for (optim::Adam& adam : adams_) {
    adam.step();
    adam.zero_grad();
  }
}

std::string RuleTrainer::suffix(size_t layer) const {
  return rules_.size() > 1 ? "_" + std::to_string(layer + 1) : "";
}

void RuleTrainer::add_to(TrainingState& state) {
  state.add("rules", rules_);
  for (size_t i = 0; i < adams_.size(); ++i) state.add("rule_adam" + suffix(i), adams_[i]);
}

Record RuleTrainer::log() const {
  Record record;
  for (size_t layer = 0; layer < rules_.size(); ++layer) {
    if (!rules_[layer].report) continue;
    for (const auto& [name, value] : rules_[layer].report()) {
      record.push_back({name + suffix(layer), value});
    }
  }
  return record;
}

}  // namespace stflow
