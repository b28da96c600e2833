// report.h - the tables of `make bench`, and which of the project's own limits hold.
#pragma once

#include <ostream>

#include "tests/bench/contest.h"

namespace stflow::bench {

/// Measures everything (minutes) and writes Markdown as it goes.
void print_report(std::ostream& out, const Rounds& rounds);

}  // namespace stflow::bench
