// bit_tables.h - sums of rows chosen by bits, four rows at a time (the "method of the four
// Russians", Arlazarov, Dinic, Kronrod & Faradzev 1970).
//
// Of four rows there are sixteen sums. Written into a table once, they are there for a whole batch:
// four bits then cost one addition instead of up to four. From a quarter of ones on that is fewer
// than one addition for each of them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace stflow {

constexpr int64_t kTableWidth = 16;  // numbers in a row, and in a sum

/// Bits of `items` things, each of which chooses among `rows` rows; four bits are a code.
struct BitCodes {
  int64_t items, rows;
  std::vector<uint8_t> code;  // [items, groups()]
  int64_t groups() const { return (rows + 3) / 4; }
};

/// Bit (item, row) of the codes is x[item,row] != common, x [items,rows].
BitCodes codes_of_rows(const real* x, real common, int64_t items, int64_t rows);
/// The same for the columns of x [rows,items].
BitCodes codes_of_columns(const real* x, real common, int64_t items, int64_t rows);

/// Adds to sums [items,kTableWidth] the rows [first, first + count) that each item has chosen.
/// `packed` holds these rows one after the other, kTableWidth numbers each, and has room for whole
/// fours of them; `first` is a multiple of 4.
void add_chosen_rows(const BitCodes& codes, int64_t first, int64_t count, const real* packed,
                     real* sums);

}  // namespace stflow
