#include "tests/bench/job.h"

#include <csignal>
#include <iostream>

#include "examples/models/vae.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/datasets/digits.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/text.h"
#include "stflow/train/console/measure.h"

namespace stflow::bench {

const std::vector<std::string>& job_kinds() {
  static const std::vector<std::string> kinds{"vae-step",     "vae-products", "mlp-step",
                                              "mlp-products", "op",           "data"};
  return kinds;
}

const std::vector<std::string>& op_names() {
  static const std::vector<std::string> names{"add",      "exp",  "sigmoid",  "softmax",
                                              "log_prob", "adam", "bernoulli"};
  return names;
}

void add_job_options(Options& options, Job& job) {
  options.choice("--arch", job.arch, table2_architectures(), "of the VAE");
  options.add("--layers", job.layers, "of its encoder, instead: 784-400-200 has 200 latents",
              "SIZES");
  options.add("--rule", job.what,
              "of vae-step: rules, with commas between; of op: " + joined(op_names(), ", ") +
                  "; of data: none, static or dynamic; of products: panels or openblas",
              "NAME");
  options.add("--batch", job.batch, "images a step, or numbers of an op", between(1, 100'000'000));
  options.add("--threads", job.threads, "to compute with", between(1, 64));
}

std::vector<std::string> words_of(const Job& job) {
  return {"--case",    job.kind,
          "--arch",    job.arch,
          "--layers",  job.layers,
          "--rule",    job.what,
          "--batch",   std::to_string(job.batch),
          "--threads", std::to_string(job.threads)};
}

Batches::Batches(int64_t size, bool bits) {
  const Dataset grey = generate_digits(std::max<int64_t>(4000, size), 1, Split::train);
  const DataLoader loader(bits ? binarize(grey, Binarize::static_) : grey,
                          {.batch_size = size, .drop_last = true});
  for (const Batch& batch : loader.epoch(1)) batches_.push_back(batch.x);
}

void serve(const Step& step) {
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the whole terminal; who asks will end us
  for (int64_t steps = 0; std::cin >> steps;) {
    step();
    const double start = seconds_now();
    for (int64_t i = 0; i < steps; ++i) step();
    const double ms = 1000 * (seconds_now() - start) / static_cast<double>(steps);
    std::cout << ms << " " << peak_rss_mb() << " " << blas_kernels() << std::endl;
  }
}

}  // namespace stflow::bench
