#include "stflow/train/rule_trainer.h"

#include <algorithm>
#include <sstream>

#include "stflow/tensor/text.h"
#include "stflow/train/console/program.h"

namespace stflow {
namespace {

std::vector<std::string> common(std::vector<std::string> names,
                                const std::vector<std::string>& others) {
  std::erase_if(names, [&](const std::string& name) { return !std::ranges::count(others, name); });
  return names;
}

}  // namespace

std::vector<std::string> scalable_rules(const std::string& distribution) {
  std::vector<std::string> names = rule_names(distribution);
  std::erase_if(names, [](const std::string& name) {
    return make_rule(name, {.inputs = 1, .latents = 1}).enumerates;
  });
  return names;
}

void add_rule_option(Options& options, std::string& assignments,
                     const std::vector<std::string>& rules, const RuleOptions& defaults) {
  std::vector<std::string> listed;
  for (const RuleOption& each : rule_option_registry()) {
    const std::vector<std::string> takers = common(each.rules, rules);
    if (takers.empty()) continue;
    listed.push_back(joined(takers, ", ") + ": " + each.name + "=" + each.get(defaults));
  }
  options.add("--rule-option", assignments,
              "options of the rule by name, with commas between (samples=0: 4 for leave-one-out, "
              "else 1); of " +
                  joined(listed, "; "),
              "NAME=VALUE");
}

void set_rule_options(RuleOptions& options, const std::string& assignments,
                      const std::vector<std::string>& rules) {
  std::istringstream words(assignments);
  for (std::string word; std::getline(words, word, ',');) {
    const std::string name = word.substr(0, word.find('='));
    std::vector<std::string> takers, known;
    for (const RuleOption& each : rule_option_registry()) {
      const std::vector<std::string> found = common(each.rules, rules);
      if (!found.empty()) known.push_back(each.name);
      if (each.name == name) takers.insert(takers.end(), found.begin(), found.end());
    }
    if (takers.empty()) {
      throw UsageError(concat_message(
          "--rule-option: '", word, "' is not name=value of an option of ", joined(rules, ", "),
          "; there ", known.empty() ? "is none" : "are " + joined(known, ", "),
          did_you_mean(name, known)));
    }
    try {
      for (const std::string& rule : takers) set_rule_option(options, rule, word);
    } catch (const std::invalid_argument& error) {
      throw UsageError(std::string("--rule-option: ") + error.what());
    }
  }
}

void add_rule_options(Options& options, RuleChoice& choice, const std::string& distribution) {
  RuleOptions& o = choice.options;
  const std::vector<std::string> rules = scalable_rules(distribution);
  options.choice("--rule", choice.name, rules, "gradient rule of the sampling nodes");
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
  add_rule_option(options, choice.rule_option, rules, o);
  // --temperature sets these two fields, so it belongs to the rules that read one of them.
  RuleOptions warm;
  warm.gumbel.temperature = warm.rebar.temperature = 7;
  std::vector<std::string> with_samples, with_temperature;
  for (const RuleOption& each : rule_option_registry()) {
    if (each.name == "samples") with_samples = each.rules;
    if (each.name != "temperature" || each.get(warm) != "7") continue;
    with_temperature.insert(with_temperature.end(), each.rules.begin(), each.rules.end());
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
    set_rule_options(options, choice.rule_option, {choice.name});
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
