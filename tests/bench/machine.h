// machine.h - what one core was seen to do at best, and the least time that work takes at that.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "tests/bench/job.h"
#include "tests/bench/tables.h"

namespace stflow::bench {

/// Some work, and the seconds that it took in its fastest turn: other programs make it slower only.
struct Timed {
  Step run;
  double seconds = std::numeric_limits<double>::infinity();
  /// Runs for two milliseconds.
  void take_turn();
  /// Adds a turn in which it ran so many times.
  void add(double elapsed, int64_t times);
};

/// What a kernel must at least do.
struct Work {
  std::string way = {};                 // if there are several
  double multiplications = 0;           // each with an addition, if it likes
  double looked_up = 0, tabulated = 0;  // bytes read and written in the L1 cache, in turn
  double read = 0, written = 0;         // bytes of operands and results, each once
};

struct Bound {
  double seconds = 0;
  std::string by;    // which limit it is,
  std::string work;  // and the work in its unit
};

class Machine {
 public:
  Machine();
  void take_turn();
  /// Of the fastest way. Each takes the longest of three times, as if the two others were free:
  ///     multiplications / rate of multiply-adds
  ///     looked_up / rate of reading L1 + tabulated / rate of changing it
  ///     the longer of read and written, at the rates for a set no larger than the longer one
  Bound bound(const std::vector<Work>& ways) const;
  void print(Tables& tables) const;

 private:
  struct Level {
    int64_t bytes;
    Timed read, change;
  };
  using What = Timed Level::*;
  /// Bytes a second; what a larger set can do, this one can.
  double rate(What what, size_t level) const;
  double multiply_adds() const;
  Bound bound(const Work& work) const;

  std::vector<Level> levels_;
  Timed multiply_adds_;
};

}  // namespace stflow::bench
