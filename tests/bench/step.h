// step.h - what the benchmark times: training steps under a name.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "examples/common/record.h"
#include "tensor/tensor.h"

namespace stflow::bench {

struct Candidate {
  std::string name;
  std::function<void(const Tensor& x)> step;  // x [B,784], bits; grey for classifiers
};

/// Training steps of bernoulli_vae by each of the rules.
std::vector<Candidate> vae_steps(const std::string& arch, const std::vector<std::string>& rules);

/// The matrix products of such a step and nothing else, on real numbers: cut into our panels, and
/// by OpenBLAS's own threads.
std::vector<Candidate> vae_products(const std::string& arch, int64_t batch, int threads);

/// The step by straight-through in LibTorch, with as many threads; none if it was not there when
/// this was built.
std::vector<Candidate> torch_vae_steps(const std::string& arch, int threads);

/// The training step of a classifier 784-512-256-10 with ReLU and Adam: ours, and LibTorch's.
std::vector<Candidate> mlp_steps();
std::vector<Candidate> torch_mlp_steps(int threads);

/// The products of a linear layer of bits with each share of ones, y = x w^T and dw = dy^T x, as
/// sums of rows and as matrix products: one row a share, microseconds.
std::vector<Record> bits_against_products(int64_t batch, int64_t inputs, int64_t outputs,
                                          int64_t rounds);

/// The value below which a fraction of the values lie.
double quantile(std::vector<double> values, double fraction);

}  // namespace stflow::bench
