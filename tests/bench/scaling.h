// scaling.h - how the cost of a step grows, and how near it is to what the machine can do.
#pragma once

#include <ostream>

#include "tests/bench/contest.h"

namespace stflow::bench {

/// Measures steps against width, batch, depth and latents, and the machine's two limits, arithmetic
/// and memory (minutes); writes Markdown, and a picture STEM.png unless `stem` is empty.
void print_scaling(std::ostream& out, const std::string& stem, int64_t threads);

}  // namespace stflow::bench
