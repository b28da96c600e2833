// bounds.h - how near each kernel of a training step is to what the machine can do.
#pragma once

#include <ostream>

#include "stflow/train/console/record.h"

namespace stflow::bench {

/// Times the kernels of three training steps alone, by one thread, on the tensors of a real step;
/// sets a bound beside each, and the whole step beside their sum. Writes Markdown and returns the
/// same numbers: {"tables": [{"title", "rows"}]}.
Record bounds(std::ostream& markdown, int64_t batch, int64_t rounds);

}  // namespace stflow::bench
