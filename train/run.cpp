// run.cpp - run directory, console and bookkeeping of a training run.
//
// What goes to which stream is decided here alone: epoch() and finish() are the only writers of
// standard output.
#include "stflow/train/run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "stflow/datasets/catalog.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"

namespace stflow {
namespace {

constexpr size_t kColumnWidth = 9;
#ifdef __clang__
constexpr char kCompiler[] = __VERSION__;  // "Clang 14.0.6"
#else
constexpr char kCompiler[] = "g++ " __VERSION__;
#endif

std::string padded_left(const std::string& text, size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

/// Names or values of a row, right-aligned below each other.
std::string console_line(const Record& row, bool names) {
  std::string line;
  for (const Field& field : row) {
    const size_t width = std::max(field.name.size(), line.empty() ? 0 : kColumnWidth);
    line +=
        (line.empty() ? "" : "  ") + padded_left(names ? field.name : text_of(field.value), width);
  }
  return line + "\n";
}

std::string table(const Record& record) {
  size_t widest = 0;
  for (const Field& field : record) widest = std::max(widest, field.name.size());
  std::string text;
  for (const Field& field : record) {
    text +=
        field.name + std::string(widest - field.name.size() + 2, ' ') + text_of(field.value) + "\n";
  }
  return text;
}

/// Path and hash of every file the data came from, each once.
std::vector<Record> sources_of(const std::vector<Dataset>& data) {
  std::vector<Record> files;
  for (const Dataset& dataset : data) {
    for (const DataSource& source : dataset.sources) {
      const auto same = [&](const Record& file) {
        return std::get<std::string>(file[0].value) == source.path;
      };
      if (std::any_of(files.begin(), files.end(), same)) continue;
      files.push_back({{"path", source.path}, {"sha256", source.sha256}});
    }
  }
  return files;
}

}  // namespace

Run::Run(const Options& options, const CommonOptions& common, const std::vector<Dataset>& data)
    : common_(common), config_(options.values()) {
  CHECK_ARG(!data.empty(), "[Run] expected at least one data set");
  dataset_ = data[0].name;
  if (common.dataset == "auto" && std::ranges::count(dataset_names(), dataset_)) {
    set_value(config_, "dataset", dataset_);  // not "images", which --dataset would not take
  }
  const bool resumed = !common.resume.empty();
  directory_ = resumed ? common.resume : make_run_directory(common.out, options.program());
  while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
  lock_ = take_lock(path("run.lock"));
  if (!lock_) {
    throw std::runtime_error(concat_message("another process is at work in '", directory_,
                                            "'; hint: wait for its end, or stop it"));
  }
  resume_command_ = options.resume_command(directory_);
  state.add(
      "run", [this] { return bookkeeping(); },
      [this](const TrainingState::Part& part, const std::string& source) {
        load_bookkeeping(part, source);
      });

  manifest_ = {
      {"program", options.program()}, {"version", STFLOW_VERSION},
      {"compiler", kCompiler},        {"real", sizeof(real) == sizeof(float) ? "float" : "double"},
      {"blas", blas_description()},   {"threads", int64_t{num_threads()}},
      {"seed", common.seed},          {"dataset", dataset_},
      {"data", sources_of(data)},     {"command_line", options.command_line()},
      {"started", utc_time()}};
  if (resumed) {
    check_manifest();
  } else {
    write_manifest();  // first, so that a directory with a configuration has all that --resume
                       // reads
    write_file(path("config.json"), to_json(config_, 2) + "\n");
  }

  say(concat_message(options.program(), ": data ", dataset_, ", seed ", common.seed, ", ",
                     num_threads(), num_threads() == 1 ? " thread" : " threads", ", results in ",
                     directory_));
  if (!blas_uses_openmp()) {
    tell(concat_message(
        "warning: the BLAS in use is not OpenBLAS with OpenMP (", blas_description(),
        "): its threads compete with ours; hint: apt-get install libopenblas-openmp-dev, or "
        "OPENBLAS_NUM_THREADS=1"));
  }
}

void Run::save() {
  save_checkpoint(directory_, state, steps_);
  saved_ = true;
  pause();
}

void Run::start(int64_t steps_per_epoch, const std::vector<std::string>& columns,
                const Record& more) {
  steps_per_epoch_ = steps_per_epoch;
  columns_ = columns;
  for (const Field& field : more) columns_.push_back(field.name);
  if (common_.resume.empty()) save();  // from its first step on a run can be resumed
  if (interrupted()) {
    say_how_to_resume();
    throw Finished();
  }
  if (!common_.resume.empty()) resume();
  const int64_t left = common_.epochs * steps_per_epoch - steps_;
  if (left > 0) {
    progress_ = std::make_unique<Progress>(left, Progress::standard_error(common_.quiet));
  }
  timer_.restart();
}

void Run::step(double loss, int64_t examples, int64_t evaluations) {
  timer_.lap();
  ++steps_;
  ++steps_in_epoch_;
  loss_sum_ += loss * static_cast<double>(examples);
  examples_ += examples;
  evaluations_ += examples * evaluations;
  saved_ = false;
  check_finite("loss", loss);
  if (progress_) {
    progress_->advance(
        concat_message("epoch ", rows_.size() + 1, "/", common_.epochs, "  loss ", text_of(loss)));
  }
}

bool Run::go_on() {
  const bool stop = interrupted();
  const bool due = common_.checkpoint_every > 0 && steps_ % common_.checkpoint_every == 0;
  if (stop || due) save();
  return !stop;
}

void Run::check_finite(const std::string& name, double number) const {
  if (std::isfinite(number)) return;
  const std::string model = path("model.safetensors");
  throw Diverged(
      concat_message(name, " became ", std::isnan(number) ? "NaN" : "infinite", " at epoch ",
                     rows_.size() + 1, ", step ", steps_in_epoch_, "; last good model: ",
                     std::filesystem::exists(model) ? model : "none yet", "; hint: lower --lr"));
}

void Run::epoch(const Record& results, double validation, const Record& more) {
  const bool first = rows_.empty();
  Record numbers = results;
  numbers.insert(numbers.end(), more.begin(), more.end());
  numbers.push_back({"steps", steps_});
  if (evaluations_ > 0) numbers.push_back({"evaluations", evaluations_});
  numbers.push_back({"seconds", timer_.seconds()});
  CHECK_ARG(first || csv_header(numbers) == csv_header(rows_[0]),
            "[Run::epoch] expected the columns of the first row, ", csv_header(rows_[0]), ", got ",
            csv_header(numbers));
  for (const Field& field : numbers) check_finite(field.name, as_number(field.value));
  if (first) append_line(path("metrics.csv"), csv_header(numbers));
  append_line(path("metrics.csv"), csv_row(numbers));
  append_line(path("metrics.jsonl"), to_json(numbers));
  if (state.has("model")) {
    nn::save_safetensors(path("model.safetensors"), state.part("model").tensors, {},
                         nn::Links::refuse);
  }
  rows_.push_back(numbers);
  // An epoch that Ctrl-C has cut short is shown like any other. But its row goes into no
  // checkpoint, because a resumed run finishes that epoch.
  const bool whole = steps_in_epoch_ == steps_per_epoch_;
  steps_in_epoch_ = examples_ = 0;
  loss_sum_ = 0;
  if (whole) {
    saved_ = false;
    if (!(validation >= best_)) {
      best_ = validation;
      save_best_checkpoint(directory_, state);
    }
    if (std::ssize(rows_) == common_.epochs || interrupted()) save();
  }

  if (progress_) progress_->clear();
  if (!common_.quiet) {
    std::ostream& out = common_.json ? std::cerr : std::cout;
    out << (first ? console_line(results, true) : "") + console_line(results, false) << std::flush;
  }
  timer_.restart();
}

double Run::last(const std::string& name) const {
  if (rows_.empty()) return std::nan("");
  const Value* value = find_value(rows_.back(), name);
  CHECK_ARG(value, "[Run::last] no column '", name, "' in ", csv_header(rows_.back()));
  return as_number(*value);
}

void Run::say(const std::string& text) {
  if (common_.quiet) return;
  if (progress_) progress_->clear();
  tell(text);
}

void Run::save_images(const std::string& name, const Tensor& images, const ImageGrid& grid) {
  if (!common_.no_plots) save_image_grid(path(name), images, grid);
}

void Run::plot_metrics(const std::string& name, const std::string& y_label,
                       const std::vector<std::string>& columns) {
  plot_rows(name, rows_, y_label, columns);
}

void Run::plot_rows(const std::string& name, const std::vector<Record>& rows,
                    const std::string& y_label, const std::vector<std::string>& columns) {
  if (common_.no_plots || rows.empty()) return;
  Plot plot{.x_label = rows[0][0].name, .y_label = y_label, .x = {}, .curves = {}};
  for (const Record& row : rows) plot.x.push_back(as_number(row[0].value));
  for (const std::string& column : columns) {
    CHECK_ARG(find_value(rows[0], column), "[plot_metrics] no column '", column, "' in ",
              csv_header(rows[0]));
    Plot::Curve curve{column, {}};
    for (const Record& row : rows) curve.y.push_back(as_number(*find_value(row, column)));
    plot.curves.push_back(curve);
  }
  save_plot(path(name), plot);
}

void Run::draw_graph(const std::string& name, const std::string& dot) {
  if (!common_.no_plots) save_graph(path(name), dot);
}

void Run::finish(const Record& results) {
  progress_.reset();
  if (!saved_) save();
  Record shown = {{"dataset", dataset_}};
  shown.insert(shown.end(), results.begin(), results.end());
  const auto epochs = static_cast<double>(std::max<size_t>(rows_.size(), 1));
  const Record cost = {{"seconds_per_epoch", timer_.seconds() / epochs},
                       {"step_ms_median", timer_.median_ms()},
                       {"gemm_share", timer_.gemm_share()},
                       {"peak_rss_mb", peak_rss_mb()},
                       {"interrupted", interrupted()},
                       {"directory", directory_}};
  shown.insert(shown.end(), cost.begin(), cost.end());

  Record summary = config_;
  set_value(summary, "threads", int64_t{num_threads()});
  for (const Field& field : shown) set_value(summary, field.name, field.value);
  write_file(path("summary.json"), to_json(summary, 2) + "\n");
  set_value(manifest_, "finished", utc_time());
  write_manifest();
  std::cout << (common_.json ? to_json(summary) + "\n" : table(shown)) << std::flush;
  if (interrupted()) say_how_to_resume();
}

void Run::say_how_to_resume() const { tell("stopped; continue with: " + resume_command_); }

void Run::write_manifest() const {
  write_file(path("manifest.json"), to_json(manifest_, 2) + "\n");
}

}  // namespace stflow
