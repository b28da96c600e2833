// gradient_moments.cpp - the noise of a gradient too large to enumerate: the same loss, drawn and
// differentiated again and again.
#include <algorithm>

#include "stflow/autodiff/grad.h"
#include "stflow/estimators/lab/diagnostics.h"
#include "stflow/tensor/math.h"

namespace stflow {
namespace {

/// Keeps what rules change when they are used: running values can be put back between draws, which
/// would else get used to the batch; .grad is put back at the end.
class RuleKeeper {
 public:
  explicit RuleKeeper(const std::vector<Rule>& rules) {
    for (const Rule& rule : rules) {
      for (const auto& [name, buffer] : rule.buffers)
        buffers_.push_back({buffer, buffer.value().clone()});
      for (const Var& parameter : rule.trained()) {
        const Tensor& grad = parameter.grad();
        grads_.push_back({parameter, grad.defined() ? grad.clone() : grad});
      }
    }
  }
  ~RuleKeeper() {
    restore_buffers();
    for (auto& [parameter, grad] : grads_) parameter.set_grad(grad);
  }
  void restore_buffers() {
    for (auto& [buffer, value] : buffers_) buffer.mutable_value() = value.clone();
  }
  RuleKeeper(const RuleKeeper&) = delete;
  RuleKeeper& operator=(const RuleKeeper&) = delete;

 private:
  std::vector<std::pair<Var, Tensor>> buffers_, grads_;
};

}  // namespace

std::vector<GradientMoments> gradient_moments(const std::function<Var()>& loss,
                                              const Vars& parameters,
                                              const std::vector<Rule>& rules, int64_t draws) {
  CHECK_ARG(draws >= 2 && draws <= kMostDraws,
            "[gradient_moments] a variance needs at least 2 draws, "
            "and at most ",
            kMostDraws, " are taken, got ", draws);
  CHECK_ARG(loss, "[gradient_moments] the loss is an empty function");
  RuleKeeper keeper(rules);
  std::vector<Tensor> mean, squares;  // Welford's recursion, number by number
  for (const Var& parameter : parameters) {
    mean.push_back(Tensor::zeros(parameter.shape()));
    squares.push_back(Tensor::zeros(parameter.shape()));
  }
  for (int64_t draw = 1; draw <= draws; ++draw) {
    keeper.restore_buffers();
    const Var drawn = loss();
    CHECK_ARG(drawn.defined() && drawn.value().numel() == 1,
              "[gradient_moments] the loss must be a scalar, it is ",
              drawn.defined() ? drawn.shape().str() : "an empty Var");
    const Vars gradients = grad({drawn}, parameters);
    const auto share = static_cast<real>(1 / static_cast<double>(draw));
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor off = gradients[i].value() - mean[i];
      add_scaled_(mean[i], off, share);
      add_scaled_(squares[i], square(off), 1 - share);
    }
  }
  std::vector<GradientMoments> moments;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const double variance = sum(squares[i]).item() / static_cast<double>(draws - 1);
    const double of_mean = variance / static_cast<double>(draws);  // which adds to its square
    moments.push_back({.squared_mean = std::max(0.0, sum(square(mean[i])).item() - of_mean),
                       .trace_variance = variance});
  }
  return moments;
}

}  // namespace stflow
