// subset_sums.cpp - see subset_sums.h.
#include "stflow/tensor/kernels/subset_sums.h"

#include <algorithm>
#include <array>
#include <bit>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/tensor.h"

#if STFLOW_HAS_INTRINSICS
#include <immintrin.h>
#endif

namespace stflow {
namespace {

constexpr int64_t kListBlock = 256;  // rows in use at a time: 32 KB, and a place is a byte
constexpr int64_t kGroupBlock = 16;  // groups whose tables are: 32 KB
constexpr int64_t kCodesAtOnce = kRowsAtOnce / 4;  // groups in a round of the loop
constexpr int64_t kChoices = 16;                   // of four rows

// ---- sums ----

/// Puts the sum of a block, its left and its right half, where it goes. By reference: clang warns
/// of vectors passed by value.
template <typename Vec>
inline __attribute__((always_inline)) void put(const SumsTo& to, bool first, int64_t item,
                                               const Vec& left, const Vec& right) {
  // Again, since clang forgets it of a type that comes out of a template.
  using Unaligned __attribute__((aligned(alignof(real)), may_alias)) = Vec;
  constexpr int64_t kTile = 2 * sizeof(Vec) / sizeof(real);
  auto* sum = reinterpret_cast<Unaligned*>(to.sums + item * kTile);
  Vec all[] = {left, right};
  for (int half = 0; half < 2 && !first; ++half) all[half] = sum[half] + all[half];
  if (to.out) {
    const auto* base = reinterpret_cast<const Unaligned*>(to.base);
    sum = reinterpret_cast<Unaligned*>(to.out + item * to.stride);
    for (int half = 0; half < 2; ++half) all[half] = base[half] + to.scale * all[half];
  }
  sum[0] = all[0];
  sum[1] = all[1];
}

template <typename Width, bool kWeighted>
inline __attribute__((always_inline)) void add_lists(const Choice& choice, const Lists& lists,
                                                     int64_t first, const real* rows,
                                                     int64_t stride, const SumsTo& to) {
  using Vec = typename Width::Vec;
  using Unaligned __attribute__((aligned(alignof(real)), may_alias)) = Vec;
  const int64_t list = first / choice.block * choice.items;
  const int32_t* count = lists.count.get() + list;
  const uint8_t* place = lists.place.get() + list * lists.room;
  const real* weight = kWeighted ? lists.weight.get() + list * lists.room : nullptr;
  for (int64_t item = 0; item < choice.items; ++item, place += lists.room) {
    Vec a{}, b{}, c{}, d{};  // two rows at a time, for an addition waits for the one before
    const auto add = [&](Vec & left, Vec & right, int32_t k) __attribute__((always_inline)) {
      const auto* from = reinterpret_cast<const Unaligned*>(rows + place[k] * stride);
      left += kWeighted ? weight[k] * from[0] : from[0];
      right += kWeighted ? weight[k] * from[1] : from[1];
    };
    int32_t k = 0;
    for (; k + 1 < count[item]; k += 2) {
      add(a, b, k);
      add(c, d, k + 1);
    }
    if (k < count[item]) add(a, b, k);
    if constexpr (kWeighted) weight += lists.room;
    put(to, first == 0, item, a + c, b + d);
  }
}

/// The sums of all sixteen subsets of four rows: bit r of the index takes row r.
template <typename Width>
inline __attribute__((always_inline)) void fill_table(const real* rows, int64_t stride,
                                                      typename Width::Vec* table) {
  using Vec = typename Width::Vec;
  using Unaligned __attribute__((aligned(alignof(real)), may_alias)) = Vec;
  for (int half = 0; half < 2; ++half) {
    Vec sums[kChoices];
    sums[0] = Vec{};
#pragma GCC unroll 16
    for (unsigned choice = 1; choice < kChoices; ++choice) {
      const int last = std::bit_width(choice) - 1;
      sums[choice] = sums[choice - (1u << last)] +
                     reinterpret_cast<const Unaligned*>(rows + last * stride)[half];
    }
#pragma GCC unroll 16
    for (int choice = 0; choice < kChoices; ++choice) table[2 * choice + half] = sums[choice];
  }
}

template <typename Width>
inline __attribute__((always_inline)) void add_codes(const Choice& choice, const Codes& codes,
                                                     int64_t first, const real* rows,
                                                     int64_t stride, real* tables,
                                                     const SumsTo& to) {
  using Vec = typename Width::Vec;
  constexpr int64_t kEntry = 2 * sizeof(Vec);
  const int64_t groups = std::min(kGroupBlock, codes.groups - first / 4);
  Vec* table = reinterpret_cast<Vec*>(tables);
  for (int64_t g = 0; g < groups; ++g)
    fill_table<Width>(rows + 4 * g * stride, stride, table + 2 * kChoices * g);
  const uint8_t* code = codes.code.get() + first / 4;
  for (int64_t item = 0; item < choice.items; ++item, code += codes.groups) {
    Vec a{}, b{}, c{}, d{};
    const char* entries = reinterpret_cast<const char*>(table);
    for (int64_t g = 0; g < groups;
         g += kCodesAtOnce, entries += kCodesAtOnce * kChoices * kEntry) {
#pragma GCC unroll 4
      for (int i = 0; i < kCodesAtOnce; ++i) {
        // A code is 16 times the subset's number: so the address is a plain sum of two registers.
        const Vec* entry = reinterpret_cast<const Vec*>(entries + i * kChoices * kEntry +
                                                        code[g + i] * (kEntry / 16));
        (i % 2 ? c : a) += entry[0];
        (i % 2 ? d : b) += entry[1];
      }
    }
    put(to, first == 0, item, a + c, b + d);
  }
}

template <typename Width>
inline __attribute__((always_inline)) void add_chosen(const Choice& choice, int64_t first,
                                                      const real* rows, int64_t stride,
                                                      real* tables, const SumsTo& to) {
  if (const auto* codes = std::get_if<Codes>(&choice.taken)) {
    add_codes<Width>(choice, *codes, first, rows, stride, tables, to);
  } else if (const auto& lists = std::get<Lists>(choice.taken); !lists.weight) {
    add_lists<Width, false>(choice, lists, first, rows, stride, to);
  } else {
    add_lists<Width, true>(choice, lists, first, rows, stride, to);
  }
}

STFLOW_AVX512 void add_chosen_wide(const Choice& choice, int64_t first, const real* rows,
                                   int64_t stride, real* tables, const SumsTo& to) {
  add_chosen<Wide>(choice, first, rows, stride, tables, to);
}

STFLOW_CLONES void add_chosen_narrow(const Choice& choice, int64_t first, const real* rows,
                                     int64_t stride, real* tables, const SumsTo& to) {
  add_chosen<Narrow>(choice, first, rows, stride, tables, to);
}

// ---- choices ----

/// Where x [n] is not common, n at most 256; there must be room for n + 16. Returns how many.
/// Goes on at number i, before which there are `count`.
int32_t find_others_plain(const real* x, int32_t n, real common, uint8_t* found, int32_t i = 0,
                          int32_t count = 0) {
  for (; i < n; ++i) {  // written always, kept if it counts
    found[count] = static_cast<uint8_t>(i);
    count += x[i] != common;
  }
  return count;
}

#if STFLOW_HAS_INTRINSICS
/// The places of the bits of each byte, the lowest first.
constexpr auto kPlaces = [] {
  std::array<std::array<uint8_t, 8>, 256> places{};
  for (size_t byte = 0; byte < 256; ++byte) {
    for (uint8_t bit = 0, count = 0; bit < 8; ++bit) {
      if (byte >> bit & 1) places[byte][count++] = bit;
    }
  }
  return places;
}();

/// Bit i says whether x[i] is not common, for eight numbers.
STFLOW_AVX2 inline unsigned others_of_eight(const real* x, __m256 common) {
  const __m256 numbers = _mm256_loadu_ps(reinterpret_cast<const float*>(x));
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(numbers, common, _CMP_NEQ_UQ)));
}

STFLOW_AVX2 int32_t find_others_avx2(const real* x, int32_t n, real common, uint8_t* found) {
  int32_t count = 0, i = 0;
  const __m256 same = _mm256_set1_ps(static_cast<float>(common));
  for (; i + 8 <= n; i += 8) {
    const unsigned others = others_of_eight(x + i, same);
    const __m128i places = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPlaces[others]));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(found + count),
                     _mm_add_epi8(places, _mm_set1_epi8(static_cast<char>(i))));
    count += __builtin_popcount(others);
  }
  return find_others_plain(x, n, common, found, i, count);
}

/// Two codes from each eight numbers, of the first n / 8 * 8.
STFLOW_AVX2 void code_eights_avx2(const real* x, int64_t n, real common, uint8_t* code) {
  const __m256 same = _mm256_set1_ps(static_cast<float>(common));
  for (int64_t i = 0; i + 8 <= n; i += 8) {
    const unsigned others = others_of_eight(x + i, same);
    code[i / 4] = static_cast<uint8_t>(others << 4);
    code[i / 4 + 1] = static_cast<uint8_t>(others & 0xf0);
  }
}

STFLOW_AVX512 int32_t find_others_avx512(const real* x, int32_t n, real common, uint8_t* found) {
  int32_t count = 0;
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 same = _mm512_set1_ps(static_cast<float>(common));
  for (int32_t i = 0; i < n; i += 16) {
    const auto inside = static_cast<__mmask16>(i + 16 <= n ? 0xffff : (1 << (n - i)) - 1);
    const __m512 numbers = _mm512_maskz_loadu_ps(inside, x + i);
    const __mmask16 other = _mm512_mask_cmp_ps_mask(inside, numbers, same, _CMP_NEQ_UQ);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(found + count),
        _mm512_maskz_cvtepi32_epi8(0xffff, _mm512_maskz_compress_epi32(other, places)));
    count += __builtin_popcount(other);
    places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
  }
  return count;
}
#endif

int32_t find_others(const real* x, int64_t n, real common, uint8_t* found) {
#if STFLOW_HAS_INTRINSICS
  if (has_avx512()) return find_others_avx512(x, static_cast<int32_t>(n), common, found);
  if (has_avx2()) return find_others_avx2(x, static_cast<int32_t>(n), common, found);
#endif
  return find_others_plain(x, static_cast<int32_t>(n), common, found);
}

/// code[i] |= bit where x[i] is not common.
STFLOW_CLONES void set_bits(const real* x, int64_t n, real common, uint8_t bit, uint8_t* code) {
  for (int64_t i = 0; i < n; ++i) code[i] |= x[i] != common ? bit : 0;
}

/// Memory for what is to be taken.
Lists make_lists(const Choice& choice, bool weighted) {
  const int64_t lists = ceil_div(choice.rows, choice.block) * choice.items;
  const int64_t room = choice.block + 16;
  return {.room = room,
          .count = std::make_unique<int32_t[]>(lists),
          .place = std::make_unique_for_overwrite<uint8_t[]>(lists * room),
          .weight = weighted ? std::make_unique_for_overwrite<real[]>(lists * room) : nullptr};
}

Codes make_codes(const Choice& choice) {
  const int64_t groups = ceil_div(choice.rows, 4 * kCodesAtOnce) * kCodesAtOnce;
  return {.groups = groups, .code = std::make_unique<uint8_t[]>(groups * choice.items)};
}

Choice empty_choice(int64_t items, int64_t rows, bool weighted, bool coded) {
  const int64_t block = coded ? 4 * kGroupBlock : std::min(rows, kListBlock);
  Choice choice{.items = items, .rows = rows, .block = block, .taken = {}};
  if (coded) {
    choice.taken = make_codes(choice);
  } else {
    choice.taken = make_lists(choice, weighted);
  }
  return choice;
}

void take_row(const Choice& choice, Lists& lists, int64_t item, const real* x, real common) {
  for (int64_t first = 0; first < choice.rows; first += choice.block) {
    const int64_t list = first / choice.block * choice.items + item;
    uint8_t* place = lists.place.get() + list * lists.room;
    const int64_t size = std::min(choice.block, choice.rows - first);
    lists.count[list] = find_others(x + first, size, common, place);
    for (int32_t k = 0; k < lists.count[list] && lists.weight; ++k)
      lists.weight[list * lists.room + k] = x[first + place[k]] - common;
  }
}

void take_row(const Choice& choice, Codes& codes, int64_t item, const real* x, real common) {
  uint8_t* code = codes.code.get() + item * codes.groups;
  int64_t r = 0;
#if STFLOW_HAS_INTRINSICS
  if (has_avx2()) {
    code_eights_avx2(x, choice.rows, common, code);
    r = choice.rows / 8 * 8;
  }
#endif
  for (; r + 4 <= choice.rows; r += 4) {
    code[r / 4] = static_cast<uint8_t>((x[r] != common) << 4 | (x[r + 1] != common) << 5 |
                                       (x[r + 2] != common) << 6 | (x[r + 3] != common) << 7);
  }
  for (; r < choice.rows; ++r) code[r / 4] |= x[r] != common ? 16 << r % 4 : 0;
}

/// Columns [begin, end) of x, at most 256.
void take_columns(const Choice& choice, Lists& lists, int64_t begin, int64_t end, const real* x,
                  real common) {
  uint8_t found[kListBlock + 16];
  for (int64_t first = 0; first < choice.rows; first += choice.block) {
    const int64_t list = first / choice.block * choice.items + begin, room = lists.room;
    int32_t* count = lists.count.get() + list;
    uint8_t* place = lists.place.get() + list * room;
    real* weight = lists.weight ? lists.weight.get() + list * room : nullptr;
    const int64_t rows = std::min(choice.block, choice.rows - first);
    for (int64_t r = 0; r < rows; ++r) {
      const real* row = x + (first + r) * choice.items + begin;
      const int32_t others = find_others(row, end - begin, common, found);
      for (int32_t k = 0; k < others; ++k) {
        const int64_t at = found[k] * room + count[found[k]]++;
        place[at] = static_cast<uint8_t>(r);
        if (weight) weight[at] = row[found[k]] - common;
      }
    }
  }
}

void take_columns(const Choice& choice, Codes& codes, int64_t begin, int64_t end, const real* x,
                  real common) {
  uint8_t code[kListBlock];
  for (int64_t first = 0; first < choice.rows; first += 4) {
    std::fill_n(code, end - begin, uint8_t{0});
    for (int64_t r = first; r < std::min(first + 4, choice.rows); ++r)
      set_bits(x + r * choice.items + begin, end - begin, common, static_cast<uint8_t>(16 << r % 4),
               code);
    for (int64_t item = begin; item < end; ++item)
      codes.code[item * codes.groups + first / 4] = code[item - begin];
  }
}

constexpr int64_t kNumbersAtLeast = 8192;  // that a thread looks at

}  // namespace

Choice choice_of_rows(const real* x, int64_t items, int64_t rows, real common, bool weighted,
                      bool coded) {
  Choice choice = empty_choice(items, rows, weighted, coded);
  std::visit(
      [&](auto& taken) {
        parallel_for(items, kNumbersAtLeast / rows + 1, [&](int64_t begin, int64_t end) {
          for (int64_t item = begin; item < end; ++item)
            take_row(choice, taken, item, x + item * rows, common);
        });
      },
      choice.taken);
  return choice;
}

Choice choice_of_columns(const real* x, int64_t rows, int64_t items, real common, bool weighted,
                         bool coded) {
  Choice choice = empty_choice(items, rows, weighted, coded);
  std::visit(
      [&](auto& taken) {
        const int64_t grain = std::min(kListBlock, kNumbersAtLeast / rows + 1);
        parallel_for(items, grain, [&](int64_t begin, int64_t end) {
          for (; begin < end; begin += kListBlock)
            take_columns(choice, taken, begin, std::min(begin + kListBlock, end), x, common);
        });
      },
      choice.taken);
  return choice;
}

int64_t sum_tile() { return has_avx512() ? 32 : 16; }

void add_chosen_rows(const Choice& choice, int64_t first, const real* rows, int64_t stride,
                     const SumsTo& to) {
  Tensor tables;
  if (choice.coded()) tables = Tensor({kGroupBlock, kChoices, sum_tile()});
  (has_avx512() ? add_chosen_wide : add_chosen_narrow)(choice, first, rows, stride, tables.data(),
                                                       to);
}

}  // namespace stflow
