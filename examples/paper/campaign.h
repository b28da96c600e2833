// campaign.h - many training runs of bernoulli_vae, side by side, that can be stopped and
// continued.
//
// A cell is one run: architecture, rule, seed. Each is a process with one thread and its own
// directory below the campaign's; as many run at once as there are processors. A cell that has
// finished is never run again, and one that was stopped goes on from its last checkpoint. So the
// same command continues what was interrupted. With more seeds or rules it adds cells, with more
// epochs it trains on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stflow/train/console/record.h"

namespace stflow {

struct Cell {
  std::string arch, rule;
  int64_t seed;
  std::string name() const { return arch + "_" + rule + "_" + std::to_string(seed); }
};

class Campaign {
 public:
  /// In the directory `out`, made if it is not there. `arguments` go to every run. Throws
  /// std::runtime_error when a campaign is there whose arguments differ in more than --epochs, or
  /// one that is still running: it or a run that it left behind holds the lock of the directory.
  Campaign(const std::string& out, const std::vector<std::string>& arguments);

  /// Runs the cells that have not finished, `jobs` at a time; a line of standard error when one
  /// begins and when it ends, unless `quiet`. Ctrl-C stops the runs. Throws UsageError with the
  /// program's own words when it refuses the arguments. Returns false when a run failed or was
  /// stopped, or has results but no checkpoint to go on from.
  bool run(const std::vector<Cell>& cells, int64_t jobs, bool quiet) const;

  /// The epochs that the arguments ask for; 0 when they do not say.
  int64_t epochs() const { return epochs_; }
  /// Has the cell been trained for as many epochs, or more? True also while it is trained on.
  bool finished(const Cell& cell) const;
  /// The results of a finished cell; its metrics, one Record an epoch; the variance of its
  /// gradient, one Record a measurement.
  Record summary(const Cell& cell) const;
  std::vector<Record> metrics(const Cell& cell) const;
  std::vector<Record> variance(const Cell& cell) const;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string path(const Cell& cell) const { return path("cells/" + cell.name()); }
  std::string run_cell(const Cell& cell) const;

  std::string directory_;
  std::vector<std::string> arguments_;
  int64_t epochs_ = 0;
  std::shared_ptr<int> lock_;  // a file; the runs inherit it
};

}  // namespace stflow
