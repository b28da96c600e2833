// loss.cpp - see loss.h. Shapes must be equal: broadcasting [B] against [B,1] hides a mistake.
#include "stflow/nn/loss.h"

namespace stflow::nn {
namespace {

void check_same_shape(const char* function, const Var& prediction, const Var& target) {
  CHECK_ARG(prediction.shape(function) == target.shape(function) && prediction.rank() >= 1, "[",
            function, "] expected two equal shapes [...,D], got prediction ", prediction.shape(),
            " and target ", target.shape());
  reduced_count(prediction.shape(), {-1}, function);
}

}  // namespace

Var mse_loss(const Var& prediction, const Var& target) {
  check_same_shape("mse_loss", prediction, target);
  return mean(square(prediction - target), {-1});
}

Var bce_with_logits(const Var& logits, const Var& target) {
  check_same_shape("bce_with_logits", logits, target);
  return bernoulli_log_prob(logits, target) / static_cast<double>(-logits.dim(-1));
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  CHECK_ARG(logits.rank() == 2 && labels.shape() == Shape{logits.dim(0)},
            "[accuracy] expected logits [B,K] and labels [B], got ", logits.shape(), " and ",
            labels.shape());
  reduced_count(labels.shape(), {}, "accuracy");
  one_hot(labels, logits.dim(1));  // throws where a label is no class
  const double right = sum(equal(argmax(logits), labels)).item();
  return right / static_cast<double>(labels.numel());
}

}  // namespace stflow::nn
