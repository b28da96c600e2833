#include "examples/paper/campaign.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <thread>

#include "stflow/tensor/text.h"
#include "stflow/train/checkpoint.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/console/range.h"

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

/// Takes --epochs N or --epochs=N out of the words: the last N, 0 if there is none. Throws
/// UsageError.
int64_t take_epochs(std::vector<std::string>& words) {
  int64_t epochs = 0;
  for (size_t i = 0; i < words.size();) {
    const bool two_words = words[i] == "--epochs";
    if (!two_words && !words[i].starts_with("--epochs=")) {
      ++i;
      continue;
    }
    if (two_words && i + 1 == words.size()) throw UsageError("--epochs needs a value");
    epochs = parse_number<int64_t>("--epochs", two_words ? words[i + 1] : words[i].substr(9),
                                   between(1, kMostSteps));
    words.erase(words.begin() + i, words.begin() + i + (two_words ? 2 : 1));
  }
  return epochs;
}

/// Removes what a run has written that never came to its first checkpoint, for it has to find an
/// empty directory; what anybody else has put there stays, and stops it.
void remove_beginning(const std::string& directory) {
  const std::string checkpoints = directory + "/checkpoints";
  for (const char* name : {"run.lock", "manifest.json", "config.json", "metrics.csv",
                           "metrics.jsonl", "variance.csv"}) {
    fs::remove(directory + "/" + name);
  }
  nn::remove_leftovers(directory);
  if (!fs::is_directory(fs::symlink_status(checkpoints))) return;
  nn::remove_leftovers(checkpoints);
  std::error_code not_empty;
  fs::remove(checkpoints, not_empty);
}

}  // namespace

Campaign::Campaign(const std::string& out, const std::vector<std::string>& arguments)
    : directory_(out), arguments_(arguments) {
  const auto has = [&](const std::string& option) {
    return std::ranges::any_of(arguments, [&](const std::string& word) {
      return word == option || word.starts_with(option + "=");
    });
  };
  for (const std::string ours : {"--arch", "--rule", "--seed", "--threads", "--out"}) {
    if (has(ours))
      throw UsageError(concat_message("after --: ", ours, " is set for each run; hint: ",
                                      ours == "--seed" ? "--seeds N" : ours, " before the --"));
  }
  for (const char* other : {"--config", "--resume", "--help", "-h", "--version"}) {
    if (has(other))
      throw UsageError(concat_message("after --: ", other, " cannot be passed on to the runs"));
  }
  std::vector<std::string> same = arguments;
  epochs_ = take_epochs(same);
  const std::string settings = path("campaign.json");
  make_directory(out);
  if (!fs::exists(settings) && !fs::exists(path("campaign.lock")) && !fs::is_empty(out)) {
    throw std::runtime_error(concat_message("--out: '", out,
                                            "' is not empty, and no comparison is "
                                            "in it; hint: name a new directory"));
  }
  lock_ = take_lock(path("campaign.lock"), /*inherited=*/true);
  if (!lock_) {
    throw std::runtime_error(
        concat_message("--out: another comparison, or a run that it left behind, is still at work "
                       "in '",
                       out, "'; hint: wait for it, or name another directory"));
  }
  make_own_directory(path("cells"));  // not before the lock, by which a comparison is known
  const Record record{{"arguments", joined(same)}};
  const auto has_begun = [](const fs::directory_entry& cell) {
    return fs::exists(cell.path() / "config.json");
  };
  if (fs::exists(settings) &&
      std::ranges::any_of(fs::directory_iterator(path("cells")), has_begun)) {
    const Record before = read_record(settings);
    const Value* there = find_value(before, "arguments");
    if (there == nullptr || text_of(*there) != joined(same)) {
      throw std::runtime_error(concat_message(
          "--out: '", out, "' has runs made with the arguments '", there ? text_of(*there) : "",
          "', not '", joined(same), "'; hint: name another directory"));
    }
  }
  write_file(settings, to_json(record, 2) + "\n");
}

bool Campaign::finished(const Cell& cell) const {
  if (!fs::exists(path(cell) + "/summary.json") || !fs::exists(path(cell) + "/metrics.jsonl"))
    return false;
  try {
    const Record results = summary(cell);
    const Value* stopped = find_value(results, "interrupted");
    if (!stopped || !find_value(results, "test_neg_elbo")) return false;
    const std::vector<Record> rows = metrics(cell);
    const auto count = std::ssize(rows);
    as_number(*find_value(results, "test_neg_elbo"));
    for (const Record& row : rows) {
      for (const Field& field : row) as_number(field.value);
    }
    if (count == 0) return false;
    if (text_of(*stopped) == "no") return count >= epochs_;
    // The last epoch of a run that was stopped may be cut short.
    const auto steps = get<int64_t>(rows.back(), "steps");
    const bool last_is_whole =
        count > 1 && steps % count == 0 && steps / count == get<int64_t>(rows[0], "steps");
    return epochs_ > 0 && (count > epochs_ || (count == epochs_ && last_is_whole));
  } catch (const std::runtime_error&) {
    return false;  // cut off, or no numbers: to be run again
  }
}

Record Campaign::summary(const Cell& cell) const {
  return read_record(path(cell) + "/summary.json");
}

std::vector<Record> Campaign::metrics(const Cell& cell) const {
  const std::string file = path(cell) + "/metrics.jsonl";
  std::istringstream text(read_file(file));
  std::vector<Record> rows;
  for (std::string line; std::getline(text, line);) rows.push_back(record_from_json(line, file));
  return rows;
}

std::vector<Record> Campaign::variance(const Cell& cell) const {
  const std::string file = path(cell) + "/variance.csv";
  return fs::exists(file) ? records_from_csv(read_file(file), file) : std::vector<Record>();
}

/// Runs one cell, or what is left of it; what became of it, in words, "" if it finished.
std::string Campaign::run_cell(const Cell& cell) const {
  make_own_directory(path(cell));
  std::vector<std::string> command{training_program(), "--threads", "1", "--no-plots"};
  const auto add = [&](const std::vector<std::string>& words) {
    command.insert(command.end(), words.begin(), words.end());
  };
  if (has_checkpoint(path(cell))) {
    add({"--resume", path(cell)});
    const std::string config = path(cell) + "/config.json";
    const auto epochs = get<int64_t>(read_record(config), "epochs", config);
    if (epochs_ > epochs) add({"--epochs", std::to_string(epochs_)});
  } else {
    const std::string results = path(cell) + "/metrics.jsonl";
    if (fs::exists(results) && !fs::is_empty(results)) {
      return concat_message("'", path(cell), "' has results, but no checkpoint to go on from; ",
                            "hint: ask for no more epochs than it had, or remove it");
    }
    remove_beginning(path(cell));
    add({"--arch", cell.arch, "--rule", cell.rule, "--seed", std::to_string(cell.seed), "--out",
         path(cell)});
    add(arguments_);
  }
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
  const auto say = [&](const std::string& line) {
    const std::lock_guard lock(mutex);
    if (!quiet) tell(line);
  };
  const auto work = [&] {
    for (size_t i = next++; i < open.size() && !interrupted(); i = next++) {
      try {
        say(concat_message("running ", open[i].name(), ", ", i + 1, " of ", open.size(),
                           ", log in ", path(open[i]), ".log"));
        const std::string trouble = run_cell(open[i]);
        if (!trouble.empty()) all_well = false;
        const std::string result =
            trouble.empty()
                ? "test -ELBO " + text_of(*find_value(summary(open[i]), "test_neg_elbo"))
                : trouble;
        say(concat_message(open[i].arch, " ", open[i].rule, " seed ", open[i].seed, ": ", result));
      } catch (...) {
        const std::lock_guard lock(mutex);
        error = std::current_exception();
        next = open.size();
      }
    }
  };
  std::vector<std::jthread> workers;
  try {
    for (int64_t job = 1; job < std::min(jobs, std::ssize(open)); ++job) workers.emplace_back(work);
  } catch (const std::system_error&) {
    say(concat_message("warning: cannot start a thread: ", workers.size() + 1,
                       " runs at a time, not ", jobs));
  }
  work();
  workers.clear();  // joins them
  if (error) std::rethrow_exception(error);
  return all_well && !interrupted();
}

}  // namespace stflow
