// poisson_gan_results.h - what many runs of the Poisson experiment are turned into: the rows of the
// paper's Table 1 with the published numbers beside ours, its Figure 3, and the controls.
#pragma once

#include <string>
#include <vector>

#include "examples/paper/poisson_gan.h"
#include "stflow/train/console/record.h"

namespace stflow {

/// {"mean": ..., "within": ..., ...}: the statistics of one case.
Record statistics_record(const PoissonGanStatistics& statistics);

/// One row a case: its name, its statistics, and what the paper's Table 1 says (NaN: nothing).
std::vector<Record> result_rows(const std::vector<PoissonGanCase>& cases);

/// Rows as a Markdown table, which is also how they are shown on a console.
std::string markdown_table(const std::vector<Record>& rows);
/// case,seed,epoch,rate: every run at the end of every epoch, as comma-separated text.
std::string csv_of_runs(const std::vector<PoissonGanCase>& cases);

/// figure3 (the paper's four rules, as far as they were run), rules (each rule by itself) and, if
/// they were run, controls: as PNG, with numbers and script beside, into a directory. A line is the
/// mean over seeds at the end of an epoch, a band one standard deviation over seeds.
void save_figures(const std::string& directory, const std::vector<PoissonGanCase>& rules,
                  const std::vector<PoissonGanCase>& controls);

}  // namespace stflow
