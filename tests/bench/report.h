// report.h - the tables of `make bench`, and which of the project's own limits hold.
#pragma once

#include <ostream>

#include "stflow/train/console/record.h"
#include "tests/bench/contest.h"

namespace stflow::bench {

/// Measures everything (minutes), writes Markdown as it goes, and returns the same numbers:
/// {"blas", "tables": [{"title", "rows"}]}, the last table being the limits.
Record report(std::ostream& markdown, const Rounds& rounds);

}  // namespace stflow::bench
