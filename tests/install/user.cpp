// user.cpp - a program outside the project, in a folder with a nn/nn.h of its own: `make test`
// builds it against an installed copy, by pkg-config and by CMake, with g++ and clang++. It uses
// OpenBLAS and zlib, so that both must be linked.
#include <stflow/stflow.h>

#include <cstdio>
#include <exception>

#include "nn/nn.h"

static_assert(STFLOW_VERSION_MAJOR >= 0 && sizeof(STFLOW_VERSION) > 5);

int main() {
  using namespace stflow;
  if (own_nn() != 42) return 1;
  // d/dw |x w|^2 = 2 x^T x w, with x w = [1, -1].
  const Tensor x = Tensor::from({1, 2, 3, 4}, {2, 2});
  const Var w = Var::parameter(Tensor::from({-3, 2}, {2, 1}));
  const Var loss = sum(square(matmul(x, w)));
  backward(loss);
  std::printf("loss %g, gradient %g %g\n", double(loss.item()), double(w.grad()[0]),
              double(w.grad()[1]));
  if (loss.item() != 2 || w.grad()[0] != -4 || w.grad()[1] != -4) return 1;

  try {
    read_idx("no-such-file.gz", IdxKind::labels);
    return 1;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
  }
  return 0;
}
