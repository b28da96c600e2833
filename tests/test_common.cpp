// test_common.cpp - the support code of the programs: records, options, files, measuring.
//
// Whole programs with real exit codes are run by tests/cli.sh; here the same code runs in-process.
#include <cmath>
#include <iostream>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/parallel.h"
#include "stflow/tensor/version.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/measure.h"
#include "stflow/train/console/options.h"
#include "stflow/train/console/program.h"
#include "stflow/train/console/record.h"
#include "tests/capture.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::message_of;
using stflow::testing::printed_by;
using stflow::testing::TempDir;

namespace {

/// A program's options, as they stand after the given words.
struct Example {
  CommonOptions common;
  std::string rule = "st";
  double epsilon = 0.1;
  int64_t samples = 1;
  Options options{"example", "Shows options."};

  Example() {
    options.choice("--rule", rule, {"st", "mmd", "reinforce"}, "Backward rule");
    options.add("--epsilon", epsilon, "Step", above(0));
    options.add("--nll-samples", samples, "Samples, 0 = skip", between(0, 5000));
    options.add_common(common);
  }
  void parse(std::vector<const char*> words) {
    const int threads = num_threads();
    words.insert(words.begin(), "example");
    options.parse(static_cast<int>(words.size()), words.data());
    set_num_threads(threads);
  }
};

std::string usage_error(const std::vector<const char*>& words) {
  Example example;
  return message_of<UsageError>([&] { example.parse(words); });
}

}  // namespace

TEST_CASE("record: JSON keeps order, types and digits, and comes back the same") {
  const Record record = {{"z", true},
                         {"a", 7},
                         {"x", 0.1},
                         {"text", "say \"hi\""},
                         {"list", std::vector<Record>{{{"path", "p"}}, {}}}};
  const std::string json =
      R"({"z":true,"a":7,"x":0.1,"text":"say \"hi\"","list":[{"path":"p"},{}]})";
  CHECK(to_json(record) == json);
  CHECK(to_json(record_from_json(json, "test")) == json);
  CHECK(to_json({{"path", "\xff"}}).size() > 0);  // not UTF-8, as a path may be
}

TEST_CASE("record: text that is no object of plain values is refused with its source") {
  const auto message = [](const char* text) {
    return message_of<std::runtime_error>([&] { record_from_json(text, "config.json"); });
  };
  check_contains(message("<html>"), "config.json: not JSON", "byte 1 of 6");
  check_contains(message(R"({"lr": 1)"), "config.json: not JSON: ends too early");
  check_contains(message("[1]"), "config.json: expected a JSON object, found array");
  check_contains(message(R"({"lr": [1]})"), "config.json: expected a JSON object, found number");
}

TEST_CASE("record: a number that was not measured is a dash for people, null in JSON") {
  CHECK(text_of(std::nan("")) == "-");
  CHECK(text_of(2.5) == "2.50000");
  CHECK(to_json({{"nan", std::nan("")}}) == R"({"nan":null})");
  const Record read = record_from_json(R"({"nan":null})", "text");
  CHECK(std::isnan(std::get<double>(read.at(0).value)));
}

TEST_CASE("record: set_value replaces in place or appends") {
  Record record = {{"a", 1}, {"b", 2}};
  set_value(record, "a", "new");
  set_value(record, "c", 3);
  CHECK(to_json(record) == R"({"a":"new","b":2,"c":3})");
  CHECK(find_value(record, "d") == nullptr);
}

TEST_CASE("record: CSV loses no digits and quotes what holds a comma") {
  const Record row = {{"epoch", 1}, {"a,b", 1.0 / 3}, {"c", "x \"y\", z"}};
  CHECK(csv_header(row) == R"(epoch,"a,b",c)");
  CHECK(csv_row(row) == R"(1,0.3333333333333333,"x ""y"", z")");
}

TEST_CASE("record: a table of numbers comes back from CSV, a broken one is refused") {
  const std::vector<Record> rows{{{"step", 1.0}, {"x", 1.0 / 3}}, {{"step", 2.0}, {"x", 1e-300}}};
  check_contains(message_of([] { csv_table({}); }), "[csv_table] there is no row");
  const std::string table = csv_table(rows);
  CHECK(csv_table(records_from_csv(table, "x.csv")) == table);
  CHECK(records_from_csv("", "x.csv").empty());
  const auto message = [](const char* text) {
    return message_of<std::runtime_error>([&] { records_from_csv(text, "x.csv"); });
  };
  CHECK(message("step,x\n1,2\n3\n") == "x.csv: line 3 has 1 columns, the header 2");
  CHECK(message("step,x\n1,\n") == "x.csv: line 2, column 'x': '' is not a number");
}

TEST_CASE("record: a missing value and one of another kind are named") {
  const Record record{{"a", 7}};
  const auto message = [&](const char* name) {
    return message_of<std::runtime_error>([&] { get<std::string>(record, name); });
  };
  CHECK(get<int64_t>(record, "a") == 7);
  CHECK(message("b") == "there is no value named 'b'");
  CHECK(message("a") == "another kind of value than expected is named 'a'");
}

TEST_CASE("options: values come from the command line, the rest keeps its default") {
  Example example;
  example.parse({"--rule", "mmd", "--epsilon=0.5", "--batch-size", "50", "--batch-size", "64",
                 "--json", "--threads", "1"});
  CHECK(example.rule == "mmd");
  CHECK(example.epsilon == 0.5);
  CHECK(example.common.batch_size == 64);  // the last one counts
  CHECK(example.common.json);
  CHECK(example.common.epochs == 10);
  CHECK_FALSE(example.common.quiet);
  CHECK(example.options.given("--epsilon"));
  CHECK_FALSE(example.options.given("--epochs"));
  CHECK_THROWS_AS(example.options.given("--unknown"), std::invalid_argument);
}

TEST_CASE("options: parsing sets the number of threads") {
  const int before = num_threads();
  Example example;
  const char* words[] = {"example", "--threads", "3"};
  example.options.parse(3, words);
  CHECK(num_threads() == 3);
  set_num_threads(before);
}

TEST_CASE("options: a mistake is named, with what was expected or meant") {
  CHECK(usage_error({"--epoch", "3"}) == "unknown option '--epoch'; did you mean '--epochs'?");
  CHECK(usage_error({"--batch=3"}) == "unknown option '--batch'; did you mean '--batch-size'?");
  CHECK(usage_error({"--verbose"}) == "unknown option '--verbose'");
  CHECK(usage_error({"--rule", "reinforec"}) ==
        "--rule: 'reinforec' is not one of st, mmd, reinforce; did you mean 'reinforce'?");
  CHECK(usage_error({"--epochs", "0"}) ==
        "--epochs: 0 is out of range; expected from 1 to 1000000000");
  CHECK(usage_error({"--lr", "0"}) == "--lr: 0 is out of range; expected above 0");
  CHECK(usage_error({"--lr", "nan"}) == "--lr: nan is out of range; expected above 0");
  CHECK(usage_error({"--nll-samples", "-1"}) ==
        "--nll-samples: -1 is out of range; expected from 0 to 5000");
  CHECK(usage_error({"--threads", "0"}) == "--threads: 0 is out of range; expected from 1 to 256");
  check_contains(usage_error({"--threads", "1000"}), "--threads: 1000 is out of range");
  CHECK(usage_error({"--epochs", "ten"}) == "--epochs: 'ten' is not a whole number");
  CHECK(usage_error({"--epochs", "1.5"}) == "--epochs: '1.5' is not a whole number");
  CHECK(usage_error({"--lr", "1e"}) == "--lr: '1e' is not a number");
  CHECK(usage_error({"--seed", "99999999999999999999"}) ==
        "--seed: 99999999999999999999 is out of range; expected from 0 to 9223372036854775807");
  CHECK(usage_error({"--lr", "1e999"}) ==
        "--lr: 1e999 is out of range; expected above 0, and finite");
  CHECK(usage_error({"--lr", "inf"}) == "--lr: inf is out of range; expected above 0, and finite");
  CHECK(usage_error({"--out", "--two"}) == "--out needs a value");
  CHECK(usage_error({"--out=--two"}).empty());
  CHECK(usage_error({"--out=", "two"}) == "--out needs a value");
  CHECK(usage_error({"--out", ""}) == "--out needs a value");
  CHECK(usage_error({"--seed", "9223372036854775807", "--json", "--epochs", "1", "--epochs=2"})
            .empty());
  CHECK(usage_error({"--epochs"}) == "--epochs needs a value");
  CHECK(usage_error({"--lr", "--epochs", "3"}) == "--lr needs a value");
  CHECK(usage_error({"--json=maybe"}) == "--json: 'maybe' is neither true nor false");
  CHECK(usage_error({"mnist"}) == "unexpected 'mnist'; every option begins with --");
}

TEST_CASE(
    "options: help shows every option with its default, version the version, on standard output") {
  const auto help = [](const std::vector<const char*>& words) {
    return printed_by([&] {
      try {
        Example().parse(words);
      } catch (const Finished&) {
      }
    });
  };
  const auto printed = help({"--help"});
  check_contains(printed.out, "Shows options.", "Usage: example", "--rule NAME",
                 "Backward rule: st | mmd | reinforce [st]", "--epsilon X", "Step (above 0) [0.1]",
                 "--epochs N", "Passes over the training data (from 1 to", "1000000000) [10]",
                 "--config FILE", "-h,--help", "--version");
  CHECK(printed.err.empty());
  CHECK(help({"-h", "--no-such-option"}).out == printed.out);
  CHECK(help({"--version"}).out == concat_message("example (stflow ", STFLOW_VERSION, ")\n"));
}

TEST_CASE("options: the configuration of one run starts the next, and the command line overrules") {
  const TempDir dir;
  Example first;
  first.parse({"--rule", "mmd", "--lr", "0.3", "--out", "x", "--quiet", "--threads", "1"});
  first.epsilon = 0.7;  // a default that depends on another option
  const std::string config = to_json(first.options.values(), 2);
  for (const char* other : {"\"out\"", "\"threads\"", "\"quiet\"", "\"json\"", "\"config\""}) {
    CAPTURE(other);
    CHECK(config.find(other) == std::string::npos);
  }
  const std::string path = dir / "config.json";
  write_file(path, config);

  Example second;
  second.parse({"--lr", "0.4", "--config", path.c_str()});
  CHECK(second.rule == "mmd");
  CHECK(second.epsilon == 0.7);
  CHECK(second.common.lr == 0.4);
  CHECK_FALSE(second.common.quiet);
  CHECK(second.options.given("--epsilon"));
}

TEST_CASE("options: a configuration that does not fit is refused with its path") {
  const TempDir dir;
  const std::string path = dir / "config.json";
  const auto message = [&](const std::string& config) {
    write_file(path, config);
    Example example;
    return message_of<std::runtime_error>([&] { example.parse({"--config", path.c_str()}); });
  };
  CHECK(message(R"({"program": "mnist_mlp"})") ==
        path + ": written by 'mnist_mlp', not by example");
  CHECK(message(R"({"lrr": 1})") == path + ": unknown option 'lrr'; did you mean 'lr'?");
  CHECK(message(R"({"threads": 1})") == path + ": unknown option 'threads'");
  CHECK(message(R"({"lr": -1})") == path + ": --lr: -1 is out of range; expected above 0");
  CHECK(message(R"({"rule": []})").find(path + ": --rule: 'a list' is not one of") == 0);
  Example example;
  check_contains(message_of<std::runtime_error>([&] {
                   example.parse({"--config", "/no/such/file"});
                 }),
                 "/no/such/file: cannot read: No such file");
}

TEST_CASE("options: one that has no effect beside the others is warned of, if it was typed") {
  const auto warning = [](std::vector<const char*> words) {
    return printed_by([&] {
             Example example;
             example.options.only_with("--rule", {"mmd"}, {"--epsilon"});
             example.options.only_with("--out", {}, {"--no-plots"});
             example.parse(words);
           })
        .err;
  };
  CHECK(warning({"--epsilon", "1"}) == "warning: --epsilon has no effect with --rule st\n");
  CHECK(warning({"--no-plots"}) == "warning: --no-plots has no effect without --out\n");
  CHECK(warning({"--rule", "st"}).empty());
  CHECK(warning({"--rule", "mmd", "--epsilon", "1", "--out", "x", "--no-plots"}).empty());
}

TEST_CASE("options: the command line is kept as a shell would take it") {
  Example example;
  CHECK(message_of<UsageError>([&] {
          example.parse({"--data", "", "--out", "it's mine"});
        }) == "--data needs a value");
  CHECK(example.options.command_line() == R"(example --data '' --out 'it'\''s mine')");
}

TEST_CASE("files: a written file is whole, a replaced one new, and nothing else is left") {
  const TempDir dir;
  const std::string path = dir / "a.txt";
  write_file(path, "old and long");
  write_file(path, std::string("n\0w", 3));
  CHECK(read_file(path) == std::string("n\0w", 3));
  append_line(path, "more");
  append_line(path, "lines");
  CHECK(read_file(path) == std::string("n\0wmore\nlines\n", 14));
  const auto entries = std::filesystem::directory_iterator(dir.path());
  CHECK(std::distance(begin(entries), end(entries)) == 1);

  const std::string nowhere = dir / "none/b.txt";
  for (const auto& call : std::vector<std::function<void()>>{[&] { write_file(nowhere, ""); },
                                                             [&] { append_line(nowhere, ""); },
                                                             [&] { read_file(nowhere); }}) {
    check_contains(message_of<std::runtime_error>(call), nowhere, "No such file or directory");
  }
  check_contains(message_of<std::runtime_error>([] { append_line("/dev/full", "x"); }),
                 "cannot write '/dev/full'", "No space left");
}

TEST_CASE("files: a run directory is new or empty, never one with contents") {
  const TempDir dir;
  const std::string deep = dir / "a/b";
  CHECK(make_run_directory(deep, "p") == deep);
  CHECK(make_run_directory(deep, "p") == deep);  // still empty
  write_file(deep + "/x", "");
  check_contains(message_of<std::runtime_error>([&] { make_run_directory(deep, "p"); }), deep,
                 "is not empty");
  check_contains(message_of<std::runtime_error>([&] { make_run_directory(deep + "/x/y", "p"); }),
                 deep + "/x/y", "Not a directory");
}

TEST_CASE("files: run directories without a name never coincide") {
  const TempDir dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  const std::string a = make_run_directory("", "prog"), b = make_run_directory("", "prog");
  CHECK(std::filesystem::is_directory(a));
  CHECK(std::filesystem::is_directory(b));
  std::filesystem::remove_all("runs");
  write_file("runs", "");
  check_contains(message_of<std::runtime_error>([] { make_run_directory("", "prog"); }),
                 "cannot create run directory 'runs/prog-", "hint: --out DIR");
  std::filesystem::current_path(before);
  CHECK(a.starts_with("runs/prog-"));
  CHECK(a != b);
}

TEST_CASE("files: run_command gives the exit code, works in its folder, and -1 is for no program") {
  const TempDir dir;
  CHECK(run_command({"sh", "-c", "echo noise; pwd > here; exit 7"}, dir.path()) == 7);
  CHECK(read_file(dir / "here") == std::filesystem::canonical(dir.path()).string() + "\n");
  CHECK(run_command({"no-such-program-at-all"}, dir.path()) == -1);
}

TEST_CASE("measure: without laps all is 0; of one lap the median is the lap") {
  StepTimer timer;
  CHECK(timer.median_ms() == 0);
  CHECK(timer.gemm_share() == 0);
  timer.lap();
  CHECK(timer.median_ms() == 1000 * timer.seconds());
  timer.restart();
  matmul(Tensor::ones({64, 64}), Tensor::ones({64, 64}));
  timer.lap();
  CHECK(timer.gemm_share() > 0);
  CHECK(timer.gemm_share() <= 1);
}

TEST_CASE("measure: a resumed run's timer goes on from the sums of the one before") {
  StepTimer timer;
  timer.continue_from({.seconds = 20, .gemm_seconds = 5, .median_ms = 3});
  CHECK(timer.seconds() == 20);
  CHECK(timer.gemm_share() == 0.25);
  CHECK(timer.median_ms() == 3);  // no lap of its own
  timer.lap();
  CHECK(timer.seconds() > 20);
  CHECK(timer.median_ms() < 3);

  StepTimer late;  // a run stopped near its end
  late.continue_from({.seconds = 20, .gemm_seconds = 5, .median_ms = 3, .laps = 2});
  late.lap();
  CHECK(late.median_ms() == 3);
  late.lap();
  CHECK(late.median_ms() < 3);
  CHECK(late.sums().laps == 4);
}

TEST_CASE("measure: peak memory has room for what was used") {
  const std::vector<double> block(4 << 20, 1);  // 32 MB
  CHECK(peak_rss_mb() > 32);
  CHECK(block.back() == 1);
}

TEST_CASE("concat_message: a number has more than six digits where these would be another one") {
  CHECK(concat_message(1e6, " ", 1000001., " ", .1, " ", 0.1f, " ", 1000001.f) ==
        "1e+06 1000001 0.1 0.1 1000001");
  CHECK(concat_message(double{1e20f}, " ", double{0.1f}, " ", double{1000000.06f}) ==
        "1e+20 0.1 1000000.06");
  CHECK(concat_message(std::nextafter(1., 2.), " ", -0., " ", 1 / 0., " ", 3, " ", 'c') ==
        "1.0000000000000002 -0 inf 3 c");
}
