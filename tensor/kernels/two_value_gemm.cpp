// two_value_gemm.cpp - see two_value_gemm.h.
//
// For each image, y is the sum of a subset of the rows of w, one row for each input. For each
// input, a row of dw is the sum of a subset of the rows of `up`, one row for each image
// (subset_sums.h). Both are computed for a tile of outputs at a time.
#include "stflow/tensor/kernels/two_value_gemm.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/subset_sums.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

// Fewer do not repay the look at every number of x, nor the tables.
constexpr int64_t kMinRows = 16, kMinInputs = 16, kMinOutputs = 48;
constexpr int64_t kMaxTile = 32;

// Four bits at a time are better than one from this share of others on,
constexpr double kCodedShareForward = 0.42, kCodedShareBackward = 0.3;

/// and better than a product where the batch is this large.
int64_t min_coded_rows() { return !has_avx512() ? kMinRows : halves_avx512() ? 32 : 64; }

// ---- what kind of input is it? ----

/// x is `common` at most places and, if it has two values, common + difference at the others.
struct Kind {
  real common;
  bool two_values;
  real difference;
  double others = 0;   // how often it is another, where there are two values
  bool coded = false;  // take them four bits at a time?
};

struct Counts {
  int32_t first = 0, second = 0;
};

STFLOW_CLONES Counts count(const real* x, int32_t n, real first, real second) {
  Counts counts;
  for (int32_t i = 0; i < n; ++i) {
    counts.first += x[i] == first;
    counts.second += x[i] == second;
  }
  return counts;
}

/// Counts how often two values occur. Stops when `enough`(counts so far, numbers so far) is false.
template <typename Enough>
std::optional<std::pair<int64_t, int64_t>> count_all(const real* x, int64_t n, real first,
                                                     real second, Enough enough) {
  constexpr int64_t kLook = 1024;  // at a time: most tensors fail at the first look
  int64_t firsts = 0, seconds = 0;
  for (int64_t done = 0; done < n; done += kLook) {
    const int64_t look = std::min(kLook, n - done);
    const Counts counts = count(x + done, static_cast<int32_t>(look), first, second);
    firsts += counts.first;
    seconds += counts.second;
    if (!enough(firsts, seconds, done + look)) return {};
  }
  return std::pair{firsts, seconds};
}

/// Which of the two values is the common one. If one of them is 0, it is: then the result is exact.
/// Otherwise the common value must be small, or its sum would swallow the digits of the other.
std::optional<Kind> two_values(real first, int64_t firsts, real second, int64_t seconds) {
  if (second == 0 || (first != 0 && seconds > firsts)) {
    std::swap(first, second);
    std::swap(firsts, seconds);
  }
  const real difference = second - first;
  if (!std::isfinite(first) || !std::isfinite(difference)) return {};
  if (3 * firsts < seconds || std::abs(first) > 4 * std::abs(second)) return {};
  return Kind{first, true, difference,
              static_cast<double>(seconds) / static_cast<double>(firsts + seconds)};
}

std::optional<Kind> kind_of_numbers(const real* x, int64_t n) {
  const real first = x[0];
  const real* other = std::find_if(x, x + n, [first](real v) { return v != first; });
  const real second = other == x + n ? first + 1 : *other;
  const auto no_third = [](int64_t firsts, int64_t seconds, int64_t seen) {
    return firsts + seconds == seen;
  };
  if (const auto counts = count_all(x, n, first, second, no_third)) {
    return two_values(first, counts->first, second, counts->second);
  }
  // Values differ, so each is multiplied: that pays while two thirds are 0.
  const auto mostly_zero = [](int64_t zeros, int64_t, int64_t seen) {
    return 3 * zeros >= 2 * seen;
  };
  if (count_all(x, n, 0, 0, mostly_zero)) return Kind{0, false, 1};
  return {};
}

/// Nothing where a product is faster.
std::optional<Kind> kind_of(const real* x, int64_t rows, int64_t columns, int64_t outputs,
                            double coded_share) {
  if (rows < kMinRows || columns < kMinInputs || outputs < kMinOutputs) return {};
  std::optional<Kind> kind = kind_of_numbers(x, rows * columns);
  if (!kind) return {};
  kind->coded = kind->others > coded_share;
  if (kind->coded && rows < min_coded_rows()) return {};
  return kind;
}

// ---- tiles ----

/// base [width] += the rows, `stride` numbers apart.
STFLOW_CLONES void add_rows(const real* from, int64_t rows, int64_t stride, int64_t width,
                            real* __restrict base) {
  for (int64_t r = 0; r < rows; ++r, from += stride) {
    for (int64_t o = 0; o < width; ++o) base[o] += from[o];
  }
}

/// y = base + difference * sums, for `width` numbers of each row.
STFLOW_CLONES void finish_rows(const real* sums, int64_t rows, int64_t tile, const real* base,
                               real difference, int64_t width, real* __restrict y,
                               int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, sums += tile, y += y_stride) {
    for (int64_t o = 0; o < width; ++o) y[o] = base[o] + difference * sums[o];
  }
}

/// The rows of a block where they lie in the matrix, or a copy with zeros around: at the right edge
/// and where more coded rows are read than there are. Rows a multiple of two cache lines apart are
/// copied too, for they would throw each other out of the cache.
class Block {
 public:
  explicit Block(const Choice& choice) : choice_(choice) {}

  /// Rows [begin, begin + count) of the matrix, whose rows have `outputs` numbers.
  void take(const real* matrix, int64_t outputs, int64_t width, int64_t begin, int64_t count) {
    const bool all_there = !choice_.coded() || count % kRowsAtOnce == 0;
    rows = matrix + begin * outputs;
    stride = outputs;
    if (width == sum_tile() && all_there && outputs % 32 != 0) return;
    if (!copy_.defined()) copy_ = Tensor({choice_.block, sum_tile()});
    if (width < sum_tile() || !all_there) fill_(copy_, 0);
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(rows + r * outputs, width, copy_.data() + r * sum_tile());
    rows = copy_.data();
    stride = sum_tile();
  }

  const real* rows = nullptr;
  int64_t stride = 0;

 private:
  const Choice& choice_;
  Tensor copy_;
};

/// The tile of `width` outputs that begins at `matrix` [choice.rows,outputs], `bias` and `out`
/// [choice.items,outputs]: bias + common * the sum of all rows + difference * the sum of the rows
/// that an item has chosen.
void sum_a_tile(const Choice& choice, const Kind& kind, const real* matrix, int64_t outputs,
                int64_t width, const real* bias, real* out) {
  const int64_t tile = sum_tile();
  Tensor sums({choice.items, tile});
  alignas(64) real base[kMaxTile] = {};
  Block block(choice);
  for (int64_t begin = 0; begin < choice.rows; begin += choice.block) {
    const int64_t count = std::min(choice.block, choice.rows - begin);
    const bool last = begin + count == choice.rows;
    block.take(matrix, outputs, width, begin, count);
    if (kind.common != 0) add_rows(block.rows, count, block.stride, width, base);
    for (int64_t o = 0; o < width && last; ++o)
      base[o] = kind.common * base[o] + (bias ? bias[o] : 0);
    SumsTo to{.sums = sums.data()};
    if (last && width == tile) to = {sums.data(), out, outputs, base, kind.difference};
    add_chosen_rows(choice, begin, block.rows, block.stride, to);
  }
  if (width < tile)
    finish_rows(sums.data(), choice.items, tile, base, kind.difference, width, out, outputs);
}

/// body(first, width) for each tile of outputs.
template <typename Body>
void for_each_tile(int64_t outputs, Body body) {
  const int64_t tile = sum_tile();
  parallel_for(ceil_div(outputs, tile), 1, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin * tile; first < std::min(end * tile, outputs); first += tile)
      body(first, std::min(tile, outputs - first));
  });
}

}  // namespace

bool sparse_linear(const real* x, const real* w, const real* bias, real* y, int64_t batch,
                   int64_t inputs, int64_t outputs) {
  const auto kind = kind_of(x, batch, inputs, outputs, kCodedShareForward);
  if (!kind) return false;
  const Choice choice =
      choice_of_rows(x, batch, inputs, kind->common, !kind->two_values, kind->coded);
  for_each_tile(outputs, [&](int64_t first, int64_t width) {
    sum_a_tile(choice, *kind, w + first, outputs, width, bias ? bias + first : nullptr, y + first);
  });
  return true;
}

bool sparse_weight_gradient(const real* up, const real* x, real* dw, int64_t batch, int64_t inputs,
                            int64_t outputs) {
  const auto kind = kind_of(x, batch, inputs, outputs, kCodedShareBackward);
  if (!kind) return false;
  const Choice choice =
      choice_of_columns(x, batch, inputs, kind->common, !kind->two_values, kind->coded);
  for_each_tile(outputs, [&](int64_t first, int64_t width) {
    sum_a_tile(choice, *kind, up + first, outputs, width, nullptr, dw + first);
  });
  return true;
}

}  // namespace stflow
