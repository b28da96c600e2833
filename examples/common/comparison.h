// comparison.h - what a campaign has found: rules side by side, as tables and curves.
#pragma once

#include <string>
#include <vector>

#include "examples/common/campaign.h"
#include "examples/common/pictures.h"

namespace stflow {

/// Mean over runs, and half the width of its 95 % confidence interval by Student's t; NaN for one
/// run.
struct Interval {
  double mean, half_width;
};
Interval interval_of(const std::vector<double>& values);

/// One row for each architecture and rule that has finished cells, in the order of `cells`: means
/// over its seeds, with test -ELBO (nats per image) also its interval, and with the step's time
/// (ms) also the ratio to straight-through's on the same architecture (NaN where that is missing).
std::vector<Record> compare(const Campaign& campaign, const std::vector<Cell>& cells);

/// The same as Markdown: one table of test -ELBO and one of step times, a line for each rule, a
/// column for each architecture.
std::string markdown(const std::vector<Record>& rows);

/// Test -ELBO of one architecture while it is trained, mean over seeds, a curve for each rule.
/// `against` is a column of the metrics: "steps", "seconds".
Plot learning_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch, const std::string& against);

}  // namespace stflow
