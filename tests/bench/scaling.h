// scaling.h - how the cost of a step grows, and how near it is to what the machine can do.
#pragma once

#include <ostream>
#include <string>

#include "stflow/train/console/record.h"

namespace stflow::bench {

/// Measures steps by one thread and by two against width, batch, depth and latents, and the
/// machine's two limits, arithmetic and memory (a minute or two); writes Markdown as it goes and
/// returns the same numbers. Unless `stem` is empty, draws STEM.png, the step against width between
/// those limits, and saves all points in STEM-points.csv.
Record scaling(std::ostream& markdown, const std::string& stem);

}  // namespace stflow::bench
