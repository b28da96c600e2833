// test_catalog.cpp - datasets by name: the search, the spellings, and real files where they are
// installed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "stflow/datasets/catalog.h"
#include "tests/idx_files.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace fs = std::filesystem;

namespace {

/// Sets a variable of the environment, and puts the old value back at the end of the scope.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_) {
      setenv(name_, old_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// An empty world: no variables that lead to data, and an empty working directory.
class NoData {
 public:
  NoData() { fs::current_path(empty_.path()); }
  ~NoData() { fs::current_path(old_); }
  NoData(const NoData&) = delete;
  NoData& operator=(const NoData&) = delete;

 private:
  TempDir empty_;
  fs::path old_ = fs::current_path();
  Environment data_{"STFLOW_DATA", ""}, xdg_{"XDG_DATA_HOME", empty_.path().string()};
};

/// Writes a one-pixel dataset of one image into a new folder.
void write_tiny(const fs::path& folder, uint8_t pixel, const std::string& images,
                const std::string& labels) {
  fs::create_directories(folder);
  write_raw(folder / images, idx_bytes({1, 1, 1}, std::string(1, static_cast<char>(pixel))));
  write_raw(folder / labels, idx_bytes({1}, std::string(1, '\3')));
}

void write_tiny(const fs::path& folder, uint8_t pixel) {
  write_tiny(folder, pixel, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
}

std::string why_not(const std::string& name, const std::string& data_dir) {
  return message_of<std::runtime_error>([&] { load_dataset(name, data_dir, Split::train); });
}

}  // namespace

TEST_CASE("catalog: folders are searched in the documented order") {
  NoData world;
  TempDir data, environment;
  const fs::path home = std::getenv("XDG_DATA_HOME");
  Environment variable("STFLOW_DATA", environment.path().string());
  const std::vector<fs::path> order = {
      data.path() / "mnist", data.path(),  environment.path() / "mnist",
      environment.path(),    "data/mnist", home / "stflow/mnist"};
  const std::vector<fs::path> folders = dataset_folders("mnist", data.path().string());
  REQUIRE(folders.size() == order.size() + 1);
  CHECK(std::equal(order.begin(), order.end(), folders.begin()));
  CHECK(folders.back() == "/usr/share/datasets/mnist");

  // From the last to the first: each new folder hides those after it.
  for (size_t i = order.size(); i-- > 0;) {
    CAPTURE(order[i].string());
    write_tiny(order[i], static_cast<uint8_t>(i));
    const Dataset found = load_dataset("mnist", data.path().string(), Split::train);
    CHECK(found.image(0)[0] == i);
    CHECK(found.label(0) == 3);
  }
}

TEST_CASE("catalog: without XDG_DATA_HOME the home folder is searched") {
  Environment xdg("XDG_DATA_HOME", ""), home("HOME", "/home/somebody");
  const std::vector<fs::path> folders = dataset_folders("digits", "");
  CHECK(std::count(folders.begin(), folders.end(), "/home/somebody/.local/share/stflow/digits") ==
        1);
}

TEST_CASE("catalog: both spellings, raw and gzip, are found") {
  for (const std::string part : {"-idx", ".idx"}) {
    CAPTURE(part);
    TempDir raw, packed;
    const std::string images = "t10k-images" + part + "3-ubyte";
    const std::string labels = "t10k-labels" + part + "1-ubyte";
    write_tiny(raw.path(), 9, images, labels);
    write_gz(packed / (images + ".gz"), read_raw(raw / images));
    write_gz(packed / (labels + ".gz"), read_raw(raw / labels));
    for (const TempDir* folder : {&raw, &packed}) {
      const Dataset found = load_dataset("mnist", folder->path().string(), Split::test);
      CHECK(found.name == "mnist");
      CHECK(found.split == Split::test);
      CHECK(found.classes() == 10);
      CHECK(found.image(0)[0] == 9);
    }
  }
}

TEST_CASE("catalog: a dataset that is not there names every folder tried and a hint") {
  NoData world;
  TempDir data;
  if (fs::exists("/usr/share/datasets/mnist")) {
    MESSAGE("skipped: MNIST is installed on this system");
    return;
  }
  const std::string message = why_not("mnist", data.path().string());
  check_contains(message, "dataset 'mnist' not found\nlooked in: ",
                 "\nhint: make mnist, or --dataset fashion-mnist");
  for (const fs::path& folder : dataset_folders("mnist", data.path().string())) {
    check_contains(message, folder.string());
  }
}

TEST_CASE(
    "catalog: a folder that may not be searched is passed over, and named when nothing is found") {
  NoData world;
  TempDir locked, open;
  Environment home("HOME", locked.path().string()), variable("STFLOW_DATA", "");
  Environment xdg("XDG_DATA_HOME", "");
  fs::create_directories(locked.path() / ".local/share/stflow/mnist");
  fs::create_directories("data");
  fs::permissions(locked.path(), fs::perms::none);
  fs::permissions("data", fs::perms::none);
  write_tiny(open.path(), 7);
  std::string missing, found, refused;
  {
    const NoRights nobody;
    missing = fs::exists("/usr/share/datasets/mnist") ? "" : why_not("mnist", "");
    found = load_dataset("mnist", open.path().string(), Split::train).sources[0].path;
    refused = why_not("mnist", "data");
  }
  fs::permissions(locked.path(), fs::perms::owner_all);
  fs::permissions("data", fs::perms::owner_all);
  CHECK(found == open / "train-images-idx3-ubyte");
  CHECK(refused == "--data data: expected a folder, found none (Permission denied)");
  if (missing.empty()) return;
  check_contains(missing, "looked in: data/mnist (Permission denied), ",
                 locked / ".local/share/stflow/mnist (Permission denied), /usr");
}

TEST_CASE("catalog: a --data folder that does not exist is refused") {
  check_contains(why_not("auto", std::string(300, 'x')),
                 "expected a folder, found none (File name");
  check_contains(why_not("auto", "no/such/folder"), "--data no/such/folder: expected a folder");
}

TEST_CASE("catalog: images without labels are refused") {
  NoData world;
  TempDir data;
  write_tiny(data.path(), 1);
  fs::remove(data / "train-labels-idx1-ubyte");
  check_contains(why_not("mnist", data.path().string()), data / "train-images-idx3-ubyte",
                 "expected the labels beside it");
}

TEST_CASE("catalog: auto takes a broken file for an error, not for a reason to look elsewhere") {
  NoData world;
  TempDir data;
  write_tiny(data.path(), 1);
  write_raw(data / "train-images-idx3-ubyte", "<html>");
  check_contains(why_not("auto", data.path().string()), "an HTML error page was saved?");
}

TEST_CASE("catalog: auto ends at generated digits when nothing is installed") {
  NoData world;
  const bool installed =
      fs::exists("/usr/share/datasets/mnist") || fs::exists("/usr/share/datasets/fashion-mnist");
  const Dataset found = load_dataset(installed ? "digits" : "auto", "", Split::test);
  CHECK(found.name == "digits");
  CHECK(found.shape() == Shape{10000, 28, 28, 1});
}

TEST_CASE("catalog: an unknown name is refused with the known ones") {
  check_contains(message_of([] { load_dataset("minst", "", Split::train); }),
                 "[load_dataset] 'minst' is not one of auto, mnist, fashion-mnist, digits");
}

TEST_CASE("catalog: MNIST's training half has its published size, hash and statistics") {
  std::optional<Dataset> mnist;
  try {
    mnist = load_dataset("mnist", "", Split::train);
  } catch (const std::runtime_error& error) {
    MESSAGE("skipped: " << std::string(error.what()));
    return;
  }
  CHECK(mnist->shape() == Shape{60000, 28, 28, 1});
  CHECK(mnist->sources[0].sha256 ==
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db");
  CHECK(mnist->sources[1].sha256 ==
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5");
  CHECK(std::vector<int>{mnist->label(0), mnist->label(1), mnist->label(2)} ==
        std::vector<int>{5, 0, 4});
  int64_t sum = 0;
  for (uint8_t pixel : *mnist->pixels) sum += pixel;
  CHECK(std::abs(static_cast<double>(sum) / 255 / 47040000 - .1307) < 5e-5);
}

TEST_CASE("catalog: Fashion-MNIST under MNIST's name is refused, and auto names it rightly") {
  const fs::path folder = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: " << folder.string() << " is not installed");
    return;
  }
  NoData world;
  check_contains(
      message_of<std::runtime_error>([&] { load_dataset("mnist", folder.string(), Split::test); }),
      "expected mnist, found fashion-mnist");
  const Dataset found = load_dataset("auto", folder.string(), Split::test);
  CHECK(found.name == "fashion-mnist");
  CHECK(found.class_names[9] == "ankle boot");
  CHECK(found.size() == 10000);
}
