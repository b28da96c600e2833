// contest.h - several jobs, each in a process of its own, that take turns; and the numbers that
// follow.
//
// A few steps of each job, round after round, with a pause before each turn, so that the threads of
// the one before have stopped waiting actively. A ratio is the median over rounds of two jobs'
// times in the same round: what slows a whole round down drops out. Every turn begins on the same
// processor, for on a shared machine one may be slower than another for minutes. Steps go by fours:
// rebar trains its control variate in one of four.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/job.h"

namespace stflow::bench {

struct Candidate {
  std::string name;
  Job job;
  bool torch = false;         // in LibTorch, not here
  bool free_kernels = false;  // without the environment's choice of OpenBLAS kernels
};

struct Timing {
  std::string name;
  std::vector<double> ms;    // a step, one for each round
  double peak_mb = 0;        // memory
  std::string kernels;       // OpenBLAS's, and with LibTorch its own
  bool handicapped = false;  // LibTorch with kernels older than the processor
  double median() const;
};

struct Ratio {
  double median, low, high;  // 10 % of rounds are below low, 10 % above high
};
/// a's time over b's; NaN where LibTorch is handicapped.
Ratio ratio(const Timing& a, const Timing& b);

struct Rounds {
  int64_t count = 15;
  double turn_ms = 15;  // how long a turn takes, about
};
/// Results in the order of the candidates; fewer rounds after Ctrl-C. A candidate that cannot be
/// started is left out: LibTorch, where it was not there when this was built. LibTorch has the
/// kernels that suit the processor best, unless the environment chooses others.
std::vector<Timing> measure(const std::vector<Candidate>& candidates, const Rounds& rounds);

/// Is OpenBLAS told by the environment which kernels to use?
bool kernels_are_pinned();

}  // namespace stflow::bench
