// test_resume_refused.cpp - run directories that were edited, or come from someone else: what does
// not fit is refused by name, and nothing but the run's own files is written or removed.
#include <sys/stat.h>

#include <filesystem>

#include "stflow/datasets/sha256.h"
#include "stflow/nn/binary_file.h"
#include "stflow/train/checkpoint.h"
#include "tests/small_run.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

namespace fs = std::filesystem;

/// Lets `edit` change what all checkpoints of a run have for a part, and signs them again.
void edit_checkpoints(const std::string& out, const std::string& part,
                      const std::function<void(std::string&)>& edit) {
  for (const std::string& name : names_in(out + "/checkpoints")) {
    const std::string path = out + "/checkpoints/" + name;
    nn::SafetensorsFile file = nn::load_safetensors(path);
    file.metadata.erase("sha256");
    edit(file.metadata[part]);
    Sha256 sum;
    for (const auto& [key, tensor] : file.tensors) {
      sum.update(key.data(), key.size());
      sum.update(nn::bytes_of(tensor).data(), nn::bytes_of(tensor).size());
    }
    for (const auto& [key, text] : file.metadata) {
      sum.update(key.data(), key.size());
      sum.update(text.data(), text.size());
    }
    file.metadata["sha256"] = sum.hex();
    nn::save_safetensors(path, file.tensors, file.metadata);
  }
}

void edit_run(const std::string& out, const std::function<void(Record&)>& edit) {
  edit_checkpoints(out, "run", [&](std::string& text) {
    Record numbers = record_from_json(text, "run");
    edit(numbers);
    text = to_json(numbers);
  });
}

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("resume: a config.json that was edited is refused, with the option and both values") {
  const TempDir dir;
  const std::string out = dir / "run", config = out + "/config.json";
  run_small(out, {"--rule", "rebar"}, 7);
  const std::string good = read_file(config), newest = newest_checkpoint(out);
  const Record settings = record_from_json(good, config);
  const auto message_with = [&](const std::string& name, const Value& value) {
    Record other = settings;
    set_value(other, name, value);
    write_file(config, to_json(other));
    return message_of_resume(out);
  };
  const std::string fits = " does not go with " + newest + ", which was made with ";
  CHECK(message_with("seed", 2) ==
        config + ": --seed 2" + fits + "1; hint: put it back, or start anew with --config");
  check_contains(message_with("rule", "st"), "--rule st" + fits + "rebar;");
  check_contains(message_with("lr", 0.5), "--lr 0.5" + fits + "0.01;");
  check_contains(message_with("rule", "relax"), "--rule relax" + fits + "rebar;");
  check_contains(message_with("batch_size", 3), "--batch-size 3" + fits + "2;");
  check_contains(message_with("epochs", 1), "--epochs 1" + fits + "2;");
  for (const Field& field : settings) {
    CAPTURE(field.name);
    if (const bool* on = std::get_if<bool>(&field.value)) {
      check_contains(message_with(field.name, !*on), fits);
    }
  }
  CHECK(message_with("checkpoint_every", 4).empty());
  CHECK(message_with("epochs", 3).empty());  // extends the run
  write_file(config, good);
}

TEST_CASE(
    "resume: data and kind of number are checked against the checkpoint, not only the manifest") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {}, 3);
  edit_run(out, [](Record& run) {
    Record made_with = get<Record>(run, "made_with");
    set_value(made_with, "real", "quad");
    set_value(run, "made_with", made_with);
  });
  check_contains(message_of_resume(out), "computes with quad, this program with");
  edit_run(out, [](Record& run) {
    const std::vector<Record> data{{{"path", "/else/images"}, {"sha256", "00ff"}}};
    set_value(run, "made_with",
              Record{{"real", sizeof(real) == 4 ? "float" : "double"}, {"data", data}});
  });
  check_contains(message_of_resume(out), "expected sha256 00ff, found");
}

TEST_CASE("resume: a checkpoint without settings, of an older version, says what to do") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {}, 3);
  edit_run(out, [](Record& run) {
    std::erase_if(run, [](const Field& field) { return field.name == "settings"; });
  });
  check_contains(message_of_resume(out), newest_checkpoint(out) + ": made by an older version",
                 "hint: start anew with --config " + out + "/config.json");
}

TEST_CASE("resume: columns that are not the program's own are refused, and no command is run") {
  const TempDir dir;
  const std::string pwned = dir / "pwned";
  const std::vector<std::string> commands{"x\\nsystem(\\\"touch " + pwned + "\\\")",
                                          "x'\\n!touch " + pwned + "\\n'", "evil"};
  for (const std::string column : {"epoch", "loss", "steps", "eta_1"}) {
    for (const std::string& command : commands) {
      CAPTURE(column);
      CAPTURE(command);
      const std::string out = dir / "run";
      fs::remove_all(out);
      run_small(out, {"--rule", "rebar"});
      edit_checkpoints(out, "run", [&](std::string& text) {
        replace(text, "\"" + column + "\":", "\"" + command + "\":");
      });
      check_contains(message_of_resume(out), newest_checkpoint(out));
      CHECK_FALSE(fs::exists(pwned));
    }
  }
}

TEST_CASE("resume: rows and steps that no run has are refused with the path of the checkpoint") {
  const TempDir dir;
  const std::string whole = dir / "whole", out = dir / "run";
  run_small(whole, {});
  const auto message_with = [&](const char* part, const std::string& from, const std::string& to) {
    fs::remove_all(out);
    fs::copy(whole, out, fs::copy_options::recursive);
    edit_checkpoints(out, part, [&](std::string& text) { replace(text, from, to); });
    const std::string message = message_of_resume(out);
    check_contains(message, newest_checkpoint(out));
    return message;
  };
  check_contains(message_with("run", "\"epoch\":2", "\"epoch\":\"two\""),
                 "expected a number as 'epoch' in row 2, found two");
  check_contains(message_with("run", "\"epoch\":2", "\"epoch\":2,\"evil\":1"),
                 "expected the columns epoch,loss,steps,", "in row 2, found epoch,evil,loss");
  check_contains(message_with("run", "{\"steps\":10", "{\"steps\":-10"),
                 "-10 steps do not make 2 epochs of 5 and 0 steps of another");
  check_contains(message_with("run", "\"steps_in_epoch\":0", "\"steps_in_epoch\":6"),
                 "10 steps do not make 2 epochs of 5 and 6 steps");
  check_contains(message_with("run", "\"best\":", "\"worst\":"), "no value named 'best'");
  check_contains(message_with("run", "\"examples\":0", "\"examples\":1e999"), "1e999");
  check_contains(message_with("run", "\"examples\":0", "\"examples\":18446744073709551615"),
                 "'examples': 18446744073709551615 does not fit");
  check_contains(message_with("rng", "\"stream\":", "\"steam\":"), "no value named 'stream'");
  check_contains(message_with("variance", "\"step\":", "\"x\\nsystem('id')\":"),
                 "expected the columns step,encoder_variance,encoder_mean_norm in row 1");
  check_contains(
      message_with("variance", "\"rng\":", std::string("\"deep\":") + std::string(100000, '[')),
      "nested too deeply");
}

TEST_CASE("resume: a manifest or settings without what they should have are named") {
  const TempDir dir;
  const std::string out = dir / "run", manifest = out + "/manifest.json";
  run_small(out, {}, 3);
  write_file(manifest, "{}");
  CHECK(message_of_resume(out) == manifest + ": there is no value named 'real'");
  for (const char* name : {"manifest.json", "config.json"}) {
    const std::string path = out + "/" + name;
    write_file(path, std::string("{\"data\":") + std::string(100000, '['));
    check_contains(message_of_resume(out), path + ": not read: nested too deeply");
  }
}

TEST_CASE("resume: only temporary files of our own are removed") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {}, 3);
  const std::vector<std::string> foreign{"notes.tmp",
                                         "summary.json.1-1.tmp",
                                         ".stflow-.tmp",
                                         ".stflow-0123456789abcdeg.tmp",
                                         ".stflow-0123456789abcdef0.tmp",
                                         ".stflow-0123456789abcdef.tmp.bak",
                                         "checkpoints/notes.tmp",
                                         "checkpoints/step_5.safetensors"};
  for (const std::string& name : foreign) write_file(out + "/" + name, "mine");
  write_file(dir / "victim", "mine");
  fs::create_symlink(dir / "victim", out + "/.stflow-0000000000000000.tmp");
  resume(out);
  for (const std::string& name : foreign) {
    CAPTURE(name);
    CHECK(fs::exists(out + "/" + name));
  }
  CHECK(read_file(dir / "victim") == "mine");
}

TEST_CASE("resume: nothing is written or removed through a symbolic link in the run directory") {
  const TempDir dir;
  const std::string whole = dir / "whole", out = dir / "run", victim = dir / "victim";
  run_small(whole, {}, 7);
  for (const char* name :
       {"config.json", "manifest.json", "metrics.csv", "metrics.jsonl", "run.lock",
        "model.safetensors", "summary.json", "checkpoints/step_000000010.safetensors"}) {
    CAPTURE(name);
    fs::remove_all(out);
    fs::copy(whole, out, fs::copy_options::recursive);
    const std::string path = out + "/" + name;
    const std::string before = fs::exists(path) ? read_file(path) : "mine";
    write_file(victim, before);
    fs::remove(path);
    fs::create_symlink(victim, path);
    check_contains(message_of_resume(out), path, "symbolic link");
    CHECK(read_file(victim) == before);
  }
  fs::remove_all(out);
  fs::copy(whole, out, fs::copy_options::recursive);
  fs::rename(out + "/checkpoints", dir / "theirs");
  const std::vector<std::string> theirs = names_in(dir / "theirs");
  fs::create_directory_symlink(dir / "theirs", out + "/checkpoints");
  check_contains(message_of_resume(out), out + "/checkpoints", "symbolic link");
  CHECK(names_in(dir / "theirs") == theirs);
}

TEST_CASE("checkpoint: a folder that cannot be made says why; names of others are not taken") {
  const TempDir dir;
  TrainingState state;
  Rng rng(1);
  state.add("rng", rng);
  write_file(dir / "checkpoints", "");
  const std::string message =
      message_of<std::runtime_error>([&] { save_checkpoint(dir.path().string(), state, 1); });
  check_contains(message, "cannot create directory '" + dir.path().string() + "/checkpoints'");
  CHECK(message.find("No such file") == std::string::npos);
  fs::remove(dir / "checkpoints");
  fs::create_directory(dir / "checkpoints");
  for (const char* name : {"step_99999999999999999999", "step_9223372036854775808", "step_5",
                           "step_-00000001", "step_", "step_000000001x"}) {
    write_file(dir / ("checkpoints/" + std::string(name) + ".safetensors"), "theirs");
  }
  CHECK_FALSE(has_checkpoint(dir.path().string()));
  const size_t before = names_in(dir / "checkpoints").size();
  for (const int64_t step : {1, 2, 3, 4}) save_checkpoint(dir.path().string(), state, step);
  CHECK(names_in(dir / "checkpoints").size() == before + 2);
  CHECK_NOTHROW(load_checkpoint(dir.path().string(), state));
}
