// optim.h - optimisers: they turn the gradients in .grad into steps of the parameters.
//
// The formulas and the names of the running averages are PyTorch's. A parameter without a gradient
// is skipped. `options` may be changed between steps (a schedule sets options.lr). state_dict()
// holds the running averages, without the options: with it and the same options a run resumes
// exactly.
#pragma once

#include <string>
#include <vector>

#include "stflow/autodiff/var.h"
#include "stflow/nn/named_tensors.h"

namespace stflow::optim {

using nn::NamedTensors;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update of every parameter that has a gradient. Throws on options out of range.
  virtual void step() = 0;
  void zero_grad();
  const Vars& parameters() const { return parameters_; }

  /// Copies of the running averages, "<index of the parameter>.<name>": "0.exp_avg", "0.step", ...
  NamedTensors state_dict() const;
  /// Throws std::runtime_error "<source> does not fit this optimizer:" and the names that do not
  /// fit, or that of a "step" or an "exp_avg_sq" below 0.
  void load_state_dict(const NamedTensors& state, const std::string& source = "state_dict");

 protected:
  /// Throws unless there are parameters, all different leaves that gradients flow into.
  Optimizer(const std::string& name, Vars parameters);

  Vars parameters_;
  /// By parameter, by name; all of it made in the constructor, for load_state_dict() takes what is
  /// there. In files a matrix lies as its parameter does (Var::stored), so that a state which is a
  /// matrix must have the parameter's shape.
  std::vector<NamedTensors> state_;
};

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;  // adds weight_decay * parameter to the gradient
  bool nesterov = false;
};

class SGD : public Optimizer {
 public:
  explicit SGD(Vars parameters, SGDOptions options = {});
  void step() override;

  SGDOptions options;
};

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

/// Kingma & Ba 2015, algorithm 1.
class Adam : public Optimizer {
 public:
  explicit Adam(Vars parameters, AdamOptions options = {});
  void step() override;

  AdamOptions options;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  // each step shrinks a parameter by the factor 1 - lr * weight_decay
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
class AdamW : public Optimizer {
 public:
  explicit AdamW(Vars parameters, AdamWOptions options = {});
  void step() override;

  AdamWOptions options;
};

/// Multiplies all gradients by max_norm / (norm + 1e-6), if that is below 1, where `norm` is their
/// joint Euclidean norm (PyTorch's formula), and returns the norm before. If that is not finite,
/// the gradients stay as they are and the caller decides what to do; PyTorch would make them 0 or
/// NaN.
double clip_grad_norm(const Vars& parameters, double max_norm);

}  // namespace stflow::optim
