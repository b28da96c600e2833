// test_comparison.cpp - what a campaign reports: intervals, tables and curves from runs written by
// hand.
#include <cmath>
#include <filesystem>

#include "examples/paper/comparison.h"
#include "stflow/train/console/files.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// Writes a finished run of two epochs of ten steps.
void write_run(const Campaign& campaign, const Cell& cell, double result, double step_ms,
               bool interrupted = false) {
  const std::string folder = campaign.path("cells/" + cell.name());
  std::filesystem::create_directories(folder);
  write_file(folder + "/summary.json", to_json({{"test_neg_elbo", result},
                                                {"test_nll", result - 10},
                                                {"step_ms_median", step_ms},
                                                {"seconds_per_epoch", step_ms / 100},
                                                {"interrupted", interrupted}}));
  for (int64_t epoch = 1; epoch <= 2; ++epoch)
    append_line(folder + "/metrics.jsonl",
                to_json({{"epoch", epoch},
                         {"test_neg_elbo", result + static_cast<double>(2 - epoch)},
                         {"steps", 10 * epoch},
                         {"seconds", static_cast<double>(epoch) * step_ms}}));
}

}  // namespace

TEST_CASE("interval_of: mean and Student's interval; none for a single run") {
  CHECK(interval_of({3}).mean == 3);
  CHECK(std::isnan(interval_of({3}).half_width));
  const Interval two = interval_of({1, 3});  // t(1) = 12.706, standard error 1
  CHECK(two.mean == 2);
  CHECK(two.half_width == doctest::Approx(12.706));
  const Interval three = interval_of({1, 2, 3});  // t(2) = 4.303, standard error 1/sqrt(3)
  CHECK(three.half_width == doctest::Approx(4.303 / std::sqrt(3)));
  std::vector<double> many;  // t(19) = 2.093, t(10) = 2.228
  for (int i = 0; i < 20; ++i) many.push_back(i);
  CHECK(interval_of(many).half_width ==
        doctest::Approx(2.093 * std::sqrt(35.0 / 20)).epsilon(1e-3));
  many.resize(11);
  CHECK(interval_of(many).half_width ==
        doctest::Approx(2.228 * std::sqrt(11.0 / 11)).epsilon(1e-3));
}

TEST_CASE("compare: a summary whose cost is no number is refused by its path") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {"--epochs", "2"});
  const Cell cell{"linear", "st", 1};
  write_run(campaign, cell, 100, 2);
  const std::string summary = campaign.path("cells/linear_st_1/summary.json");
  write_file(summary, to_json({{"test_neg_elbo", 100.0},
                               {"step_ms_median", std::string("quick")},
                               {"interrupted", false}}));
  CHECK(message_of<std::runtime_error>([&] { compare(campaign, {cell}); }) ==
        summary + ": step_ms_median: expected a number, found 'quick'");
}

TEST_CASE("campaign: steps beyond 64 bits make no whole epoch") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {"--epochs", "2"});
  const Cell cell{"linear", "st", 1};
  write_run(campaign, cell, 100, 2, /*interrupted=*/true);
  CHECK(campaign.finished(cell));
  std::string rows;
  for (int64_t epoch : {1, 2}) {
    rows += to_json({{"epoch", epoch}, {"test_neg_elbo", 1.0}, {"steps", INT64_MAX}}) + "\n";
  }
  write_file(campaign.path("cells/linear_st_1/metrics.jsonl"), rows);
  CHECK_FALSE(campaign.finished(cell));
}

TEST_CASE("compare: means over the seeds that finished, step times relative to straight-through") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {"--epochs", "2"});
  const std::vector<Cell> cells{{"linear", "st", 1},
                                {"linear", "st", 2},
                                {"linear", "arm", 1},
                                {"linear", "arm", 2},
                                {"nonlinear", "arm", 1}};
  write_run(campaign, cells[0], 100, 2);
  write_run(campaign, cells[1], 102, 4);
  write_run(campaign, cells[2], 110, 6);
  write_run(campaign, cells[3], 500, 6, /*interrupted=*/true);
  write_file(  // its second epoch was cut short
      campaign.path("cells/linear_arm_2/metrics.jsonl"),
      to_json({{"epoch", int64_t{1}}, {"test_neg_elbo", 500.0}, {"steps", int64_t{10}}}) + "\n" +
          to_json({{"epoch", int64_t{2}}, {"test_neg_elbo", 500.0}, {"steps", int64_t{17}}}) +
          "\n");
  write_run(campaign, cells[4], 90, 8);
  CHECK(campaign.finished(cells[0]));
  CHECK_FALSE(campaign.finished(cells[3]));
  CHECK_FALSE(campaign.finished({"linear", "st", 3}));

  const std::vector<Record> rows = compare(campaign, cells);
  REQUIRE(rows.size() == 3);
  CHECK(csv_row(rows[0]).starts_with("linear,st,2,2,101,12.706"));
  CHECK(csv_row(rows[1]) == "linear,arm,1,2,110,nan,100,6,2,0.06");
  CHECK(csv_row(rows[2]) == "nonlinear,arm,1,2,90,nan,80,8,nan,0.08");
  const std::string text = markdown(rows);
  check_contains(text, "| rule | linear | nonlinear |\n| --- | --- | --- |\n", "after 2 epochs",
                 "| st | 101.00 ± 12.71 | - |\n"
                 "| arm | 110.00 [1 of 2 seeds] | 90.00 [1 of 2 seeds] |\n",
                 "| st | 3.00 (1.00 x) | - |\n| arm | 6.00 (2.00 x) | 8.00 |\n");
}

TEST_CASE("learning_curves: means over seeds, read off on a common axis, gaps where a curve ends") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {});
  const std::vector<Cell> cells{{"linear", "st", 1}, {"linear", "st", 2}, {"linear", "arm", 1}};
  write_run(campaign, cells[0], 100, 2);
  write_run(campaign, cells[1], 102, 2);
  write_run(campaign, cells[2], 110, 4);
  const Plot steps = learning_curves(campaign, cells, "linear", "steps");
  REQUIRE(steps.curves.size() == 2);
  CHECK(steps.x.back() == 20);
  CHECK(steps.curves[0].y.back() == 101);
  CHECK(steps.curves[0].y[99] == 102);      // after 10 of 20 steps
  CHECK(std::isnan(steps.curves[0].y[0]));  // before the first epoch
  CHECK(steps.curves[0].y[149] == doctest::Approx(101.5));
  REQUIRE(steps.y_range);  // without the first twentieth of each curve
  CHECK(steps.y_range->low == 101);
  CHECK(steps.y_range->high < steps.curves[1].y[99]);

  const Plot seconds = learning_curves(campaign, cells, "linear", "seconds");
  CHECK(seconds.x.back() == 8);
  CHECK(seconds.curves[0].y[99] == 101);  // st has ended after 4 s
  CHECK(std::isnan(seconds.curves[0].y[100]));
  CHECK(seconds.curves[1].y.back() == 110);
}

TEST_CASE("learning_curves: runs of one epoch are points, each at its own place") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {"--epochs", "1"});
  const std::vector<Cell> cells{{"linear", "st", 1}, {"linear", "arm", 1}};
  for (const Cell& cell : cells) {
    write_run(campaign, cell, 100, cell.rule == "st" ? 2 : 3);
    const std::string log = campaign.path("cells/" + cell.name() + "/metrics.jsonl");
    const std::string rows = read_file(log);
    write_file(log, rows.substr(0, rows.find('\n') + 1));
  }
  const Plot epochs = learning_curves(campaign, cells, "linear", "epoch");
  CHECK(epochs.x == std::vector<double>{1});
  CHECK(epochs.curves.at(1).y == std::vector<double>{101});
  const Plot seconds = learning_curves(campaign, cells, "linear", "seconds");
  CHECK(seconds.x == std::vector<double>{2, 3});
  CHECK(seconds.curves.at(0).y[0] == 101);
  CHECK(std::isnan(seconds.curves.at(0).y[1]));
  CHECK(std::isnan(seconds.curves.at(1).y[0]));
  CHECK(seconds.curves.at(1).y[1] == 101);
  CHECK(learning_curves(campaign, {cells[0]}, "linear", "epoch").x == std::vector<double>{1});
}

TEST_CASE(
    "compare: a cell that was trained for longer counts as it was after the epochs asked for") {
  const TempDir dir;
  const Cell st{"linear", "st", 1}, arm{"linear", "arm", 1};
  write_run(Campaign(dir / "out", {"--epochs", "2"}), st, 100, 2);  // 101 after its first epoch
  write_run(Campaign(dir / "out", {"--epochs", "2"}), arm, 110, 2, /*interrupted=*/true);
  const Campaign first(dir / "out", {"--epochs=1"});
  CHECK(first.finished(st));
  CHECK(first.finished(arm));  // stopped in the second epoch
  const std::vector<Record> rows = compare(first, {st, arm});
  REQUIRE(rows.size() == 2);
  // There is no bound of these epochs.
  CHECK(csv_row(rows[0]).starts_with("linear,st,1,1,101,nan,nan,"));
  CHECK(csv_row(rows[1]).starts_with("linear,arm,1,1,111,nan,nan,"));
}

TEST_CASE("compare: without --epochs cells are compared after as many as all of them have") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {});
  const Cell short_run{"linear", "st", 1}, longer{"linear", "st", 2};
  write_run(campaign, short_run, 100, 2);
  write_run(campaign, longer, 104, 2);
  append_line(campaign.path("cells/linear_st_2/metrics.jsonl"),
              to_json({{"epoch", int64_t{3}}, {"test_neg_elbo", 50.0}, {"steps", int64_t{30}}}));
  CHECK(csv_row(compare(campaign, {short_run, longer})[0]).starts_with("linear,st,2,2,102,"));
}

TEST_CASE("campaign: an extension that was killed leaves the epochs before it finished") {
  const TempDir dir;
  const Cell st{"linear", "st", 1};
  // As a resumed run leaves it until its first epoch has ended: its summary says interrupted.
  write_run(Campaign(dir / "out", {"--epochs", "2"}), st, 100, 2, /*interrupted=*/true);
  CHECK(Campaign(dir / "out", {"--epochs", "2"}).finished(st));
  CHECK_FALSE(Campaign(dir / "out", {"--epochs", "3"}).finished(st));
}

TEST_CASE("campaign: results without a checkpoint are refused, not trained over") {
  const TempDir dir;
  const Cell st{"linear", "st", 1};
  const Campaign campaign(dir / "out", {"--epochs", "3"});
  write_run(campaign, st, 100, 2);
  const std::string metrics = campaign.path("cells/linear_st_1/metrics.jsonl");
  const std::string before = read_file(metrics);
  CHECK_FALSE(campaign.run({st}, 1, /*quiet=*/true));
  CHECK(read_file(metrics) == before);
}

TEST_CASE("campaign: more epochs are asked of cells that had finished") {
  const TempDir dir;
  const Cell st{"linear", "st", 1};
  write_run(Campaign(dir / "out", {"--epochs", "2"}), st, 100, 2);
  CHECK(Campaign(dir / "out", {"--epochs", "2"}).finished(st));
  CHECK_FALSE(Campaign(dir / "out", {"--epochs", "3"}).finished(st));
}

TEST_CASE("markdown: the paper's numbers in brackets, where it has any") {
  const std::vector<Record> rows{{{"arch", "two-layer"},
                                  {"rule", "mmd"},
                                  {"epochs", int64_t{2}},
                                  {"test_neg_elbo", 108.0},
                                  {"half_width", std::nan("")},
                                  {"step_ms", 1.0},
                                  {"step_ratio", 1.0}},
                                 {{"arch", "two-layer"},
                                  {"rule", "gumbel-softmax"},
                                  {"test_neg_elbo", 112.0},
                                  {"half_width", 0.5},
                                  {"step_ms", 1.0},
                                  {"step_ratio", 1.0}}};
  check_contains(markdown(rows, /*published=*/true), "| mmd | 108.00 (108.3) |\n",
                 "| gumbel-softmax | 112.00 ± 0.50 |\n", "(published)");
  CHECK(markdown(rows).find("published") == std::string::npos);
}

TEST_CASE("variance_curves: rules whose variance was measured, on a logarithmic axis") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {});
  const std::vector<Cell> cells{{"linear", "st", 1}, {"linear", "arm", 1}};
  for (const Cell& cell : cells) write_run(campaign, cell, 100, 2);
  CHECK(variance_curves(campaign, cells, "linear").curves.empty());
  write_file(campaign.path("cells/linear_arm_1/variance.csv"),
             "step,encoder_variance\n10,4\n20,2\n");
  const Plot plot = variance_curves(campaign, cells, "linear");
  REQUIRE(plot.curves.size() == 1);
  CHECK(plot.curves[0].name == "arm");
  CHECK(plot.curves[0].y.back() == 2);
  CHECK(plot.log_y);
  write_file(campaign.path("cells/linear_arm_1/variance.csv"), "step,encoder_variance\n10,many\n");
  check_contains(
      message_of<std::runtime_error>([&] { variance_curves(campaign, cells, "linear"); }),
      "variance.csv: line 2, column 'encoder_variance': 'many' is not a number");
}

TEST_CASE("campaign: a directory keeps to the arguments it was made with, but for the epochs") {
  const TempDir dir;
  Campaign(dir / "out", {"--lr", "1"});  // nothing has run: other arguments may follow
  Campaign(dir / "out", {"--lr", "2"});
  std::filesystem::create_directories(dir / "out/cells/linear_st_1");
  write_file(dir / "out/cells/linear_st_1/config.json", "{}");
  Campaign(dir / "out", {"--lr", "2"});
  CHECK(Campaign(dir / "out", {"--epochs", "7", "--lr", "2"}).epochs() == 7);
  check_contains(message_of<std::runtime_error>([&] {
                   Campaign(dir / "out", {"--lr", "3", "--epochs", "7"});
                 }),
                 "has runs made with the arguments '--lr 2', not '--lr 3'");
}

TEST_CASE("campaign: files that are no results do not count as a finished run") {
  const TempDir dir;
  const Campaign campaign(dir / "out", {});
  const Cell cell{"linear", "st", 1};
  const std::string folder = campaign.path("cells/" + cell.name());
  write_run(campaign, cell, 100, 2);
  CHECK(campaign.finished(cell));
  const std::string summary = read_file(folder + "/summary.json");
  for (const std::string& text :
       {std::string("{}"), std::string(100'000, '['), "{\"a\":" + std::string(100'000, '['),
        std::string(R"({"interrupted":false,"test_neg_elbo":"low"})")}) {
    write_file(folder + "/summary.json", text);
    CHECK_FALSE(campaign.finished(cell));
  }
  write_file(folder + "/summary.json", summary);
  for (const char* text : {"", "{\"steps\":\"ten\"}\n", "{}\n{\n"}) {
    write_file(folder + "/metrics.jsonl", text);
    CHECK_FALSE(campaign.finished(cell));
  }
}

TEST_CASE("campaign: files of others are neither removed nor written through") {
  const TempDir dir;
  namespace fs = std::filesystem;
  const Cell cell{"linear", "st", 1};
  const std::string out = dir / "out", folder = out + "/cells/" + cell.name();
  const std::string victim = dir / "victim";
  write_file(victim, "mine");
  const auto message = [&] {
    return message_of<std::runtime_error>([&] {
      Campaign(out, {"--dataset", "digits"}).run({cell}, 1, /*quiet=*/true);
    });
  };
  fs::create_directories(folder);
  for (const char* name : {"campaign.json", "campaign.lock"}) {
    CAPTURE(std::string(name));
    fs::remove(out + "/" + name);
    fs::create_symlink(victim, out + "/" + name);
    check_contains(message(), out + "/" + name, "symbolic link");
    fs::remove(out + "/" + name);
  }
  write_file(out + "/campaign.json", "{}");
  fs::create_symlink(victim, folder + ".log");
  check_contains(message(), folder + ".log", "symbolic link");
  fs::remove(folder + ".log");
  CHECK(read_file(victim) == "mine");

  fs::create_directory(dir / "theirs");
  fs::remove_all(folder);
  fs::create_directory_symlink(dir / "theirs", folder);
  check_contains(message(), folder, "symbolic link");
  fs::remove(folder);
  fs::create_directories(folder + "/checkpoints");
  write_file(folder + "/checkpoints/notes", "mine");
  write_file(folder + "/notes", "mine");
  write_file(folder + "/config.json", "{}");
  message();  // the run finds its directory taken; where there is no such program, it does not
              // begin
  CHECK(fs::exists(folder + "/notes"));
  CHECK(fs::exists(folder + "/checkpoints/notes"));
  fs::remove_all(out + "/cells");
  fs::create_directory_symlink(dir / "theirs", out + "/cells");
  check_contains(message(), out + "/cells", "symbolic link");
  CHECK(fs::is_empty(dir / "theirs"));
}
