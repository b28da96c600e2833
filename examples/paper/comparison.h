// comparison.h - what a campaign has found: rules side by side, as tables and curves.
#pragma once

#include <string>
#include <vector>

#include "examples/paper/campaign.h"
#include "stflow/train/console/pictures.h"

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
/// A cell that was trained for longer counts as it was after the campaign's epochs, or, without
/// --epochs, after those that all cells have; it has no bound (test_nll: NaN).
std::vector<Record> compare(const Campaign& campaign, const std::vector<Cell>& cells);

/// The same as Markdown: one table of test -ELBO, with the published numbers in brackets if
/// `published`, and one of step times; a line for each rule, a column for each architecture.
std::string markdown(const std::vector<Record>& rows, bool published = false);

/// Test -ELBO of one architecture while it is trained, mean over seeds, a curve for each rule.
/// `against` is a column of the metrics: "epoch", "seconds", "evaluations".
Plot learning_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch, const std::string& against);

/// Variance of the encoder's gradient of one architecture while it is trained, against steps, mean
/// over seeds, a curve for each rule; no curves where it was not measured (--track-variance).
Plot variance_curves(const Campaign& campaign, const std::vector<Cell>& cells,
                     const std::string& arch);

}  // namespace stflow
