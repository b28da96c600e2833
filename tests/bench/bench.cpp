// bench - what a training step and its parts cost, beside LibTorch.
//
// Every candidate is a process of its own and they take turns (contest.h); tables are Markdown.
#include <iomanip>
#include <iostream>

#include "examples/models/vae.h"
#include "stflow/nn/safetensors.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/measure.h"
#include "stflow/train/console/pictures.h"
#include "stflow/train/console/program.h"
#include "stflow/train/rule_trainer.h"
#include "tests/bench/bits.h"
#include "tests/bench/bounds.h"
#include "tests/bench/contest.h"
#include "tests/bench/report.h"
#include "tests/bench/scaling.h"

using namespace stflow;
using namespace stflow::bench;

namespace {

/// One case: the named rules of the job, LibTorch, products; a row for each candidate.
std::vector<Record> one_case(const Job& job, const std::vector<std::string>& names, bool peers,
                             const Rounds& rounds) {
  std::vector<Candidate> candidates;
  for (const std::string& name : names) {
    Job each = job;
    each.what = name;
    candidates.push_back({name, each});
  }
  if (peers && job.kind != "data") candidates.push_back({"libtorch", candidates[0].job, true});
  if (peers && job.kind.ends_with("-step")) {
    for (const char* how : {"panels", "openblas"}) {
      Job products = job;
      products.kind = job.kind == "vae-step" ? "vae-products" : "mlp-products";
      products.what = how;
      candidates.push_back({std::string("products, ") + how, products});
    }
  }
  const std::vector<Timing> timings = measure(candidates, rounds);
  std::vector<Record> rows;
  for (const Timing& timing : timings) {
    const Ratio to_first = ratio(timing, timings[0]);
    rows.push_back({{"candidate", timing.name},
                    {"step_ms_median", timing.median()},
                    {"ratio", to_first.median},
                    {"ratio_low", to_first.low},
                    {"ratio_high", to_first.high},
                    {"peak_mb", timing.peak_mb},
                    {"kernels", timing.kernels}});
  }
  return rows;
}

std::vector<Record> bits(int64_t batch, int64_t rounds, const std::string& picture) {
  const std::vector<Record> rows = bits_against_products(batch, 784, 200, 10 * rounds);
  if (picture.empty()) return rows;
  Plot plot{.x_label = "share of ones", .y_label = "microseconds", .x = {}, .curves = {}};
  for (const Record& row : rows) plot.x.push_back(std::get<double>(row[0].value));
  for (size_t column = 1; column < rows[0].size(); ++column) {
    plot.curves.push_back({rows[0][column].name, {}});
    for (const Record& row : rows)
      plot.curves.back().y.push_back(std::get<double>(row[column].value));
  }
  plot.title = concat_message("784 bits to 200 units, batches of ", batch);
  save_plot(picture, plot);
  return rows;
}

void print(const std::vector<Record>& rows) {
  for (const Field& field : rows.at(0)) std::cout << std::setw(22) << field.name;
  std::cout << "\n";
  for (const Record& row : rows) {
    for (const Field& field : row) std::cout << std::setw(22) << text_of(field.value);
    std::cout << "\n";
  }
}

void run(int argc, char** argv) {
  std::string kind = "all", picture, recording;
  bool json = false, peers = false, serving = false;
  Job job;
  Rounds rounds;
  Options options("bench",
                  "Times training steps and their parts. Candidates are processes that take turns; "
                  "ratios are medians over rounds.");
  std::vector<std::string> kinds{"all", "bits", "bounds", "scaling"};
  kinds.insert(kinds.end(), job_kinds().begin(), job_kinds().end());
  options.choice("--case", kind, kinds,
                 "all: every table, beside LibTorch's numbers; bits: subset sums against matrix "
                 "products; bounds: each kernel of a step against what the machine can do; "
                 "scaling: a step against width, batch, depth, latents; vae-step, "
                 "mlp-step: a training step; vae-products, mlp-products: its matrix products "
                 "alone (--rule panels or openblas); op: one function (--rule exp, ...); data: a "
                 "batch of digits (--rule static, ...)");
  add_job_options(options, job);
  options.add("--rounds", rounds.count, "turns of each candidate", between(1, kMostAtOnce));
  options.flag("--peers", peers, "also LibTorch, and the matrix products of a step alone");
  options.add("--picture", picture,
              "where --case bits or scaling draws its curves: PATH.png (and PATH-points.csv)",
              "PATH");
  options.only_with("--case", {"bits", "scaling"}, {"--picture"});
  options.add("--record", recording,
              "of vae-step, mlp-step: write weights, images, uniforms and losses of 100 steps, for "
              "others to repeat",
              "FILE");
  options.only_with("--case", {"vae-step", "mlp-step"}, {"--record"});
  options.flag("--json", json, "print one line of JSON");
  options.flag("--serve", serving, "be a candidate: for each number read, do so many steps");
  options.parse(argc, argv);

  if (kind == "all" || kind == "bounds" || kind == "scaling") {
    CHECK_ARG(kind != "bounds" || job.threads == 1, "--threads: bounds are one thread's, got ",
              job.threads);
    std::ostream nowhere(nullptr);
    std::ostream& markdown = json ? nowhere : std::cout;
    const Record result = kind == "all"      ? report(markdown, rounds)
                          : kind == "bounds" ? bounds(markdown, job.batch, rounds.count)
                                             : scaling(markdown, picture);
    if (json) std::cout << to_json(result) << "\n";
    return;
  }
  job.kind = kind;
  if (kind == "mlp-step" && !options.given("--rule")) job.what = "mlp";
  if (!recording.empty()) return nn::save_safetensors(recording, recorded_steps(job));
  if (serving) return serve(make_step(job));
  const std::vector<std::string> names =
      kind == "vae-step" ? name_list("--rule", job.what, scalable_rules("bernoulli"))
                         : std::vector{job.what};
  set_num_threads(static_cast<int>(job.threads));
  const std::vector<Record> rows =
      kind == "bits" ? bits(job.batch, rounds.count, picture) : one_case(job, names, peers, rounds);
  if (json) {
    Record result = options.values();
    set_value(result, "threads", job.threads);
    if (const Value* first = find_value(rows[0], "step_ms_median"))
      result.push_back({"step_ms_median", *first});
    result.push_back({"rows", rows});
    std::cout << to_json(result) << "\n";
  } else {
    print(rows);
  }
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, run); }
