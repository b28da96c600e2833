#include "examples/common/variance.h"

#include <cmath>

#include "datasets/data_loader.h"
#include "estimators/diagnostics.h"
#include "examples/common/files.h"

namespace stflow {

void add_variance_options(Options& options, VarianceOptions& variance) {
  options.add("--track-variance", variance.every,
              "steps between two measurements of the gradient's variance; 0: none", at_least(0));
  options.add("--variance-draws", variance.draws, "estimates of one batch a measurement",
              at_least(2));
  options.only_with("--track-variance", {}, {"--variance-draws"});
}

VarianceLog::VarianceLog(const VarianceOptions& options, const CommonOptions& common, Run& run,
                         const std::vector<Part>& parts, const std::vector<Rule>& rules,
                         const ImageCost& cost, const Dataset& data)
    : options_(options),
      run_(run),
      parts_(parts),
      rules_(rules),
      cost_(cost),
      images_(DataLoader(data, {.batch_size = common.batch_size, .shuffle = false}).epoch(0)[0].x),
      rng_(static_cast<uint64_t>(common.seed), 5) {}

void VarianceLog::step() {
  ++steps_;
  if (options_.every == 0 || steps_ % options_.every != 0) return;
  std::vector<Var> parameters;
  for (const Part& part : parts_)
    parameters.insert(parameters.end(), part.parameters.begin(), part.parameters.end());
  const std::vector<GradientMoments> moments = gradient_moments(
      [&] { return mean(cost_(images_, rng_)); }, parameters, rules_, options_.draws);

  Record row{{"step", steps_}};
  auto next = moments.begin();
  for (const Part& part : parts_) {
    double variance = 0, squared_norm = 0;
    for (size_t i = 0; i < part.parameters.size(); ++i, ++next) {
      variance += next->trace_variance;
      squared_norm += next->squared_mean;
    }
    row.push_back({part.name + "_variance", variance});
    row.push_back({part.name + "_mean_norm", std::sqrt(squared_norm)});
  }
  const std::string path = run_.path("variance.csv");
  if (rows_.empty()) append_line(path, csv_header(row));
  append_line(path, csv_row(row));
  rows_.push_back(row);
  run_.pause();
}

void VarianceLog::plot() const {
  std::vector<std::string> columns;
  for (const Part& part : parts_) columns.push_back(part.name + "_variance");
  run_.plot_rows("variance_curves", rows_, "trace of the gradient's covariance", columns);
}

}  // namespace stflow
