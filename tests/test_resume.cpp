// test_resume.cpp - checkpoints and resumed runs: a run that ended after any step goes on to the
// bits of one that did not, and what cannot be resumed is refused.
//
// Runs end here by an exception instead of SIGKILL; tests/kill_resume.sh does the real thing.
#include <csignal>
#include <filesystem>

#include "stflow/train/checkpoint.h"
#include "tests/small_run.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// A state of one number, for checkpoints by hand.
struct Number {
  Tensor value = Tensor::zeros({2, 3});
  TrainingState state;
  Number() {
    state.add(
        "number",
        [this] {
          return TrainingState::Part{{{"x", value}}, {{"first", double(value.data()[0])}}};
        },
        [this](const TrainingState::Part& part, const std::string&) {
          value = part.tensors.at("x");
        });
  }
  void set(double x) { value = Tensor::full({2, 3}, static_cast<real>(x)); }
};

}  // namespace

TEST_CASE("resume: a run killed after some step goes on to the very bits, whatever its rule") {
  for (const char* rule : {"st", "rebar", "relax", "reinforce-mean", "reinforce-net"}) {
    CAPTURE(rule);
    const TempDir dir;
    run_small(dir / "whole", {"--rule", rule});
    for (const int64_t step : {1, 3, 5, 8}) {  // 3: a checkpoint is due, 5: the epoch ends
      CAPTURE(step);
      const std::string out = dir / ("killed" + std::to_string(step));
      run_small(out, {"--rule", rule, "--checkpoint-every", "3"}, step);
      resume(out, {}, step + 2);
      resume(out);
      check_same_run(out, dir / "whole");
    }
  }
}

TEST_CASE("resume: at most the steps since the last checkpoint are lost") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {"--checkpoint-every", "3"}, 5);
  check_contains(resume(out).err, "resumed after step 3, in epoch 1 of 2");
  const std::string never = dir / "never";
  run_small(never, {"--checkpoint-every", "0"}, 7);
  check_contains(resume(never).err, "resumed after step 0, in epoch 1 of 2");
  const Record manifest = record_from_json(read_file(out + "/manifest.json"), "manifest");
  const auto& resumed = get<std::vector<Record>>(manifest, "resumed");
  REQUIRE(resumed.size() == 1);
  CHECK(get<int64_t>(resumed[0], "step") == 3);
  check_contains(get<std::string>(resumed[0], "command_line"), "small --resume ");
}

TEST_CASE("resume: the last two checkpoints and the best are kept, no temporary file") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {"--checkpoint-every", "2"}, 9);
  using Names = std::vector<std::string>;
  CHECK(names_in(out + "/checkpoints") ==
        Names{"best.safetensors", "step_000000006.safetensors", "step_000000008.safetensors"});
  write_file(out + "/.stflow-0123456789abcdef.tmp", "half");
  write_file(out + "/checkpoints/.stflow-0123456789abcdef.tmp", "half");
  resume(out);
  CHECK(names_in(out + "/checkpoints") ==
        Names{"best.safetensors", "step_000000008.safetensors", "step_000000010.safetensors"});
  CHECK_FALSE(std::filesystem::exists(out + "/.stflow-0123456789abcdef.tmp"));
  // Both epochs validate alike, so that the first one is the best.
  const nn::Metadata best = nn::load_safetensors(out + "/checkpoints/best.safetensors").metadata;
  CHECK(get<int64_t>(record_from_json(best.at("run"), "best"), "steps") == 5);
}

TEST_CASE("resume: more epochs extend a run to the bits of one that had them from the start") {
  const TempDir dir;
  run_small(dir / "long", {"--epochs", "4"});
  run_small(dir / "short", {"--epochs", "2"});
  resume(dir / "short", {"--epochs", "4"});
  check_same_run(dir / "short", dir / "long");
  const std::string config = dir / "short/config.json";
  CHECK(get<int64_t>(record_from_json(read_file(config), config), "epochs") == 4);
}

TEST_CASE("resume: a finished run only makes its end again") {
  const TempDir dir;
  const std::string out = dir / "run", summary = out + "/summary.json";
  run_small(out, {});
  const Record before = record_from_json(read_file(summary), summary);
  const std::string model = read_file(out + "/model.safetensors"), metrics = metrics_of(out);
  std::filesystem::remove(summary);
  const Printed printed = resume(out);
  check_contains(printed.err, "the run has had its 2 epochs", "hint: more --epochs");
  const Record after = record_from_json(read_file(summary), summary);
  for (const char* name : {"loss", "seconds_per_epoch", "step_ms_median"}) {
    CAPTURE(name);
    CHECK(get<double>(after, name) == get<double>(before, name));
  }
  CHECK(read_file(out + "/model.safetensors") == model);
  CHECK(metrics_of(out) == metrics);
}

TEST_CASE("resume: Ctrl-C ends a measurement of the variance, which the resumed run makes first") {
  const TempDir dir;
  for (const int64_t at : {4, 6}) {  // after three steps: in the first of two draws, in a plain one
    CAPTURE(at);
    const std::string whole = dir / concat_message("whole", at),
                      out = dir / concat_message("cut", at);
    run_small(whole, {"--rule", "rebar"});
    int64_t costs = 0;
    int code = 0;
    written_to_2_by([&] {
      printed_by([&] {
        code = run_main(0, nullptr, [&](int, char**) {
          Small small({"--out", out.c_str(), "--no-plots", "--rule", "rebar"});
          small.on_cost = [&] {
            if (++costs == at) std::raise(SIGINT);
          };
          small.train();
        });
      });
    });
    CHECK(code == 130);
    CHECK(costs == at);
    CHECK_FALSE(std::filesystem::exists(out + "/variance.csv"));
    printed_by([&] { code = run_main(0, nullptr, [&](int, char**) { resume(out); }); });
    CHECK(code == 0);
    check_same_run(out, whole);
  }
}

TEST_CASE("resume: Ctrl-C saves, says how to resume, and leaves a run that goes on") {
  const TempDir dir;
  run_small(dir / "whole", {});
  for (const int64_t at :
       {0, 1, 5, 7, 10}) {  // before training, within and after an epoch, at the end
    CAPTURE(at);
    const std::string out = dir / ("it's run " + std::to_string(at));
    int code = 0;
    const auto interrupt_at = [&](int64_t step) {
      if (step == at) std::raise(SIGINT);
    };
    Printed printed;
    const std::string message = written_to_2_by([&] {
      printed = printed_by([&] {
        code = run_main(0, nullptr, [&](int, char**) {
          interrupt_at(0);
          Small({"--out", out.c_str(), "--no-plots"}).train(interrupt_at);
        });
      });
    });
    CHECK(code == 130);
    check_contains(message, "finishing this step, then saving");
    check_contains(printed.err, "stopped; continue with: small --resume '", "/it'\\''s run ");
    printed_by([&] { code = run_main(0, nullptr, [&](int, char**) { resume(out); }); });
    CHECK(code == 0);
    check_same_run(out, dir / "whole");
  }
}

TEST_CASE("resume: an option, a program or a directory that does not fit is refused by name") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {"--rule", "rebar"}, 3);
  const std::string does_not = " does not go with the run in '" + out + "', which has ";
  CHECK(message_of_resume(out, {"--rule", "relax"}) ==
        "--rule: relax" + does_not + "rebar; hint: leave it out");
  CHECK(message_of_resume(out, {"--seed", "2"}) ==
        "--seed: 2" + does_not + "1; hint: leave it out");
  CHECK(message_of_resume(out, {"--epochs", "1"}) ==
        "--epochs: 1" + does_not + "2; hint: more epochs extend the run, fewer cannot be");
  check_contains(message_of_resume(out, {"--config", "x"}), "leave out --config");
  check_contains(message_of_resume(dir / "nowhere"), "/nowhere' is no run directory");
  CHECK(message_of_resume(out, {"--rule", "rebar", "--threads", "1", "--data", "/tmp"}).empty());

  Small scheduled({});
  scheduled.common.schedule_over_epochs = true;
  const char* words[] = {"small", "--resume", out.c_str(), "--epochs", "3"};
  check_contains(message_of<UsageError>([&] { scheduled.options.parse(5, words); }),
                 "--epochs: 3" + does_not + "2; hint: the learning rate depends on it");
  const std::string config = read_file(out + "/config.json");
  write_file(out + "/config.json", R"({"program": "large"})");
  check_contains(message_of_resume(out), "written by 'large', not by small");
}

TEST_CASE("resume: other data, another kind of number and a second process are refused") {
  const TempDir dir;
  const std::string out = dir / "run", file = out + "/manifest.json";
  run_small(out, {}, 3);
  Record manifest = record_from_json(read_file(file), file);
  const auto message_with = [&](const char* name, const Value& value) {
    Record other = manifest;
    set_value(other, name, value);
    write_file(file, to_json(other));
    return message_of_resume(out);
  };
  check_contains(message_with("real", "quad"), "'" + out + "' computes with quad, this program",
                 "hint: make REAL=quad all");
  const std::vector<Record> data{{{"path", "/else/images"}, {"sha256", "00ff"}}};
  check_contains(message_with("data", data), "not the data of the run in '" + out + "'",
                 "expected sha256 00ff", "hint: --data DIR");
  write_file(file, to_json(manifest));
  const auto lock = take_lock(out + "/run.lock");
  check_contains(message_of_resume(out), "another process is at work in '" + out + "'");
}

TEST_CASE("resume: a run without a checkpoint says how to start anew") {
  const TempDir dir;
  const std::string out = dir / "run";
  run_small(out, {}, 3);
  CHECK(has_checkpoint(out));
  std::filesystem::remove_all(out + "/checkpoints");
  CHECK_FALSE(has_checkpoint(out));
  check_contains(message_of_resume(out), "--resume: no checkpoint that can be read in '" + out,
                 "hint: start anew with --config " + out + "/config.json");
}

TEST_CASE("checkpoint: after damage anywhere the one before it is taken, with a warning") {
  const TempDir dir;
  Number number;
  for (const int step : {1, 2}) {
    number.set(step);
    save_checkpoint(dir.path(), number.state, step);
  }
  const std::string path = newest_checkpoint(dir.path()), good = read_file(path);
  size_t unseen = 0;
  const auto load = [&](const std::string& bytes) {
    write_file(path, bytes);
    const Printed printed = printed_by([&] { load_checkpoint(dir.path(), number.state); });
    if (number.value.data()[0] == 2 || printed.err.find("warning: " + path) != 0) ++unseen;
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    load(bytes);
  }
  for (size_t size = 0; size < good.size(); size += 10) load(good.substr(0, size));
  CHECK(unseen == 0);
  load(good);
  CHECK(unseen == 1);  // so damage would have been seen
  check_equal(number.value, Tensor::full({2, 3}, 2));
}

TEST_CASE("checkpoint: parts have names of their own, and a file has all of them") {
  const TempDir dir;
  Number number;
  Rng rng(1);
  save_checkpoint(dir.path(), number.state, 0);
  check_contains(message_of([&] { number.state.add("number", rng); }), "a part 'number' already");
  check_contains(message_of([&] { number.state.add("a.b", rng); }), "without dots, got 'a.b'");
  check_contains(message_of([&] { number.state.part("rng"); }), "no part 'rng'");
  number.state.add("rng", rng);
  check_contains(message_of<std::runtime_error>([&] { load_checkpoint(dir.path(), number.state); }),
                 "expected a checkpoint of number rng, found one of number");
}
