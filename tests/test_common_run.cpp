// test_common_run.cpp - the support code of the programs: progress, pictures, the run directory.
//
// Clock, width and stream of the progress bar are the test's own; pictures are decoded again by
// stb_image; runs train nothing.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "stflow/tensor/parallel.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "stflow/train/run.h"
#include "tests/capture.h"
#include "tests/testing.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::message_of;
using stflow::testing::printed_by;
using stflow::testing::TempDir;

namespace {

/// A progress display on a string, with a clock that the test moves.
struct FakeDisplay {
  std::ostringstream out;
  double now = 0;
  int width = 80;

  Progress::Display display(Progress::Style style, bool colour = false) {
    return {style, colour, &out, [this] { return now; }, [this] { return width; }};
  }
  std::string take() {
    const std::string text = out.str();
    out.str("");
    return text;
  }
};

/// An environment variable with another value, until the end of the scope.
class SetEnv {
 public:
  SetEnv(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value, 1);
  }
  ~SetEnv() { before_.empty() ? unsetenv(name_) : setenv(name_, before_.c_str(), 1); }
  SetEnv(const SetEnv&) = delete;
  SetEnv& operator=(const SetEnv&) = delete;

 private:
  const char* name_;
  std::string before_;
};

/// A training program that trains nothing, in the folder OUT.
struct Example {
  CommonOptions common;
  std::string arch = "linear";
  Options options{"example", "Trains nothing."};
  Dataset data;

  Example(const std::string& out, std::vector<const char*> words) {
    options.choice("--arch", arch, {"linear", "nonlinear"}, "Network");
    options.add_common(common);
    words.insert(words.begin(), {"example", "--out", out.c_str()});
    options.parse(static_cast<int>(words.size()), words.data());
    data.name = "mnist";
    data.sources = {{"x.gz", "00ff"}, {"y.gz", "11ff"}};
  }
  void train() {
    Run run(options, common, {data, data});
    run.start(2, {"loss"});
    for (int64_t epoch = 1; epoch <= 2; ++epoch) {
      for (int step = 0; step < 2; ++step) run.step(1.5, 1);
      const double loss = 3.0 / static_cast<double>(epoch);
      run.epoch({{"epoch", epoch}, {"loss", loss}}, loss);
    }
    run.save_images("samples", Tensor::ones({2, 4}), {.height = 2, .width = 2});
    run.plot_metrics("curves", "loss (nats)", {"loss"});
    run.finish({{"arch", arch}, {"test_loss", 0.25}});
  }
};

Record json_file(const std::string& path) { return record_from_json(read_file(path), path); }

std::string text_in(const Record& record, const std::string& name) {
  const Value* value = find_value(record, name);
  return value ? text_of(*value) : "missing";
}

std::vector<unsigned char> decode_png(const std::string& path, int& w, int& h, int& channels) {
  const std::string file = read_file(path);
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  unsigned char* data =
      stbi_load_from_memory(bytes, static_cast<int>(file.size()), &w, &h, &channels, 0);
  REQUIRE(data);
  std::vector<unsigned char> pixels(data, data + w * h * channels);
  stbi_image_free(data);
  return pixels;
}

}  // namespace

TEST_CASE("progress: a bar is drawn at most ten times a second and taken away at the end") {
  FakeDisplay fake;
  {
    Progress progress(1000, fake.display(Progress::Style::bar));
    progress.advance("loss 1");
    CHECK(fake.take().empty());
    for (int i = 0; i < 249; ++i) progress.advance("loss 2");
    CHECK(fake.take().empty());
    fake.now = 10;
    for (int i = 0; i < 250; ++i) progress.advance("loss 3");
    const std::string bar(7, '='), rest(23, ' ');
    CHECK(fake.take() == "\r\033[K 25 % [" + bar + rest + "]  loss 3  0:30 left");
    progress.clear();
    CHECK(fake.take() == "\r\033[K");
    progress.clear();
    CHECK(fake.take().empty());
    fake.now = 20;
    progress.advance("loss 4");
    CHECK(fake.take().size() > 0);
  }
  CHECK(fake.take() == "\r\033[K");
}

TEST_CASE("progress: a bar never fills the terminal's line") {
  for (int width : {0, 1, 10, 20, 30, 40, 50, 60, 200}) {
    CAPTURE(width);
    FakeDisplay fake;
    fake.width = width;
    Progress progress(2, fake.display(Progress::Style::bar));
    fake.now = 1;
    progress.advance("epoch 1/2  loss 97.1234");
    const std::string erase = "\r\033[K", line = fake.take();
    CHECK(static_cast<int>(line.size() - erase.size()) <= std::max(width - 1, 0));
  }
}

TEST_CASE("progress: colour is there when asked for") {
  FakeDisplay fake;
  Progress progress(2, fake.display(Progress::Style::bar, true));
  fake.now = 1;
  progress.advance("");
  check_contains(fake.take(), "[\033[36m=", "=\033[0m ");
}

TEST_CASE("progress: in a log file it is one line per 10 %") {
  FakeDisplay fake;
  Progress progress(40, fake.display(Progress::Style::lines));
  for (int i = 0; i < 40; ++i) {
    fake.now += 2;
    progress.advance("loss 1");
  }
  const std::string text = fake.take();
  CHECK(std::count(text.begin(), text.end(), '\n') == 10);
  CHECK(text.find("10 % (4/40 steps)  loss 1  1:12 left\n") == 0);
  check_contains(text, "\n100 % (40/40 steps)  loss 1  0:00 left\n");
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE(
    "progress: quiet is quiet, NO_COLOR and a dumb terminal are heeded, no steps are an error") {
  using Style = Progress::Style;
  CHECK(Progress::standard_error(true).style == Style::none);
  {
    const SetEnv dumb("TERM", "dumb");
    CHECK(Progress::standard_error(false).style == Style::lines);
  }
  {
    const SetEnv plain("NO_COLOR", "1");
    CHECK_FALSE(Progress::standard_error(false).colour);
  }
  Progress silent(1, {});
  silent.advance("");
  CHECK_THROWS_AS(Progress(0, {}), std::invalid_argument);
}

TEST_CASE("progress: times are read as on a clock") {
  CHECK(clock_text(0.4) == "0:00");
  CHECK(clock_text(75) == "1:15");
  CHECK(clock_text(3599.6) == "1:00:00");
  CHECK(clock_text(7325) == "2:02:05");
}

TEST_CASE("pictures: every pixel of an image grid is where the layout says") {
  const TempDir dir;
  const Tensor images = Tensor::from({0, 1, 0.2f, 0.4f, 1, 0, 0, 0, 0, 0, 0, 1}, {3, 4});
  save_image_grid(dir / "g", images,
                  {.height = 2, .width = 2, .columns = 2, .padding = 1, .upscale = 2});
  int w = 0, h = 0, channels = 0;
  const auto pixels = decode_png(dir / "g.png", w, h, channels);
  CHECK(w == 14);
  CHECK(h == 14);
  CHECK(channels == 1);
  const int grey = pixels[0];
  const std::vector<int> expected = {grey, grey, grey, grey, grey, grey, grey,  //
                                     grey, 0,    255,  grey, 255,  0,    grey,  //
                                     grey, 51,   102,  grey, 0,    0,    grey,  //
                                     grey, grey, grey, grey, grey, grey, grey,  //
                                     grey, 0,    0,    grey, grey, grey, grey,  //
                                     grey, 0,    255,  grey, grey, grey, grey,  //
                                     grey, grey, grey, grey, grey, grey, grey};
  int wrong = 0;
  for (int y = 0; y < 14; ++y) {
    for (int x = 0; x < 14; ++x) wrong += pixels[y * 14 + x] != expected[y / 2 * 7 + x / 2];
  }
  CHECK(wrong == 0);
  CHECK(read_file(dir / "g.csv") == "0,1,0.2,0.4\n1,0,0,0\n0,0,0,1\n");
}

TEST_CASE("pictures: a colour image keeps its channels apart") {
  const TempDir dir;
  save_image_grid(dir / "c", Tensor::from({1, 0, 0, 0, 0, 1}, {1, 6}),
                  {.height = 1, .width = 2, .channels = 3, .padding = 0, .upscale = 1});
  int w = 0, h = 0, channels = 0;
  CHECK(decode_png(dir / "c.png", w, h, channels) ==
        std::vector<unsigned char>{255, 0, 0, 0, 0, 255});
  CHECK(channels == 3);
}

TEST_CASE("pictures: numbers that are no brightness and sizes that do not fit are refused") {
  const ImageGrid grid{.height = 2, .width = 2};
  const auto message = [&](const Tensor& images) {
    return message_of([&] { save_image_grid("/no/such/place", images, grid); });
  };
  check_contains(message(Tensor::from({0, 1, -1, 1}, {1, 4})), "[save_image_grid]",
                 "[0, 1], got -1", "image 0");
  check_contains(message(Tensor::full({1, 4}, NAN)), "[0, 1], got nan");
  check_contains(message(Tensor::ones({1, 5})), "expected images [N,4] for 2x2x1, got [1,5]");
  check_contains(
      message_of([] {
        save_image_grid("x", Tensor::ones({1, 8}), {.height = 2, .width = 2, .channels = 2});
      }),
      "impossible layout: 2x2x2");
}

TEST_CASE("pictures: a plot comes with its numbers and its script, gnuplot or not") {
  const TempDir dir;
  const Plot plot{"epoch", "it's (nats)", {1, 2}, {{"train_a", {3, 2.5}}, {"test_a", {4, NAN}}}};
  bool drawn = true;
  const auto printed = printed_by([&] {
    const SetEnv no_programs("PATH", dir.path().c_str());
    drawn = save_plot(dir / "p", plot);
  });
  CHECK_FALSE(drawn);
  check_contains(printed.err, "note: no picture of", "gnuplot not installed",
                 "hint: apt-get install gnuplot-nox");
  CHECK(read_file(dir / "p.csv") == "epoch,train_a,test_a\n1,3,4\n2,2.5,nan\n");
  check_contains(read_file(dir / "p.gp"), "set output 'p.png'", "set xlabel 'epoch'",
                 "set ylabel 'it''s (nats)'", "title 'train_a'", "using 1:3");

  if (run_command({"gnuplot", "--version"}, ".") == 0) {
    CHECK(save_plot(dir / "p", plot));
    CHECK(read_file(dir / "p.png").starts_with("\x89PNG"));
  }
  CHECK_THROWS_AS(save_plot(dir / "q", {"x", "y", {1}, {{"a", {1, 2}}}}), std::invalid_argument);
  CHECK_THROWS_AS(save_plot(dir / "q", {"x", "y", {}, {{"a", {}}}}), std::invalid_argument);
}

TEST_CASE("pictures: named points on log axes, those at zero not drawn") {
  const TempDir dir;
  const bool gnuplot = run_command({"gnuplot", "--version"}, ".") == 0;
  printed_by([&] {
    CHECK(save_scatter(dir / "s", {"bias", "variance", {{"a", .1, 2}, {"b", 0, 1}}}) == gnuplot);
  });
  CHECK(read_file(dir / "s.csv") == "name,bias,variance\na,0.1,2\nb,0,1\n");
  check_contains(read_file(dir / "s.gp"), "set logscale xy", "set xlabel 'bias'", "using 2:3:1");
  if (gnuplot) CHECK(read_file(dir / "s.png").starts_with("\x89PNG"));
  CHECK_THROWS_AS(save_scatter(dir / "q", {"x", "y", {}}), std::invalid_argument);
}

TEST_CASE("pictures: a graph is kept as text and drawn by dot, whose failure is a note") {
  const TempDir dir;
  if (run_command({"dot", "-V"}, ".") == 0) {
    CHECK(save_graph(dir / "g", "digraph { a -> b }"));
    CHECK(read_file(dir / "g.dot") == "digraph { a -> b }");
    check_contains(read_file(dir / "g.svg"), "<svg");
  }
  write_file(dir / "dot", "#!/bin/sh\nexit 5\n");
  std::filesystem::permissions(dir / "dot", std::filesystem::perms::owner_all);
  const auto printed = printed_by([&] {
    const SetEnv broken("PATH", dir.path().c_str());
    save_graph(dir / "h", "digraph {}");
  });
  check_contains(printed.err, "note: no picture of", "dot ended with exit code 5");
}

TEST_CASE("run: the directory tells all that is needed to repeat the run") {
  const TempDir dir;
  const std::string out = dir / "run";
  Example example(out, {"--epochs", "2", "--seed", "5", "--arch", "nonlinear"});
  const auto printed = printed_by([&] { example.train(); });

  const Record config = json_file(out + "/config.json");
  CHECK(text_in(config, "program") == "example");
  CHECK(text_in(config, "arch") == "nonlinear");
  CHECK(text_in(config, "dataset") == "mnist");  // what `auto` has found
  const Record manifest = json_file(out + "/manifest.json");
  for (const char* name : {"version", "compiler", "real", "blas", "started", "finished"}) {
    CAPTURE(name);
    CHECK(text_in(manifest, name) != "missing");
  }
  CHECK(text_in(manifest, "seed") == "5");
  CHECK(text_in(manifest, "threads") == std::to_string(num_threads()));
  CHECK(text_in(manifest, "command_line") ==
        "example --out " + out + " --epochs 2 --seed 5 --arch nonlinear");
  CHECK(to_json({{"data", *find_value(manifest, "data")}}) ==
        R"({"data":[{"path":"x.gz","sha256":"00ff"},{"path":"y.gz","sha256":"11ff"}]})");
  const std::string rows = read_file(out + "/metrics.csv");
  CHECK(rows.starts_with("epoch,loss,steps,seconds\n1,3,2,"));
  CHECK(rows.find("\n2,1.5,4,") != std::string::npos);
  const std::string lines = read_file(out + "/metrics.jsonl");
  CHECK(lines.starts_with("{\"epoch\":1,\"loss\":3.0,\"steps\":2,\"seconds\":"));
  CHECK(lines.find("\n{\"epoch\":2,\"loss\":1.5,\"steps\":4,") != std::string::npos);
  CHECK(read_file(out + "/samples.png").starts_with("\x89PNG"));
  CHECK(read_file(out + "/curves.csv") == "epoch,loss\n1,3\n2,1.5\n");

  const Record summary = json_file(out + "/summary.json");
  for (const char* name : {"seconds_per_epoch", "step_ms_median", "gemm_share", "peak_rss_mb"}) {
    CAPTURE(name);
    CHECK(std::get<double>(*find_value(summary, name)) >= 0);
    check_contains(printed.out, std::string("\n") + name + " ");
  }
  CHECK(text_in(summary, "test_loss") == "0.250000");
  CHECK(text_in(summary, "epochs") == "2");
  CHECK(text_in(summary, "interrupted") == "no");
  CHECK(printed.out.find("epoch       loss\n    1    3.00000\n    2    1.50000\ndataset ") == 0);
  check_contains(printed.err, "example: data mnist, seed 5", out);
}

TEST_CASE("run: with --json standard output is one line, the summary") {
  const TempDir dir;
  const std::string out = dir / "run";
  const auto printed = printed_by([&] { Example(out, {"--json", "--no-plots"}).train(); });
  CHECK(std::count(printed.out.begin(), printed.out.end(), '\n') == 1);
  const Record summary = record_from_json(printed.out, "output");
  CHECK(to_json(summary, 2) + "\n" == read_file(out + "/summary.json"));
  check_contains(printed.err, "epoch       loss\n", "    1    3.00000\n");
  CHECK_FALSE(std::filesystem::exists(out + "/samples.png"));
  CHECK_FALSE(std::filesystem::exists(out + "/curves.csv"));
}

TEST_CASE("run: with --quiet only the results are printed") {
  const TempDir dir;
  const auto printed = printed_by([&] { Example(dir / "run", {"--quiet", "--no-plots"}).train(); });
  CHECK(printed.out.starts_with("dataset "));
  CHECK(printed.err.find("epoch") == std::string::npos);
}

TEST_CASE("run: a number that is not finite ends it, naming the place and the last good model") {
  const TempDir dir;
  const std::string out = dir / "run";
  Example example(out, {"--quiet"});
  Run run(example.options, example.common, {example.data});
  run.step(1, 1);
  check_contains(message_of<Diverged>([&] { run.step(INFINITY, 1); }),
                 "infinite at epoch 1, step 2", "last good model: none yet", "hint: lower --lr");
  printed_by([&] { run.epoch({{"epoch", 1}, {"test_loss", 1.0}}, 1); });
  write_file(run.path("model.safetensors"), "");
  check_contains(message_of<Diverged>([&] { run.step(NAN, 1); }), "NaN at epoch 2, step 1",
                 "last good model: " + out + "/model.safetensors");
  check_contains(message_of<Diverged>([&] {
                   run.epoch({{"epoch", 2}, {"test_loss", NAN}}, 1);
                 }),
                 "test_loss became NaN at epoch 2, step 1");
}

TEST_CASE("run: rows keep their columns, plots name existing ones, data is named") {
  const TempDir dir;
  Example example(dir / "run", {"--quiet"});
  Run run(example.options, example.common, {example.data});
  run.epoch({{"epoch", 1}, {"loss", 2.0}}, 2);
  check_contains(
      message_of([&] {
        run.epoch({{"epoch", 2}, {"error", 2.0}}, 2);
      }),
      "[Run::epoch] expected the columns of the first row, epoch,loss,steps,seconds, got "
      "epoch,error");
  check_contains(message_of([&] { run.plot_metrics("p", "y", {"test"}); }),
                 "[plot_metrics] no column 'test' in epoch,loss");
  check_contains(message_of([&] { run.last("test"); }), "[Run::last] no column 'test' in epoch,");
  CHECK_THROWS_AS(Run(example.options, example.common, {}), std::invalid_argument);
}
