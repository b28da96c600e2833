// gradcheck.h - is a gradient right? Compares it with differences of the function's values.
//
// The output is projected on a fixed random direction w, so that one scalar <w, f(x)> tests all of
// it; every number of every input is then moved by +-epsilon. Order 2 does the same to the gradient
// itself, as a function of the inputs and of w. Differences need digits: meaningful in a double
// build (make REAL=double); the defaults of a float build are loose and find only gross mistakes.
#pragma once

#include <functional>
#include <type_traits>
#include <vector>

#include "stflow/autodiff/var.h"

namespace stflow {

struct GradcheckOptions {
  static constexpr bool kDouble = std::is_same_v<real, double>;
  int order = 1;                           // 1: gradients; 2: their gradients too
  double epsilon = kDouble ? 1e-5 : 1e-2;  // step of the central differences
  double rtol = kDouble ? 1e-6 : 2e-2;     // |analytic - numeric| <= atol + rtol |numeric|
  double atol = kDouble ? 1e-7 : 2e-2;
};

/// Throws std::runtime_error with order, input, position and both numbers where a gradient of f is
/// wrong or not finite. f must be deterministic, of any output shape, and smooth within epsilon of
/// the inputs.
void gradcheck(const std::function<Var(const Vars&)>& f, const std::vector<Tensor>& inputs,
               const GradcheckOptions& options = {});

}  // namespace stflow
