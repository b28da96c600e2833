#include "examples/common/campaign.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "examples/common/files.h"
#include "examples/common/program.h"
#include "tensor/check.h"

namespace stflow {
namespace {

namespace fs = std::filesystem;

/// The training program: the file beside this one.
std::string training_program() {
  return (fs::read_symlink("/proc/self/exe").parent_path() / "bernoulli_vae").string();
}

std::string last_line(const std::string& path) {
  std::istringstream text(read_file(path));
  std::string last = "no message";
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

Campaign::Campaign(const std::string& out, const std::vector<std::string>& arguments)
    : directory_(out), arguments_(arguments) {
  fs::create_directories(path("cells"));
  const std::string settings = path("campaign.json");
  const Record record{{"arguments", joined(arguments)}};
  if (fs::exists(settings)) {
    const Record before = record_from_json(read_file(settings), settings);
    const Value* there = find_value(before, "arguments");
    if (there == nullptr || text_of(*there) != joined(arguments)) {
      throw std::runtime_error(concat_message(
          "--out: '", out, "' has runs made with the arguments '", there ? text_of(*there) : "",
          "', not '", joined(arguments), "'; hint: name another directory"));
    }
  }
  write_file(settings, to_json(record, 2) + "\n");
}

bool Campaign::finished(const Cell& cell) const {
  const std::string summary_path = path(cell) + "/summary.json";
  if (!fs::exists(summary_path)) return false;
  const Value* stopped = find_value(summary(cell), "interrupted");
  return stopped != nullptr && text_of(*stopped) == "no";
}

Record Campaign::summary(const Cell& cell) const {
  const std::string file = path(cell) + "/summary.json";
  return record_from_json(read_file(file), file);
}

std::vector<Record> Campaign::metrics(const Cell& cell) const {
  const std::string file = path(cell) + "/metrics.jsonl";
  std::istringstream text(read_file(file));
  std::vector<Record> rows;
  for (std::string line; std::getline(text, line);) rows.push_back(record_from_json(line, file));
  return rows;
}

/// Runs one cell; what became of it, in words, "" if it finished.
std::string Campaign::run_cell(const Cell& cell) const {
  fs::remove_all(path(cell));
  std::vector<std::string> command{
      training_program(),        "--arch",    cell.arch, "--rule", cell.rule,  "--seed",
      std::to_string(cell.seed), "--threads", "1",       "--out",  path(cell), "--no-plots"};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  const std::string log = path(cell) + ".log";
  const int code = run_command(command, ".", log);
  if (code == 0 && finished(cell)) return "";
  if (interrupted()) return "stopped";
  if (code == -1) throw std::runtime_error("cannot start '" + command[0] + "'");
  const std::string words = last_line(log);
  if (code == 2) throw UsageError(words.starts_with("error: ") ? words.substr(7) : words);
  return concat_message("exit code ", code, ", ", words);
}

bool Campaign::run(const std::vector<Cell>& cells, int64_t jobs, bool quiet) const {
  std::vector<Cell> open;
  for (const Cell& cell : cells) {
    if (!finished(cell)) open.push_back(cell);
  }
  std::atomic<size_t> next = 0;
  std::atomic<bool> all_well = true;
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    for (size_t i = next++; i < open.size() && !interrupted(); i = next++) {
      try {
        const std::string trouble = run_cell(open[i]);
        if (!trouble.empty()) all_well = false;
        const std::lock_guard lock(mutex);
        if (!quiet) {
          const std::string result =
              trouble.empty()
                  ? "test -ELBO " + text_of(*find_value(summary(open[i]), "test_neg_elbo"))
                  : trouble;
          std::cerr << concat_message(open[i].arch, " ", open[i].rule, " seed ", open[i].seed, ": ",
                                      result, "\n");
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        error = std::current_exception();
        next = open.size();
      }
    }
  };
  std::vector<std::thread> workers;
  for (int64_t job = 0; job < jobs; ++job) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  if (error) std::rethrow_exception(error);
  return all_well && !interrupted();
}

}  // namespace stflow
