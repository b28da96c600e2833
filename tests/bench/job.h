// job.h - one thing whose time is taken, in a process of its own.
//
// A job runs in a child of `bench`: build/bench itself with --serve, or build/bench_torch. So its
// threads, its choice of kernels and its memory are its own; in one process two thread pools would
// count each other's threads and stop waiting actively, which made LibTorch ten times slower.
#pragma once

#include <functional>
#include <string>

#include "stflow/autodiff/var.h"
#include "stflow/nn/named_tensors.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/tensor.h"
#include "stflow/train/console/options.h"

namespace stflow::bench {

struct Job {
  std::string kind = "vae-step";  // see job_kinds()
  std::string arch = "linear";    // of the VAE,
  std::string layers = {};        // or the sizes of its encoder, pixels first: "784-400-200"
  std::string what = "st";        // a rule; "panels", "openblas"; an op; a binarisation
  int64_t batch = 100;            // images a step; numbers of an op
  int64_t threads = 1;
};

/// "vae-step", "mlp-step"; "vae-products", "mlp-products", the matrix products in them; "op",
/// "data".
const std::vector<std::string>& job_kinds();
/// Of kind "op".
const std::vector<std::string>& op_names();
/// The options that describe a job, and the same as words of a command line.
void add_job_options(Options& options, Job& job);
std::vector<std::string> words_of(const Job& job);

using Step = std::function<void()>;
/// Makes all that a job needs; each call of what is returned is a step.
Step make_step(const Job& job);
Step make_torch_step(const Job& job);

/// The loss of the first step of a "vae-step" or "mlp-step", with its graph: the tensors that the
/// kernels of a step work on.
Var loss_of_a_step(const Job& job);

/// The first steps of a "vae-step" or "mlp-step", for others to repeat: the weights before them by
/// name, "images" [N,784], of which each step takes the next rows (and begins again where no whole
/// batch is left), the "uniforms" [R,200] that samples were drawn with, in order, and "losses".
nn::NamedTensors recorded_steps(const Job& job);

/// Images of generated digits, bits or grey, in batches; steps take them in turn.
class Batches {
 public:
  Batches(int64_t size, bool bits);
  const Tensor& next() { return batches_[taken_++ % batches_.size()]; }
  /// All of them, [N,784].
  Tensor images() const { return concat(batches_, 0); }

 private:
  std::vector<Tensor> batches_;
  size_t taken_ = 0;
};

/// Answers each line on standard input, a number of steps, with the milliseconds that a step took,
/// the most memory held so far in MB and OpenBLAS's kernels. One step that is not counted comes
/// first.
void serve(const Step& step);

}  // namespace stflow::bench
