// module.h - the base of everything with parameters: it knows their names.
//
// A model is a struct that derives from Module, has its layers as members and registers them in its
// constructor; from then on parameters(), train(), state_dict() reach all of them. Names are dotted
// paths, "encoder.0.weight", the same as PyTorch's. A module stays where it was built: it is
// neither copied nor moved. Layers: linear.h, activations.h, sequential.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "stflow/autodiff/var.h"
#include "stflow/nn/named_tensors.h"

namespace stflow::nn {

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// What the module computes from one input. Throws unless overridden: a model of another form
  /// (two inputs, several outputs) offers methods of its own instead.
  virtual Var forward(const Var& x);
  Var operator()(const Var& x) { return forward(x); }

  /// Parameters of this module, then of its children, in the order of registration. A parameter
  /// that is reached twice is listed once, under its first name.
  std::vector<std::pair<std::string, Var>> named_parameters() const;
  Vars parameters() const;
  void zero_grad();

  /// Sets training mode (dropout acts) or evaluation mode, here and in all children.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }

  /// A copy of every parameter, by name, as files hold them: weights of linear layers [out,in].
  NamedTensors state_dict() const;
  /// Copies `state` into the parameters, all or nothing. Throws std::runtime_error "<source> does
  /// not fit this model:" with every missing, unexpected and wrong-shape name; `source` is a file
  /// name.
  void load_state_dict(const NamedTensors& state, const std::string& source = "state_dict");

  /// The dotted name this module was registered under, "" for the outermost.
  const std::string& path() const { return path_; }

 protected:
  /// Makes `value` a parameter of this module. Names are unique within a module and have no dot.
  Var register_parameter(const std::string& name, const Tensor& value,
                         Stored stored = Stored::as_it_is);
  /// The child is not owned: it is a member of the derived struct, or held by it. Throws when it is
  /// this module or contains it.
  void register_module(const std::string& name, Module& child);
  /// "Linear 'encoder.0'", or "Linear" when it has no name: how error messages begin.
  std::string describe(const std::string& type) const;

 private:
  void check_name(const char* function, const std::string& name) const;
  void set_path(const std::string& path);
  bool contains(const Module& module) const;  // itself, or at any depth
  void collect(const std::string& prefix, std::vector<std::pair<std::string, Var>>& found) const;

  std::vector<std::pair<std::string, Var>> parameters_;
  std::vector<std::pair<std::string, Module*>> children_;
  std::string path_;
  bool training_ = true;
};

}  // namespace stflow::nn
