// kernel.h - the kernels of MMD, for the rule `mmd` and for distances of the projected flow.
#pragma once

namespace stflow {

enum class Kernel {
  rbf,    // exp(-(x - y)^2 / (2 h^2)), h the bandwidth
  linear  // x y
};

}  // namespace stflow
