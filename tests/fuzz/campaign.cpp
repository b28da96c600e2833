// campaign.cpp - the files of a comparison of two runs: read, compared, and drawn up to gnuplot.
//
// The input is campaign.json, then of each run summary.json, metrics.jsonl and variance.csv.
#include "examples/paper/campaign.h"

#include "examples/paper/comparison.h"
#include "stflow/train/console/files.h"
#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto parts = fuzz::parts_of({reinterpret_cast<const char*>(data), size});
  parts.resize(7);
  const std::vector<Cell> cells{{"linear", "st", 1}, {"linear", "arm", 1}};
  const std::string out = fuzz::folder() + "/out";
  std::filesystem::create_directories(out);
  fuzz::write("out/campaign.json", parts[0]);
  for (size_t cell = 0; cell < cells.size(); ++cell) {
    const std::string name = "out/cells/" + cells[cell].name();
    std::filesystem::create_directories(fuzz::folder() + "/" + name);
    fuzz::write(name + "/config.json", "{}");
    fuzz::write(name + "/summary.json", parts[1 + 3 * cell]);
    fuzz::write(name + "/metrics.jsonl", parts[2 + 3 * cell]);
    fuzz::write(name + "/variance.csv", parts[3 + 3 * cell]);
  }
  fuzz::attempt((1 << 20) + 256 * static_cast<int64_t>(size), [&] {
    const Campaign campaign(out, {"--epochs", "2"});
    const std::vector<Record> rows = compare(campaign, cells);
    if (rows.empty()) return;
    csv_table(rows);
    markdown(rows, true);
    for (const char* against : {"epoch", "seconds", "evaluations"}) {
      learning_curves(campaign, cells, "linear", against);
    }
    variance_curves(campaign, cells, "linear");
  });
  return 0;
}
