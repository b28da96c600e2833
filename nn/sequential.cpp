// sequential.cpp - see sequential.h.
#include "stflow/nn/sequential.h"

#include <utility>

#include "stflow/nn/linear.h"

namespace stflow::nn {

Sequential::Sequential(std::initializer_list<std::shared_ptr<Module>> modules) {
  for (const auto& module : modules) push_back(module);
}

void Sequential::push_back(std::shared_ptr<Module> module) {
  CHECK_ARG(module != nullptr, "[Sequential] element ", modules_.size(), " is a null pointer");
  register_module(std::to_string(modules_.size()), *module);
  modules_.push_back(std::move(module));
}

Module& Sequential::operator[](size_t i) {
  CHECK_ARG(i < size(), "[Sequential] there is no element ", i, ", but ", size(), " elements");
  return *modules_[i];
}

Var Sequential::forward(const Var& x) {
  Var y = x;
  for (const auto& module : modules_) y = module->forward(y);
  return y;
}

MLP::MLP(const std::vector<int64_t>& sizes, Rng& rng, const std::shared_ptr<Module>& activation) {
  CHECK_ARG(sizes.size() >= 2, "[MLP] expected at least an input and an output size, got ",
            sizes.size(), " sizes");
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) push_back(activation);
    push_back(std::make_shared<Linear>(sizes[i], sizes[i + 1], rng));
  }
}

}  // namespace stflow::nn
