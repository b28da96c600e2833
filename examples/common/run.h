// run.h - one training run: its directory, its log, its progress, its results.
//
// A Run is made once options and data are known; it opens a new directory and writes config.json
// (the options) and manifest.json (all else one needs to repeat the run). The training loop reports
// each step and each epoch; finish() writes and prints the results. With --json standard output is
// exactly one line, the results; otherwise it has the epochs and a table. All other words go to
// standard error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "examples/common/measure.h"
#include "examples/common/options.h"
#include "examples/common/pictures.h"
#include "examples/common/progress.h"
#include "examples/common/record.h"
#include "tensor/tensor.h"

namespace stflow {

class Run {
 public:
  /// Makes the run directory and announces the run on `data`: all sets it reads, the training set
  /// first. Call it when the program's variables have their final values: config.json is written
  /// here. Throws std::runtime_error when that is impossible. `common` must outlive the Run.
  Run(const Options& options, const CommonOptions& common, const std::vector<Dataset>& data);

  const std::string& directory() const { return directory_; }
  /// A file in the run directory.
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  /// Training starts now and will take this many steps: starts the clock and the progress bar.
  /// Ctrl-C while the data was read ends the program here, for there is nothing to save yet.
  void start(int64_t steps);
  /// A training step with this loss is done. Throws Diverged when the loss is not finite.
  void step(double loss);
  /// What was done since the last step is no part of training and its time does not count.
  void pause() { timer_.restart(); }
  /// An epoch is done: its numbers, the steps and the seconds of training so far become a line on
  /// the console and a row of metrics.csv and metrics.jsonl. The first row fixes names and order;
  /// the first number is the epoch. Throws Diverged when one is not finite.
  void epoch(const Record& numbers);

  /// Tells the user something on standard error, unless --quiet.
  void say(const std::string& text);
  /// NAME.png and its numbers NAME.csv; nothing if --no-plots. See pictures.h.
  void save_images(const std::string& name, const Tensor& images, const ImageGrid& grid);
  /// Columns of the metrics against the first one as NAME.png, NAME.csv and NAME.gp; nothing if
  /// --no-plots. `y_label` has the unit. See pictures.h.
  void plot_metrics(const std::string& name, const std::string& y_label,
                    const std::vector<std::string>& columns);
  /// The same for rows of another table.
  void plot_rows(const std::string& name, const std::vector<Record>& rows,
                 const std::string& y_label, const std::vector<std::string>& columns);
  /// A graph in the dot language as NAME.svg and NAME.dot; nothing if --no-plots.
  void draw_graph(const std::string& name, const std::string& dot);

  /// Ends the run: results, with the options and what the run has cost (seconds_per_epoch counts
  /// the training steps alone), become summary.json and the table or the line of JSON on standard
  /// output, with the same names. The table leaves out the options.
  void finish(const Record& results);

 private:
  void write_manifest() const;
  void check_finite(const std::string& name, double number) const;

  const CommonOptions& common_;
  Record config_, manifest_;
  std::string dataset_, directory_;
  std::unique_ptr<Progress> progress_;
  StepTimer timer_;
  std::vector<Record> rows_;  // one an epoch
  int64_t steps_ = 0, steps_in_epoch_ = 0;
};

}  // namespace stflow
