// blas.cpp - matrix products: cut into panels, each one call of our own kernel where the processor
// has AVX2 or AVX-512 (kernels/gemm.h), elsewhere of one-thread BLAS.
//
// Every product is a batch of row-major 2-D products. A large one is cut into panels of rows or
// columns, several small ones are put into one chunk; both depend on the sizes alone. Then
// parallel_for runs the chunks. What is added to a product (a bias) is added to a panel while it is
// still in cache. linear() and its weight gradient ask first whether sums do (two_value_gemm.h).
#include "stflow/tensor/blas.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <set>
#include <type_traits>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/gemm.h"
#include "stflow/tensor/kernels/two_value_gemm.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

constexpr double kPanelFlops = 1e6;  // about 10 us, ten times what handing out a chunk costs
constexpr double kMaxPanels = 16;
constexpr int64_t kPanelMultiple = 48;  // no panel edge inside a tile of the kernels

std::atomic<double> total_seconds = 0, total_flops = 0;

constexpr auto blas_gemm = [] {
  if constexpr (std::is_same_v<real, float>) {
    return cblas_sgemm;
  } else {
    return cblas_dgemm;
  }
}();

/// Adds to the totals what a product cost.
class Stopwatch {
 public:
  Stopwatch(double m, double n, double k) : flops_(2 * m * n * k) {}
  ~Stopwatch() {
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    total_seconds += std::chrono::duration<double>(elapsed).count();
    total_flops += flops_;
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double flops_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

blasint blas_int(int64_t x) { return static_cast<blasint>(x); }

/// How many panels a product is cut into: more with its work, but slower, for a narrow panel is
/// less efficient; a power of two, so that two or four threads get equal shares.
int64_t panel_count(double flops) {
  const double wanted = std::ceil(std::clamp(std::sqrt(flops / kPanelFlops), 1.0, kMaxPanels));
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
}

/// `count` products c = op(a) op(b) of [m,k] x [k,n]; those of product i start at a + i * a_stride,
/// b + i * b_stride and c + i * m * n.
struct Products {
  const real* a;
  const real* b;
  const real* bias;  // [n], added to every row, or null
  real* c;
  int64_t count, m, n, k;
  int64_t a_stride, b_stride;
  bool transpose_a, transpose_b;
  const GemmKernel* kernel = nullptr;  // our own; null: BLAS
  const real* packed = nullptr;        // op(b) as our own kernel reads it, if it has been packed
};

/// Our own kernel, or null for BLAS: with AVX2, that is better where the second factor does not fit
/// the cache and is read many times, unless its kernels are made for older processors.
const GemmKernel* own_kernel(const Products& p) {
  constexpr int64_t kLargeFactor = 1 << 18, kManyRows = 64;
  static const bool blas_is_good =
      !has_avx512() && slow_blas_warning(blas_kernels(), best_blas_kernels()).empty();
  const bool large = p.k * p.n > kLargeFactor && p.m >= kManyRows;
  return large && blas_is_good ? nullptr : gemm_kernel();
}

Strided strided(const real* data, int64_t width, bool transposed) {
  return {data, transposed ? 1 : width, transposed ? width : 1};
}

/// Rows [row, row + rows) and columns [column, column + columns) of product `index`.
void multiply_panel(const Products& p, int64_t index, int64_t row, int64_t rows, int64_t column,
                    int64_t columns) {
  const int64_t a_width = p.transpose_a ? p.m : p.k, b_width = p.transpose_b ? p.k : p.n;
  const real* a = p.a + index * p.a_stride + row * (p.transpose_a ? 1 : a_width);
  const real* b = p.b + index * p.b_stride + column * (p.transpose_b ? b_width : 1);
  real* c = p.c + (index * p.m + row) * p.n + column;
  if (p.kernel) {
    gemm(*p.kernel, rows, columns, p.k, strided(a, a_width, p.transpose_a),
         strided(b, b_width, p.transpose_b), p.packed, p.bias ? p.bias + column : nullptr, c, p.n);
    return;
  }
  if (p.k > 0) {
    blas_gemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans,
              p.transpose_b ? CblasTrans : CblasNoTrans, blas_int(rows), blas_int(columns),
              blas_int(p.k), 1, a, blas_int(a_width), b, blas_int(b_width), 0, c, blas_int(p.n));
  } else {
    for (int64_t i = 0; i < rows; ++i) std::fill_n(c + i * p.n, columns, real(0));
  }
  if (p.bias == nullptr) return;
  for (int64_t i = 0; i < rows; ++i, c += p.n) {
    for (int64_t j = 0; j < columns; ++j) c[j] += p.bias[column + j];
  }
}

void warn_once_of_slow_kernels() {
  [[maybe_unused]] static const bool done = [] {
    std::cerr << slow_blas_warning(blas_kernels(), best_blas_kernels());
    return true;
  }();
}

void multiply(Products p) {
  if (p.count == 0 || p.m == 0 || p.n == 0) return;
  p.kernel = own_kernel(p);
  if (p.kernel == nullptr) warn_once_of_slow_kernels();
  for (const int64_t size : {p.m, p.n, p.k}) {
    CHECK_ARG(size <= std::numeric_limits<blasint>::max(), "[matmul] a matrix extent of ", size,
              " is more than BLAS can address");
  }
  const double flops =
      2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const int64_t extent = std::max(p.m, p.n);  // the axis that is cut
  const int64_t panels = panel_count(flops);
  const auto edge = [&](int64_t panel) {
    return std::min(extent, round_up(panel * extent / panels, kPanelMultiple));
  };
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kPanelFlops / (flops + 1)));
  Tensor packed;  // once for all panels of rows, where each would do it again
  if (p.kernel && p.transpose_b && p.count == 1 && p.m >= p.n && panels > 1) {
    packed = packed_columns(*p.kernel, strided(p.b, p.k, true), p.k, p.n);
    p.packed = packed.data();
  }

  parallel_for(p.count * panels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / panels, panel = task % panels;
      const int64_t first = edge(panel), size = edge(panel + 1) - first;
      if (size == 0) continue;
      if (p.m >= p.n) {
        multiply_panel(p, index, first, size, 0, p.n);
      } else {
        multiply_panel(p, index, 0, p.m, first, size);
      }
    }
  });
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  const auto described = [&] {
    return concat_message("a is ", a.shape(), transpose_a ? " (transposed)" : "", ", b is ",
                          b.shape(), transpose_b ? " (transposed)" : "");
  };
  CHECK_ARG(a.rank() >= 2 && b.rank() >= 2, "[matmul] expected two axes or more: ", described());
  const bool one_b = b.rank() == 2;
  CHECK_ARG(one_b || std::equal(a.shape().begin(), a.shape().end() - 2, b.shape().begin(),
                                b.shape().end() - 2),
            "[matmul] leading axes differ: ", described());
  int64_t m = a.dim(transpose_a ? -1 : -2);
  const int64_t k = a.dim(transpose_a ? -2 : -1), n = b.dim(transpose_b ? -2 : -1);
  CHECK_ARG(k == b.dim(transpose_b ? -1 : -2), "[matmul] inner sizes differ: ", described());

  Tensor c(a.shape().with(-2, m).with(-1, n), "matmul");
  int64_t count = 1;
  for (int axis = 0; axis < a.rank() - 2; ++axis) count *= a.dim(axis);
  if (one_b && !transpose_a) {
    m *= count;
    count = 1;
  }
  const Stopwatch stopwatch(static_cast<double>(count * m), static_cast<double>(n),
                            static_cast<double>(k));
  multiply({.a = a.data(),
            .b = b.data(),
            .bias = nullptr,
            .c = c.data(),
            .count = count,
            .m = m,
            .n = n,
            .k = k,
            .a_stride = m * k,
            .b_stride = one_b ? 0 : k * n,
            .transpose_a = transpose_a,
            .transpose_b = transpose_b});
  return c;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  CHECK_ARG(x.rank() >= 1 && weight.rank() == 2,
            "[linear] expected an input [...,I] and a weight [I,O], got ", x.shape(), " and ",
            weight.shape());
  const int64_t inputs = weight.dim(0), outputs = weight.dim(1);
  CHECK_ARG(x.dim(-1) == inputs, "[linear] input has ", x.dim(-1), " features, weight expects ",
            inputs, " (input ", x.shape(), " x weight ", weight.shape(), ")");
  CHECK_ARG(!bias.defined() || bias.shape() == Shape{outputs}, "[linear] bias should be ",
            Shape{outputs}, ", got ", bias.shape());

  Tensor y(x.shape().with(-1, outputs), "linear");
  int64_t rows = 1;
  for (int axis = 0; axis < x.rank() - 1; ++axis) rows *= x.dim(axis);
  const Stopwatch stopwatch(static_cast<double>(rows), static_cast<double>(outputs),
                            static_cast<double>(inputs));
  if (sparse_linear(x.data(), weight.data(), bias.data(), y.data(), rows, inputs, outputs))
    return y;
  multiply({.a = x.data(),
            .b = weight.data(),
            .bias = bias.data(),
            .c = y.data(),
            .count = 1,
            .m = rows,
            .n = outputs,
            .k = inputs,
            .a_stride = 0,
            .b_stride = 0,
            .transpose_a = false,
            .transpose_b = false});
  return y;
}

Tensor linear_weight_gradient(const Tensor& up, const Tensor& x) {
  CHECK_ARG(up.rank() == 2 && x.rank() == 2 && up.dim(0) == x.dim(0),
            "[linear_weight_gradient] expected up [B,O] and x [B,I], got ", up.shape(), " and ",
            x.shape());
  const int64_t batch = x.dim(0), inputs = x.dim(1), outputs = up.dim(1);
  const Stopwatch stopwatch(static_cast<double>(inputs), static_cast<double>(outputs),
                            static_cast<double>(batch));
  Tensor dw({inputs, outputs});
  if (sparse_weight_gradient(up.data(), x.data(), dw.data(), batch, inputs, outputs)) return dw;
  multiply({.a = x.data(),
            .b = up.data(),
            .bias = nullptr,
            .c = dw.data(),
            .count = 1,
            .m = inputs,
            .n = outputs,
            .k = batch,
            .a_stride = 0,
            .b_stride = 0,
            .transpose_a = true,
            .transpose_b = false});
  return dw;
}

std::string blas_description() {
  const int parallel = openblas_get_parallel();
  const char* threading = parallel == OPENBLAS_OPENMP   ? "OpenMP"
                          : parallel == OPENBLAS_THREAD ? "pthreads"
                                                        : "one thread";
  const GemmKernel* own = gemm_kernel();
  return concat_message(own ? concat_message("products by stflow's ", own->name, " kernel; ") : "",
                        openblas_get_config(), ", kernels ", openblas_get_corename(),
                        ", threading ", threading);
}

std::string blas_kernels() { return openblas_get_corename(); }

std::string best_blas_kernels() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return "";
}

std::string slow_blas_warning(const std::string& kernels, const std::string& best) {
  // Those without AVX2. A processor that has it may be named by others, newer than this list.
  static const std::set<std::string> before_avx2{
      "Prescott",   "Core2",       "Penryn",        "Dunnington",   "Nehalem",
      "Athlon",     "Opteron",     "Opteron(SSE3)", "Opteron_SSE3", "Barcelona",
      "Bobcat",     "Atom",        "Nano",          "Sandybridge",  "Bulldozer",
      "Piledriver", "Steamroller", "Generic",       "Unknown"};
  if (best.empty() || !before_avx2.contains(kernels)) return "";
  return concat_message("warning: OpenBLAS uses its kernels '", kernels,
                        "', made for older processors, and takes up to four times as long as it "
                        "could; hint: export OPENBLAS_CORETYPE=",
                        best, "\n");
}

bool blas_uses_openmp() { return openblas_get_parallel() == OPENBLAS_OPENMP; }

GemmStats gemm_stats() { return {total_seconds, total_flops}; }

}  // namespace stflow
