// test_poisson_gan.cpp - the Poisson experiment of the paper: training runs, what is measured on
// them, and the tables and pictures made of them.
//
// That the figure comes out is a matter of minutes (make figures); here the parts are held against
// numbers known beforehand.
#include <cmath>
#include <limits>

#include "examples/paper/poisson_gan_results.h"
#include "stflow/autodiff/grad.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/estimators.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/pictures.h"
#include "tests/capture.h"
#include "tests/testing.h"

// The training run is in the program: all of it is taken in, but not its command line.
#define main poisson_gan_main
#include "examples/poisson_gan.cpp"
#undef main

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::printed_by;
using stflow::testing::TempDir;

namespace {

PoissonGanOptions small() {
  PoissonGanOptions options;
  options.samples = options.data_samples = 50;
  options.epochs = 2;
  return options;
}

/// The change of lambda in the first step of seed 1.
double first_step(const PoissonGanOptions& options, const std::string& rule) {
  const std::vector<double> path = train_poisson_gan(options, rule, 1);
  return path.at(1) - path.at(0);
}

}  // namespace

TEST_CASE("poisson gan: every rule gives the same numbers for any number of threads") {
  const int before = num_threads();
  std::vector<std::string> tables;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<PoissonGanCase> cases = poisson_gan_controls(small());
    for (const std::string& rule : poisson_gan_rules()) cases.push_back({rule, rule, small()});
    int done = 0;
    train_cases(cases, train_poisson_gan, /*first_seed=*/7, /*seeds=*/2,
                [&](const std::string&) { ++done; });
    CHECK(done == 2 * static_cast<int>(cases.size()));
    tables.push_back(csv_of_runs(cases));
  }
  set_num_threads(before);
  CHECK(tables[0] == tables[1]);
  CHECK(tables[0] == tables[2]);
}

TEST_CASE("poisson gan: a run of one seed does not depend on the others, nor on its place") {
  std::vector<PoissonGanCase> some{{"st", "st", small()}}, more{{"st", "st", small()}};
  train_cases(some, train_poisson_gan, 3, 1);
  train_cases(more, train_poisson_gan, 1, 4);
  CHECK(some[0].runs[0] == more[0].runs[2]);
  CHECK(more[0].runs[0] != more[0].runs[1]);
  CHECK(some[0].runs[0].size() == 21);
  CHECK(some[0].runs[0][0] == 1);
}

TEST_CASE("poisson gan: st and mmd take the rate from 1 most of the way to 5 in 40 steps") {
  PoissonGanOptions options;
  options.samples = options.data_samples = 200;
  options.epochs = 4;
  for (const char* rule : {"st", "mmd"}) {
    CAPTURE(rule);
    CHECK(train_poisson_gan(options, rule, 1).back() > 3.5);
  }
}

TEST_CASE("poisson gan: the rate stays within its limits") {
  PoissonGanOptions options = small();
  options.lr = 1e6;
  options.rate_min = 0.5;
  options.rate_max = 9;
  for (const double rate : train_poisson_gan(options, "st", 1)) {
    CHECK(rate >= 0.5);
    CHECK(rate <= 9);
  }
}

TEST_CASE(
    "poisson gan: mmd_gain is the mean weight that rule mmd gives to small pushes, over h^2") {
  // Dividing by the mean weight is an option of the rule itself.
  const auto gradient = [](double rate, double bandwidth, bool divide) {
    const Var lambda = Var::parameter(Tensor::full({1, 1}, static_cast<real>(rate)));
    Rng rng(1);
    const MmdOptions options{
        .bandwidth = bandwidth, .epsilon = 0.1, .st_scale = false, .divide_by_mean_weight = divide};
    const auto cost = [](const Var& z, const Scope&) { return sum(z, {-1}); };
    return grad({mean(expect(Poisson(lambda), mmd(options), {rng}, cost))}, {lambda})[0].item();
  };
  for (const double rate : {0.3, 1.0, 5.0, 20.0}) {
    for (const double h : {0.5, 1.0, 5.0}) {
      CAPTURE(rate);
      CAPTURE(h);
      const double weight = gradient(rate, h, false) / gradient(rate, h, true);
      CHECK(mmd_gain(rate, h) == doctest::Approx(weight / (h * h)).epsilon(1e-4));
    }
  }
  // As the protocol has it: 2 epsilon gain falls from 3.7 to .55, as h / (2 lambda + h^2)^1.5.
  CHECK(std::abs(20 * mmd_gain(1, 1) - 3.7) < 0.05);
  CHECK(std::abs(20 * mmd_gain(5, 1) - 0.55) < 0.01);
  CHECK(mmd_gain(5, 2) == doctest::Approx(2 / std::pow(14, 1.5)).epsilon(0.01));
}

TEST_CASE("poisson gan: the gain multiplies st's step, and matching divides mmd's by it") {
  PoissonGanOptions scheduled = small(), matched = small();
  scheduled.gain_schedule = matched.match_step = true;
  const double gain = 2 * small().rules.mmd.epsilon * mmd_gain(1, 1);
  const auto same = [](double a, double b) { CHECK(a == doctest::Approx(b).epsilon(1e-4)); };
  same(first_step(scheduled, "st"), gain * first_step(small(), "st"));
  same(first_step(matched, "mmd"), first_step(small(), "mmd") / gain);
  same(first_step(matched, "st"), first_step(small(), "st"));
  same(first_step(scheduled, "mmd"), first_step(small(), "mmd"));
}

TEST_CASE("poisson gan: rule mmd pushes by the gradient of one example's cost") {
  // The step of lr 1 is (2/N) sum [D(z_n) - D(z_n - epsilon f'(z_n))]: it must not depend on N
  // but through the sample. Were f' that of the mean over N, epsilon f' would be N times smaller.
  PoissonGanOptions few = small(), many = small();
  few.samples = 500;
  many.samples = 5000;
  const double a = first_step(few, "mmd"), b = first_step(many, "mmd");
  CHECK(std::abs(a - b) < 0.2 * std::abs(b));
  many.rules.mmd.epsilon = few.rules.mmd.epsilon * 10;
  CHECK(std::abs(first_step(many, "mmd") - b) > 0.5 * std::abs(b));
}

TEST_CASE("poisson gan: statistics of runs written by hand") {
  PoissonGanOptions options;
  options.epochs = 10;
  options.epoch_steps = 1;
  PoissonGanCase trained{"st", "st", options};
  // Epochs 8 to 10 are late; within 5 % of 5 is 4.75 to 5.25.
  trained.runs = {{1, 2, 3, 4.8, 5.2, 5.5, 5, 5, 5.1, 5.0, 4.9},
                  {1, 3, 4.8, 4.8, 5.2, 5.2, 5, 5, 5.2, 5.0, 5.2}};
  const PoissonGanStatistics two = statistics_of(trained);
  CHECK(two.mean == doctest::Approx(5.05));
  CHECK(two.late_mean == doctest::Approx((5.0 + 15.4 / 3) / 2));
  CHECK(two.within == doctest::Approx(std::sqrt((0.01 + 0.04 / 3) / 2)));
  CHECK(two.seed_std == doctest::Approx(0.3 / std::sqrt(2.0)));
  CHECK(two.hit == doctest::Approx((3 + 2) / 2.0));
  CHECK(two.settle == doctest::Approx((5 + 1) / 2.0));

  trained.options.epoch_steps = 2;  // the same numbers, two a epoch
  trained.options.epochs = 5;
  CHECK(statistics_of(trained).hit == doctest::Approx((3 + 2) / 4.0));

  trained.options = options;
  trained.runs = {std::vector<double>(11, 1.0)};
  const PoissonGanStatistics frozen = statistics_of(trained);
  CHECK(frozen.within == 0);
  CHECK(std::isnan(frozen.seed_std));
  CHECK(frozen.hit == std::numeric_limits<double>::infinity());
  CHECK(frozen.settle == 10);
  trained.runs = {std::vector<double>(11, 5.0)};
  CHECK(statistics_of(trained).hit == 0);
  CHECK(statistics_of(trained).settle == 0);
}

TEST_CASE("poisson gan: tables have the published numbers, a dash for none, never for infinity") {
  PoissonGanOptions options;
  options.epochs = 1;
  options.epoch_steps = 1;
  PoissonGanCase frozen{"mmd", "mmd", options}, other{"fini2", "fini2", options};
  frozen.runs = other.runs = {{1, 1}};
  const std::vector<Record> rows = result_rows({frozen, other});
  const std::string table = markdown_table(rows);
  check_contains(table, "| rule ", "| published_mean |", "| --- | ---: |", "5.008", "never");
  check_contains(table.substr(table.find("fini2")), "|       -");
  check_contains(csv_table(rows), "rule,mean,late_mean,within,seed_std,hit,settle,published_mean",
                 "\nfini2,1,1,");
  check_contains(to_json({{"rules", Record{{"st", statistics_record(statistics_of(frozen))}}}}),
                 R"({"rules":{"st":{"mean":1.0,)", R"("hit":null)");
}

TEST_CASE("pictures: bands are filled, marks have error bars, plots stand side by side") {
  const TempDir dir;
  const Plot banded{.x_label = "epoch",
                    .y_label = "rate",
                    .x = {0, 1},
                    .curves = {{"a", {1, 2}, {0, 1}, {2, 3}}, {"b", {3, 4}}},
                    .title = "both",
                    .marks = {{1, 1.5, 4.5, 0.25}},
                    .marks_name = "elsewhere",
                    .level = 5,
                    .level_name = "true",
                    .x_range = Plot::Range{0, 2}};
  const Plot other{.x_label = "epoch", .y_label = "rate", .x = {0, 1}, .curves = {{"b", {3, 4}}}};
  printed_by([&] { save_plots(dir / "p", {other, banded}, 2); });  // a note without gnuplot
  CHECK(read_file(dir / "p.csv") == "epoch,b,a,a lower,a upper\n0,3,1,0,2\n1,4,2,1,3\n");
  check_contains(read_file(dir / "p.gp"), "set multiplot layout 1,2", "set title 'both'",
                 "using 1:4:5 with filledcurves lc rgb '#0072B2'", "5 with lines dt 2",
                 "title 'true'", "1.5,4.5,0.25",
                 "with yerrorbars lw 1.5 pt 7 ps 1 lc rgb '#D55E00'", "keyentry with yerrorbars",
                 "title 'elsewhere'", "set xrange [0:2]", "set yrange [*:*]");
  CHECK_THROWS_AS(save_plots(dir / "q", {}, 1), std::invalid_argument);
  Plot crooked = banded;
  crooked.curves[0].upper.pop_back();
  CHECK_THROWS_AS(save_plot(dir / "q", crooked), std::invalid_argument);
}
