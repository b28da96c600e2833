// update.cpp - see update.h.
#include "tensor/update.h"

#include <cmath>

#include "tensor/parallel.h"
#include "tensor/simd.h"

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

void adam_update_(Tensor& value, Tensor& mean, Tensor& square, const Tensor& grad,
                  const AdamUpdate& update) {
  CHECK_ARG(grad.shape() == value.shape() && mean.shape() == value.shape() &&
                square.shape() == value.shape(),
            "[adam_update_] shapes differ: value ", value.shape(), ", mean ", mean.shape(),
            ", square ", square.shape(), ", grad ", grad.shape());
  const AdamNumbers c{
      .keep1 = static_cast<real>(update.beta1),
      .add1 = static_cast<real>(1 - update.beta1),
      .keep2 = static_cast<real>(update.beta2),
      .add2 = static_cast<real>(1 - update.beta2),
      .eps = static_cast<real>(update.eps),
      .rate = static_cast<real>(update.rate),
      .inverse_scale = static_cast<real>(1 / update.scale),
      .shrink = static_cast<real>(1 - update.decay),
  };
  real *p = value.data(), *m = mean.data(), *s = square.data();
  const real* g = grad.data();
  parallel_for(value.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
    adam_loop(p + begin, m + begin, s + begin, g + begin, end - begin, c);
  });
}

}  // namespace stflow
