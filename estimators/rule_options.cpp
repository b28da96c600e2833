// rule_options.cpp - every option of every rule by name, as text: what --rule-option takes.
#include <algorithm>
#include <charconv>

#include "stflow/estimators/registry.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

template <typename Number>
bool read(Number& value, const std::string& text) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end;
}

bool read(bool& value, const std::string& text) {
  value = text == "true";
  return value || text == "false";
}

bool read(Kernel& value, const std::string& text) {
  value = text == "linear" ? Kernel::linear : Kernel::rbf;
  return text == "linear" || text == "rbf";
}

bool read(std::optional<double>& value, const std::string& text) {
  value.reset();
  return text == "median" || read(value.emplace(), text);
}

std::string text_of(double value) { return concat_message(value); }
std::string text_of(int64_t value) { return concat_message(value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(Kernel value) { return value == Kernel::linear ? "linear" : "rbf"; }
std::string text_of(const std::optional<double>& value) {
  return value ? text_of(*value) : "median";
}

/// `field` gives a reference to the option's variable in a RuleOptions.
template <typename Field>
RuleOption option(const std::vector<std::string>& rules, const std::string& name, Field field) {
  const auto get = [field](RuleOptions options) { return text_of(field(options)); };
  const auto set = [field](RuleOptions& options, const std::string& text) {
    return read(field(options), text);
  };
  return {rules, name, get, set};
}

std::vector<std::string> rules_with_samples() {
  std::vector<std::string> names{"leave-one-out"};
  for (const RuleInfo& rule : rule_registry()) {
    if (rule.local) names.push_back(rule.name);
  }
  return names;
}

}  // namespace

const std::vector<RuleOption>& rule_option_registry() {
  using Options = RuleOptions&;
  static const std::vector<std::string> mmd{"mmd"}, relaxed{"rebar", "relax"};
  static const std::vector<std::string> gumbel{"gumbel-softmax", "st-gumbel-softmax", "gumbel-rao"};
  static const std::vector<RuleOption> all{
      option(
          rules_with_samples(), "samples", [](Options o) -> auto& { return o.samples; }),
      option(
          {"st"}, "on_param", [](Options o) -> auto& { return o.st.on_param; }),
      option(
          mmd, "kernel", [](Options o) -> auto& { return o.mmd.kernel; }),
      option(
          mmd, "bandwidth", [](Options o) -> auto& { return o.mmd.bandwidth; }),
      option(
          mmd, "epsilon", [](Options o) -> auto& { return o.mmd.epsilon; }),
      option(
          mmd, "control_variate", [](Options o) -> auto& { return o.mmd.control_variate; }),
      option(
          mmd, "st_scale", [](Options o) -> auto& { return o.mmd.st_scale; }),
      option(
          mmd, "divide_by_mean_weight",
          [](Options o) -> auto& { return o.mmd.divide_by_mean_weight; }),
      option(
          mmd, "loss_scale", [](Options o) -> auto& { return o.mmd.loss_scale; }),
      option(
          {"reinmax"}, "temperature", [](Options o) -> auto& { return o.reinmax.temperature; }),
      option(
          gumbel, "temperature", [](Options o) -> auto& { return o.gumbel.temperature; }),
      option(
          {"gumbel-rao"}, "draws", [](Options o) -> auto& { return o.gumbel.draws; }),
      option(
          {"reinforce-mean"}, "decay", [](Options o) -> auto& { return o.reinforce_mean.decay; }),
      option(
          relaxed, "temperature", [](Options o) -> auto& { return o.rebar.temperature; }),
      option(
          relaxed, "eta", [](Options o) -> auto& { return o.rebar.eta; }),
      option(
          {"rebar"}, "tune", [](Options o) -> auto& { return o.rebar.tune; }),
      option(
          {"rebar"}, "tune_every", [](Options o) -> auto& { return o.rebar.tune_every; }),
  };
  return all;
}

void set_rule_option(RuleOptions& options, const std::string& rule, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string name = assignment.substr(0, equals);
  std::vector<std::string> known;
  for (const RuleOption& each : rule_option_registry()) {
    if (std::ranges::count(each.rules, rule) == 0) continue;
    known.push_back(each.name);
    if (each.name != name || equals == std::string::npos) continue;
    const std::string text = assignment.substr(equals + 1);
    CHECK_ARG(each.set(options, text), "rule '", rule, "': option ", name, " got '", text,
              "'; its default is ", each.get({}));
    return;
  }
  throw std::invalid_argument("rule '" + rule + "': '" + assignment +
                              "' is not name=value of an option; " +
                              (known.empty() ? "it has none" : "it has " + joined(known, ", ")));
}

}  // namespace stflow
