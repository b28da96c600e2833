#include "tests/bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <thread>

#include "examples/common/program.h"
#include "examples/common/vae.h"
#include "tensor/blas.h"
#include "tensor/check.h"

namespace stflow::bench {
namespace {

std::string number(double value, int digits = 2) {
  if (std::isnan(value)) return "-";
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string text_of(const Ratio& r) {
  return number(r.median) + " (" + number(r.low) + "-" + number(r.high) + ")";
}

const Timing* find(const std::vector<Timing>& timings, const std::string& name) {
  const auto found = std::ranges::find(timings, name, &Timing::name);
  return found == timings.end() ? nullptr : &*found;
}

Ratio ratio_of(const std::vector<Timing>& timings, const std::string& a, const std::string& b) {
  const Timing *first = find(timings, a), *second = find(timings, b);
  return first && second ? ratio(*first, *second) : Ratio{NAN, NAN, NAN};
}

double ms_of(const std::vector<Timing>& timings, const std::string& name) {
  const Timing* timing = find(timings, name);
  return timing ? timing->median() : NAN;
}

class Report {
 public:
  Report(std::ostream& out, const Rounds& rounds) : out_(out), rounds_(rounds) {}

  void write() {
    out_ << "BLAS: " << blas_description() << "; " << std::thread::hardware_concurrency()
         << " processors\n";
    steps(/*free_kernels=*/false);
    if (kernels_are_pinned()) steps(/*free_kernels=*/true);
    rules();
    ops();
    data();
    memory();
    limits();
  }

 private:
  template <typename... Cells>
  void row(const Cells&... cells) {
    out_ << "|";
    ((out_ << " " << cells << " |"), ...);
    out_ << std::endl;
  }
  template <typename... Cells>
  void head(const std::string& title, const Cells&... cells) {
    out_ << "\n" << title << "\n\n";
    row(cells...);
    out_ << "|";
    ((static_cast<void>(cells), out_ << " --- |"), ...);
    out_ << "\n";
  }
  void limit(const std::string& what, double found, const char* relation, double bound) {
    const bool holds = relation[0] == '>' ? found >= bound : found <= bound;
    limits_.push_back(concat_message(std::isnan(found) ? "not measured"
                                     : holds           ? "holds"
                                                       : "MISSED",
                                     ": ", what, ": ", number(found), ", limit ", relation, " ",
                                     number(bound)));
  }

  /// A job with one and two threads at once: "one", "two", LibTorch's, products.
  std::vector<Timing> both(const Job& job, bool free_kernels) {
    std::vector<Candidate> candidates;
    for (const int64_t threads : {1, 2}) {
      Job each = job;
      each.threads = threads;
      const std::string suffix = threads == 1 ? " one" : " two";
      candidates.push_back({"ours" + suffix, each, false, free_kernels});
      candidates.push_back({"torch" + suffix, each, true, free_kernels});
      if (job.kind != "vae-step") continue;
      each.kind = "vae-products";
      for (const char* how : {"panels", "openblas"}) {
        each.what = how;
        candidates.push_back({how + suffix, each, false, free_kernels});
      }
    }
    return measure(candidates, rounds_);
  }

  void steps(bool free_kernels) {
    const std::string kernels = !kernels_are_pinned() ? "" : free_kernels ? ", free" : ", pinned";
    head(
        "A step by `st`, milliseconds; products: the dense matrix products of the step alone, the "
        "faster of OpenBLAS's threads and our panels" +
            kernels,
        "model, batch", "threads", "stflow", "LibTorch", "LibTorch / stflow", "products",
        "stflow / products", "one / two threads");
    for (const std::string& arch : table2_architectures()) {
      for (const int64_t batch : {50, 100, 200}) {
        const Job job{.kind = "vae-step", .arch = arch, .batch = batch};
        const std::vector<Timing> t = both(job, free_kernels);
        step_rows(t, concat_message(arch, ", ", batch), kernels,
                  batch <= 100 ? arch == "linear" ? 2.0 : 1.6 : 0.0, batch == 100);
        if (interrupted()) return;
      }
    }
    for (const int64_t batch : {64, 128}) {
      const std::vector<Timing> t =
          both({.kind = "mlp-step", .what = "mlp", .batch = batch}, free_kernels);
      step_rows(t, concat_message("classifier, ", batch), kernels, 1.5, false);
    }
  }

  void step_rows(const std::vector<Timing>& t, const std::string& name, const std::string& kernels,
                 double bound, bool scaling) {
    const Ratio scaled = ratio_of(t, "ours one", "ours two");
    for (const std::string suffix : {" one", " two"}) {
      const Ratio peer = ratio_of(t, "torch" + suffix, "ours" + suffix);
      const bool panels = !(ms_of(t, "openblas" + suffix) < ms_of(t, "panels" + suffix));
      const std::string products = (panels ? "panels" : "openblas") + suffix;
      row(name, suffix == " one" ? "1" : "2", number(ms_of(t, "ours" + suffix)),
          number(ms_of(t, "torch" + suffix)), text_of(peer), number(ms_of(t, products)),
          text_of(ratio_of(t, "ours" + suffix, products)),
          suffix == " one" ? std::string("") : text_of(scaled));
      if (bound > 0 && suffix == " two")
        limit(name + ", 2 threads" + kernels + ", LibTorch / stflow", peer.median, ">=", bound);
    }
    if (scaling)
      limit(name + kernels + ", one thread / two", scaled.median, ">=", 1.7);
    else
      limit(name + kernels + ", one thread / two", scaled.median, ">=", 0.95);
  }

  void rules() {
    const std::vector<std::string> names{"st", "mmd", "arm", "rebar"};
    head("A step by other rules, relative to `st`, one thread", "model, batch", "`mmd`", "`arm`",
         "`rebar`");
    for (const std::string& arch : table2_architectures()) {
      for (const int64_t batch : {50, 200}) {
        std::vector<Candidate> candidates;
        for (const std::string& name : names)
          candidates.push_back(
              {name, {.kind = "vae-step", .arch = arch, .what = name, .batch = batch}});
        const std::vector<Timing> t = measure(candidates, rounds_);
        const auto to_st = [&](const char* rule) { return ratio_of(t, rule, "st"); };
        const std::string name = concat_message(arch, ", ", batch);
        row(name, text_of(to_st("mmd")), text_of(to_st("arm")), text_of(to_st("rebar")));
        limit(name + ", mmd / st", to_st("mmd").median, "<=", 1.1);
        limit(name + ", arm / st", to_st("arm").median, "<=", 1.6);
        limit(name + ", rebar / st", to_st("rebar").median, "<=", 3.5);
        if (interrupted()) return;
      }
    }
  }

  void ops() {
    head(
        "Single functions, one thread, nanoseconds a number (log_prob with its gradient in the "
        "logits)",
        "function", "stflow, 10,000", "LibTorch", "stflow, 160,000", "LibTorch");
    for (const std::string& name : op_names()) {
      std::vector<std::string> cells;
      for (const int64_t size : {10'000, 160'000}) {
        const Job job{.kind = "op", .what = name, .batch = size};
        const std::vector<Timing> t = measure({{"ours", job}, {"torch", job, true}}, rounds_);
        for (const char* who : {"ours", "torch"})
          cells.push_back(number(1e6 * ms_of(t, who) / static_cast<double>(size)));
      }
      row(name, cells[0], cells[1], cells[2], cells[3]);
    }
  }

  void data() {
    head("Batches of 50 digits, images a second", "binarisation", "1 thread", "2 threads");
    for (const char* how : {"none", "static", "dynamic"}) {
      Job job{.kind = "data", .what = how, .batch = 50};
      std::vector<Candidate> candidates{{"one", job}};
      job.threads = 2;
      candidates.push_back({"two", job});
      const std::vector<Timing> t = measure(candidates, rounds_);
      const auto rate = [&](const char* who) { return number(50e3 / ms_of(t, who), 0); };
      row(how, rate("one"), rate("two"));
    }
  }

  /// Beyond the data: what a program of the same kind that only holds the batches needs is taken
  /// off.
  void memory() {
    head("Most memory held while training, batch 100, MB (the digits, 15 MB in both, included)",
         "model", "stflow", "LibTorch", "stflow / LibTorch beyond the digits");
    constexpr double kDigits = 4000.0 * 784 * (1 + 4) / (1 << 20);
    for (const std::string& arch : table2_architectures()) {
      const Job job{.kind = "vae-step", .arch = arch};
      const std::vector<Timing> t = measure({{"ours", job}, {"torch", job, true}}, {.count = 3});
      const Timing *ours = find(t, "ours"), *torch = find(t, "torch");
      const double share =
          torch ? (ours->peak_mb - kDigits) / (torch->peak_mb - kDigits) : std::nan("");
      row(arch, number(ours->peak_mb, 0), torch ? number(torch->peak_mb, 0) : "-", number(share));
      limit(arch + ", memory, stflow / LibTorch", share, "<=", 1.0 / 3);
    }
  }

  void limits() {
    out_ << "\nLimits\n\n";
    for (const std::string& line : limits_) out_ << "- " << line << "\n";
  }

  std::ostream& out_;
  Rounds rounds_;
  std::vector<std::string> limits_;
};

}  // namespace

void print_report(std::ostream& out, const Rounds& rounds) { Report(out, rounds).write(); }

}  // namespace stflow::bench
