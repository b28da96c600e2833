// checkpoint.cpp - parts of a state in and out of safetensors files, and the files a run keeps.
#include "stflow/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "stflow/datasets/sha256.h"
#include "stflow/tensor/text.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"

namespace stflow {
namespace {

namespace fs = std::filesystem;

constexpr char kChecksum[] = "sha256";
constexpr size_t kMaxValues = 20'000'000;  // a row of numbers an epoch, or a measurement

/// The tensors of rules, by names such as "0.parameter.eta": handles, not copies.
std::map<std::string, Var> rule_tensors(const std::vector<Rule>& rules) {
  std::map<std::string, Var> found;
  for (size_t layer = 0; layer < rules.size(); ++layer) {
    const auto collect = [&](const char* kind, const NamedVars& variables) {
      for (const auto& [name, variable] : variables) {
        found.emplace(concat_message(layer, ".", kind, ".", name), variable);
      }
    };
    collect("parameter", rules[layer].parameters);
    collect("buffer", rules[layer].buffers);
  }
  return found;
}

/// A checksum of all that a checkpoint holds: so a damaged file is noticed.
std::string checksum(const nn::NamedTensors& tensors, const nn::Metadata& numbers) {
  Sha256 sum;
  const auto add = [&](const std::string& name, std::string_view bytes) {
    sum.update(name.data(), name.size());
    sum.update(bytes.data(), bytes.size());
  };
  for (const auto& [name, tensor] : tensors) add(name, nn::bytes_of(tensor));
  for (const auto& [name, text] : numbers) add(name, text);
  return sum.hex();
}

/// Throws std::runtime_error when the file is no checkpoint, or not what was written.
nn::SafetensorsFile read_checkpoint(const std::string& path) {
  nn::SafetensorsFile file = nn::load_safetensors(path);
  const std::string expected = file.metadata[kChecksum];
  file.metadata.erase(kChecksum);
  const std::string found = checksum(file.tensors, file.metadata);
  if (found == expected) return file;
  throw std::runtime_error(
      concat_message(path, ": damaged: expected sha256 '", expected, "', found '", found, "'"));
}

nn::NamedTensors copies(const std::map<std::string, Var>& variables) {
  nn::NamedTensors tensors;
  for (const auto& [name, variable] : variables)
    tensors[name] = nn::turned(variable, variable.value());
  return tensors;
}

std::string checkpoint_name(int64_t step) {
  const std::string digits = std::to_string(step);
  return "step_" + std::string(digits.size() < 9 ? 9 - digits.size() : 0, '0') + digits;
}

std::string folder_of(const std::string& run_directory) { return run_directory + "/checkpoints"; }

/// The checkpoints of a run by their step, the newest first: files with the very names that
/// save_checkpoint gives them.
std::map<int64_t, fs::path, std::greater<>> checkpoints_in(const std::string& run_directory) {
  std::map<int64_t, fs::path, std::greater<>> found;
  std::error_code none;
  for (const auto& file : fs::directory_iterator(folder_of(run_directory), none)) {
    const std::string stem = file.path().stem().string();  // step_000005000
    int64_t step = -1;
    if (stem.starts_with("step_")) std::from_chars(&stem[5], stem.data() + stem.size(), step);
    if (step >= 0 && stem == checkpoint_name(step) && file.path().extension() == ".safetensors") {
      found[step] = file.path();
    }
  }
  return found;
}

std::string checkpoint_path(const std::string& run_directory, const std::string& name) {
  make_own_directory(folder_of(run_directory));
  return folder_of(run_directory) + "/" + name + ".safetensors";
}

}  // namespace

Record record_of(const Rng& rng) {
  const Rng::State& state = rng.state();
  return {{"seed", static_cast<int64_t>(state.seed)},
          {"stream", static_cast<int64_t>(state.stream)},
          {"position", static_cast<int64_t>(state.position)}};
}

Rng rng_from(const Record& record, const std::string& source) {
  const auto number = [&](const char* name) {
    return static_cast<uint64_t>(get<int64_t>(record, name, source));
  };
  return Rng({.seed = number("seed"), .stream = number("stream"), .position = number("position")});
}

void TrainingState::add(const std::string& name, Save save, Load load) {
  CHECK_ARG(!has(name), "[TrainingState::add] there is a part '", name, "' already");
  CHECK_ARG(!name.empty() && name.find('.') == std::string::npos,
            "[TrainingState::add] expected a name without dots, got '", name, "'");
  entries_.push_back({name, std::move(save), std::move(load)});
}

void TrainingState::add(const std::string& name, nn::Module& model) {
  add(
      name, [&model] { return Part{.tensors = model.state_dict()}; },
      [&model](const Part& part, const std::string& source) {
        model.load_state_dict(part.tensors, source);
      });
}

void TrainingState::add(const std::string& name, optim::Optimizer& optimizer) {
  add(
      name, [&optimizer] { return Part{.tensors = optimizer.state_dict()}; },
      [&optimizer](const Part& part, const std::string& source) {
        optimizer.load_state_dict(part.tensors, source);
      });
}

void TrainingState::add(const std::string& name, Rng& rng) {
  add(
      name, [&rng] { return Part{.numbers = record_of(rng)}; },
      [&rng](const Part& part, const std::string& source) {
        rng = rng_from(part.numbers, source);
      });
}

void TrainingState::add(const std::string& name, const std::vector<Rule>& rules) {
  const std::map<std::string, Var> variables = rule_tensors(rules);
  add(
      name, [variables] { return Part{.tensors = copies(variables)}; },
      [variables](const Part& part, const std::string& source) {
        nn::check_fits(part.tensors, copies(variables), source, "these rules");
        for (const auto& [rule_name, variable] : variables) {
          Var kept = variable;
          kept.mutable_value() = nn::turned(variable, part.tensors.at(rule_name));
        }
      });
}

bool TrainingState::has(const std::string& name) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.name == name; });
}

TrainingState::Part TrainingState::part(const std::string& name) const {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  CHECK_ARG(found != entries_.end(), "[TrainingState::part] no part '", name, "'");
  return found->save();
}

void TrainingState::save(const std::string& path) const {
  nn::NamedTensors tensors;
  nn::Metadata numbers;
  for (const Entry& entry : entries_) {
    const Part part = entry.save();
    for (const auto& [name, tensor] : part.tensors) tensors[entry.name + "." + name] = tensor;
    numbers[entry.name] = to_json(part.numbers);
  }
  numbers[kChecksum] = checksum(tensors, numbers);
  nn::save_safetensors(path, tensors, numbers, nn::Links::refuse);
}

void TrainingState::load(const nn::SafetensorsFile& file, const std::string& source) const {
  std::map<std::string, Part> parts;
  for (const auto& [name, numbers] : file.metadata) {
    parts[name].numbers = record_from_json(numbers, source, kMaxValues);
  }
  for (const auto& [name, tensor] : file.tensors) {
    const size_t dot = name.find('.');
    parts[name.substr(0, dot)].tensors[name.substr(dot + 1)] = tensor;
  }
  std::set<std::string> ours, theirs;
  for (const Entry& entry : entries_) ours.insert(entry.name);
  for (const auto& [name, part] : parts) theirs.insert(name);
  // In the order they were added: a run first, which knows best why the others would not fit.
  for (const Entry& entry : entries_) {
    if (theirs.contains(entry.name)) entry.load(parts[entry.name], source);
  }
  if (ours == theirs) return;
  throw std::runtime_error(concat_message(source, ": expected a checkpoint of ", joined(ours),
                                          ", found one of ", joined(theirs)));
}

void save_checkpoint(const std::string& run_directory, const TrainingState& state, int64_t step) {
  state.save(checkpoint_path(run_directory, checkpoint_name(step)));
  int64_t before = 0;
  for (const auto& [number, path] : checkpoints_in(run_directory)) {
    if (number == step || (number < step && before++ == 0)) continue;
    std::error_code ignored;  // one too many does no harm
    fs::remove(path, ignored);
  }
}

void save_best_checkpoint(const std::string& run_directory, const TrainingState& state) {
  state.save(checkpoint_path(run_directory, "best"));
}

bool has_checkpoint(const std::string& run_directory) {
  return !checkpoints_in(run_directory).empty();
}

void load_checkpoint(const std::string& run_directory, const TrainingState& state) {
  if (has_checkpoint(run_directory)) make_own_directory(folder_of(run_directory));
  for (const auto& [step, path] : checkpoints_in(run_directory)) {
    std::optional<nn::SafetensorsFile> file;
    try {
      file = read_checkpoint(path);
    } catch (const std::runtime_error& error) {
      tell(concat_message("warning: ", error.what(), "; the checkpoint before it is taken"));
      continue;
    }
    return state.load(*file, path);
  }
  throw std::runtime_error(concat_message(
      "--resume: no checkpoint that can be read in '", run_directory,
      "/checkpoints'; hint: start anew with --config ", run_directory, "/config.json"));
}

}  // namespace stflow
