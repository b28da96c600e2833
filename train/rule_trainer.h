// rule_trainer.h - the choice of a gradient rule on the command line, the same in every program.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "stflow/estimators/registry.h"
#include "stflow/nn/optim.h"
#include "stflow/train/checkpoint.h"
#include "stflow/train/console/options.h"

namespace stflow {

struct RuleChoice {
  std::string name = "st";  // --rule
  RuleOptions options;      // --on-logit --bandwidth --epsilon --samples --tune-every
  double temperature = GumbelOptions().temperature;  // --temperature
  std::string rule_option;                           // --rule-option: these come last
};

/// The rules for layers of any size of this distribution: all but enumeration.
std::vector<std::string> scalable_rules(const std::string& distribution);

/// Adds --rule-option, which sets options of these rules by name. --help lists them all, with the
/// values that they have in `defaults`.
void add_rule_option(Options& options, std::string& assignments,
                     const std::vector<std::string>& rules, const RuleOptions& defaults);

/// Sets what --rule-option says for those of the rules that have such an option. Throws UsageError
/// where none has.
void set_rule_options(RuleOptions& options, const std::string& assignments,
                      const std::vector<std::string>& rules);

/// Adds the options. The rules offered are scalable_rules(distribution).
void add_rule_options(Options& options, RuleChoice& choice, const std::string& distribution);

/// One rule for each layer, given the widths (inputs, ..., units) of the network that leads to it.
/// Throws UsageError where --rule-option names no option of the rule.
std::vector<Rule> make_rules(const RuleChoice& choice,
                             const std::vector<std::vector<int64_t>>& layers);

/// Trains the parameters that rules have of their own; most have none. It and they are parts
/// "rules" and "rule_adam" of a run's state.
class RuleTrainer {
 public:
  /// Adam for each rule, with Rule::learning_rate_scale times the model's learning rate.
  RuleTrainer(const std::vector<Rule>& rules, double model_lr);
  /// One step along the gradients that backward() left; sets them back to zero.
  void step();
  void add_to(TrainingState& state);
  /// What the rules report, such as {eta, temperature}, and with several layers {eta_1,
  /// temperature_1, eta_2, ...}; empty for rules that report nothing.
  Record log() const;

 private:
  std::string suffix(size_t layer) const;

  std::vector<Rule> rules_;
  std::deque<optim::Adam> adams_;  // of the rules that have parameters
};

}  // namespace stflow
