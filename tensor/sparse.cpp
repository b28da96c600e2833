// sparse.cpp - see sparse.h.
//
// Both kernels work on a tile of outputs: for the weights of a tile to be added as vectors, they
// lie transposed in a scratch buffer that fits the L1 cache, and a batch shares that work. Where
// the places are few each is looked up; where two values are about as frequent, as in the samples
// of Bernoulli units, four bits are looked up at a time (bit_tables.h).
#include "tensor/sparse.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "tensor/bit_tables.h"
#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace stflow {
namespace {

constexpr int64_t kLinearTile = kTableWidth;  // outputs
constexpr int64_t kGradientTile = 32;         // outputs
constexpr int64_t kInputBlock = 256;  // inputs whose weights are transposed at a time: 16 KB
constexpr int64_t kLine = 16;         // inputs whose gradients are: a cache line
constexpr int64_t kMinRows = 16;      // fewer do not repay the transposing,
constexpr int64_t kMinOutputs = 48;   // nor the search for places

// ---- what kind of input is it? ----

/// x is `common` at most places and, if it has two values, common + difference at the others.
struct Kind {
  real common;
  bool two_values;
  real difference;
  bool many_others = false;  // two values, and the other one is so frequent that tables pay
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

/// How often do two values occur? Stops where `enough`(counts so far, numbers so far) says no.
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

/// The two values as common one and other. Where one is 0, it is the common one, for that is exact;
/// any other must not be so large that its sum takes the other's digits.
std::optional<Kind> two_values(real first, int64_t firsts, real second, int64_t seconds) {
  if (second == 0 || (first != 0 && seconds > firsts)) {
    std::swap(first, second);
    std::swap(firsts, seconds);
  }
  const real difference = second - first;
  if (!std::isfinite(first) || !std::isfinite(difference)) return {};
  if (3 * firsts < seconds || std::abs(first) > 4 * std::abs(second)) return {};
  return Kind{first, true, difference, /*many_others=*/2 * seconds > firsts};
}

std::optional<Kind> kind_of(const real* x, int64_t rows, int64_t columns, int64_t outputs) {
  const int64_t n = rows * columns;
  if (rows < kMinRows || columns < kLine || outputs < kMinOutputs) return {};
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

/// The places of each row where x is not common, and how far it is from it:
/// place[r * columns], ..., count[r] of them.
struct Places {
  std::unique_ptr<int32_t[]> place;
  std::unique_ptr<real[]> value;  // null for two values
  std::vector<int32_t> count;
};

Places places_of(const real* x, const Kind& kind, int64_t rows, int64_t columns) {
  const int64_t size = rows * columns;
  Places places{std::make_unique_for_overwrite<int32_t[]>(size),
                kind.two_values ? nullptr : std::make_unique_for_overwrite<real[]>(size),
                std::vector<int32_t>(rows)};
  parallel_for(rows, std::max<int64_t>(1, 8192 / columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const real* row = x + r * columns;
      int32_t* place = places.place.get() + r * columns;
      int32_t count = 0;
      for (int64_t c = 0; c < columns; ++c) {  // written always, kept if it counts
        place[count] = static_cast<int32_t>(c);
        count += row[c] != kind.common;
      }
      places.count[r] = count;
      if (kind.two_values) continue;
      for (int32_t i = 0; i < count; ++i)
        places.value[r * columns + i] = row[place[i]] - kind.common;
    }
  });
  return places;
}

/// The same places column by column, for columns [begin, end): bit r % 32 of
/// mask[r / 32 * columns + c].
STFLOW_CLONES void fill_masks(const real* x, real common, int64_t rows, int64_t columns,
                              int64_t begin, int64_t end, uint32_t* mask) {
  for (int64_t r = 0; r < rows; ++r) {
    uint32_t* word = mask + r / 32 * columns;
    const uint32_t bit = uint32_t{1} << (r % 32);
    for (int64_t c = begin; c < end; ++c) word[c] |= x[r * columns + c] != common ? bit : 0;
  }
}

// ---- kernels ----

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

/// For each image: adds to its sum the rows of packed, times their values, at its places below
/// `end`, and moves its cursor behind them. Row p of packed is at p * kLinearTile.
template <bool kTwoValues>
STFLOW_CLONES void add_rows(const Places& places, int64_t columns, int32_t end, const real* packed,
                            int32_t* cursor, real* sums) {
  const auto images = static_cast<int64_t>(places.count.size());
  for (int64_t image = 0; image < images; ++image) {
    const int32_t* place = places.place.get() + image * columns;
    const real* value = places.value.get() + image * columns;
    const int32_t count = places.count[image];
    int32_t i = cursor[image];
    const auto add = [&](Vec8& left, Vec8& right, int32_t k) {
      const Vec8* row = vectors(packed + int64_t{place[k]} * kLinearTile);
      if constexpr (kTwoValues) {
        left += row[0];
        right += row[1];
      } else {
        left += value[k] * row[0];
        right += value[k] * row[1];
      }
    };
    Vec8 a{}, b{}, c{}, d{};  // two rows at a time: an addition waits for the one before
    for (; i + 1 < count && place[i + 1] < end; i += 2) {
      add(a, b, i);
      add(c, d, i + 1);
    }
    if (i < count && place[i] < end) add(a, b, i++);
    cursor[image] = i;
    vectors(sums)[2 * image] += a + c;
    vectors(sums)[2 * image + 1] += b + d;
  }
}

/// dw = base + the sum of the rows of packed, times their values, where an input is not common: for
/// one input after the other.
template <bool kTwoValues>
STFLOW_CLONES void gradient_tile(const std::vector<uint32_t>& masks, const real* x, real difference,
                                 int64_t inputs, const real* packed, const real* base, real* dw,
                                 int64_t width) {
  const auto words = static_cast<int64_t>(masks.size()) / inputs;
  for (int64_t first = 0; first < inputs; first += kLine) {
    alignas(64) real sums[kLine][kGradientTile];
    const int64_t line = std::min(kLine, inputs - first);
    for (int64_t i = 0; i < line; ++i) {
      Vec8 a{}, b{}, c{}, d{};
      for (int64_t word = 0; word < words; ++word) {
        for (uint32_t mask = masks[word * inputs + first + i]; mask != 0; mask &= mask - 1) {
          const int64_t image = 32 * word + __builtin_ctz(mask);
          const Vec8* row = vectors(packed + image * kGradientTile);
          if constexpr (kTwoValues) {
            a += row[0];
            b += row[1];
            c += row[2];
            d += row[3];
          } else {  // common is 0
            const real value = x[image * inputs + first + i];
            a += value * row[0];
            b += value * row[1];
            c += value * row[2];
            d += value * row[3];
          }
        }
      }
      vectors(sums[i])[0] = vectors(base)[0] + difference * a;
      vectors(sums[i])[1] = vectors(base)[1] + difference * b;
      vectors(sums[i])[2] = vectors(base)[2] + difference * c;
      vectors(sums[i])[3] = vectors(base)[3] + difference * d;
    }
    transpose_to(sums[0], kGradientTile, line, width, dw + first, inputs);
  }
}

/// packed = columns [first, first + width) of up, row by row; adds them up in base [width].
void pack_columns(const real* up, int64_t batch, int64_t outputs, int64_t first, int64_t width,
                  real* packed, int64_t stride, real* base) {
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t o = 0; o < width; ++o) {
      packed[b * stride + o] = up[b * outputs + first + o];
      base[o] += up[b * outputs + first + o];
    }
  }
}

/// Each row of sums [items,kTableWidth] = base + difference times it.
STFLOW_CLONES void finish_rows(real* sums, int64_t items, const real (&base)[kTableWidth],
                               real difference) {
  for (int64_t i = 0; i < items; ++i, sums += kTableWidth) {
    for (int64_t o = 0; o < kTableWidth; ++o) sums[o] = base[o] + difference * sums[o];
  }
}

void gradient_by_tables(const real* up, const real* x, const Kind& kind, real* dw, int64_t batch,
                        int64_t inputs, int64_t outputs) {
  const BitCodes codes = codes_of_columns(x, kind.common, inputs, batch);
  parallel_for((outputs + kTableWidth - 1) / kTableWidth, 1, [&](int64_t tile, int64_t) {
    const int64_t first = tile * kTableWidth, width = std::min(kTableWidth, outputs - first);
    Tensor packed({(batch + 3) / 4 * 4, kTableWidth});
    Tensor sums = Tensor::zeros({inputs, kTableWidth});
    alignas(64) real base[kTableWidth] = {};
    pack_columns(up, batch, outputs, first, width, packed.data(), kTableWidth, base);
    add_chosen_rows(codes, 0, batch, packed.data(), sums.data());
    for (real& number : base) number = kind.common != 0 ? number * kind.common : 0;
    finish_rows(sums.data(), inputs, base, kind.difference);
    transpose_to(sums.data(), kTableWidth, inputs, width, dw + first * inputs, inputs);
  });
}

}  // namespace

bool sparse_linear(const real* x, const real* w, const real* bias, real* y, int64_t batch,
                   int64_t inputs, int64_t outputs) {
  const auto kind = kind_of(x, batch, inputs, outputs);
  if (!kind) return false;
  const bool tables = kind->many_others;
  const Places places = tables ? Places{} : places_of(x, *kind, batch, inputs);
  const BitCodes codes = tables ? codes_of_rows(x, kind->common, batch, inputs) : BitCodes{};
  parallel_for((outputs + kLinearTile - 1) / kLinearTile, 1, [&](int64_t tile, int64_t) {
    const int64_t first = tile * kLinearTile, width = std::min(kLinearTile, outputs - first);
    Tensor packed({kInputBlock, kLinearTile}), sums = Tensor::zeros({batch, kLinearTile});
    std::vector<int32_t> cursor(batch);
    alignas(64) real base[kLinearTile] = {};
    for (int64_t begin = 0; begin < inputs; begin += kInputBlock) {
      const int64_t block = std::min(kInputBlock, inputs - begin);
      transpose_to(w + first * inputs + begin, inputs, width, block, packed.data(), kLinearTile);
      if (kind->common != 0) {
        for (int64_t i = 0; i < block; ++i) {
          for (int64_t o = 0; o < kLinearTile; ++o) base[o] += packed[i * kLinearTile + o];
        }
      }
      if (tables) {
        add_chosen_rows(codes, begin, block, packed.data(), sums.data());
        continue;
      }
      (kind->two_values ? add_rows<true> : add_rows<false>)(places, inputs,
                                                            static_cast<int32_t>(begin + block),
                                                            packed.data() - begin * kLinearTile,
                                                            cursor.data(), sums.data());
    }
    for (int64_t o = 0; o < width; ++o)
      base[o] = kind->common * base[o] + (bias ? bias[first + o] : 0);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t o = 0; o < width; ++o)
        y[b * outputs + first + o] = base[o] + kind->difference * sums[b * kLinearTile + o];
    }
  });
  return true;
}

bool sparse_weight_gradient(const real* up, const real* x, real* dw, int64_t batch, int64_t inputs,
                            int64_t outputs) {
  const auto kind = kind_of(x, batch, inputs, outputs);
  if (!kind) return false;
  if (kind->many_others) {
    gradient_by_tables(up, x, *kind, dw, batch, inputs, outputs);
    return true;
  }
  std::vector<uint32_t> masks((batch + 31) / 32 * inputs);
  parallel_for(inputs, kElementwiseGrain / batch + 1, [&](int64_t begin, int64_t end) {
    fill_masks(x, kind->common, batch, inputs, begin, end, masks.data());
  });
  parallel_for((outputs + kGradientTile - 1) / kGradientTile, 1, [&](int64_t tile, int64_t) {
    const int64_t first = tile * kGradientTile, width = std::min(kGradientTile, outputs - first);
    Tensor packed({batch, kGradientTile});
    alignas(64) real base[kGradientTile] = {};
    pack_columns(up, batch, outputs, first, width, packed.data(), kGradientTile, base);
    for (real& number : base) number = kind->common != 0 ? number * kind->common : 0;
    (kind->two_values ? gradient_tile<true> : gradient_tile<false>)(masks, x, kind->difference,
                                                                    inputs, packed.data(), base,
                                                                    dw + first * inputs, width);
  });
  return true;
}

}  // namespace stflow
