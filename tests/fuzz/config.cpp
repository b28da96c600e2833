// config.cpp - the texts of a run: config.json, manifest.json and a table of numbers.
#include "stflow/train/console/files.h"
#include "stflow/train/run.h"
#include "tests/fuzz/fuzz.h"

using namespace stflow;

namespace {

void parse(CommonOptions& common, Options& options, std::vector<const char*> words) {
  options.add_common(common);
  words.insert(words.begin(), "fuzz");
  options.parse(static_cast<int>(words.size()), words.data());
}

/// What is read is written as it is read again.
void check_record(const std::string& path) {
  const std::string text = to_json(record_from_json(read_file(path), path));
  if (to_json(record_from_json(text, path)) != text) fuzz::finding("not as it was: " + text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parts = fuzz::parts_of({reinterpret_cast<const char*>(data), size});
  const int64_t most = (1 << 20) + 256 * static_cast<int64_t>(size);
  static const std::string run = fuzz::folder() + "/run";
  std::filesystem::create_directory(run);
  const std::string config = fuzz::write("run/config.json", parts[0]);
  fuzz::attempt(most, [&] { check_record(config); });
  fuzz::attempt(most, [&] {
    CommonOptions common;
    Options options("fuzz", "Trains nothing.");
    parse(common, options, {"--config", config.c_str()});
  });
  if (parts.size() > 1) {
    const std::string manifest = fuzz::write("run/manifest.json", parts[1]);
    fuzz::attempt(most, [&] { check_record(manifest); });
    fuzz::attempt(most, [&] {
      CommonOptions common;
      Options options("fuzz", "Trains nothing.");
      parse(common, options, {"--resume", run.c_str()});
      Dataset dataset;
      dataset.name = "mnist";
      dataset.sources = {{"x.gz", "00ff"}, {"y.gz", "11ff"}};
      const Run resumed(options, common, {dataset});
    });
  }
  if (parts.size() > 2) {
    const std::string table = fuzz::write("run/table.csv", parts[2]);
    fuzz::attempt(most, [&] {
      const std::vector<Record> rows = records_from_csv(read_file(table), table);
      if (!rows.empty()) csv_table(rows);
    });
  }
  return 0;
}
