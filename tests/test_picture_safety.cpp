// test_picture_safety.cpp - no text that gets into a picture can make gnuplot or dot do anything
// else, and no file of theirs can be put where ours are.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "examples/paper/flow_picture.h"
#include "stflow/autodiff/graph_print.h"
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/pictures.h"
#include "tests/capture.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::message_of;
using stflow::testing::printed_by;
using stflow::testing::TempDir;

namespace {

namespace fs = std::filesystem;

bool has_gnuplot() { return run_command({"gnuplot", "--version"}, ".") == 0; }
bool has_dot() { return run_command({"dot", "-V"}, ".") == 0; }

/// Texts that run `touch pwned` where they are not quoted, in one way or another.
const std::vector<std::string> kHostile{"x\nsystem('touch pwned')\n",
                                        "x\r\nsystem(\"touch pwned\")",
                                        "x'\nsystem('touch pwned')\n'",
                                        "x', system('touch pwned'), '",
                                        "x\"; system(\"touch pwned\"); \"",
                                        "`touch pwned`",
                                        "\"`touch pwned`\"",
                                        "\\",
                                        "x\\\nsystem('touch pwned')",
                                        "'",
                                        "a''b",
                                        "''`touch pwned`\" . system('touch pwned') . \"",
                                        "''\\",
                                        "''\n!touch pwned\n''",
                                        "'x' . system('touch pwned') . 'x'",
                                        "'",
                                        "a''b",
                                        "''`touch pwned`\" . system('touch pwned') . \"",
                                        "''\\",
                                        "@pwned",
                                        "{/Bold x}",
                                        "END\nsystem('touch pwned')\n$mark0 << END",
                                        std::string("x\0\nsystem('touch pwned')", 23),
                                        "x\x1b[31m\x7f\v\fsystem('touch pwned')",
                                        "<touch pwned",
                                        "| touch pwned",
                                        "%1$s%n \xff\xfe"};

/// The environment variable for as long as this lives.
struct SetHome {
  std::string before = std::getenv("HOME") ? std::getenv("HOME") : "";
  explicit SetHome(const std::string& value) { setenv("HOME", value.c_str(), 1); }
  ~SetHome() { setenv("HOME", before.c_str(), 1); }
};

}  // namespace

TEST_CASE("pictures: no text makes gnuplot run a command, wherever it stands") {
  const TempDir dir;
  std::vector<Plot> plots;
  Scatter points{"", "", {}};
  for (const std::string& text : kHostile) {
    Plot plot{text, text, {1, 2}, {{text + "1", {3, 2.5}, {2, 2}, {4, 3}}, {text, {4, 5}}}};
    plot.title = plot.level_name = plot.marks_name = text;
    plot.level = 3;
    plot.marks = {{0, 1, 2, 0.5}};
    plots.push_back(plot);
    points.points.push_back({text, 1, 2});
    points.x_label += text;
    points.y_label = text + points.y_label;
  }
  const auto printed = printed_by([&] {
    save_plots(dir / "p", plots, 5);
    save_scatter(dir / "s", points);
  });
  CHECK_FALSE(fs::exists(dir / "pwned"));
  CHECK_FALSE(fs::exists("pwned"));
  if (!has_gnuplot()) return;
  CHECK(printed.err.empty());
  for (const char* name : {"p", "s"}) {
    const std::string stem = dir / name;
    CHECK(read_file(stem + ".png").starts_with("\x89PNG"));
    // The script does nothing else when it is run by hand.
    CHECK(run_command({"gnuplot", std::string(name) + ".gp"}, dir.path()) == 0);
  }
  CHECK_FALSE(fs::exists(dir / "pwned"));
}

TEST_CASE("pictures: gnuplot reads back every text as it was, but for control characters") {
  if (!has_gnuplot()) return;
  const TempDir dir;
  const std::string letters = "''\"\\`@$ax0{};!#<|%\n\t";
  Rng rng(1);
  std::string script = "set print '-'\n", expected;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    const auto length = static_cast<size_t>(rng.uniform({1}).item() * 8);
    for (size_t j = 0; j < length; ++j) {
      text += letters[static_cast<size_t>(rng.uniform({1}).item() * double(letters.size()))];
    }
    script += "print " + gnuplot_text(text) + "\n";
    std::ranges::replace_if(
        text, [](char c) { return c < ' '; }, '?');
    expected += text + "\n";
  }
  REQUIRE(run_filter({"gnuplot", "-d"}, dir.path(), script, dir / "printed") == 0);
  CHECK(read_file(dir / "printed") == expected);
}

TEST_CASE("pictures: the strip of a flow quotes its names too") {
  const TempDir dir;
  FlowResults results{
      .family = std::make_shared<Bernoulli>(Tensor::zeros({1})), .parameter = "", .best = 0.5};
  const Tensor half = Tensor::full({1}, real(0.5)), bits = Tensor::from({0, 1}, {2, 1});
  for (const std::string& text : kHostile) {
    results.parameter += text;
    results.flows.push_back(
        {text, {FlowStep{.theta = half, .particles = bits, .pushed = bits, .next = half}}});
    results.descents.push_back({text, {0.5, 0.5}});
  }
  results.exact = {"exact", {0.5, 0.5}};
  results.measure([](double theta) { return theta; });
  const auto printed = printed_by([&] { save_flow(dir.path(), results, true); });
  CHECK_FALSE(fs::exists(dir / "pwned"));
  if (!has_gnuplot()) return;
  CHECK(printed.err.empty());
  CHECK(run_command({"gnuplot", "strip.gp"}, dir.path()) == 0);
  CHECK_FALSE(fs::exists(dir / "pwned"));
}

TEST_CASE("pictures: gnuplot reads no settings but our own") {
  const TempDir dir;
  fs::create_directory(dir / "home");
  write_file(dir / "home/.gnuplot", "system('touch " + (dir / "pwned") + "')\n");
  write_file(dir / ".gnuplot", "system('touch " + (dir / "pwned") + "')\n");
  {
    const SetHome home(dir / "home");
    printed_by([&] { save_plot(dir / "p", {"x", "y", {1}, {{"a", {1}}}}); });
  }
  CHECK_FALSE(fs::exists(dir / "pwned"));
}

TEST_CASE("pictures: a picture is written to no link, and its failure is a note") {
  const TempDir dir;
  write_file(dir / "victim", "mine");
  fs::create_symlink("victim", dir / "p.png");
  fs::create_symlink("victim", dir / "g.svg");
  bool drawn = false;
  const auto printed = printed_by([&] {
    drawn =
        save_plot(dir / "p", {"x", "y", {1}, {{"a", {1}}}}) || save_graph(dir / "g", "digraph{}");
  });
  CHECK_FALSE(drawn);
  check_contains(printed.err, "note: no picture of " + dir / "p",
                 "note: no picture of " + dir / "g");
  if (has_gnuplot()) check_contains(printed.err, "could not write", "symbolic link");
  CHECK(read_file(dir / "victim") == "mine");
}

TEST_CASE("pictures: a file name that gnuplot would take for a command is refused") {
  const TempDir dir;
  const Plot plot{"x", "y", {1}, {{"a", {1}}}};
  for (const std::string name : {"< id", "|id", "-e", "$data", "+", "@x", "a\nb", "'", "*", ""}) {
    CAPTURE(name);
    const std::string stem = dir.path().string() + "/" + name;
    check_contains(message_of([&] { save_plot(stem, plot); }), "[pictures] expected a file name");
    check_contains(message_of([&] {
                     save_scatter(stem, {"x", "y", {{"a", 1, 2}}});
                   }),
                   "[pictures] expected a file name");
  }
  CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("to_dot: names of operations stay inside their labels") {
  const TempDir dir;
  const Var x = Var::parameter(Tensor::ones({2}));
  Vars all;
  for (const std::string& text : kHostile) {
    CAPTURE(text);
    const Var y = make_node(text + "\"]; evil [label=\"", Tensor::ones({2}), {x},
                            [](const Var&, const Var& up) { return Vars{up}; });
    const std::string dot = to_dot({y});
    CHECK(std::ranges::count(dot, '\n') == 7);
    CHECK(std::ranges::count(to_text({y}), '\n') == 2);
    CHECK(dot.find("\"]; evil") == dot.find("\\\"]; evil") + 1);
    all.push_back(y);
  }
  printed_by([&] { save_graph(dir / "g", to_dot(all)); });
  if (has_dot()) check_contains(read_file(dir / "g.svg"), "evil [label=");
}
