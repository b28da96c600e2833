// options.cpp - options through CLI11, with our own conversions, messages and config files.
//
// CLI11 only collects each option's text; Entry::assign checks and converts it. Values of a config
// file take the same way, so that both give the same messages.
#include "stflow/train/console/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <iostream>
#include <sstream>
#include <string_view>

#include "stflow/datasets/catalog.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/text.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/console/words.h"

namespace stflow {
namespace {

constexpr size_t kHelpWidth = 80, kHelpColumn = 30;  // where CLI11 begins the texts

std::string with_range(const std::string& help, const Range& range) {
  const std::string ends = ends_of(range);
  return ends.empty() ? help : help + " (" + ends + ")";
}

template <typename Number>
std::string shortest(Number value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// CLI11's help without its doubled blank lines, its texts broken to fit a terminal.
std::string help_text(const CLI::App& app) {
  std::string text = app.help();
  for (size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
  while (text.ends_with("\n\n")) text.pop_back();

  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line); result += line + "\n") {
    const size_t indent = line.starts_with("  -") ? kHelpColumn : 0;
    for (size_t space; line.size() > kHelpWidth;) {
      space = line.rfind(' ', kHelpWidth);
      if (space == std::string::npos || space <= indent) break;  // one long word
      result += line.substr(0, space) + "\n";
      line = std::string(indent, ' ') + line.substr(space + 1);
    }
  }
  return result;
}

}  // namespace

CommonOptions::CommonOptions() : threads(num_threads()) {}

struct Options::Entry {
  std::string name;
  std::string text;                                // as typed
  CLI::Option* option = nullptr;                   // knows whether it was typed
  std::function<void(const std::string&)> assign;  // checks, then sets the program's variable
  std::function<Value()> value;
  bool in_config = true, is_path = false;
  bool given = false;

  bool is_flag() const { return option->get_items_expected_max() == 0; }
  std::string key() const {
    std::string key = name.substr(2);
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
  }
};

std::vector<std::string> name_list(const std::string& option, const std::string& value,
                                   const std::vector<std::string>& names) {
  if (value == "all") return names;
  std::vector<std::string> chosen;
  std::istringstream words(value);
  for (std::string word; std::getline(words, word, ',');) {
    if (!std::ranges::count(names, word)) {
      throw UsageError(concat_message(option, ": '", word, "' is not one of ", joined(names, ", "),
                                      did_you_mean(word, names)));
    }
    if (!std::ranges::count(chosen, word)) chosen.push_back(word);
  }
  if (chosen.empty())
    throw UsageError(concat_message(option, ": expected all, or names with commas between"));
  return chosen;
}

Options::Options(std::string program, std::string description)
    : program_(std::move(program)), parser_(std::make_unique<CLI::App>()) {
  CLI::App& app = *parser_;
  app.name(program_);
  app.description(std::move(description) + "\n");
  app.allow_extras();
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

Options::~Options() = default;

Options::Entry& Options::append(const std::string& name, const std::string& metavar,
                                const std::string& help, const std::string& default_text) {
  entries_.push_back(std::make_unique<Entry>());
  Entry& entry = *entries_.back();
  entry.name = name;
  const std::string shown = default_text.empty() ? help : help + " [" + default_text + "]";
  entry.option = metavar.empty() ? parser_->add_flag(name, shown)
                                 : parser_->add_option(name, entry.text, shown);
  entry.option->option_text(metavar)->group(group_);
  return entry;
}

void Options::add(const std::string& name, int64_t& value, const std::string& help, Range range) {
  CHECK_ARG(std::isfinite(range.low) && std::isfinite(range.high),
            "[Options::add] expected two ends for the range of ", name);
  Entry& entry = append(name, "N", with_range(help, range), std::to_string(value));
  entry.assign = [&value, name, range](const std::string& text) {
    value = parse_number<int64_t>(name, text, range);
  };
  entry.value = [&value] { return value; };
}

void Options::add(const std::string& name, double& value, const std::string& help, Range range) {
  Entry& entry = append(name, "X", with_range(help, range), shortest(value));
  entry.assign = [&value, name, range](const std::string& text) {
    value = parse_number<double>(name, text, range);
  };
  entry.value = [&value] { return value; };
}

void Options::add(const std::string& name, std::string& value, const std::string& help,
                  const std::string& metavar) {
  Entry& entry = append(name, metavar, help, value);
  entry.is_path = metavar == "DIR" || metavar == "FILE" || metavar == "PATH";
  entry.assign = [&value](const std::string& text) { value = text; };
  entry.value = [&value] { return value; };
}

void Options::choice(const std::string& name, std::string& value,
                     const std::vector<std::string>& choices, const std::string& help) {
  Entry& entry = append(name, "NAME", help + ": " + joined(choices, " | "), value);
  entry.assign = [&value, name, choices](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw UsageError(concat_message(name, ": '", text, "' is not one of ", joined(choices, ", "),
                                      did_you_mean(text, choices)));
    }
    value = text;
  };
  entry.value = [&value] { return value; };
}

void Options::flag(const std::string& name, bool& value, const std::string& help) {
  Entry& entry = append(name, "", help, "");
  entry.assign = [&value, name](const std::string& text) {
    if (text != "true" && text != "false") {
      throw UsageError(concat_message(name, ": '", text, "' is neither true nor false"));
    }
    value = text == "true";
  };
  entry.value = [&value] { return value; };
}

void Options::add_common(CommonOptions& common) {
  common_ = &common;
  group_ = "Common options";
  add("--data", common.data, "Directory to look for data sets in first", "DIR");
  choice("--dataset", common.dataset, dataset_names(),
         "Data set; auto takes the first of the others that is found");
  only_with("--dataset", {"auto", "mnist", "fashion-mnist"}, {"--data"});
  add("--epochs", common.epochs, "Passes over the training data", between(1, kMostSteps));
  add("--batch-size", common.batch_size, "Examples in a training step", between(1, kMostAtOnce));
  add("--lr", common.lr, "Learning rate", above(0));
  add("--seed", common.seed, "Same seed, same numbers, whatever --threads is",
      between(0, kLargestSeed));
  add("--limit", common.limit, "Use only the first N examples, 0 = all", between(0, kMostSteps));
  add("--checkpoint-every", common.checkpoint_every,
      "Steps between two checkpoints; 0: only at the start, the end and Ctrl-C",
      between(0, kMostSteps));
  const size_t kept = entries_.size();
  add("--threads", common.threads, "Threads to compute with", between(1, kMostThreads));
  add("--out", common.out, "New directory for the results; without it one below runs/", "DIR");
  add("--config", config_, "Take values from the config.json of an earlier run", "FILE");
  add("--resume", common.resume,
      "Go on with the run in this directory, to the same bits as if it had never stopped", "DIR");
  flag("--quiet", common.quiet, "Only results and warnings: no header, progress or epoch lines");
  flag("--json", common.json, "Print the results as one line of JSON, all else to stderr");
  flag("--no-plots", common.no_plots, "Draw no pictures");
  for (size_t i = kept; i < entries_.size(); ++i) entries_[i]->in_config = false;
  group_ = "Options";
}

void Options::only_with(const std::string& other, const std::vector<std::string>& values,
                        const std::vector<std::string>& names) {
  conditions_.push_back({other, values, names});
}

void Options::parse(int argc, const char* const* argv) {
  command_line_ = typed_program_ = shell_quoted(argv[0]);
  for (int i = 1; i < argc; ++i) command_line_ += " " + shell_quoted(argv[i]);

  // A value that looks like an option is one when = joins the two: --out=--two.
  for (int i = 1; i + 1 < argc; ++i) {
    const Entry* entry = find_entry(argv[i]);
    if (!entry || entry->is_flag()) continue;
    if (std::string_view(argv[++i]).starts_with("--"))
      throw UsageError(entry->name + " needs a value");
  }
  for (int i = 1; i < argc; ++i) {  // CLI11 would go on to the next word for it
    const std::string word = argv[i];
    const Entry* entry =
        word.ends_with('=') ? find_entry(word.substr(0, word.size() - 1)) : nullptr;
    if (entry) throw UsageError(entry->name + " needs a value");
  }
  CLI::App& app = *parser_;
  app.set_help_flag("-h,--help", "Show this help")->group("Common options");
  app.set_version_flag("--version", program_ + " (stflow " STFLOW_VERSION ")", "Show the version")
      ->group("Common options");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << help_text(app);
    throw Finished();
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << "\n";
    throw Finished();
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string what = error.what();  // "--name: 1 required TEXT missing"
    throw UsageError(what.substr(0, what.find(':')) + " needs a value");
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  if (!app.remaining().empty()) unknown(app.remaining().front());

  for (const auto& entry : entries_) {
    if (entry->is_path && entry->option->count() > 0 && entry->text.empty())
      throw UsageError(entry->name + " needs a value");
  }
  const auto typed = [&](const char* name) {
    const Entry* entry = find_entry(name);
    return entry && entry->option->count() > 0;
  };
  if (typed("--resume")) {
    for (const char* other : {"--out", "--config"}) {
      if (!typed(other)) continue;
      throw UsageError(concat_message("--resume: the run goes on in its own directory, with its ",
                                      "own settings; leave out ", other));
    }
    read_config_of_run(find_entry("--resume")->text);
  } else if (typed("--config")) {
    read_config(find_entry("--config")->text);
  }
  for (const auto& entry : entries_) {
    if (entry->option->count() == 0) continue;
    const std::string before = csv_row({{"", entry->value()}});
    entry->assign(entry->option->as<std::string>());
    entry->given = true;
    if (typed("--resume")) check_resumable(*entry, before);
  }
  warn_without_effect();
  if (common_) set_num_threads(static_cast<int>(common_->threads));
}

void Options::warn_without_effect() const {
  for (const auto& [other, values, names] : conditions_) {
    const std::string value = text_of(find_entry(other)->value());
    const bool off = value.empty() || value == "0";
    const bool met = values.empty() ? !off : std::ranges::count(values, value) > 0;
    const std::string found = off ? "without " + other : "with " + other + " " + value;
    for (const std::string& name : names) {
      if (met || find_entry(name)->option->count() == 0) continue;
      tell(concat_message("warning: ", name, " has no effect ", found));
    }
  }
}

void Options::unknown(const std::string& word) const {
  const std::string name = word.substr(0, word.find('='));
  if (!name.starts_with('-')) {
    throw UsageError(concat_message("unexpected '", word, "'; every option begins with --"));
  }
  std::vector<std::string> names = {"--help", "--version"};
  for (const auto& entry : entries_) names.push_back(entry->name);
  throw UsageError(concat_message("unknown option '", name, "'", did_you_mean(name, names)));
}

void Options::read_config(const std::string& path) {
  for (const Field& field : record_from_json(read_file(path), path)) {
    const std::string text = std::visit(
        [](const auto& value) -> std::string {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
          if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, double>) {
            return shortest(value);
          }
          if constexpr (std::is_same_v<T, std::string>) return value;
          return "a list";
        },
        field.value);
    if (field.name == "program") {
      if (text == program_) continue;
      throw std::runtime_error(
          concat_message(path, ": written by '", text, "', not by ", program_));
    }
    const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const auto& candidate) {
      return candidate->in_config && candidate->key() == field.name;
    });
    if (entry == entries_.end()) {
      std::vector<std::string> keys;
      for (const auto& known : entries_) {
        if (known->in_config) keys.push_back(known->key());
      }
      throw std::runtime_error(concat_message(path, ": unknown option '", field.name, "'",
                                              did_you_mean(field.name, keys)));
    }
    const double* number = std::get_if<double>(&field.value);
    if (number && std::isnan(*number))
      throw std::runtime_error(concat_message(path, ": '", field.name, "' is null"));
    try {
      (*entry)->assign(text);
    } catch (const UsageError& error) {
      throw std::runtime_error(concat_message(path, ": ", error.what()));
    }
    (*entry)->given = true;
  }
}

void Options::read_config_of_run(const std::string& directory) {
  const std::string path = directory + "/config.json";
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(concat_message("--resume: '", directory,
                                            "' is no run directory: it has no config.json; hint: "
                                            "the directory that the run named as it began"));
  }
  read_config(path);
}

void Options::check_resumable(const Entry& entry, const std::string& before) const {
  const std::string now = csv_row({{"", entry.value()}});
  const bool free =
      !entry.in_config || entry.name == "--data" || entry.name == "--checkpoint-every";
  if (free || now == before) return;
  std::string hint = "leave it out";
  if (entry.name == "--epochs" && common_->schedule_over_epochs) {
    hint = "the learning rate depends on it";
  } else if (entry.name == "--epochs") {
    if (common_->epochs > std::stoll(before)) return;  // extends the run
    hint = "more epochs extend the run, fewer cannot be";
  }
  throw UsageError(concat_message(entry.name, ": ", now, " does not go with the run in '",
                                  find_entry("--resume")->text, "', which has ", before,
                                  "; hint: ", hint));
}

Options::Entry* Options::find_entry(const std::string& name) const {
  for (const auto& entry : entries_) {
    if (entry->name == name) return entry.get();
  }
  return nullptr;
}

bool Options::given(const std::string& name) const {
  const Entry* entry = find_entry(name);
  CHECK_ARG(entry, "[given] ", program_, " has no option '", name, "'");
  return entry->given;
}

std::string Options::resume_command(const std::string& directory) const {
  return typed_program_ + " --resume " + shell_quoted(directory);
}

Record Options::values() const {
  Record record = {{"program", program_}};
  for (const auto& entry : entries_) {
    if (entry->in_config) record.push_back({entry->key(), entry->value()});
  }
  return record;
}

}  // namespace stflow
