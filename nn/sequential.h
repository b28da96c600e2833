// sequential.h - modules in a row, and the multilayer perceptron built from them.
//
// Elements are named "0", "1", ... as in PyTorch, so the keys of a saved model are "0.weight",
// "2.weight". Elements are shared pointers, because the row is built at run time.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "stflow/nn/activations.h"
#include "stflow/nn/module.h"
#include "stflow/tensor/rng.h"

namespace stflow::nn {

class Sequential : public Module {
 public:
  Sequential() = default;
  /// Sequential net{std::make_shared<Linear>(784, 10, rng), std::make_shared<Tanh>()}. Braces
  /// build the elements from left to right, so that the draws from `rng` have a fixed order.
  Sequential(std::initializer_list<std::shared_ptr<Module>> modules);
  void push_back(std::shared_ptr<Module> module);
  Var forward(const Var& x) override;
  size_t size() const { return modules_.size(); }
  /// Element i. Throws unless i < size().
  Module& operator[](size_t i);

 private:
  std::vector<std::shared_ptr<Module>> modules_;
};

/// Linear layers of the given sizes with `activation` between them, none after the last:
/// MLP({784, 512, 256, 10}, rng). One activation object serves all places.
class MLP : public Sequential {
 public:
  MLP(const std::vector<int64_t>& sizes, Rng& rng,
      const std::shared_ptr<Module>& activation = std::make_shared<ReLU>());
};

}  // namespace stflow::nn
