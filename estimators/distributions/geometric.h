// geometric.h - independent counts of failures before the first success: P(z = k) = p (1-p)^k with
// p = sigmoid(logits). The negative binomial distribution with r = 1.
#pragma once

#include "stflow/estimators/distributions/negative_binomial.h"

namespace stflow {

class Geometric : public NegativeBinomial {
 public:
  /// The mean (1-p) / p may be 1e5 at most.
  explicit Geometric(const Var& logits) : NegativeBinomial(1, logits) {}

  std::string name() const override { return "geometric"; }
  std::unique_ptr<Distribution> with_param(const Var& logits) const override {
    return std::make_unique<Geometric>(logits);
  }
};

}  // namespace stflow
