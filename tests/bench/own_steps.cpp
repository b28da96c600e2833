// own_steps.cpp - our steps, and the matrix products in them.
#include <cblas.h>
#include <omp.h>

#include <optional>

#include "examples/common/measure.h"
#include "examples/common/rule_options.h"
#include "examples/common/vae.h"
#include "nn/nn.h"
#include "tensor/blas.h"
#include "tensor/math.h"
#include "tests/bench/step.h"

namespace stflow::bench {
namespace {

constexpr int64_t kPixels = 784;

/// The training step of bernoulli_vae.
class VaeStep {
 public:
  VaeStep(const VaeOptions& model, const std::string& rule)
      : init_(1), rng_(2), vae_(model, init_), adam_(vae_.weights(), {.lr = 1e-4}) {
    RuleChoice choice;
    choice.name = rule;
    vae_.rules = make_rules(choice, model.sizes);
    rule_trainer_.emplace(vae_.rules, 1e-4);
    if (model.learned_prior)
      prior_.emplace(std::vector{vae_.prior_logits}, optim::SGDOptions{.lr = 0.01});
  }

  void operator()(const Tensor& x) {
    const Var loss = mean(vae_.neg_elbo(x, {rng_}));
    vae_.zero_grad();
    loss.backward();
    adam_.step();
    rule_trainer_->step();
    if (prior_) prior_->step();
  }

 private:
  Rng init_, rng_;
  Vae vae_;
  optim::Adam adam_;
  std::optional<RuleTrainer> rule_trainer_;
  std::optional<optim::SGD> prior_;
};

/// A linear layer's three products: y = x w^T, dw = dy^T x and, unless x is data, dx = dy w.
struct Layer {
  Tensor x, w, dy, y, dw, dx;
  bool data;
};

void openblas(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, Tensor& c) {
  const auto gemm = [] {
    if constexpr (std::is_same_v<real, float>)
      return cblas_sgemm;
    else
      return cblas_dgemm;
  }();
  const auto k = static_cast<blasint>(a.dim(transpose_a ? 0 : 1));
  gemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
       transpose_b ? CblasTrans : CblasNoTrans, static_cast<blasint>(c.dim(0)),
       static_cast<blasint>(c.dim(1)), k, 1, a.data(), static_cast<blasint>(a.dim(1)), b.data(),
       static_cast<blasint>(b.dim(1)), 0, c.data(), static_cast<blasint>(c.dim(1)));
}

}  // namespace

std::vector<Candidate> vae_steps(const std::string& arch, const std::vector<std::string>& rules) {
  std::vector<Candidate> candidates;
  for (const std::string& rule : rules) {
    const auto step = std::make_shared<VaeStep>(table2_vae(arch, kPixels), rule);
    candidates.push_back({rule, [step](const Tensor& x) { (*step)(x); }});
  }
  return candidates;
}

std::vector<Candidate> vae_products(const std::string& arch, int64_t batch, int threads) {
  Rng rng(3);
  const auto layers = std::make_shared<std::vector<Layer>>();
  bool first = true;
  for (const std::vector<int64_t>& up : table2_vae(arch, kPixels).sizes) {
    const std::vector<int64_t> down(up.rbegin(), up.rend());
    for (const std::vector<int64_t>& widths : {up, down}) {
      for (size_t i = 0; i + 1 < widths.size(); ++i) {
        const int64_t in = widths[i], out = widths[i + 1];
        layers->push_back({rng.normal({batch, in}), rng.normal({out, in}), rng.normal({batch, out}),
                           Tensor({batch, out}), Tensor({out, in}), Tensor({batch, in}), first});
        first = false;
      }
    }
  }
  const auto panels = [layers](const Tensor&) {
    for (const Layer& layer : *layers) {
      linear(layer.x, layer.w, Tensor());
      matmul(layer.dy, layer.x, /*transpose_a=*/true);
      if (!layer.data) matmul(layer.dy, layer.w);
    }
  };
  const auto own_threads = [layers, threads](const Tensor&) {
    omp_set_num_threads(threads);
    for (Layer& layer : *layers) {
      openblas(layer.x, false, layer.w, true, layer.y);
      openblas(layer.dy, true, layer.x, false, layer.dw);
      if (!layer.data) openblas(layer.dy, false, layer.w, false, layer.dx);
    }
  };
  return {{"products, our panels", panels}, {"products, OpenBLAS", own_threads}};
}

std::vector<Candidate> mlp_steps() {
  struct Job {
    Job() : rng(1), net({kPixels, 512, 256, 10}, rng), adam(net.parameters(), {.lr = 1e-3}) {}
    Rng rng;
    nn::MLP net;
    optim::Adam adam;
  };
  const auto job = std::make_shared<Job>();
  return {{"stflow", [job](const Tensor& x) {
             Tensor labels = arange(x.dim(0));
             for (int64_t i = 0; i < labels.numel(); ++i)
               labels.data()[i] = static_cast<real>(i % 10);
             const Var loss = mean(cross_entropy(job->net(x), labels));
             job->adam.zero_grad();
             loss.backward();
             job->adam.step();
           }}};
}

std::vector<Record> bits_against_products(int64_t batch, int64_t inputs, int64_t outputs,
                                          int64_t rounds) {
  Rng rng(4);
  const Tensor w = rng.normal({outputs, inputs}), dy = rng.normal({batch, outputs});
  const Tensor grey = rng.uniform({batch, inputs});
  const auto microseconds = [&](const Tensor& x, bool forward) {
    std::vector<double> times;
    for (int64_t round = 0; round < rounds; ++round) {
      const double start = seconds_now();
      forward ? linear(x, w, Tensor()) : matmul(dy, x, /*transpose_a=*/true);
      times.push_back(1e6 * (seconds_now() - start));
    }
    return quantile(times, 0.5);
  };
  std::vector<Record> rows;
  for (const double share : {0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5}) {
    const Tensor bits = rng.bernoulli(Tensor::full(grey.shape(), static_cast<real>(share)));
    rows.push_back({{"share of ones", share},
                    {"y = x w, sums", microseconds(bits, true)},
                    {"y = x w, product", microseconds(grey, true)},
                    {"dw = dy x, sums", microseconds(bits, false)},
                    {"dw = dy x, product", microseconds(grey, false)}});
  }
  return rows;
}

}  // namespace stflow::bench
