// bounds.cpp - the kernels of a step as its graph tells them, and the work in each (machine.h).
//
// A kernel is timed alone, again and again: then its operands are in the nearest cache that holds
// them, and branches have been seen before. It is also timed in turn, all kernels one after the
// other in the order of a step, where they are not.
#include "tests/bench/bounds.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/nn/optim.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/measure.h"
#include "stflow/train/console/program.h"
#include "tests/bench/job.h"
#include "tests/bench/machine.h"
#include "tests/bench/tables.h"

namespace stflow::bench {
namespace {

// Multiplications a number, if additions come with them (this project fuses none), a quotient is an
// estimate and a Newton step of two, a root one of three.
constexpr double kExp = 12;                  // range 3, polynomial 7, power of two 2
constexpr double kSigmoid = kExp + 2;        // a quotient
constexpr double kUniform = 10;              // Philox: 10 rounds of 4 for 4 numbers
constexpr double kLogProb = kSigmoid + 4;    // its product, x a, residual, factor of a logarithm
constexpr double kAdam = 2 + 3 + 4 + 2 + 2;  // averages, root with its scale, quotient, weight

double count(const Tensor& x) { return static_cast<double>(x.numel()); }
double bytes(const Tensor& x) { return count(x) * sizeof(real); }

/// A sum over `rows` rows of `outputs` numbers, weighted by x, for each of `items` things. Dense: a
/// multiplication each. Lists, where x has two values or few that are not 0: the rows of the rarer
/// value are added up. Codes, where it has two: four rows at a time are looked up in a table of
/// their sixteen sums, filled once.
std::vector<Work> product(const Tensor& x, int64_t items, int64_t rows, int64_t outputs) {
  const real* end = x.data() + x.numel();
  const real first = x[0];
  const real* other = std::find_if(x.data(), end, [=](real v) { return v != first; });
  const int64_t firsts = std::count(x.data(), end, first);
  const int64_t seconds = other == end ? 0 : std::count(other, end, *other);
  const int64_t others = x.numel() - std::count(x.data(), end, real(0));
  const bool two = firsts + seconds == x.numel();
  const auto chosen = static_cast<double>(two ? std::min(firsts, seconds) : others);
  const auto row = static_cast<double>(outputs * int64_t{sizeof(real)});
  const auto groups = static_cast<double>(ceil_div(rows, 4));
  const Work dense{.way = "dense",
                   .multiplications = count(x) * static_cast<double>(outputs),
                   .read = bytes(x) + static_cast<double>(rows) * row,
                   .written = static_cast<double>(items) * row};
  Work lists = dense, codes = dense;
  lists.way = "lists";
  lists.multiplications = two ? 0 : chosen * static_cast<double>(outputs);
  lists.looked_up = chosen * row;
  codes.way = "codes";
  codes.multiplications = 0;
  codes.looked_up = static_cast<double>(items) * groups * row;
  codes.tabulated = 16 * groups * row;
  if (two) return {dense, lists, codes};
  return 3 * others <= x.numel() ? std::vector{dense, lists} : std::vector{dense};
}

struct Kernel {
  std::string name;
  std::vector<Work> ways;
  Timed alone, in_turn = {};
};

/// A training step and the kernels in it.
class Model {
 public:
  Model(const std::string& title, const Job& job, const std::string& binarization) : title_(title) {
    const Step step = make_step(job);
    const Step batch = make_step({.kind = "data", .what = binarization, .batch = job.batch});
    step_.run = [=] { batch(), step(); };
    const double pixels = 784 * static_cast<double>(job.batch);
    add(forward_, "batch of bytes", {.read = pixels, .written = pixels * sizeof(real)}, batch);

    const Var loss = loss_of_a_step(job);
    std::map<uint64_t, Var> nodes;  // oldest first
    for (Vars pending{loss}; !pending.empty();) {
      const Var var = pending.back();
      pending.pop_back();
      if (var.requires_grad() && nodes.emplace(var.id(), var).second)
        pending.insert(pending.end(), var.inputs().begin(), var.inputs().end());
    }
    Vars all, weights;
    for (const auto& [id, var] : nodes) all.push_back(var);
    const Vars ups = grad({loss}, all);
    double updated = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      const Tensor up = ups[i].value();
      if (all[i].op() == "parameter") {
        all[i].set_grad(up);
      } else if (all[i].op() == "linear") {
        add_linear(all[i], up);
        weights.insert(weights.end(), all[i].inputs().begin() + 1, all[i].inputs().end());
      } else {
        add_elementwise(all[i], up);
      }
    }
    for (const Var& weight : weights) updated += count(weight.value());
    kernels_ = forward_;
    kernels_.insert(kernels_.end(), backward_.rbegin(), backward_.rend());
    const auto adam = std::make_shared<optim::Adam>(weights, optim::AdamOptions{.lr = 0});
    add(kernels_, "Adam",
        {.multiplications = kAdam * updated,
         .read = 4 * sizeof(real) * updated,
         .written = 3 * sizeof(real) * updated},
        [=] { adam->step(); });
  }

  void take_turn() {
    for (Kernel& kernel : kernels_) kernel.alone.take_turn();
    constexpr int kPasses = 2;
    std::vector<double> elapsed(kernels_.size());
    for (int pass = 0; pass <= kPasses; ++pass) {
      for (size_t i = 0; i < kernels_.size(); ++i) {
        const double start = seconds_now();
        kernels_[i].alone.run();
        if (pass > 0) elapsed[i] += seconds_now() - start;
      }
    }
    for (size_t i = 0; i < kernels_.size(); ++i) kernels_[i].in_turn.add(elapsed[i], kPasses);
    step_.take_turn();
  }

  void print(Tables& tables, const Machine& machine) const {
    tables.table(title_);
    std::vector<Row> rows;  // one for all kernels of a name
    Row sum{.name = "all of these"};
    for (const Kernel& kernel : kernels_) {
      const Bound bound = machine.bound(kernel.ways);
      auto row = std::ranges::find_if(
          rows, [&](const Row& each) { return each.name == kernel.name && each.by == bound.by; });
      if (row == rows.end())
        row = rows.insert(row, {.name = kernel.name, .work = bound.work, .by = bound.by});
      for (Row* each : {&*row, &sum}) {
        ++each->times;
        each->bound += bound.seconds;
        each->alone += kernel.alone.seconds;
        each->in_turn += kernel.in_turn.seconds;
      }
    }
    sum.times = 1;
    rows.push_back(sum);
    rows.push_back({.name = "left over", .in_turn = step_.seconds - sum.in_turn});
    rows.push_back({.name = "the step", .in_turn = step_.seconds});
    for (const Row& row : rows) {
      const auto or_dash = [](double x) { return x > 0 ? x : NAN; };
      tables.row({{"kernel", (row.times > 1 ? concat_message(row.times, " x ") : "") + row.name},
                  {"work of each", row.work},
                  {"bound by", row.by},
                  {"bound, us", or_dash(1e6 * row.bound)},
                  {"alone, us", or_dash(1e6 * row.alone)},
                  {"alone / bound", or_dash(row.alone / row.bound)},
                  {"in turn, us", 1e6 * row.in_turn},
                  {"% of the step", 100 * row.in_turn / step_.seconds}});
    }
  }

 private:
  struct Row {
    std::string name, work = {}, by = {};
    int64_t times = 0;
    double bound = 0, alone = 0, in_turn = 0;  // seconds, of all
  };

  static void add(std::vector<Kernel>& to, const std::string& name, const Work& work,
                  const Step& run) {
    to.push_back({name, {work}, {run}});
  }

  void add_linear(const Var& y, const Tensor& up) {
    const Tensor x = y.input(0).value(), w = y.input(1).value(), bias = y.input(2).value();
    const int64_t batch = x.dim(0), in = w.dim(0), out = w.dim(1);
    const std::string sizes = concat_message(", ", in, " to ", out);
    if (std::all_of(x.data(), x.data() + x.numel(), [](real v) { return v * v == 1; })) {
      const Tensor bits = greater(x, Tensor::scalar(0));
      add(forward_, concat_message("2v - 1, ", in), {.read = bytes(x), .written = bytes(x)},
          [=] { 2 * Var(bits) - 1; });
    }
    forward_.push_back(
        {"y = x w" + sizes, product(x, batch, in, out), {[=] { linear(x, w, bias); }}});
    if (y.input(0).requires_grad()) {
      add(backward_, "dx = dy w^T" + sizes,
          {.way = "dense",
           .multiplications = count(x) * static_cast<double>(out),
           .read = bytes(up) + bytes(w),
           .written = bytes(x)},
          [=] { matmul(up, w, false, true); });
    }
    backward_.push_back({"dw = x^T dy" + sizes, product(x, in, batch, out), {[=] {
                           linear_weight_gradient(up, x);
                         }}});
    add(backward_, concat_message("db = sum of dy, ", out),
        {.read = bytes(up), .written = bytes(bias)}, [=] { sum_to(up, bias.shape()); });
  }

  /// Ops that we know, and their gradients by the node's own rule.
  void add_elementwise(const Var& y, const Tensor& up) {
    const std::string& op = y.op();
    const Tensor x = y.inputs().empty() ? Tensor() : y.input(0).value();
    Work work;
    Step run;
    if (op == "bernoulli_log_prob") {
      const Tensor bits = y.input(1).value();
      const bool keep = y.input(0).requires_grad();
      work = {.multiplications = kLogProb * count(bits),
              .read = bytes(x) + bytes(bits),
              .written = keep ? bytes(bits) : 0};
      run = [=] {
        Tensor residual;
        bernoulli_log_prob(x, bits, keep ? &residual : nullptr);
      };
    } else if (op.starts_with("bernoulli[")) {
      const Bernoulli q(Var(y.input(0).input(0).value()));  // x is its mean
      const auto rng = std::make_shared<Rng>(5);
      work = {.multiplications = (kUniform + kSigmoid) * count(x),
              .read = bytes(x),
              .written = bytes(x)};
      run = [=] { q.sample(*rng); };
    } else if (op == "sigmoid") {
      work = {.multiplications = kSigmoid * count(x), .read = bytes(x), .written = bytes(x)};
      run = [=] { sigmoid(x); };
    } else if (op == "relu" || op == "leaky_relu") {
      work = {.read = bytes(x), .written = bytes(x)};
      run = [=] { op == "relu" ? relu(x) : leaky_relu(x, real(0.1)); };
    } else {
      return;
    }
    const std::string name = concat_message(op, ", ", x.dim(-1));
    add(forward_, name, work, run);
    const Step rule = [=] {
      const NoGradGuard as_in_a_step;
      y.node()->backward(y, up);
    };
    double written = 0;
    const NoGradGuard no_grad;
    for (const Var& term : y.node()->backward(y, up))
      written += term && term.value().data() != up.data() ? bytes(term.value()) : 0;
    if (written > 0)
      add(backward_, "gradient of " + name, {.read = written, .written = written}, rule);
  }

  std::string title_;
  std::vector<Kernel> kernels_, forward_, backward_;
  Timed step_;
};

}  // namespace

Record bounds(std::ostream& markdown, int64_t batch, int64_t rounds) {
  set_num_threads(1);
  Machine machine;
  Model models[] = {
      {"VAE, linear", {.kind = "vae-step", .batch = batch}, "static"},
      {"VAE, nonlinear", {.kind = "vae-step", .arch = "nonlinear", .batch = batch}, "static"},
      {"Classifier", {.kind = "mlp-step", .batch = batch}, "none"}};
  for (int64_t round = 0; round < rounds && !interrupted(); ++round) {
    machine.take_turn();
    for (Model& model : models) model.take_turn();
  }
  Tables tables(markdown);
  machine.print(tables);
  for (const Model& model : models) model.print(tables, machine);
  return {{"tables", tables.all()}};
}

}  // namespace stflow::bench
