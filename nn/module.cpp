// module.cpp - registration, and the walks over the tree of modules.
#include "stflow/nn/module.h"

#include <algorithm>

namespace stflow::nn {

Var Module::forward(const Var&) {
  throw std::invalid_argument(
      describe("Module") +
      ": forward(x) is not defined; override it or call the model's own methods");
}

std::vector<std::pair<std::string, Var>> Module::named_parameters() const {
  std::vector<std::pair<std::string, Var>> found;
  collect("", found);
  return found;
}

Vars Module::parameters() const {
  Vars found;
  for (const auto& [name, parameter] : named_parameters()) found.push_back(parameter);
  return found;
}

void Module::zero_grad() {
  for (Var& parameter : parameters()) parameter.zero_grad();
}

void Module::train(bool on) {
  training_ = on;
  for (auto& [name, child] : children_) child->train(on);
}

NamedTensors Module::state_dict() const {
  NamedTensors state;
  for (const auto& [name, parameter] : named_parameters())
    state[name] = turned(parameter, parameter.value());
  return state;
}

void Module::load_state_dict(const NamedTensors& state, const std::string& source) {
  check_fits(state, state_dict(), source, "this model");
  for (auto& [name, parameter] : named_parameters()) {
    parameter.mutable_value() = turned(parameter, state.at(name));
  }
}

Var Module::register_parameter(const std::string& name, const Tensor& value, Stored stored) {
  check_name("register_parameter", name);
  CHECK_ARG(value.defined(), "[register_parameter] '", name, "' is an undefined tensor");
  parameters_.emplace_back(name, Var::parameter(value, stored));
  return parameters_.back().second;
}

void Module::register_module(const std::string& name, Module& child) {
  check_name("register_module", name);
  CHECK_ARG(&child != this, "[register_module] '", name, "' is the module itself");
  CHECK_ARG(!child.contains(*this), "[register_module] '", name, "' contains ", describe("Module"),
            ", the module it would be part of");
  children_.emplace_back(name, &child);
  child.set_path(path_.empty() ? name : path_ + "." + name);
}

std::string Module::describe(const std::string& type) const {
  return path_.empty() ? type : type + " '" + path_ + "'";
}

void Module::check_name(const char* function, const std::string& name) const {
  CHECK_ARG(!name.empty() && name.find('.') == std::string::npos, "[", function, "] name '", name,
            "': expected one or more characters and no dot");
  const auto has_name = [&](const auto& entry) { return entry.first == name; };
  CHECK_ARG(
      std::ranges::none_of(parameters_, has_name) && std::ranges::none_of(children_, has_name), "[",
      function, "] '", name, "' is already registered in ", describe("Module"));
}

void Module::set_path(const std::string& path) {
  path_ = path;
  for (auto& [name, child] : children_) child->set_path(path + "." + name);
}

bool Module::contains(const Module& module) const {
  return this == &module || std::ranges::any_of(children_, [&](const auto& entry) {
           return entry.second->contains(module);
         });
}

void Module::collect(const std::string& prefix,
                     std::vector<std::pair<std::string, Var>>& found) const {
  for (const auto& [name, parameter] : parameters_) {
    const auto is_same = [&parameter = parameter](const auto& entry) {
      return entry.second.node() == parameter.node();
    };
    if (std::ranges::none_of(found, is_same)) found.emplace_back(prefix + name, parameter);
  }
  for (const auto& [name, child] : children_) child->collect(prefix + name + ".", found);
}

}  // namespace stflow::nn
