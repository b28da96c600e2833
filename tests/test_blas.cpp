// test_blas.cpp - matrix products against three plain loops, for every transposition and odd shape.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/rng.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// op(a) op(b) in double, number by number; a [S,M,K], b [S,K,N] (before op).
Tensor plain_product(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  const Tensor left = transpose_a ? transpose(a) : a, right = transpose_b ? transpose(b) : b;
  const int64_t count = left.dim(0), m = left.dim(1), k = left.dim(2), n = right.dim(2);
  Tensor out({count, m, n});
  for (int64_t s = 0; s < count; ++s) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double total = 0;
        for (int64_t l = 0; l < k; ++l) {
          total += double{left[(s * m + i) * k + l]} * double{right[(s * k + l) * n + j]};
        }
        out.data()[(s * m + i) * n + j] = static_cast<real>(total);
      }
    }
  }
  return out;
}

constexpr double kTolerance = sizeof(real) == 4 ? 1e-4 : 1e-11;

Shape matrix(int64_t rows, int64_t columns, bool transposed) {
  return transposed ? Shape{columns, rows} : Shape{rows, columns};
}

}  // namespace

TEST_CASE("matmul: equals the plain sum of products for all transposes and shapes") {
  Rng rng(1);
  const std::vector<std::array<int64_t, 3>> sizes = {
      // M, N, K
      {1, 1, 1}, {3, 5, 2}, {1, 7, 4}, {7, 1, 4}, {17, 33, 9}, {300, 290, 120}, {40, 700, 300}};
  for (const std::array<int64_t, 3>& size : sizes) {
    const int64_t m = size[0], n = size[1], k = size[2];
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        CAPTURE(ta);
        CAPTURE(tb);
        const Tensor a = rng.normal(matrix(m, k, ta)), b = rng.normal(matrix(k, n, tb));
        const Tensor expected = plain_product(a.reshape({1, a.dim(0), a.dim(1)}),
                                              b.reshape({1, b.dim(0), b.dim(1)}), ta, tb);
        check_close(matmul(a, b, ta, tb), expected.reshape({m, n}), kTolerance, kTolerance);
      }
    }
  }
}

TEST_CASE("matmul: leading axes are products side by side, with one b or one for each") {
  Rng rng(2);
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      CAPTURE(ta);
      CAPTURE(tb);
      const Shape a_matrix = matrix(4, 3, ta), b_matrix = matrix(3, 5, tb);
      const Tensor a = rng.normal({2, 3, a_matrix[0], a_matrix[1]});
      const Tensor b = rng.normal({2, 3, b_matrix[0], b_matrix[1]});
      const Tensor each = plain_product(a.reshape({6, a_matrix[0], a_matrix[1]}),
                                        b.reshape({6, b_matrix[0], b_matrix[1]}), ta, tb);
      check_close(matmul(a, b, ta, tb), each.reshape({2, 3, 4, 5}), kTolerance, kTolerance);

      const Tensor one_b = b.reshape({6, b_matrix[0], b_matrix[1]}).rows(0, 1);
      const Tensor repeated = broadcast_to(one_b, {6, b_matrix[0], b_matrix[1]});
      const Tensor shared =
          plain_product(a.reshape({6, a_matrix[0], a_matrix[1]}), repeated, ta, tb);
      check_close(matmul(a, one_b.reshape(b_matrix), ta, tb), shared.reshape({2, 3, 4, 5}),
                  kTolerance, kTolerance);
    }
  }
}

TEST_CASE("matmul: empty extents give an empty result, and an empty inner extent zeros") {
  CHECK(matmul(Tensor({0, 3}), Tensor({3, 2})).shape() == Shape{0, 2});
  CHECK(matmul(Tensor({2, 3}), Tensor({3, 0})).shape() == Shape{2, 0});
  CHECK(matmul(Tensor({0, 2, 3}), Tensor({0, 3, 4})).shape() == Shape{0, 2, 4});
  check_equal(matmul(Tensor({2, 0}), Tensor({0, 3})), Tensor::zeros({2, 3}));
  check_equal(linear(Tensor({2, 0}), Tensor({0, 3}), Tensor::from({1, 2, 3})),
              Tensor::from({1, 2, 3, 1, 2, 3}, {2, 3}));
}

TEST_CASE("linear: is x weight + bias for any leading axes, with and without bias") {
  Rng rng(3);
  for (const Shape& leading : {Shape{}, Shape{700}, Shape{2, 3}}) {
    CAPTURE(leading);
    const Tensor x = rng.normal(leading.inserted(leading.rank(), 90));
    const Tensor weight = rng.normal({90, 110}), bias = rng.normal({110});
    const Tensor product =
        plain_product(x.reshape({1, -1, 90}), weight.reshape({1, 90, 110}), false, false)
            .reshape(leading.inserted(leading.rank(), 110));
    check_close(linear(x, weight, Tensor()), product, kTolerance, kTolerance);
    check_close(linear(x, weight, bias), add(product, bias), kTolerance, kTolerance);
  }
}

TEST_CASE("matmul and linear: the same bits for any number of threads") {
  Rng rng(4);
  const int before = num_threads();
  const Tensor a = rng.normal({230, 310}), b = rng.normal({310, 410}), bias = rng.normal({410});
  const Tensor many_a = rng.normal({100, 30, 70}), many_b = rng.normal({100, 70, 20});
  const auto products = [&] {
    return std::vector<Tensor>{matmul(a, b), matmul(b, a, true, true), matmul(many_a, many_b),
                               linear(a, b, bias)};
  };
  set_num_threads(1);
  const std::vector<Tensor> one = products();
  for (const int threads : {2, 3}) {
    CAPTURE(threads);
    set_num_threads(threads);
    const std::vector<Tensor> more = products();
    for (size_t i = 0; i < one.size(); ++i) {
      CAPTURE(i);
      check_equal(more[i], one[i]);
    }
  }
  set_num_threads(before);
}

TEST_CASE("matmul: NaN and infinity are not lost in a product") {
  const real inf = std::numeric_limits<real>::infinity();
  const Tensor product =
      matmul(Tensor::from({0, 1}, {1, 2}), Tensor::from({inf, 2, 1, inf}, {2, 2}));
  CHECK(std::isnan(product[0]));  // 0 * inf
  CHECK(product[1] == inf);
}

TEST_CASE("matmul and linear: shapes that do not fit are named") {
  const Tensor a = Tensor::zeros({64, 100}), w = Tensor::zeros({256, 784});
  check_contains(message_of([&] { matmul(a, w, false, true); }),
                 "[matmul] inner sizes differ: a is [64,100], b is [256,784] (transposed)");
  check_contains(message_of([&] { matmul(Tensor::zeros({3}), w); }), "[matmul] expected two axes",
                 "a is [3]");
  check_contains(message_of([&] {
                   matmul(Tensor::zeros({2, 4, 3}), Tensor::zeros({3, 3, 4}));
                 }),
                 "[matmul] leading axes differ: a is [2,4,3], b is [3,3,4]");
  check_contains(message_of([&] { linear(a, w, Tensor()); }), "[linear] input has 100 features",
                 "weight expects 256 (input [64,100] x weight [256,784])");
  check_contains(message_of([&] { linear(matmul(a, a, true), a, Tensor::zeros({784})); }),
                 "[linear] input has 100 features, weight expects 64");
  check_contains(message_of([&] { linear(matmul(a, a, false, true), a, Tensor::zeros({784})); }),
                 "[linear] bias should be [100], got [784]");
  check_contains(message_of([&] { linear(Tensor::scalar(1), w, Tensor()); }),
                 "[linear] expected an input");
}

TEST_CASE("gemm_stats: counts two operations for each multiplication") {
  const GemmStats before = gemm_stats();
  matmul(Tensor::zeros({5, 10, 20}), Tensor::zeros({20, 30}));
  linear(Tensor::zeros({10, 20}), Tensor::zeros({20, 30}), Tensor());
  const GemmStats after = gemm_stats();
  CHECK(after.flops - before.flops == 6 * 2 * 10 * 20 * 30);
  CHECK(after.seconds > before.seconds);
}

TEST_CASE("blas_description: names the library, its kernels and its threading") {
  check_contains(blas_description(), "OpenBLAS", "kernels", "threading");
  CHECK(blas_uses_openmp() == (blas_description().find("threading OpenMP") != std::string::npos));
}

TEST_CASE("slow_blas_warning: old kernels on a new processor, with the remedy; else nothing") {
  CHECK(slow_blas_warning("Prescott", "SkylakeX") ==
        "warning: OpenBLAS uses its kernels 'Prescott', made for older processors, and takes up to "
        "four times as long as it could; hint: export OPENBLAS_CORETYPE=SkylakeX\n");
  check_contains(slow_blas_warning("Nehalem", "Haswell"), "'Nehalem'", "OPENBLAS_CORETYPE=Haswell");
  for (const char* fast :
       {"Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids", "NEOVERSEN1"})
    CHECK(slow_blas_warning(fast, "SkylakeX").empty());
  CHECK(slow_blas_warning("Prescott", "").empty());  // a processor that has no better
  check_contains(blas_description(), "kernels " + blas_kernels());
}
