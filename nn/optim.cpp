// optim.cpp - which numbers go into the update loops of tensor/kernels/optim_kernels.h.
#include "stflow/nn/optim.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "stflow/tensor/kernels/optim_kernels.h"
#include "stflow/tensor/math.h"

namespace stflow::optim {

Optimizer::Optimizer(const std::string& name, Vars parameters)
    : parameters_(std::move(parameters)), state_(parameters_.size()) {
  CHECK_ARG(!parameters_.empty(), "[", name, "] the list of parameters is empty");
  std::set<const Node*> seen;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Var& p = parameters_[i];
    CHECK_ARG(p.defined() && p.requires_grad() && p.inputs().empty(), "[", name, "] entry ", i,
              " is not a parameter but ", p.defined() ? p.op() : "empty");
    CHECK_ARG(seen.insert(p.node()).second, "[", name, "] entry ", i, ", of shape ", p.shape(),
              ", is in the list twice");
  }
}

void Optimizer::zero_grad() {
  for (Var& parameter : parameters_) parameter.zero_grad();
}

NamedTensors Optimizer::state_dict() const {
  NamedTensors all;
  for (size_t i = 0; i < state_.size(); ++i) {
    for (const auto& [name, tensor] : state_[i])
      all[concat_message(i, ".", name)] = nn::turned(parameters_[i], tensor);
  }
  return all;
}

namespace {

/// Throws where Adam's state is none that training leaves: a step of NaN, or a square below 0.
void check_numbers(const std::string& name, const Tensor& tensor, const std::string& source) {
  const bool counts = name.ends_with(".step");
  if (!counts && !name.ends_with(".exp_avg_sq")) return;
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const real number = tensor[i];
    if (counts ? number >= 0 && std::trunc(number) == number : !(number < 0)) continue;
    throw std::runtime_error(concat_message(
        source, " does not fit this optimizer: ", name, " is ", number, " at position ", i,
        ", expected ", counts ? "a whole number" : "a square", ", at least 0"));
  }
}

}  // namespace

void Optimizer::load_state_dict(const NamedTensors& state, const std::string& source) {
  nn::check_fits(state, state_dict(), source, "this optimizer");
  for (const auto& [name, tensor] : state) check_numbers(name, tensor, source);
  for (size_t i = 0; i < state_.size(); ++i) {
    for (auto& [name, tensor] : state_[i])
      tensor = nn::turned(parameters_[i], state.at(concat_message(i, ".", name)));
  }
}

namespace {

void check_sgd(const SGDOptions& o) {
  CHECK_ARG(o.lr >= 0, "[SGD] lr must be at least 0, got ", o.lr);
  CHECK_ARG(o.momentum >= 0, "[SGD] momentum must be at least 0, got ", o.momentum);
  CHECK_ARG(o.weight_decay >= 0, "[SGD] weight_decay must be at least 0, got ", o.weight_decay);
  CHECK_ARG(std::isfinite(o.lr + o.momentum + o.weight_decay),
            "[SGD] lr, momentum and weight_decay must be finite, got ", o.lr, ", ", o.momentum,
            " and ", o.weight_decay);
  CHECK_ARG(!o.nesterov || o.momentum > 0, "[SGD] nesterov needs momentum above 0, got ",
            o.momentum);
}

void check_adam(const char* name, const AdamWOptions& o) {
  CHECK_ARG(o.lr >= 0, "[", name, "] lr must be at least 0, got ", o.lr);
  CHECK_ARG(o.beta1 >= 0 && o.beta1 < 1, "[", name, "] beta1 must be in [0, 1), got ", o.beta1);
  CHECK_ARG(o.beta2 >= 0 && o.beta2 < 1, "[", name, "] beta2 must be in [0, 1), got ", o.beta2);
  CHECK_ARG(o.eps >= 0, "[", name, "] eps must be at least 0, got ", o.eps);
  CHECK_ARG(o.weight_decay >= 0, "[", name, "] weight_decay must be at least 0, got ",
            o.weight_decay);
  CHECK_ARG(std::isfinite(o.lr + o.eps + o.weight_decay), "[", name,
            "] lr, eps and weight_decay must be finite, got ", o.lr, ", ", o.eps, " and ",
            o.weight_decay);
}

AdamWOptions without_decay(const AdamOptions& o) { return {o.lr, o.beta1, o.beta2, o.eps, 0}; }

void add_adam_state(const Vars& parameters, std::vector<NamedTensors>& state) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    state[i] = {{"exp_avg", Tensor::zeros(parameters[i].shape())},
                {"exp_avg_sq", Tensor::zeros(parameters[i].shape())},
                {"step", Tensor::zeros({})}};
  }
}

// Steps are counted for each parameter, because one without a gradient is skipped.
void adam_step(Vars& parameters, std::vector<NamedTensors>& state, const AdamWOptions& o) {
  std::vector<AdamUpdate> updates;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].grad().defined()) continue;
    Tensor& step = state[i].at("step");
    fill_(step, step.item() + 1);
    const double t = step.item();
    updates.push_back({.value = &parameters[i].mutable_value(),
                       .mean = &state[i].at("exp_avg"),
                       .square = &state[i].at("exp_avg_sq"),
                       .grad = &parameters[i].grad(),
                       .beta1 = o.beta1,
                       .beta2 = o.beta2,
                       .eps = o.eps,
                       .rate = o.lr / (1 - std::pow(o.beta1, t)),
                       .scale = std::sqrt(1 - std::pow(o.beta2, t)),
                       .decay = o.lr * o.weight_decay});
  }
  adam_update_(updates);
}

}  // namespace

SGD::SGD(Vars parameters, SGDOptions initial)
    : Optimizer("SGD", std::move(parameters)), options(initial) {
  check_sgd(options);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state_[i] = {{"momentum_buffer", Tensor::zeros(parameters_[i].shape())}};
  }
}

void SGD::step() {
  check_sgd(options);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].grad().defined()) continue;
    sgd_update_(parameters_[i].mutable_value(), state_[i].at("momentum_buffer"),
                parameters_[i].grad(),
                {options.lr, options.momentum, options.weight_decay, options.nesterov});
  }
}

Adam::Adam(Vars parameters, AdamOptions initial)
    : Optimizer("Adam", std::move(parameters)), options(initial) {
  check_adam("Adam", without_decay(options));
  add_adam_state(parameters_, state_);
}

void Adam::step() {
  check_adam("Adam", without_decay(options));
  adam_step(parameters_, state_, without_decay(options));
}

AdamW::AdamW(Vars parameters, AdamWOptions initial)
    : Optimizer("AdamW", std::move(parameters)), options(initial) {
  check_adam("AdamW", options);
  add_adam_state(parameters_, state_);
}

void AdamW::step() {
  check_adam("AdamW", options);
  adam_step(parameters_, state_, options);
}

double clip_grad_norm(const Vars& parameters, double max_norm) {
  CHECK_ARG(max_norm >= 0, "[clip_grad_norm] max_norm must be at least 0, got ", max_norm);
  for (const Var& parameter : parameters) parameter.value("clip_grad_norm");
  const auto for_each = [&](const auto& visit) {
    for (const Var& parameter : parameters) {
      const Tensor& grad = parameter.grad();
      for (int64_t i = 0; grad.defined() && i < grad.numel(); ++i) visit(double{grad[i]});
    }
  };
  // In units of the largest, whose square may be beyond the range of numbers.
  double largest = 0, squares = 0;
  for_each([&](double number) { largest = std::max(largest, std::abs(number)); });
  const double unit = largest > 0 && std::isfinite(largest) ? largest : 1;
  for_each([&](double number) { squares += number / unit * (number / unit); });
  const double norm = unit * std::sqrt(squares), coefficient = max_norm / (norm + 1e-6);
  if (coefficient < 1 && std::isfinite(norm)) {
    for (Var parameter : parameters) {
      if (parameter.grad().defined()) parameter.set_grad(parameter.grad() * coefficient);
    }
  }
  return norm;
}

}  // namespace stflow::optim
