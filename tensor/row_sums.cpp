// row_sums.cpp - see row_sums.h.
#include "tensor/row_sums.h"

#include <algorithm>
#include <numeric>

#include "tensor/simd.h"

#if STFLOW_HAS_INTRINSICS
#include <immintrin.h>
#endif

namespace stflow {
namespace {

constexpr int64_t kListBlock = 256;  // rows in use at a time: 32 KB, and a place is a byte
constexpr int64_t kGroupBlock = 16;  // groups whose tables are: 32 KB
constexpr int64_t kCodesAtOnce = 4;  // groups in a round of the loop
constexpr int64_t kChoices = 16;     // of four rows

// ---- sums ----

template <typename Width, bool kWeighted>
inline __attribute__((always_inline)) void add_lists(const Choice& choice, int64_t first,
                                                     const real* packed, real* sums) {
  using Vec = typename Width::Vec;
  const uint8_t* row = choice.row.data();
  const real* weight = choice.weight.data();
  const int32_t* start = choice.start.data() + first / kListBlock * choice.items;
  const Vec* rows = reinterpret_cast<const Vec*>(packed);
  Vec* sum = reinterpret_cast<Vec*>(sums);
  for (int64_t item = 0; item < choice.items; ++item, sum += 2) {
    Vec a{}, b{}, c{}, d{};  // two rows at a time, for an addition waits for the one before
    const auto add = [&](Vec & left, Vec & right, int32_t k) __attribute__((always_inline)) {
      const Vec* from = rows + 2 * int64_t{row[k]};
      left += kWeighted ? weight[k] * from[0] : from[0];
      right += kWeighted ? weight[k] * from[1] : from[1];
    };
    int32_t k = start[item];
    const int32_t end = start[item + 1];
    for (; k + 1 < end; k += 2) {
      add(a, b, k);
      add(c, d, k + 1);
    }
    if (k < end) add(a, b, k);
    sum[0] = first == 0 ? a + c : sum[0] + (a + c);
    sum[1] = first == 0 ? b + d : sum[1] + (b + d);
  }
}

/// The sums of all choices among four rows: bit r of the choice takes row r.
template <typename Width>
inline __attribute__((always_inline)) void fill_table(const typename Width::Vec* rows,
                                                      typename Width::Vec* table) {
  for (int half = 0; half < 2; ++half) {
    typename Width::Vec sums[kChoices];
    sums[0] = typename Width::Vec{};
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
#pragma GCC unroll 8
      for (int choice = 0; choice < 1 << r; ++choice)
        sums[(1 << r) + choice] = sums[choice] + rows[2 * r + half];
    }
#pragma GCC unroll 16
    for (int choice = 0; choice < kChoices; ++choice) table[2 * choice + half] = sums[choice];
  }
}

template <typename Width>
inline __attribute__((always_inline)) void add_codes(const Choice& choice, int64_t first,
                                                     const real* packed, real* tables, real* sums) {
  using Vec = typename Width::Vec;
  constexpr int64_t kEntry = 2 * sizeof(Vec);
  const int64_t groups = std::min(kGroupBlock, choice.groups - first / 4), stride = choice.groups;
  const Vec* rows = reinterpret_cast<const Vec*>(packed);
  Vec* table = reinterpret_cast<Vec*>(tables);
  for (int64_t g = 0; g < groups; ++g) fill_table<Width>(rows + 8 * g, table + 2 * kChoices * g);
  const uint8_t* code = choice.code.data() + first / 4;
  Vec* sum = reinterpret_cast<Vec*>(sums);
  for (int64_t item = 0; item < choice.items; ++item, sum += 2, code += stride) {
    Vec a{}, b{}, c{}, d{};
    const char* entries = reinterpret_cast<const char*>(table);
    for (int64_t g = 0; g < groups;
         g += kCodesAtOnce, entries += kCodesAtOnce * kChoices * kEntry) {
#pragma GCC unroll 4
      for (int i = 0; i < kCodesAtOnce; ++i) {
        // A code is 16 times the choice, so that the address is a sum that costs no instruction.
        const Vec* entry = reinterpret_cast<const Vec*>(entries + i * kChoices * kEntry +
                                                        code[g + i] * (kEntry / 16));
        (i % 2 ? c : a) += entry[0];
        (i % 2 ? d : b) += entry[1];
      }
    }
    sum[0] = first == 0 ? a + c : sum[0] + (a + c);
    sum[1] = first == 0 ? b + d : sum[1] + (b + d);
  }
}

template <typename Width>
inline __attribute__((always_inline)) void add_chosen(const Choice& choice, int64_t first,
                                                      const real* packed, real* tables,
                                                      real* sums) {
  if (choice.coded) {
    add_codes<Width>(choice, first, packed, tables, sums);
  } else if (choice.weight.empty()) {
    add_lists<Width, false>(choice, first, packed, sums);
  } else {
    add_lists<Width, true>(choice, first, packed, sums);
  }
}

STFLOW_AVX512 void add_chosen_avx512(const Choice& choice, int64_t first, const real* packed,
                                     real* tables, real* sums) {
  add_chosen<Wide>(choice, first, packed, tables, sums);
}

STFLOW_CLONES void add_chosen_avx2(const Choice& choice, int64_t first, const real* packed,
                                   real* tables, real* sums) {
  add_chosen<Narrow>(choice, first, packed, tables, sums);
}

// ---- choices ----

/// Where x [n] is not common; room for n + 16 is needed. Returns how many.
int32_t find_others_plain(const real* x, int32_t n, real common, int32_t* found) {
  int32_t count = 0;
  for (int32_t i = 0; i < n; ++i) {  // written always, kept if it counts
    found[count] = i;
    count += x[i] != common;
  }
  return count;
}

#if STFLOW_HAS_INTRINSICS
STFLOW_AVX512 int32_t find_others_avx512(const float* x, int32_t n, float common, int32_t* found) {
  int32_t count = 0;
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 same = _mm512_set1_ps(common);
  for (int32_t i = 0; i < n; i += 16) {
    const auto inside = static_cast<__mmask16>(i + 16 <= n ? 0xffff : (1 << (n - i)) - 1);
    const __mmask16 other =
        _mm512_mask_cmp_ps_mask(inside, _mm512_maskz_loadu_ps(inside, x + i), same, _CMP_NEQ_UQ);
    _mm512_storeu_si512(found + count, _mm512_maskz_compress_epi32(other, places));
    count += __builtin_popcount(other);
    places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
  }
  return count;
}
#endif

int32_t find_others(const real* x, int64_t n, real common, std::vector<int32_t>& found) {
#if STFLOW_HAS_INTRINSICS
  if constexpr (std::is_same_v<real, float>) {
    if (has_avx512()) return find_others_avx512(x, static_cast<int32_t>(n), common, found.data());
  }
#endif
  return find_others_plain(x, static_cast<int32_t>(n), common, found.data());
}

STFLOW_CLONES void count_others(const real* x, int64_t n, real common, int32_t* counts) {
  for (int64_t i = 0; i < n; ++i) counts[i] += x[i] != common;
}

/// code[i] |= bit where x[i] is not common.
STFLOW_CLONES void set_bits(const real* x, int64_t n, real common, uint8_t bit, uint8_t* code) {
  for (int64_t i = 0; i < n; ++i) code[i] |= x[i] != common ? bit : 0;
}

int64_t groups_of(int64_t rows) {
  return (rows + 4 * kCodesAtOnce - 1) / (4 * kCodesAtOnce) * kCodesAtOnce;
}

/// The bit of row r in the code of its group.
uint8_t bit_of(int64_t r) { return static_cast<uint8_t>(16 << (r % 4)); }

}  // namespace

int64_t Choice::block() const { return coded ? 4 * kGroupBlock : kListBlock; }

Choice choice_of_rows(const real* x, int64_t items, int64_t rows, real common, bool weighted,
                      bool coded) {
  Choice choice;
  choice.items = items;
  choice.rows = rows;
  choice.coded = coded;
  if (coded) {
    choice.groups = groups_of(rows);
    choice.code.resize(choice.groups * items);
    for (int64_t item = 0; item < items; ++item) {
      const real* bits = x + item * rows;
      uint8_t* code = choice.code.data() + item * choice.groups;
      int64_t r = 0;
      for (; r + 4 <= rows; r += 4) {
        code[r / 4] =
            static_cast<uint8_t>((bits[r] != common) << 4 | (bits[r + 1] != common) << 5 |
                                 (bits[r + 2] != common) << 6 | (bits[r + 3] != common) << 7);
      }
      for (; r < rows; ++r) code[r / 4] |= bits[r] != common ? bit_of(r) : 0;
    }
    return choice;
  }
  std::vector<int32_t> found(kListBlock + 16);
  choice.start.push_back(0);
  for (int64_t first = 0; first < rows; first += kListBlock) {
    for (int64_t item = 0; item < items; ++item) {
      const real* from = x + item * rows + first;
      const int32_t count = find_others(from, std::min(kListBlock, rows - first), common, found);
      choice.row.insert(choice.row.end(), found.begin(), found.begin() + count);
      choice.start.push_back(static_cast<int32_t>(choice.row.size()));
      for (int32_t i = 0; i < count && weighted; ++i)
        choice.weight.push_back(from[found[i]] - common);
    }
  }
  return choice;
}

Choice choice_of_columns(const real* x, int64_t rows, int64_t items, real common, bool weighted,
                         bool coded) {
  Choice choice;
  choice.items = items;
  choice.rows = rows;
  choice.coded = coded;
  if (coded) {
    choice.groups = groups_of(rows);
    choice.code.resize(choice.groups * items);
    std::vector<uint8_t> code(items);  // of one group
    for (int64_t first = 0; first < rows; first += 4) {
      std::ranges::fill(code, uint8_t{0});
      for (int64_t r = first; r < std::min(first + 4, rows); ++r)
        set_bits(x + r * items, items, common, bit_of(r), code.data());
      for (int64_t item = 0; item < items; ++item)
        choice.code[item * choice.groups + first / 4] = code[item];
    }
    return choice;
  }
  // Counted first, so that each thing's places can be written where they belong.
  const int64_t blocks = (rows + kListBlock - 1) / kListBlock;
  choice.start.resize(blocks * items + 1);
  for (int64_t r = 0; r < rows; ++r)
    count_others(x + r * items, items, common, choice.start.data() + 1 + r / kListBlock * items);
  std::partial_sum(choice.start.begin(), choice.start.end(), choice.start.begin());
  choice.row.resize(choice.start.back());
  if (weighted) choice.weight.resize(choice.start.back());
  std::vector<int32_t> next(choice.start.begin(), choice.start.end() - 1), found(items + 16);
  for (int64_t r = 0; r < rows; ++r, x += items) {
    const int32_t count = find_others(x, items, common, found);
    int32_t* place = next.data() + r / kListBlock * items;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t at = place[found[i]]++;
      choice.row[at] = static_cast<uint8_t>(r % kListBlock);
      if (weighted) choice.weight[at] = x[found[i]] - common;
    }
  }
  return choice;
}

int64_t sum_tile() { return has_avx512() ? 32 : 16; }

void add_chosen_rows(const Choice& choice, int64_t first, const real* packed, real* sums) {
  Tensor tables;
  if (choice.coded) tables = Tensor({kGroupBlock, kChoices, sum_tile()});
  (has_avx512() ? add_chosen_avx512 : add_chosen_avx2)(choice, first, packed, tables.data(), sums);
}

}  // namespace stflow
