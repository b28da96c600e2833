// run.h - one training run: its directory, its log, its progress, its results.
//
// A Run is made once options and data are known; it opens a new directory and writes config.json
// (the options) and manifest.json (all else one needs to repeat the run). The program registers in
// `state` what training changes; the loop then reports each step and each epoch, and finish()
// writes and prints the results:
//
//     run.state.add("model", model);  // and optimiser, random numbers, ...
//     run.start(loader.batches(), {"train_loss", ...});
//     for (int64_t epoch = run.first_epoch(); epoch <= epochs && !interrupted(); ++epoch) {
//       for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
//         ...
//         run.step(loss.item(), batch.size());
//         if (!run.go_on()) break;
//       }
//       run.epoch({{"epoch", epoch}, {"train_loss", run.train_loss()}, ...}, validation_loss);
//     }
//
// With --resume the same loop begins where the newest checkpoint was taken. With --json standard
// output is exactly one line, the results; otherwise it has the epochs and a table. All other words
// go to standard error.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "stflow/datasets/dataset.h"
#include "stflow/tensor/tensor.h"
#include "stflow/train/checkpoint.h"
#include "stflow/train/console/measure.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/pictures.h"
#include "stflow/train/console/progress.h"
#include "stflow/train/console/record.h"

namespace stflow {

class Run {
 public:
  /// Makes the run directory and announces the run on `data`: all sets it reads, the training set
  /// first. Call it when the program's variables have their final values: config.json is written
  /// here. Throws std::runtime_error when that is impossible. With --resume it takes the directory
  /// of that run, and throws when `data` has other bytes than then, another process is at work
  /// there, or this build computes with another kind of number. `common` must outlive the Run.
  Run(const Options& options, const CommonOptions& common, const std::vector<Dataset>& data);

  const std::string& directory() const { return directory_; }
  /// A file in the run directory.
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  /// All that a checkpoint holds. A part "model" is also saved as model.safetensors.
  TrainingState state;

  /// Training starts now, with this many steps an epoch: writes the first checkpoint, or with
  /// --resume loads the newest one, and starts the clock and the progress bar. `columns` are the
  /// names in epoch()'s `numbers` after the first, "epoch"; `more` has the names in its `more`.
  /// Throws std::runtime_error when a checkpoint has other columns, settings or data than this run.
  /// Ctrl-C while the data was read ends the program here.
  void start(int64_t steps_per_epoch, const std::vector<std::string>& columns,
             const Record& more = {});
  /// The epoch to begin or to go on with, and how many of its steps are done.
  int64_t first_epoch() const { return static_cast<int64_t>(rows_.size()) + 1; }
  int64_t steps_in_epoch() const { return steps_in_epoch_; }
  /// Steps done since training began.
  int64_t steps() const { return steps_; }
  /// A training step is done: its mean loss, the number of examples, and how often a rule evaluated
  /// the cost of each (0: not counted). Throws Diverged when the loss is not finite.
  void step(double loss, int64_t examples, int64_t evaluations = 0);
  /// Mean loss of an example since the epoch began.
  double train_loss() const { return loss_sum_ / static_cast<double>(examples_); }
  /// Leaves the time since the last step out of the clock: what was done was not training.
  void pause() { timer_.restart(); }
  /// The last word about a step: saves a checkpoint if one is due, or if Ctrl-C was pressed.
  /// Returns false after Ctrl-C: the epoch ends here.
  bool go_on();
  /// An epoch is done: its numbers become a line on the console and, with the steps, evaluations
  /// and seconds of training so far, a row of metrics.csv and metrics.jsonl; the model is saved.
  /// The first row fixes names and order; the first number is the epoch, `more` comes after the
  /// others. The checkpoint with the least `validation` is kept as the best. Throws Diverged when a
  /// number is not finite.
  void epoch(const Record& numbers, double validation, const Record& more = {});
  /// A number of the last epoch; NaN when there was none.
  double last(const std::string& name) const;

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
  TrainingState::Part bookkeeping() const;
  void load_bookkeeping(const TrainingState::Part& part, const std::string& source);
  void check_made_with(const Record& before, const std::string& source) const;
  void check_manifest() const;
  void check_settings(const Record& before, const std::string& source) const;
  void resume();
  void save();
  void write_manifest() const;
  void say_how_to_resume() const;
  void check_finite(const std::string& name, double number) const;

  const CommonOptions& common_;
  Record config_, manifest_;
  std::string dataset_, directory_, resume_command_;
  std::shared_ptr<int> lock_;
  std::unique_ptr<Progress> progress_;
  StepTimer timer_;
  std::vector<Record> rows_;          // one an epoch
  std::vector<std::string> columns_;  // of these, but for the first and what epoch() adds
  int64_t steps_per_epoch_ = 0, steps_ = 0, steps_in_epoch_ = 0;
  int64_t examples_ = 0;        // of this epoch, so far
  int64_t evaluations_ = 0;     // of the cost, since training began
  double loss_sum_ = 0;         // of the losses of examples_
  double best_ = std::nan("");  // validation figure of the best epoch; none: NaN
  bool saved_ = true;           // nothing has changed since the last checkpoint
};

}  // namespace stflow
