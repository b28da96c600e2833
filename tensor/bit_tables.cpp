// bit_tables.cpp - see bit_tables.h.
#include "tensor/bit_tables.h"

#include <algorithm>

#include "tensor/parallel.h"
#include "tensor/simd.h"

namespace stflow {
namespace {

constexpr int64_t kGroups =
    24;  // whose tables are in use at a time: 24 KB, which an L1 cache holds
constexpr int64_t kTable = 16 * kTableWidth;  // numbers in the table of a group

/// The sums of all choices among four rows: bit r of the choice takes row r.
STFLOW_CLONES void fill_table(const real* rows, real* table) {
  for (int64_t half = 0; half < 2; ++half) {  // of the numbers of a row
    Vec8 sums[16];
    sums[0] = Vec8{};
    for (int r = 0; r < 4; ++r) {
      const Vec8 row = vectors(rows)[2 * r + half];
      for (int choice = 0; choice < 1 << r; ++choice) sums[(1 << r) + choice] = sums[choice] + row;
    }
    for (int choice = 0; choice < 16; ++choice) vectors(table)[2 * choice + half] = sums[choice];
  }
}

STFLOW_CLONES void add_entries(const uint8_t* code, int64_t stride, int64_t items, int64_t groups,
                               const real* tables, real* sums) {
  for (int64_t item = 0; item < items; ++item) {
    const uint8_t* choice = code + item * stride;
    Vec8 a = vectors(sums)[2 * item], b = vectors(sums)[2 * item + 1], c{}, d{};
    const auto add = [&](Vec8& left, Vec8& right, int64_t g) {
      const Vec8* entry = vectors(tables + g * kTable + choice[g] * kTableWidth);
      left += entry[0];
      right += entry[1];
    };
    int64_t g = 0;
    for (; g + 1 < groups; g += 2) {  // two at a time: an addition waits for the one before
      add(a, b, g);
      add(c, d, g + 1);
    }
    if (g < groups) add(a, b, g);
    vectors(sums)[2 * item] = a + c;
    vectors(sums)[2 * item + 1] = b + d;
  }
}

}  // namespace

BitCodes codes_of_rows(const real* x, real common, int64_t items, int64_t rows) {
  BitCodes codes{items, rows, {}};
  const int64_t groups = codes.groups();
  codes.code.resize(items * groups);
  for (int64_t item = 0; item < items; ++item) {
    const real* bits = x + item * rows;
    uint8_t* code = codes.code.data() + item * groups;
    for (int64_t r = 0; r + 4 <= rows; r += 4) {
      code[r / 4] =
          static_cast<uint8_t>((bits[r] != common) | (bits[r + 1] != common) << 1 |
                               (bits[r + 2] != common) << 2 | (bits[r + 3] != common) << 3);
    }
    for (int64_t r = rows / 4 * 4; r < rows; ++r)
      code[r / 4] |= static_cast<uint8_t>((bits[r] != common) << (r % 4));
  }
  return codes;
}

BitCodes codes_of_columns(const real* x, real common, int64_t items, int64_t rows) {
  BitCodes codes{items, rows, {}};
  const int64_t groups = codes.groups();
  codes.code.resize(items * groups);
  for (int64_t r = 0; r < rows; ++r) {
    const real* bits = x + r * items;
    for (int64_t item = 0; item < items; ++item)
      codes.code[item * groups + r / 4] |= static_cast<uint8_t>((bits[item] != common) << (r % 4));
  }
  return codes;
}

void add_chosen_rows(const BitCodes& codes, int64_t first, int64_t count, const real* packed,
                     real* sums) {
  Tensor tables({kGroups, kTable});
  for (int64_t begin = 0; begin < count; begin += 4 * kGroups) {
    const int64_t block = std::min(4 * kGroups, count - begin), groups = (block + 3) / 4;
    for (int64_t g = 0; g < groups; ++g) {
      fill_table(packed + (begin + 4 * g) * kTableWidth, tables.data() + g * kTable);
    }
    add_entries(codes.code.data() + (first + begin) / 4, codes.groups(), codes.items, groups,
                tables.data(), sums);
  }
}

}  // namespace stflow
