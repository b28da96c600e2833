// test_two_value_gemm.cpp - linear layers of bits and of mostly zeros as sums of rows, against
// plain sums in double.
#include <cmath>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/two_value_gemm.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// [rows,columns] of which a `share` is `other` and the rest `common`.
Tensor two_valued(int64_t rows, int64_t columns, double share, real common, real other, Rng& rng) {
  const Tensor bits = rng.bernoulli(Tensor::full({rows, columns}, static_cast<real>(share)));
  return add(mul(bits, Tensor::scalar(other - common)), Tensor::scalar(common));
}

void check_linear(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  for (int64_t b = 0; b < x.dim(0); ++b) {
    for (int64_t o = 0; o < w.dim(1); ++o) {
      double sum = bias.defined() ? bias[o] : 0, size = std::abs(sum);
      for (int64_t i = 0; i < w.dim(0); ++i) {
        const double term = double{x[b * w.dim(0) + i]} * w[i * w.dim(1) + o];
        sum += term;
        size += std::abs(term);
      }
      const double error = 100 * std::numeric_limits<real>::epsilon() * (size + 1);
      REQUIRE(std::abs(y[b * w.dim(1) + o] - sum) < error);
    }
  }
}

void check_gradient(const Tensor& up, const Tensor& x, const Tensor& dw) {
  const int64_t inputs = x.dim(1), outputs = up.dim(1);
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t i = 0; i < inputs; ++i) {
      double sum = 0, size = 1;
      for (int64_t b = 0; b < x.dim(0); ++b) {
        const double term = double{up[b * outputs + o]} * x[b * inputs + i];
        sum += term;
        size += std::abs(term);
      }
      REQUIRE(std::abs(dw[i * outputs + o] - sum) <
              100 * std::numeric_limits<real>::epsilon() * size);
    }
  }
}

struct Case {
  int64_t batch, inputs, outputs;
  double share;
  real common, other;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {16, 16, 48, .2, 0, 1},  {50, 784, 200, .13, 0, 1},  {33, 101, 49, .2, -1, 1},
      {65, 40, 64, .4, 1, 0},  {17, 19, 63, .25, 0, 1},    {100, 200, 79, .2, 1, -1},
      {128, 17, 64, 0, 0, 1},  {40, 64, 50, .01, 3, -2.5}, {31, 33, 70, 0, 7, 7},
      {70, 50, 51, .6, 0, 1},  {100, 203, 79, .5, 0, 1},   {99, 300, 50, .5, -1, 1},
      {301, 18, 65, .4, 0, 2},
  };
  return all;
}

}  // namespace

TEST_CASE("sparse: linear and its weight gradient are the plain sums, whatever the shape") {
  Rng rng(1);
  for (const Case& c : cases()) {
    CAPTURE(c.batch);
    CAPTURE(c.inputs);
    CAPTURE(c.outputs);
    const Tensor x = two_valued(c.batch, c.inputs, c.share, c.common, c.other, rng);
    const Tensor w = rng.normal({c.inputs, c.outputs}), up = rng.normal({c.batch, c.outputs});
    for (const Tensor& bias : {Tensor(), rng.normal({c.outputs})}) {
      Tensor y({c.batch, c.outputs});
      REQUIRE(
          sparse_linear(x.data(), w.data(), bias.data(), y.data(), c.batch, c.inputs, c.outputs));
      check_linear(x, w, bias, y);
      check_equal(linear(x, w, bias), y);  // which takes the same way
    }
    Tensor dw({c.inputs, c.outputs});
    REQUIRE(sparse_weight_gradient(up.data(), x.data(), dw.data(), c.batch, c.inputs, c.outputs));
    check_gradient(up, x, dw);
    check_equal(linear_weight_gradient(up, x), dw);
  }
}

TEST_CASE("sparse: many values or few rows are left to the matrix product") {
  Rng rng(2);
  const Tensor w = rng.normal({100, 60}), up = rng.normal({70, 60});
  Tensor y({70, 60}), dw({100, 60});
  const auto refused = [&](const Tensor& x) {
    const bool forward = sparse_linear(x.data(), w.data(), nullptr, y.data(), x.dim(0), 100, 60);
    const bool backward = sparse_weight_gradient(up.data(), x.data(), dw.data(), x.dim(0), 100, 60);
    return !forward && !backward;
  };
  const Tensor x = two_valued(70, 100, .5, 0, 1, rng);
  CHECK_FALSE(refused(x));
  // Where products are fast, half ones repay a larger batch only.
  CHECK(refused(two_valued(50, 100, .5, 0, 1, rng)) == (has_avx512() && !halves_avx512()));
  CHECK(refused(two_valued(30, 100, .5, 0, 1, rng)) == has_avx512());
  for (const int64_t place : {0, 1, 255, 256, 6999}) {
    Tensor third = x.clone();
    third.data()[place] = real(.5);
    CHECK(refused(third));
    check_linear(third, w, Tensor(), linear(third, w, Tensor()));
    third.data()[place] = NAN;
    CHECK(refused(third));
  }
  CHECK(refused(two_valued(8, 100, .2, 0, 1, rng)));
  CHECK(refused(rng.normal({70, 100})));
  CHECK_FALSE(sparse_linear(x.data(), w.data(), nullptr, y.data(), 70, 100, 20));  // few outputs
  // Values whose sums would lose digits, or overflow.
  CHECK(refused(two_valued(70, 100, .2, real(1e6), 1, rng)));
  CHECK(refused(two_valued(70, 100, .5, std::numeric_limits<real>::max(),
                           std::numeric_limits<real>::lowest(), rng)));
  CHECK(refused(two_valued(70, 100, .9, 0, 1, rng)));
}

TEST_CASE("sparse: mostly zeros and any other values are the plain sums, too") {
  Rng rng(4);
  for (const Case& c : cases()) {
    CAPTURE(c.batch);
    CAPTURE(c.inputs);
    Tensor x = mul(two_valued(c.batch, c.inputs, .25, 0, 1, rng), rng.normal({c.batch, c.inputs}));
    x.data()[0] = real(.5), x.data()[1] = real(-.25), x.data()[2] = 0;
    const Tensor w = rng.normal({c.inputs, c.outputs}), up = rng.normal({c.batch, c.outputs});
    const Tensor bias = rng.normal({c.outputs});
    Tensor y({c.batch, c.outputs}), dw({c.inputs, c.outputs});
    REQUIRE(sparse_linear(x.data(), w.data(), bias.data(), y.data(), c.batch, c.inputs, c.outputs));
    check_linear(x, w, bias, y);
    REQUIRE(sparse_weight_gradient(up.data(), x.data(), dw.data(), c.batch, c.inputs, c.outputs));
    check_gradient(up, x, dw);
  }
}

TEST_CASE("sparse: infinity stays in its row") {
  Tensor x = Tensor::zeros({32, 100});
  x.data()[5] = INFINITY;
  const Tensor w = Tensor::ones({100, 64}), y = linear(x, w, Tensor());
  CHECK(std::isinf(y[0]));
  for (int64_t i = 64; i < y.numel(); ++i) REQUIRE(y[i] == 0);
  Tensor up = Tensor::ones({32, 64});
  up.data()[0] = INFINITY;
  x.data()[5] = 1;
  const Tensor dw = linear_weight_gradient(up, x);
  CHECK(std::isinf(dw[5 * 64]));
  CHECK(dw[0] == 0);
  // matmul is a product whatever its numbers are: 0 times infinity is not a number.
  const Tensor product = matmul(x, up, /*transpose_a=*/true);
  CHECK(std::isinf(product[5 * 64]));
  CHECK(std::isnan(product[0]));

  // Among many ones: only the sums that have chosen it.
  Rng rng(5);
  const Tensor bits = two_valued(32, 100, .5, 0, 1, rng);
  Tensor weight = Tensor::ones({100, 64});
  weight.data()[7 * 64] = INFINITY;
  const Tensor z = linear(bits, weight, Tensor()), dweight = linear_weight_gradient(up, bits);
  for (int64_t b = 0; b < 32; ++b) {
    REQUIRE(std::isinf(z[64 * b]) == (bits[100 * b + 7] == 1));
    REQUIRE(std::isfinite(z[64 * b + 1]));
  }
  for (int64_t i = 0; i < 100; ++i) {
    REQUIRE(std::isinf(dweight[64 * i]) == (bits[i] == 1));
    REQUIRE(std::isfinite(dweight[64 * i + 1]));
  }
}

TEST_CASE("sparse: the same bits for any number of threads") {
  Rng rng(3);
  const Tensor w = rng.normal({784, 200}), up = rng.normal({100, 200});
  const int before = num_threads();
  for (const double share : {.13, .5}) {
    const Tensor x = two_valued(100, 784, share, 0, 1, rng);
    set_num_threads(1);
    const Tensor y = linear(x, w, Tensor()), dw = linear_weight_gradient(up, x);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      check_equal(linear(x, w, Tensor()), y);
      check_equal(linear_weight_gradient(up, x), dw);
    }
  }
  set_num_threads(before);
}
