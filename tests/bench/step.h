// step.h - what the benchmark times: training steps under a name.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace stflow::bench {

struct Candidate {
  std::string name;
  std::function<void(const Tensor& x)> step;  // x [B,784], bits
};

/// Training steps of bernoulli_vae by each of the rules.
std::vector<Candidate> vae_steps(const std::string& arch, const std::vector<std::string>& rules);

/// The matrix products of such a step and nothing else, on real numbers: cut into our panels, and
/// by OpenBLAS's own threads.
std::vector<Candidate> vae_products(const std::string& arch, int64_t batch, int threads);

/// The step by straight-through in LibTorch, with as many threads; none if it was not there when
/// this was built.
std::vector<Candidate> torch_vae_steps(const std::string& arch, int threads);

}  // namespace stflow::bench
