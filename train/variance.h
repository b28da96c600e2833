// variance.h - the noise of a model's gradient while it is trained: one batch, its loss drawn and
// differentiated again and again.
#pragma once

#include <string>
#include <vector>

#include "stflow/autodiff/var.h"
#include "stflow/estimators/lab/diagnostics.h"
#include "stflow/tensor/rng.h"
#include "stflow/train/console/options.h"
#include "stflow/train/evaluate.h"
#include "stflow/train/run.h"

namespace stflow {

struct VarianceOptions {
  int64_t every = 0;    // --track-variance: steps between two measurements; 0: none
  int64_t draws = 100;  // --variance-draws
};

void add_variance_options(Options& options, VarianceOptions& variance);

/// Measures every so many steps and appends to variance.csv of the run, for each part of the model:
/// the trace of the covariance of one estimate, and the norm of the mean. Measuring changes neither
/// what is trained nor its random numbers. For rebar and relax a third number is the variance
/// without the control variate: that of the rule reinforce with the same noise.
class VarianceLog {
 public:
  struct Part {
    std::string name;  // "encoder"
    Vars parameters;
  };
  /// Measures the mean `cost` of the first --batch-size images of `data`. `rules` are those that
  /// the cost uses; it sees it when they are exchanged. All of them outlive the log, which is the
  /// part "variance" of the run's state.
  VarianceLog(const VarianceOptions& options, const CommonOptions& common, Run& run,
              const std::vector<Part>& parts, std::vector<Rule>& rules, const ImageCost& cost,
              const Dataset& data);
  VarianceLog(const VarianceLog&) = delete;
  VarianceLog& operator=(const VarianceLog&) = delete;

  /// Call it after Run::start(), where a resumed run makes up for what Ctrl-C has cut short, and
  /// after each Run::step().
  void step();
  /// variance_curves.png: the traces against steps.
  void plot() const;

 private:
  std::vector<GradientMoments> measure();
  bool measures_plain() const;
  std::vector<std::string> columns() const;
  void load(const TrainingState::Part& part, const std::string& source);

  VarianceOptions options_;
  Run& run_;
  std::vector<Part> parts_;
  std::vector<Rule>& rules_;
  ImageCost cost_;
  Tensor images_;
  Rng rng_;
  std::vector<Record> rows_;
};

}  // namespace stflow
