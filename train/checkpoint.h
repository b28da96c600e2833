// checkpoint.h - the whole state of a training run in one file. A run resumed from it gives the
// same bits as a run that was never stopped.
//
// What makes up the state is registered by name before training: model, optimisers, what rules have
// learnt, random numbers, the run's own bookkeeping. A checkpoint is a safetensors file: tensors
// under "<part>.<name>", and for each part a line of JSON, its numbers, in the metadata. The
// position in the data is no part of its own: the order of an epoch is a function of (seed, epoch),
// and the run counts epochs and steps.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stflow/estimators/expect.h"
#include "stflow/nn/module.h"
#include "stflow/nn/optim.h"
#include "stflow/nn/safetensors.h"
#include "stflow/tensor/rng.h"
#include "stflow/train/console/record.h"

namespace stflow {

class TrainingState {
 public:
  /// What one part remembers.
  struct Part {
    nn::NamedTensors tensors = {};
    Record numbers = {};
  };
  using Save = std::function<Part()>;
  /// Takes back what Save gave. `source` is the name of the file, for messages.
  using Load = std::function<void(const Part& part, const std::string& source)>;

  /// The parts outlive the state. A name occurs once and has no dot.
  void add(const std::string& name, Save save, Load load);
  void add(const std::string& name, nn::Module& model);
  void add(const std::string& name, optim::Optimizer& optimizer);
  void add(const std::string& name, Rng& rng);
  /// Parameters and buffers of rules, one object a layer.
  void add(const std::string& name, const std::vector<Rule>& rules);

  bool has(const std::string& name) const;
  /// What the part of that name remembers now.
  Part part(const std::string& name) const;

  /// All parts as one file. Throws std::runtime_error when it cannot be written.
  void save(const std::string& path) const;
  /// Gives every part its own again. Throws std::runtime_error, with `source`, when the file has
  /// other parts than this state, or a part does not fit.
  void load(const nn::SafetensorsFile& file, const std::string& source) const;

 private:
  struct Entry {
    std::string name;
    Save save;
    Load load;
  };
  std::vector<Entry> entries_;
};

/// A generator's position as a Record, and back.
Record record_of(const Rng& rng);
/// `source` is the name of the file, for messages.
Rng rng_from(const Record& record, const std::string& source);

/// Writes RUN/checkpoints/step_<step>.safetensors and keeps the one before it, no other. Throws
/// std::runtime_error when that is impossible, or RUN/checkpoints is a symbolic link.
void save_checkpoint(const std::string& run_directory, const TrainingState& state, int64_t step);
/// Replaces RUN/checkpoints/best.safetensors.
void save_best_checkpoint(const std::string& run_directory, const TrainingState& state);
/// Is there a checkpoint, other than the best, so that the run can be resumed?
bool has_checkpoint(const std::string& run_directory);
/// Loads the newest checkpoint of a run. If it is damaged, warns on standard error and takes the
/// one before. Throws std::runtime_error when there is none.
void load_checkpoint(const std::string& run_directory, const TrainingState& state);

}  // namespace stflow
