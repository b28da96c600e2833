// two_valued.cpp - see two_valued.h.
//
// Both kernels work on a tile of kTile outputs: for the rows of a tile to be added as vectors, the
// weights lie transposed in a scratch buffer that stays in cache, and a batch shares that work.
#include "tensor/two_valued.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace stflow {
namespace {

constexpr int64_t kLinearTile = 16;    // outputs: so that 784 rows of them fit the L1 cache
constexpr int64_t kGradientTile = 32;  // outputs
constexpr int64_t kBlock = 16;  // inputs that are transposed at a time: a cache line

/// x = common, or common + difference, which is the rarer one.
struct TwoValues {
  real common, difference;
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

/// None if x has more than two values, or so few rows that a product is faster.
std::optional<TwoValues> two_values(const real* x, int64_t rows, int64_t columns) {
  constexpr int64_t kMinRows = 16, kLook = 1024;  // at a time: most tensors fail at the first look
  const int64_t n = rows * columns;
  if (rows < kMinRows || columns < kBlock) return {};
  const real first = x[0];
  const real* other = std::find_if(x, x + n, [first](real v) { return v != first; });
  const real second = other == x + n ? first + 1 : *other;
  int64_t firsts = 0;
  for (int64_t done = 0; done < n; done += kLook) {
    const auto look = static_cast<int32_t>(std::min(kLook, n - done));
    const Counts counts = count(x + done, look, first, second);
    if (counts.first + counts.second != look) return {};
    firsts += counts.first;
  }
  if (2 * firsts >= n) return TwoValues{first, second - first};
  return TwoValues{second, first - second};
}

/// Where the rarer value is, row by row: place[r * columns], ..., count[r] of them.
struct Places {
  std::unique_ptr<int32_t[]> place;
  std::vector<int32_t> count;
};

Places places_of(const real* x, real common, int64_t rows, int64_t columns) {
  Places places{std::make_unique_for_overwrite<int32_t[]>(rows * columns),
                std::vector<int32_t>(rows)};
  parallel_for(rows, std::max<int64_t>(1, 8192 / columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const real* row = x + r * columns;
      int32_t* place = places.place.get() + r * columns;
      int32_t count = 0;
      for (int64_t c = 0; c < columns; ++c) {  // written always, kept if it counts
        place[count] = static_cast<int32_t>(c);
        count += row[c] != common;
      }
      places.count[r] = count;
    }
  });
  return places;
}

/// Where the rarer value is, column by column: bit r % 32 of mask[r / 32 * columns + c].
STFLOW_CLONES void fill_masks(const real* x, real common, int64_t rows, int64_t columns,
                              uint32_t* mask) {
  for (int64_t r = 0; r < rows; ++r) {
    uint32_t* word = mask + r / 32 * columns;
    const uint32_t bit = uint32_t{1} << (r % 32);
    for (int64_t c = 0; c < columns; ++c) word[c] |= x[r * columns + c] != common ? bit : 0;
  }
}

/// Sixteen numbers that the compiler keeps in registers, as it does not do with an array.
using Vec16 =
    real __attribute__((vector_size(16 * sizeof(real)), aligned(alignof(real)), may_alias));
inline const Vec16* vectors(const real* x) { return reinterpret_cast<const Vec16*>(x); }
inline Vec16* vectors(real* x) { return reinterpret_cast<Vec16*>(x); }

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4.
inline __attribute__((always_inline)) void transpose_4x4(const real* from, int64_t from_stride,
                                                         real* to, int64_t to_stride) {
  using Vec4 =
      real __attribute__((vector_size(4 * sizeof(real)), aligned(alignof(real)), may_alias));
  const auto row = [&](int64_t i) -> const Vec4& {
    return *reinterpret_cast<const Vec4*>(from + i * from_stride);
  };
  const Vec4 a = row(0), b = row(1), c = row(2), d = row(3);
  const Vec4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Vec4 ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7),
             cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const auto put = [&](int64_t j, const Vec4& column) {
    *reinterpret_cast<Vec4*>(to + j * to_stride) = column;
  };
  put(0, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  put(1, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  put(2, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  put(3, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/// to [columns,rows] = from [rows,columns] transposed.
STFLOW_CLONES void transpose_to(const real* from, int64_t from_stride, int64_t rows,
                                int64_t columns, real* to, int64_t to_stride) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t j = 0; j < whole_columns; j += 4) {
    for (int64_t i = 0; i < whole_rows; i += 4)
      transpose_4x4(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    for (int64_t i = whole_rows; i < rows; ++i) {
      for (int64_t k = j; k < j + 4; ++k) to[k * to_stride + i] = from[i * from_stride + k];
    }
  }
  for (int64_t j = whole_columns; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

/// y = base + difference (sum of the chosen rows of packed), for one image after the other.
STFLOW_CLONES void linear_tile(const Places& places, real difference, int64_t inputs,
                               const real* packed, const real* base, real* y, int64_t outputs,
                               int64_t width) {
  const auto batch = static_cast<int64_t>(places.count.size());
  for (int64_t image = 0; image < batch; ++image) {
    const int32_t* place = places.place.get() + image * inputs;
    const int32_t count = places.count[image];
    const auto row = [&](int32_t i) { return vectors(packed + int64_t{place[i]} * kLinearTile); };
    Vec16 a{}, b{}, c{}, d{};  // four rows at a time: an addition waits for the one before
    int32_t i = 0;
    for (; i + 3 < count; i += 4) {
      a += *row(i);
      b += *row(i + 1);
      c += *row(i + 2);
      d += *row(i + 3);
    }
    for (; i < count; ++i) a += *row(i);
    real sum[kLinearTile];
    *vectors(sum) = (a + b) + (c + d);
    for (int64_t o = 0; o < width; ++o) y[image * outputs + o] = base[o] + difference * sum[o];
  }
}

/// dw = base + difference (sum of the rows of packed that have the rarer value), for one input
/// after the other.
STFLOW_CLONES void gradient_tile(const std::vector<uint32_t>& masks, real difference,
                                 int64_t inputs, const real* packed, const real* base, real* dw,
                                 int64_t width) {
  const auto words = static_cast<int64_t>(masks.size()) / inputs;
  for (int64_t first = 0; first < inputs; first += kBlock) {
    real sums[kBlock][kGradientTile];
    const int64_t block = std::min(kBlock, inputs - first);
    for (int64_t i = 0; i < block; ++i) {
      Vec16 a{}, b{};
      for (int64_t word = 0; word < words; ++word) {
        for (uint32_t mask = masks[word * inputs + first + i]; mask != 0; mask &= mask - 1) {
          const Vec16* row = vectors(packed + (32 * word + __builtin_ctz(mask)) * kGradientTile);
          a += row[0];
          b += row[1];
        }
      }
      vectors(sums[i])[0] = vectors(base)[0] + difference * a;
      vectors(sums[i])[1] = vectors(base)[1] + difference * b;
    }
    transpose_to(sums[0], kGradientTile, block, width, dw + first, inputs);
  }
}

std::unique_ptr<real[]> scratch(int64_t size, bool zeroed) {
  return zeroed ? std::make_unique<real[]>(size) : std::make_unique_for_overwrite<real[]>(size);
}

}  // namespace

bool two_valued_linear(const real* x, const real* w, const real* bias, real* y, int64_t batch,
                       int64_t inputs, int64_t outputs) {
  const auto values = two_values(x, batch, inputs);
  if (!values) return false;
  const Places places = places_of(x, values->common, batch, inputs);
  parallel_for((outputs + kLinearTile - 1) / kLinearTile, 1, [&](int64_t tile, int64_t) {
    const int64_t first = tile * kLinearTile, width = std::min(kLinearTile, outputs - first);
    const auto packed = scratch(inputs * kLinearTile, /*zeroed=*/width < kLinearTile);
    transpose_to(w + first * inputs, inputs, width, inputs, packed.get(), kLinearTile);
    real base[kLinearTile] = {};
    if (values->common != 0) {
      for (int64_t i = 0; i < inputs; ++i) {
        for (int64_t o = 0; o < kLinearTile; ++o) base[o] += packed[i * kLinearTile + o];
      }
    }
    for (int64_t o = 0; o < width; ++o)
      base[o] = values->common * base[o] + (bias ? bias[first + o] : 0);
    linear_tile(places, values->difference, inputs, packed.get(), base, y + first, outputs, width);
  });
  return true;
}

bool two_valued_weight_gradient(const real* up, const real* x, real* dw, int64_t batch,
                                int64_t inputs, int64_t outputs) {
  const auto values = two_values(x, batch, inputs);
  if (!values) return false;
  std::vector<uint32_t> masks((batch + 31) / 32 * inputs);
  fill_masks(x, values->common, batch, inputs, masks.data());
  parallel_for((outputs + kGradientTile - 1) / kGradientTile, 1, [&](int64_t tile, int64_t) {
    const int64_t first = tile * kGradientTile, width = std::min(kGradientTile, outputs - first);
    const auto packed = scratch(batch * kGradientTile, /*zeroed=*/width < kGradientTile);
    real base[kGradientTile] = {};
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t o = 0; o < width; ++o) {
        packed[b * kGradientTile + o] = up[b * outputs + first + o];
        base[o] += packed[b * kGradientTile + o];
      }
    }
    for (real& number : base) number *= values->common;
    gradient_tile(masks, values->difference, inputs, packed.get(), base, dw + first * inputs,
                  width);
  });
  return true;
}

}  // namespace stflow
