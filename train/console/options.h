// options.h - the command line of a program: names, checked values, defaults, help, config files.
//
// The variable handed to add() holds the default and receives the value, so a program reads plain
// variables. A value comes from the command line, else from the --config file (the config.json of
// an earlier run), else it is the default. With --resume the earlier run's own values hold, and the
// command line may change only those that leave the numbers as they are. CLI11 splits the words and
// prints the help; options.cpp alone sees it, because it is slow to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stflow/train/console/range.h"
#include "stflow/train/console/record.h"

namespace CLI {
class App;
}

namespace stflow {

/// The names that the value of an option stands for: "all", or some of them with commas between.
/// Throws UsageError, which names the option, when one is not in `names` or there is none.
std::vector<std::string> name_list(const std::string& option, const std::string& value,
                                   const std::vector<std::string>& names);

/// The options all training programs share; the values set here are the defaults that --help shows.
struct CommonOptions {
  CommonOptions();

  std::string data;              // --data: where data sets are, before all other places
  std::string dataset = "auto";  // --dataset
  int64_t epochs = 10;           // --epochs
  int64_t batch_size = 100;      // --batch-size
  double lr = 1e-3;              // --lr: learning rate
  int64_t seed = 1;              // --seed
  int64_t threads;               // --threads: processors granted, unless given
  std::string out;               // --out: run directory; empty: a new one below runs/
  std::string resume;            // --resume: directory of the run to go on with; empty: a new run
  int64_t checkpoint_every = 5000;  // --checkpoint-every: steps; 0 = never between start and end
  int64_t limit = 0;                // --limit: use this many examples only; 0 = all
  bool quiet = false;               // --quiet
  bool json = false;                // --json
  bool no_plots = false;            // --no-plots

  /// The learning rate depends on --epochs, so that a resumed run cannot have more of them.
  bool schedule_over_epochs = false;
};

class Options {
 public:
  Options(std::string program, std::string description);
  ~Options();

  /// An option with one value: `--name VALUE` or `--name=VALUE`; the last one counts. The variable
  /// must outlive this object. --help says the range; that of a whole number has two ends.
  void add(const std::string& name, int64_t& value, const std::string& help, Range range);
  void add(const std::string& name, double& value, const std::string& help, Range range = {});
  void add(const std::string& name, std::string& value, const std::string& help,
           const std::string& metavar = "TEXT");
  /// An option whose value is one of `choices`.
  void choice(const std::string& name, std::string& value, const std::vector<std::string>& choices,
              const std::string& help);
  /// An option without a value that makes the variable true.
  void flag(const std::string& name, bool& value, const std::string& help);
  /// All of CommonOptions, and --config; parse() then also sets the number of threads.
  void add_common(CommonOptions& common);

  /// Says that options matter only while `other` has one of `values` (any but an empty text or
  /// 0, if there are none): parse() warns when one is typed in vain.
  void only_with(const std::string& other, const std::vector<std::string>& values,
                 const std::vector<std::string>& names);

  /// Reads the command line into the variables. --help and --version print to standard output and
  /// throw Finished. Throws UsageError for a mistake on the command line, such as an option that
  /// the run of --resume has otherwise, std::runtime_error for one in a config.json.
  void parse(int argc, const char* const* argv);

  /// Did the user give "--name", on the command line or in the --config file?
  bool given(const std::string& name) const;
  const std::string& program() const { return program_; }
  /// The command line as typed, quoted where a shell needs it.
  const std::string& command_line() const { return command_line_; }
  /// What to type to go on with the run in `directory`.
  std::string resume_command(const std::string& directory) const;
  /// The values as they are now, "--batch-size" under the name "batch_size". Left out is what
  /// belongs to a machine or a console: --out --config --resume --threads --quiet --json
  /// --no-plots.
  Record values() const;

 private:
  struct Entry;
  struct Condition {
    std::string other;
    std::vector<std::string> values, names;
  };

  Entry& append(const std::string& name, const std::string& metavar, const std::string& help,
                const std::string& default_text);
  Entry* find_entry(const std::string& name) const;
  [[noreturn]] void unknown(const std::string& word) const;
  void read_config(const std::string& path);
  void read_config_of_run(const std::string& directory);
  void check_resumable(const Entry& entry, const std::string& before) const;
  void warn_without_effect() const;

  std::string program_, typed_program_, command_line_, config_, group_ = "Options";
  const CommonOptions* common_ = nullptr;
  std::unique_ptr<CLI::App> parser_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<Condition> conditions_;
};

}  // namespace stflow
