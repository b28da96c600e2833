// catalog.cpp - the search for MNIST-like files, and the check that they are what their name says.
#include "stflow/datasets/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "stflow/datasets/digits.h"
#include "stflow/datasets/idx.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

namespace fs = std::filesystem;

/// A dataset kept in four IDX files.
struct Entry {
  std::string name;
  std::string train_sha256, test_sha256;  // of the decompressed image files
  std::vector<std::string> class_names;
  std::string hint;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = {
      {"mnist",
       "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
       "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
       {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
       "make mnist, or --dataset fashion-mnist (apt-get install dataset-fashion-mnist)"},
      {"fashion-mnist",
       "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
       "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
       {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot"},
       "apt-get install dataset-fashion-mnist, or --dataset digits (needs no file)"}};
  return all;
}

constexpr int64_t kGeneratedTrain = 60000, kGeneratedTest = 10000;  // as many as MNIST has
constexpr uint64_t kGeneratedSeed = 1;

std::string environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

std::string file_stem(Split split) { return split == Split::train ? "train" : "t10k"; }

/// " (Permission denied)" or what else keeps us from looking into a folder; "" when nothing does.
std::string obstacle(const fs::path& folder) {
  std::error_code error;
  const fs::file_type type = fs::status(folder / ".", error).type();
  return error && type != fs::file_type::not_found ? " (" + error.message() + ")" : "";
}

/// The file of either spelling, raw or gzip, or nothing. `part` is images-idx3 or labels-idx1.
std::optional<fs::path> find_file(const fs::path& folder, Split split, const std::string& part) {
  std::string dotted = part;
  dotted.replace(part.find('-'), 1, ".");
  for (const std::string& spelling : {part, dotted}) {
    for (const char* ending : {"-ubyte", "-ubyte.gz"}) {
      const fs::path path = folder / (file_stem(split) + "-" + spelling + ending);
      std::error_code passed_over;  // a folder that may not be searched; obstacle() says so
      if (fs::is_regular_file(path, passed_over)) return path;
    }
  }
  return std::nullopt;
}

/// Loads from the first folder that has the images, or returns nothing. Throws when the files are
/// bad.
std::optional<Dataset> find_dataset(const Entry& entry, const std::string& data_dir, Split split) {
  for (const fs::path& folder : dataset_folders(entry.name, data_dir)) {
    const std::optional<fs::path> images = find_file(folder, split, "images-idx3");
    if (!images) continue;
    const std::optional<fs::path> labels = find_file(folder, split, "labels-idx1");
    if (!labels) {
      throw std::runtime_error(images->string() + ": expected the labels beside it (" +
                               to_string(split) + ", labels-idx1-ubyte), found none");
    }
    Dataset description;
    description.name = entry.name;
    description.split = split;
    description.class_names = entry.class_names;
    return load_idx(*images, *labels, std::move(description));
  }
  return std::nullopt;
}

/// The entry whose image file has this hash, or null.
const Entry* entry_of_hash(const std::string& sha256) {
  for (const Entry& entry : entries()) {
    if (sha256 == entry.train_sha256 || sha256 == entry.test_sha256) return &entry;
  }
  return nullptr;
}

}  // namespace

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> names = {"auto", "mnist", "fashion-mnist", "digits"};
  return names;
}

std::vector<fs::path> dataset_folders(const std::string& name, const std::string& data_dir) {
  std::vector<fs::path> folders;
  for (const std::string& given : {data_dir, environment("STFLOW_DATA")}) {
    if (!given.empty()) folders.insert(folders.end(), {fs::path(given) / name, fs::path(given)});
  }
  folders.push_back(fs::path("data") / name);
  const std::string xdg = environment("XDG_DATA_HOME"), home = environment("HOME");
  if (!xdg.empty()) {
    folders.push_back(fs::path(xdg) / "stflow" / name);
  } else if (!home.empty()) {
    folders.push_back(fs::path(home) / ".local/share/stflow" / name);
  }
  folders.push_back(fs::path("/usr/share/datasets") / name);
  return folders;
}

Dataset load_dataset(const std::string& name, const std::string& data_dir, Split split) {
  const auto& names = dataset_names();
  CHECK_ARG(std::find(names.begin(), names.end(), name) != names.end(), "[load_dataset] '", name,
            "' is not one of auto, mnist, fashion-mnist, digits");
  std::error_code error;
  if (!data_dir.empty() && (!fs::is_directory(data_dir, error) || !obstacle(data_dir).empty())) {
    throw std::runtime_error("--data " + data_dir + ": expected a folder, found none" +
                             obstacle(data_dir));
  }
  for (const Entry& entry : entries()) {
    if (name != "auto" && name != entry.name) continue;
    std::optional<Dataset> found = find_dataset(entry, data_dir, split);
    if (found) {
      // A folder given directly may hold either dataset under the same file names: the content
      // decides.
      const Entry* real_entry = entry_of_hash(found->sources[0].sha256);
      if (!real_entry || real_entry->name == entry.name) return *found;
      if (name == "auto") {
        found->name = real_entry->name;
        found->class_names = real_entry->class_names;
        return *found;
      }
      throw std::runtime_error(found->sources[0].path + ": expected " + name + ", found " +
                               real_entry->name);
    }
    if (name == entry.name) {
      const auto described = [](const fs::path& folder) {
        return folder.string() + obstacle(folder);
      };
      const std::string folders = joined(dataset_folders(name, data_dir), ", ", described);
      throw std::runtime_error("dataset '" + name + "' not found\nlooked in: " + folders +
                               " (for " + file_stem(split) +
                               "-images-idx3-ubyte, or with .gz)\nhint: " + entry.hint);
    }
  }
  return generate_digits(split == Split::train ? kGeneratedTrain : kGeneratedTest, kGeneratedSeed,
                         split);
}

}  // namespace stflow
