// run_resume.cpp - what a Run takes over from an earlier one, and what it refuses to.
//
// A checkpoint has the settings and the data of the run under its checksum; config.json and
// manifest.json, which anybody may have edited, must agree with it.
#include <algorithm>
#include <filesystem>

#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/run.h"

namespace stflow {
namespace {

/// The rows as the two logs of a run.
void write_metrics(const Run& run, const std::vector<Record>& rows) {
  std::string lines;
  for (const Record& row : rows) lines += to_json(row) + "\n";
  write_file(run.path("metrics.jsonl"), lines);
  write_file(run.path("metrics.csv"), rows.empty() ? "" : csv_table(rows));
}

/// Keeps the old summary, marked as interrupted, until the resumed run writes its own: if that run
/// fails, the results so far are not lost.
void mark_interrupted(const std::string& summary) {
  Record results;
  try {
    results = read_record(summary);
  } catch (const std::runtime_error&) {
    return;  // cut off, and soon replaced
  }
  set_value(results, "interrupted", true);
  write_file(summary, to_json(results, 2) + "\n");
}

}  // namespace

/// Throws unless the run to be resumed had the same data and the same kind of number.
void Run::check_made_with(const Record& before, const std::string& source) const {
  const auto& was = get<std::string>(before, "real", source);
  const auto& is = get<std::string>(manifest_, "real");
  if (was != is) {
    throw std::runtime_error(concat_message("--resume: the run in '", directory_,
                                            "' computes with ", was, ", this program with ", is,
                                            "; hint: make REAL=", was, " all"));
  }
  const auto& then = get<std::vector<Record>>(before, "data", source);
  const auto& now = get<std::vector<Record>>(manifest_, "data");
  for (size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    const std::string none = "no such file";
    const auto hash = [&](const auto& files) {
      return i < files.size() ? get<std::string>(files[i], "sha256", source) : none;
    };
    if (hash(then) == hash(now)) continue;
    throw std::runtime_error(concat_message(
        get<std::string>((i < now.size() ? now : then)[i], "path", source),
        ": not the data of the run in '", directory_, "': expected sha256 ", hash(then), ", found ",
        hash(now), "; hint: --data DIR says where to look first"));
  }
}

void Run::check_manifest() const {
  const std::string file = path("manifest.json");
  const Record before = read_record(file);
  check_made_with(before, file);
  for (const char* name : {"version", "compiler", "blas"}) {
    const auto& other = get<std::string>(before, name, file);
    if (other == get<std::string>(manifest_, name)) continue;
    tell(concat_message("warning: the run began with another ", name, ", ", other,
                        ": its numbers may go on a little differently"));
  }
}

/// Throws unless config.json has what the checkpoint was made with; it may have more epochs.
void Run::check_settings(const Record& before, const std::string& source) const {
  for (const auto& [name, value] : before) {
    const Value* now = find_value(config_, name);
    if (!now || name == "data" || name == "checkpoint_every") continue;
    const std::string is = csv_row({{"", *now}}), was = csv_row({{"", value}});
    if (is == was) continue;
    const int64_t* epochs = name == "epochs" ? std::get_if<int64_t>(&value) : nullptr;
    if (epochs && !common_.schedule_over_epochs && as_number(*now) > as_number(*epochs)) continue;
    std::string option = "--" + name;
    std::ranges::replace(option, '_', '-');
    throw std::runtime_error(concat_message(
        path("config.json"), ": ", option, " ", is, " does not go with ", source,
        ", which was made with ", was, "; hint: put it back, or start anew with --config"));
  }
}

/// Takes up the run where its newest checkpoint left it; what was written later is made again.
void Run::resume() {
  load_checkpoint(directory_, state);
  if (std::filesystem::exists(path("summary.json"))) mark_interrupted(path("summary.json"));
  for (const std::string& folder : {directory_, path("checkpoints")}) nn::remove_leftovers(folder);
  write_metrics(*this, rows_);
  write_file(path("config.json"), to_json(config_, 2) + "\n");

  const Record now = std::move(manifest_);
  manifest_ = read_record(path("manifest.json"));
  std::erase_if(manifest_, [](const Field& field) { return field.name == "finished"; });
  std::vector<Record> times;
  if (find_value(manifest_, "resumed"))
    times = get<std::vector<Record>>(manifest_, "resumed", path("manifest.json"));
  times.push_back({{"at", get<std::string>(now, "started")},
                   {"step", steps_},
                   {"command_line", get<std::string>(now, "command_line")}});
  set_value(manifest_, "resumed", times);
  write_manifest();
  const bool trained = first_epoch() > common_.epochs;
  say(trained ? concat_message("the run has had its ", common_.epochs,
                               " epochs, and only its end is made again; hint: more --epochs")
              : concat_message("resumed after step ", steps_, ", in epoch ", first_epoch(), " of ",
                               common_.epochs));
}

TrainingState::Part Run::bookkeeping() const {
  const StepTimer::Sums time = timer_.sums();
  return {.numbers = {{"steps", steps_},
                      {"steps_in_epoch", steps_in_epoch_},
                      {"examples", examples_},
                      {"loss_sum", loss_sum_},
                      {"evaluations", evaluations_},
                      {"seconds", time.seconds},
                      {"gemm_seconds", time.gemm_seconds},
                      {"step_ms", time.median_ms},
                      {"best", best_},
                      {"rows", rows_},
                      {"settings", config_},
                      {"made_with", Record{{"real", *find_value(manifest_, "real")},
                                           {"data", *find_value(manifest_, "data")}}}}};
}

void Run::load_bookkeeping(const TrainingState::Part& part, const std::string& source) {
  const Record& numbers = part.numbers;
  if (!find_value(numbers, "settings")) {
    throw std::runtime_error(concat_message(
        source, ": made by an older version, without the settings of the run, so that they cannot ",
        "be checked; hint: start anew with --config ", path("config.json")));
  }
  check_settings(get<Record>(numbers, "settings", source), source);
  check_made_with(get<Record>(numbers, "made_with", source), source);
  const auto whole = [&](const char* name) { return get<int64_t>(numbers, name, source); };
  const auto number = [&](const char* name) { return get<double>(numbers, name, source); };
  steps_ = whole("steps");
  steps_in_epoch_ = whole("steps_in_epoch");
  examples_ = whole("examples");
  loss_sum_ = number("loss_sum");
  evaluations_ = whole("evaluations");
  timer_.continue_from({.seconds = number("seconds"),
                        .gemm_seconds = number("gemm_seconds"),
                        .median_ms = number("step_ms"),
                        .laps = steps_});
  best_ = number("best");
  rows_ = get<std::vector<Record>>(numbers, "rows", source);
  std::vector<std::string> columns{"epoch"};
  columns.insert(columns.end(), columns_.begin(), columns_.end());
  columns.emplace_back("steps");
  if (evaluations_ > 0) columns.emplace_back("evaluations");
  columns.emplace_back("seconds");
  check_rows(rows_, columns, source);
  if (steps_in_epoch_ < 0 || steps_in_epoch_ > steps_per_epoch_ ||
      steps_ != std::ssize(rows_) * steps_per_epoch_ + steps_in_epoch_) {
    throw std::runtime_error(concat_message(source, ": ", steps_, " steps do not make ",
                                            rows_.size(), " epochs of ", steps_per_epoch_, " and ",
                                            steps_in_epoch_, " steps of another"));
  }
}

}  // namespace stflow
