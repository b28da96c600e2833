// map.h - a function of numbers, applied to whole tensors in one pass.
//
//     Tensor y = map([=](real a, real b) { return a * simd::exp(-b); }, x1, x2);
//
// Written as one function, a formula reads each number once and needs no tensor for what comes in
// between: with twenty steps on a layer's samples those would push the weights out of the cache.
// The loop is vectorised when the function has no branches but ?: and calls only simd.h.
#pragma once

#include "stflow/tensor/check.h"
#include "stflow/tensor/kernels/simd.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/tensor.h"

namespace stflow {

// flatten: a call left in the loop would keep it from being vectorised.
template <typename Function, typename... Numbers>
STFLOW_CLONES __attribute__((flatten)) void map_loop(real* __restrict y, int64_t n, Function f,
                                                     const Numbers* __restrict... x) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]...);
}

/// y_i = f(x_i, ...) for tensors of one shape. Throws when shapes differ.
template <typename Function, typename... Tensors>
Tensor map(Function f, const Tensor& x, const Tensors&... others) {
  CHECK_ARG(((others.shape() == x.shape()) && ...), "[map] expected tensors of one shape, got ",
            x.shape(), (" and " + others.shape().str())...);
  Tensor y(x.shape());
  parallel_for(x.numel(), kElementwiseGrain, [&](int64_t begin, int64_t end) {
    map_loop(y.data() + begin, end - begin, f, x.data() + begin, (others.data() + begin)...);
  });
  return y;
}

}  // namespace stflow
