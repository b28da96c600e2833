// checkpoint.cpp - a checkpoint with the right checksum, from which a run goes on and ends.
//
// The input is the header of a safetensors file, a newline and the data.
#include "stflow/datasets/sha256.h"
#include "stflow/estimators/registry.h"
#include "stflow/nn/binary_file.h"
#include "stflow/nn/linear.h"
#include "stflow/train/console/files.h"
#include "stflow/train/run.h"
#include "tests/fuzz/fuzz.h"

using namespace stflow;

namespace {

/// A program that has one of everything a checkpoint holds, and trains nothing.
void run_program(const std::vector<const char*>& words) {
  CommonOptions common;
  common.quiet = common.no_plots = true;
  Options options("fuzz", "Trains nothing.");
  options.add_common(common);
  options.parse(static_cast<int>(words.size()), words.data());
  Rng rng(1);
  nn::Linear model(2, 1, rng);
  optim::Adam optimizer(model.parameters(), {});
  const std::vector<Rule> rules{make_rule("reinforce-mean")};
  Dataset data;
  data.name = "mnist";
  data.sources = {{"x.gz", "00ff"}};

  Run run(options, common, {data});
  run.state.add("model", model);
  run.state.add("optimizer", optimizer);
  run.state.add("rng", rng);
  run.state.add("rules", rules);
  run.start(2, {"loss"});
  run.last("loss");
  run.finish({});
}

/// Writes the checksum that the file must have to be believed.
void sign(const std::string& path) {
  nn::SafetensorsFile file = nn::load_safetensors(path);
  file.metadata.erase("sha256");
  Sha256 sum;
  const auto add = [&](const std::string& name, std::string_view bytes) {
    sum.update(name.data(), name.size());
    sum.update(bytes.data(), bytes.size());
  };
  for (const auto& [name, tensor] : file.tensors) add(name, nn::bytes_of(tensor));
  for (const auto& [name, text] : file.metadata) add(name, text);
  file.metadata["sha256"] = sum.hex();
  nn::save_safetensors(path, file.tensors, file.metadata);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string run = fuzz::folder() + "/run";
  static const std::string manifest = [] {
    run_program({"fuzz", "--out", run.c_str()});
    return read_file(run + "/manifest.json");
  }();
  fuzz::write("run/manifest.json", manifest);
  const std::string path =
      fuzz::write("run/checkpoints/step_000000000.safetensors",
                  fuzz::with_header_length({reinterpret_cast<const char*>(data), size}));
  fuzz::attempt((1 << 20) + 64 * static_cast<int64_t>(size), [&] {
    sign(path);
    run_program({"fuzz", "--resume", run.c_str()});
  });
  return 0;
}
