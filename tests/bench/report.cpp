// report.cpp - what is measured beside what. Each function fills one table; a row, or a few, is one
// contest.
#include "tests/bench/report.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "examples/models/vae.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/check.h"
#include "stflow/train/console/program.h"
#include "tests/bench/tables.h"

namespace stflow::bench {
namespace {

/// The timings of a contest by name; NaN for a candidate that was not there.
class Timings {
 public:
  Timings(const std::vector<Candidate>& candidates, const Rounds& rounds)
      : timings_(measure(candidates, rounds)) {}

  double ms(const std::string& name) const {
    const Timing* timing = find(name);
    return timing ? timing->median() : NAN;
  }
  double peak_mb(const std::string& name) const {
    const Timing* timing = find(name);
    return timing ? timing->peak_mb : NAN;
  }
  std::string kernels(const std::string& name) const {
    const Timing* timing = find(name);
    return timing ? timing->kernels : "-";
  }
  Ratio over(const std::string& a, const std::string& b) const {
    const Timing *first = find(a), *second = find(b);
    return first && second ? ratio(*first, *second) : Ratio{NAN, NAN, NAN};
  }

 private:
  const Timing* find(const std::string& name) const {
    const auto found = std::ranges::find(timings_, name, &Timing::name);
    return found == timings_.end() ? nullptr : &*found;
  }
  std::vector<Timing> timings_;
};

class Report {
 public:
  Report(std::ostream& markdown, const Rounds& rounds) : tables_(markdown), rounds_(rounds) {}

  std::vector<Record> write() {
    std::vector<bool> kernel_choices{false};
    if (kernels_are_pinned()) kernel_choices.push_back(true);
    for (const bool free_kernels : kernel_choices) {
      kernels_ = !kernels_are_pinned() ? "" : free_kernels ? ", free" : ", pinned";
      free_kernels_ = free_kernels;
      steps();
      rules();
    }
    ops();
    data();
    memory();
    tables_.limits();
    return tables_.all();
  }

 private:
  /// A step with one thread and with two, LibTorch's, and the products alone: names with " 1", "
  /// 2". "trip": how far apart the two processors are meanwhile.
  Timings step_contest(const Job& job, const std::string& products) {
    std::vector<Candidate> candidates;
    const auto add = [&](const std::string& name, const Job& each, bool torch = false) {
      candidates.push_back({concat_message(name, " ", each.threads), each, torch, free_kernels_});
    };
    for (const int64_t threads : {1, 2}) {
      Job each = job;
      each.threads = threads;
      add("stflow", each);
      add("LibTorch", each, /*torch=*/true);
      each.kind = products;
      for (const char* how : {"panels", "openblas"}) {
        each.what = how;
        add(how, each);
      }
    }
    candidates.push_back({"trip", {.kind = "op", .what = "trip", .batch = kTrips}});
    return {candidates, rounds_};
  }

  void step_rows(const Timings& t, const std::string& model, int64_t batch, double torch_limit) {
    const Ratio gain = t.over("stflow 1", "stflow 2");
    const double trip = 1e6 * t.ms("trip") / kTrips;
    for (const std::string threads : {"1", "2"}) {
      const std::string ours = "stflow " + threads, torch = "LibTorch " + threads;
      const bool panels = !(t.ms("openblas " + threads) < t.ms("panels " + threads));
      const std::string products = (panels ? "panels " : "openblas ") + threads;
      const Ratio peer = t.over(torch, ours);
      tables_.row({{"model", model},
                   {"batch", batch},
                   {"threads", int64_t{threads == "1" ? 1 : 2}},
                   {"stflow, ms", t.ms(ours)},
                   {"LibTorch, ms", t.ms(torch)},
                   {"LibTorch / stflow", to_record(peer)},
                   {"LibTorch's kernels", t.kernels(torch)},
                   {"products, ms", t.ms(products)},
                   {"stflow / products", to_record(t.over(ours, products))},
                   {"1 / 2 threads", to_record(threads == "1" ? Ratio{NAN, NAN, NAN} : gain)},
                   {"trip, ns", trip}});
      if (threads == "2" && batch < 200)
        tables_.at_least(torch_limit, "LibTorch / stflow, 2 threads, " + model,
                         concat_message("batch ", batch, kernels_), peer.median);
    }
    const std::string where =
        concat_message(model, ", batch ", batch, kernels_, ", trip ", std::lround(trip), " ns");
    tables_.at_least(0.95, "1 / 2 threads", where, gain.median);
    if (batch == 100) tables_.at_least(1.7, "1 / 2 threads, batch 100", where, gain.median);
  }

  void steps() {
    tables_.table("A step by `st`" + kernels_);
    for (const std::string& arch : table2_architectures()) {
      for (const int64_t batch : {50, 100, 200}) {
        if (interrupted()) return;
        step_rows(step_contest({.arch = arch, .batch = batch}, "vae-products"), arch, batch,
                  arch == "linear" ? 2.0 : 1.6);
      }
    }
    for (const int64_t batch : {64, 128}) {
      if (interrupted()) return;
      step_rows(step_contest({.kind = "mlp-step", .batch = batch}, "mlp-products"), "classifier",
                batch, 1.5);
    }
  }

  void rules() {
    tables_.table("A step by other rules, relative to `st`" + kernels_);
    for (const std::string& arch : table2_architectures()) {
      for (const int64_t batch : {50, 100, 200}) {
        for (const int64_t threads : {1, 2}) {
          if (interrupted()) return;
          rules_row({.arch = arch, .batch = batch, .threads = threads});
        }
      }
    }
  }

  void rules_row(const Job& job) {
    std::vector<Candidate> candidates;
    for (const char* rule : {"st", "mmd", "arm", "rebar"}) {
      candidates.push_back({rule, job, /*torch=*/false, free_kernels_});
      candidates.back().job.what = rule;
    }
    const Timings t(candidates, rounds_);
    Record row{{"model", job.arch}, {"batch", job.batch}, {"threads", job.threads}};
    const auto add = [&](const std::string& rule, double limit) {
      const Ratio to_st = t.over(rule, "st");
      row.push_back({"`" + rule + "`", to_record(to_st)});
      tables_.at_most(
          limit, rule + " / st",
          concat_message(job.arch, ", batch ", job.batch, ", threads ", job.threads, kernels_),
          to_st.median);
    };
    add("mmd", 1.1);
    add("arm", 1.6);
    add("rebar", 3.5);
    tables_.row(row);
  }

  void ops() {
    tables_.table("Single functions, one thread, nanoseconds a number");
    for (const std::string& name : op_names()) {
      Record row{{"function", name}};
      for (const int64_t size : {10'000, 160'000}) {
        const Job job{.kind = "op", .what = name, .batch = size};
        const Timings t({{"stflow", job}, {"LibTorch", job, /*torch=*/true}}, rounds_);
        for (const std::string who : {"stflow", "LibTorch"})
          row.push_back({concat_message(who, ", ", size), 1e6 * t.ms(who) / double(size)});
      }
      if (interrupted()) return;
      tables_.row(row);
    }
  }

  void data() {
    tables_.table("Batches of 50 digits, thousand images a second");
    for (const char* how : {"none", "static", "dynamic"}) {
      const Job one{.kind = "data", .what = how, .batch = 50};
      Job two = one;
      two.threads = 2;
      const Timings t({{"1", one}, {"2", two}}, rounds_);
      if (interrupted()) return;
      tables_.row(
          {{"binarisation", how}, {"1 thread", 50 / t.ms("1")}, {"2 threads", 50 / t.ms("2")}});
    }
  }

  void memory() {
    tables_.table("The most memory held while training, batch 100, MB, 15 MB of digits in both");
    constexpr double kDigits = 4000.0 * 784 * (1 + sizeof(real)) / (1 << 20);  // bytes, and numbers
    for (const std::string& arch : table2_architectures()) {
      const Job job{.arch = arch};
      const Timings t({{"stflow", job}, {"LibTorch", job, /*torch=*/true}}, {.count = 3});
      const double ours = t.peak_mb("stflow"), torch = t.peak_mb("LibTorch");
      const double share = (ours - kDigits) / (torch - kDigits);
      tables_.row({{"model", arch},
                   {"stflow", ours},
                   {"LibTorch", torch},
                   {"stflow / LibTorch beyond the digits", share}});
      tables_.at_most(1.0 / 3, "memory, stflow / LibTorch", arch, share);
    }
  }

  static constexpr int64_t kTrips = 10'000;

  Tables tables_;
  Rounds rounds_;
  bool free_kernels_ = false;
  std::string kernels_;  // how tables and limits call them
};

}  // namespace

Record report(std::ostream& markdown, const Rounds& rounds) {
  const std::string machine =
      concat_message(blas_description(), "; ", std::thread::hardware_concurrency(), " processors");
  markdown << "BLAS: " << machine << "\n";
  const std::vector<Record> tables = Report(markdown, rounds).write();
  return {{"blas", machine}, {"tables", tables}};
}

}  // namespace stflow::bench
