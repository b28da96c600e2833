#include "tests/bench/bits.h"

#include "stflow/tensor/blas.h"
#include "stflow/tensor/rng.h"
#include "stflow/tensor/statistics.h"
#include "stflow/train/console/measure.h"
#include "tests/bench/contest.h"

namespace stflow::bench {

std::vector<Record> bits_against_products(int64_t batch, int64_t inputs, int64_t outputs,
                                          int64_t rounds) {
  Rng rng(4);
  const Tensor w = rng.normal({inputs, outputs}), dy = rng.normal({batch, outputs});
  const Tensor grey = rng.uniform({batch, inputs});
  const auto microseconds = [&](const Tensor& x, bool forward) {
    std::vector<double> times;
    for (int64_t round = 0; round < rounds; ++round) {
      const double start = seconds_now();
      forward ? linear(x, w, Tensor()) : linear_weight_gradient(dy, x);
      times.push_back(1e6 * (seconds_now() - start));
    }
    return quantile(times, 0.5);
  };
  std::vector<Record> rows;
  for (const double share : {0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5}) {
    const Tensor bits = rng.bernoulli(Tensor::full(grey.shape(), static_cast<real>(share)));
    rows.push_back({{"share of ones", share},
                    {"y = x w, sums", microseconds(bits, true)},
                    {"y = x w, product", microseconds(grey, true)},
                    {"dw = dy x, sums", microseconds(bits, false)},
                    {"dw = dy x, product", microseconds(grey, false)}});
  }
  return rows;
}

}  // namespace stflow::bench
