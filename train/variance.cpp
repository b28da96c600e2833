#include "stflow/train/variance.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "stflow/datasets/data_loader.h"
#include "stflow/estimators/rules/rules.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"

namespace stflow {
namespace {

struct Interrupted {};

}  // namespace

void add_variance_options(Options& options, VarianceOptions& variance) {
  options.add("--track-variance", variance.every,
              "steps between two measurements of the gradient's variance; 0: none",
              between(0, kMostSteps));
  options.add("--variance-draws", variance.draws, "estimates of one batch a measurement",
              between(2, 10000));
  options.only_with("--track-variance", {}, {"--variance-draws"});
}

VarianceLog::VarianceLog(const VarianceOptions& options, const CommonOptions& common, Run& run,
                         const std::vector<Part>& parts, std::vector<Rule>& rules,
                         const ImageCost& cost, const Dataset& data)
    : options_(options),
      run_(run),
      parts_(parts),
      rules_(rules),
      cost_(cost),
      images_(DataLoader(data, {.batch_size = common.batch_size, .shuffle = false}).epoch(0)[0].x),
      rng_(static_cast<uint64_t>(common.seed), 5) {
  run.state.add(
      "variance",
      [this] {
        return TrainingState::Part{.numbers = {{"rng", record_of(rng_)}, {"rows", rows_}}};
      },
      [this](const TrainingState::Part& part, const std::string& source) { load(part, source); });
}

void VarianceLog::load(const TrainingState::Part& part, const std::string& source) {
  rng_ = rng_from(get<Record>(part.numbers, "rng", source), source);
  rows_ = get<std::vector<Record>>(part.numbers, "rows", source);
  check_rows(rows_, columns(), source);
  if (options_.every > 0) {
    write_file(run_.path("variance.csv"), rows_.empty() ? "" : csv_table(rows_));
  }
}

bool VarianceLog::measures_plain() const {
  return std::ranges::any_of(rules_, [](const Rule& rule) { return bool(rule.report); });
}

std::vector<std::string> VarianceLog::columns() const {
  std::vector<std::string> names{"step"};
  for (const Part& part : parts_) {
    names.push_back(part.name + "_variance");
    names.push_back(part.name + "_mean_norm");
    if (measures_plain()) names.push_back(part.name + "_variance_plain");
  }
  return names;
}

/// Of each part, summed over its parameters. Throws Interrupted.
std::vector<GradientMoments> VarianceLog::measure() {
  Vars parameters;
  for (const Part& part : parts_)
    parameters.insert(parameters.end(), part.parameters.begin(), part.parameters.end());
  const auto draw = [&] {
    if (interrupted()) throw Interrupted();
    return mean(cost_(images_, rng_));
  };
  const std::vector<GradientMoments> moments =
      gradient_moments(draw, parameters, rules_, options_.draws);
  std::vector<GradientMoments> sums;
  auto next = moments.begin();
  for (const Part& part : parts_) {
    GradientMoments sum{0, 0};
    for (size_t i = 0; i < part.parameters.size(); ++i, ++next) {
      sum.squared_mean += next->squared_mean;
      sum.trace_variance += next->trace_variance;
    }
    sums.push_back(sum);
  }
  return sums;
}

void VarianceLog::step() {
  const int64_t step = run_.steps();
  if (options_.every == 0 || step == 0 || step % options_.every != 0) return;
  if (!rows_.empty() && as_number(rows_.back()[0].value) == static_cast<double>(step)) return;
  const Rng before = rng_;
  const std::vector<Rule> used = rules_;
  std::vector<GradientMoments> moments, plain;
  try {
    moments = measure();
    if (measures_plain()) {
      rules_ = std::vector(rules_.size(), reinforce());
      const Rng after = std::exchange(rng_, before);
      plain = measure();
      rules_ = used;
      rng_ = after;
    }
  } catch (const Interrupted&) {  // the run that goes on from here measures first
    rules_ = used;
    rng_ = before;
    return;
  }

  std::vector<Value> numbers{step};
  for (size_t i = 0; i < parts_.size(); ++i) {
    numbers.emplace_back(moments[i].trace_variance);
    numbers.emplace_back(std::sqrt(moments[i].squared_mean));
    if (!plain.empty()) numbers.emplace_back(plain[i].trace_variance);
  }
  Record row;
  for (const std::string& name : columns()) row.push_back({name, numbers.at(row.size())});
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
