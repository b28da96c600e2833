// optim_kernels.cpp - see optim_kernels.h.
#include "stflow/tensor/kernels/optim_kernels.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

STFLOW_CLONES void sgd_loop(real* __restrict value, const real* __restrict grad, int64_t n, real lr,
                            real decay) {
  for (int64_t i = 0; i < n; ++i) value[i] -= lr * (grad[i] + decay * value[i]);
}

STFLOW_CLONES void momentum_loop(real* __restrict value, real* __restrict velocity,
                                 const real* __restrict grad, int64_t n, real lr, real momentum,
                                 real decay, bool nesterov) {
  for (int64_t i = 0; i < n; ++i) {
    const real g = grad[i] + decay * value[i];
    velocity[i] = momentum * velocity[i] + g;
    value[i] -= lr * (nesterov ? g + momentum * velocity[i] : velocity[i]);
  }
}

struct AdamNumbers {
  real keep1, add1, keep2, add2, eps, rate, inverse_scale, shrink;
};

STFLOW_CLONES void adam_loop(real* __restrict value, real* __restrict mean, real* __restrict square,
                             const real* __restrict grad, int64_t n, const AdamNumbers c) {
  for (int64_t i = 0; i < n; ++i) {
    const real g = grad[i];
    mean[i] = c.keep1 * mean[i] + c.add1 * g;
    square[i] = c.keep2 * square[i] + c.add2 * (g * g);
    const real deviation = std::sqrt(square[i]) * c.inverse_scale + c.eps;
    value[i] = c.shrink * value[i] - c.rate * mean[i] / deviation;
  }
}

}  // namespace

void sgd_update_(Tensor& value, Tensor& velocity, const Tensor& grad, const SgdUpdate& update) {
  CHECK_ARG(grad.shape() == value.shape() && velocity.shape() == value.shape(),
            "[sgd_update_] shapes differ: value ", value.shape(), ", velocity ", velocity.shape(),
            ", grad ", grad.shape());
  value.mark_changed();
  velocity.mark_changed();
  real *p = value.data(), *v = velocity.data();
  const real* g = grad.data();
  const auto lr = static_cast<real>(update.lr), decay = static_cast<real>(update.weight_decay);
  const auto momentum = static_cast<real>(update.momentum);
  const bool nesterov = update.nesterov;
  parallel_for(value.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
    if (momentum == 0) {
      sgd_loop(p + begin, g + begin, end - begin, lr, decay);
    } else {
      momentum_loop(p + begin, v + begin, g + begin, end - begin, lr, momentum, decay, nesterov);
    }
  });
}

void adam_update_(const std::vector<AdamUpdate>& updates) {
  struct Piece {
    const AdamUpdate* of;
    int64_t begin, end;
  };
  constexpr int64_t kPiece = kElementwiseGrain / 4;
  std::vector<Piece> pieces;
  for (const AdamUpdate& u : updates) {
    CHECK_ARG(u.grad->shape() == u.value->shape() && u.mean->shape() == u.value->shape() &&
                  u.square->shape() == u.value->shape(),
              "[adam_update_] shapes differ: value ", u.value->shape(), ", mean ", u.mean->shape(),
              ", square ", u.square->shape(), ", grad ", u.grad->shape());
    for (Tensor* changed : {u.value, u.mean, u.square}) changed->mark_changed();
    for (int64_t begin = 0, n = u.value->numel(); begin < n; begin += kPiece)
      pieces.push_back({&u, begin, std::min(n, begin + kPiece)});
  }
  parallel_for(std::ssize(pieces), kElementwiseGrain / kPiece, [&](int64_t first, int64_t last) {
    for (const Piece& piece : std::span(pieces).subspan(first, last - first)) {
      const AdamUpdate& u = *piece.of;
      const AdamNumbers c{
          .keep1 = static_cast<real>(u.beta1),
          .add1 = static_cast<real>(1 - u.beta1),
          .keep2 = static_cast<real>(u.beta2),
          .add2 = static_cast<real>(1 - u.beta2),
          .eps = static_cast<real>(u.eps),
          .rate = static_cast<real>(u.rate),
          .inverse_scale = static_cast<real>(1 / u.scale),
          .shrink = static_cast<real>(1 - u.decay),
      };
      adam_loop(u.value->data() + piece.begin, u.mean->data() + piece.begin,
                u.square->data() + piece.begin, u.grad->data() + piece.begin,
                piece.end - piece.begin, c);
    }
  });
}

}  // namespace stflow
