// subset_sums.h - sums of subsets of rows: what X W is when each number of X is 0 or 1. Each item,
// a row of X, takes a subset of the rows of W.
//
// A block of rows fits the L1 cache, sum_tile() numbers of each row.
// If an item takes few rows, they are looked up and added one by one. If it takes about half of
// them, four are added at a time ("method of the four Russians", Arlazarov, Dinic, Kronrod and
// Faradzev 1970): four rows have sixteen subset sums, which are tabulated once for all items.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "stflow/tensor/real.h"

namespace stflow {

/// Item i takes n = count[j * items + i] rows of block j:
///   place:   | n places in the block | unused |  from (j * items + i) * room on, `room` long
///   weight:  the same for how often each is taken (null: once)
struct Lists {
  int64_t room = 0;
  std::unique_ptr<int32_t[]> count;
  std::unique_ptr<uint8_t[]> place;
  std::unique_ptr<real[]> weight;
};

/// A byte for each four rows, `groups` for each item; bit 4 + r says whether row r of the four is
/// taken.
struct Codes {
  int64_t groups = 0;
  std::unique_ptr<uint8_t[]> code;
};

/// Which of `rows` rows each of `items` things takes, block after block of rows.
struct Choice {
  int64_t items = 0, rows = 0;
  int64_t block = 0;  // rows in a block; the last one may have fewer
  std::variant<Lists, Codes> taken;

  bool coded() const { return std::holds_alternative<Codes>(taken); }
};

/// Each row of x [items,rows] takes the columns where it is not `common`; if `weighted`, as often
/// as it is more than that.
Choice choice_of_rows(const real* x, int64_t items, int64_t rows, real common, bool weighted,
                      bool coded);
/// Each column of x [rows,items] takes the rows where it is not `common`.
Choice choice_of_columns(const real* x, int64_t rows, int64_t items, real common, bool weighted,
                         bool coded);

/// Numbers of a row that are added up at a time: 32 with AVX-512, else 16.
int64_t sum_tile();

/// Where sums go: those of the blocks so far to `sums` [items,sum_tile()] and, from the last block
/// unless `out` is null, base + scale * sum to `out` [items,sum_tile()], whose rows are `stride`
/// numbers apart.
struct SumsTo {
  real* sums;
  real* out = nullptr;
  int64_t stride = 0;
  const real* base = nullptr;
  real scale = 1;
};

/// Adds up the rows from `first` on, a multiple of choice.block, that each item takes. `rows` holds
/// those of the block, `stride` numbers apart; of coded ones, zeros follow up to a multiple of
/// kRowsAtOnce.
void add_chosen_rows(const Choice& choice, int64_t first, const real* rows, int64_t stride,
                     const SumsTo& to);
inline constexpr int64_t kRowsAtOnce = 16;

}  // namespace stflow
