// loss.h - losses, one number per example: mean(loss(...)) over the batch is PyTorch's value.
//
// They never average over examples, because estimators weigh each example's loss by itself: a batch
// of 0 examples gives 0 losses, and only the mean over none throws. For the log-likelihoods of
// generative models, which are summed over features, see ops.h.
#pragma once

#include "stflow/autodiff/ops.h"

namespace stflow::nn {

/// -log_softmax(logits)[label]: [...,K] and labels [...] -> [...]
using stflow::cross_entropy;
/// Mean over the features of an example of (prediction - target)^2: [...,D], [...,D] -> [...]
Var mse_loss(const Var& prediction, const Var& target);
/// Mean over the features of the binary cross entropy of sigmoid(logits): [...,D], [...,D] -> [...]
Var bce_with_logits(const Var& logits, const Var& target);

/// Share of examples whose largest logit is at the label: [B,K], [B] -> number in [0, 1]. Throws
/// unless labels are whole numbers in [0, K).
double accuracy(const Tensor& logits, const Tensor& labels);

}  // namespace stflow::nn
