#include "examples/common/campaign.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
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

/// What a run has said about its end: its error message, or else its last line.
std::string last_words(const std::string& path) {
  std::istringstream text(read_file(path));
  std::string last = "no message";
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("error: ")) return line.substr(7);
    if (!line.empty()) last = line;
  }
  return last;
}

/// Takes the lock of a directory, which ends with the last process that has inherited it.
std::shared_ptr<int> take_lock(const std::string& out, const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT, 0666);
  if (file < 0) throw std::runtime_error("cannot write '" + path + "': " + std::strerror(errno));
  const std::shared_ptr<int> lock(new int(file), [](const int* each) {
    close(*each);
    delete each;
  });
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    throw std::runtime_error(
        "--out: another comparison, or a run that it left behind, is still at "
        "work in '" +
        out + "'; hint: wait for it, or name another directory");
  }
  return lock;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

Campaign::Campaign(const std::string& out, const std::vector<std::string>& arguments)
    : directory_(out), arguments_(arguments) {
  for (const char* ours : {"--arch", "--rule", "--seed", "--threads", "--out"}) {
    const auto is_ours = [&](const std::string& word) {
      return word == ours || word.starts_with(std::string(ours) + "=");
    };
    if (std::ranges::any_of(arguments, is_ours))
      throw UsageError(concat_message("after --: ", ours, " is set for each run; hint: ",
                                      ours == std::string("--seed") ? "--seeds N" : ours,
                                      " before the --"));
  }
  const std::string settings = path("campaign.json");
  std::error_code failure;
  fs::create_directories(out, failure);
  if (failure) {
    throw std::runtime_error(
        concat_message("cannot create directory '", out, "': ", failure.message()));
  }
  if (!fs::exists(settings) && !fs::is_empty(out)) {
    throw std::runtime_error(concat_message("--out: '", out,
                                            "' is not empty, and no comparison is "
                                            "in it; hint: name a new directory"));
  }
  fs::create_directories(path("cells"));
  lock_ = take_lock(out, path("campaign.lock"));
  const Record record{{"arguments", joined(arguments)}};
  const auto has_begun = [](const fs::directory_entry& cell) {
    return fs::exists(cell.path() / "config.json");
  };
  if (fs::exists(settings) &&
      std::ranges::any_of(fs::directory_iterator(path("cells")), has_begun)) {
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
  try {
    const Record results = summary(cell);
    const Value* stopped = find_value(results, "interrupted");
    return stopped && text_of(*stopped) == "no" && find_value(results, "test_neg_elbo");
  } catch (const std::runtime_error&) {
    return false;  // cut off: to be run again
  }
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
  if (code == 2) throw UsageError(last_words(log));
  return concat_message("exit code ", code, ", ", last_words(log), "; see ", log);
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
