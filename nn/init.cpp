// init.cpp - a uniform or normal draw, scaled by the sizes of the layer.
#include "stflow/nn/init.h"

#include <cmath>

#include "stflow/tensor/math.h"

namespace stflow::nn {
namespace {

void check_weight_shape(const char* function, const Shape& shape) {
  CHECK_ARG(shape.rank() == 2 && shape.numel(function) > 0, "[", function,
            "] expected a weight shape [inputs,outputs], got ", shape);
}

double fan_sum(const Shape& shape) { return static_cast<double>(shape[0] + shape[1]); }
double fan_in(const Shape& shape) { return static_cast<double>(shape[0]); }

Tensor uniform(const Shape& shape, double bound, Rng& rng) {
  return transpose((rng.uniform({shape[1], shape[0]}) - 0.5) * (2 * bound));
}

Tensor normal(const Shape& shape, double deviation, Rng& rng) {
  return transpose(rng.normal({shape[1], shape[0]}) * deviation);
}

}  // namespace

Tensor glorot_uniform(const Shape& shape, Rng& rng) {
  check_weight_shape("glorot_uniform", shape);
  return uniform(shape, std::sqrt(6 / fan_sum(shape)), rng);
}

Tensor glorot_normal(const Shape& shape, Rng& rng) {
  check_weight_shape("glorot_normal", shape);
  return normal(shape, std::sqrt(2 / fan_sum(shape)), rng);
}

Tensor he_uniform(const Shape& shape, Rng& rng) {
  check_weight_shape("he_uniform", shape);
  return uniform(shape, std::sqrt(6 / fan_in(shape)), rng);
}

Tensor he_normal(const Shape& shape, Rng& rng) {
  check_weight_shape("he_normal", shape);
  return normal(shape, std::sqrt(2 / fan_in(shape)), rng);
}

}  // namespace stflow::nn
