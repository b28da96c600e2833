// own_jobs.cpp - our training steps, the matrix products in them, single ops, batches of data.
#include <cblas.h>
#include <omp.h>
#include <sched.h>

#include <atomic>
#include <optional>
#include <sstream>
#include <thread>

#include "examples/models/vae.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/datasets/digits.h"
#include "stflow/nn/nn.h"
#include "stflow/tensor/blas.h"
#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/kernels/optim_kernels.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/rule_trainer.h"
#include "tests/bench/job.h"

#if STFLOW_HAS_INTRINSICS
#include <immintrin.h>
#endif

namespace stflow::bench {
namespace {

constexpr int64_t kPixels = 784;
const std::vector<int64_t> kClassifier{kPixels, 512, 256, 10};
constexpr int64_t kRecordedSteps = 100;

VaeOptions model_of(const Job& job) {
  if (job.layers.empty()) return table2_vae(job.arch, kPixels);
  std::vector<int64_t> sizes;
  std::istringstream words(job.layers);
  for (std::string size; std::getline(words, size, '-');) sizes.push_back(std::stoll(size));
  CHECK_ARG(sizes.size() >= 2 && sizes[0] == kPixels, "--layers: expected ", kPixels,
            "-...-latents, got '", job.layers, "'");
  return {.sizes = {sizes}};
}

/// The training step of bernoulli_vae.
struct VaeStep {
  explicit VaeStep(const Job& job) : batches(job.batch, /*bits=*/true) {
    const VaeOptions model = model_of(job);
    Rng init(1);
    vae = std::make_unique<Vae>(model, init);
    RuleChoice choice;
    choice.name = job.what;
    vae->rules = make_rules(choice, model.sizes);
    adam = std::make_unique<optim::Adam>(vae->weights(), optim::AdamOptions{.lr = 1e-4});
    rule_trainer = std::make_unique<RuleTrainer>(vae->rules, 1e-4);
    if (model.learned_prior)
      prior.emplace(std::vector{vae->prior_logits}, optim::SGDOptions{.lr = 0.01});
  }

  Var loss() { return mean(vae->neg_elbo(batches.next(), {rng})); }
  real operator()() {
    const Var loss = this->loss();
    vae->zero_grad();
    loss.backward();
    adam->step();
    rule_trainer->step();
    if (prior) prior->step();
    return loss.value().item();
  }
  const nn::Module& model() const { return *vae; }

  Batches batches;
  Rng rng{2};
  std::unique_ptr<Vae> vae;
  std::unique_ptr<optim::Adam> adam;
  std::unique_ptr<RuleTrainer> rule_trainer;
  std::optional<optim::SGD> prior;
};

/// A linear layer's three products: y = x w, dw = x^T dy and, unless x is data, dx = dy w^T.
struct Layer {
  Tensor x, w, dy, y, dw, dx;
  bool data;
};

/// The widths of the networks in a step, from their inputs to their outputs.
std::vector<std::vector<int64_t>> networks_of(const Job& job) {
  if (job.kind == "mlp-products") return {kClassifier};
  std::vector<std::vector<int64_t>> networks;
  for (const std::vector<int64_t>& up : model_of(job).sizes) {
    networks.push_back(up);
    networks.emplace_back(up.rbegin(), up.rend());
  }
  return networks;
}

std::vector<Layer> layers_of(const Job& job) {
  Rng rng(3);
  std::vector<Layer> layers;
  for (const std::vector<int64_t>& widths : networks_of(job)) {
    for (size_t i = 0; i + 1 < widths.size(); ++i) {
      const int64_t in = widths[i], out = widths[i + 1], batch = job.batch;
      layers.push_back({rng.normal({batch, in}), rng.normal({in, out}), rng.normal({batch, out}),
                        Tensor({batch, out}), Tensor({in, out}), Tensor({batch, in}),
                        layers.empty()});
    }
  }
  return layers;
}

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

Step products(const Job& job) {
  const auto layers = std::make_shared<std::vector<Layer>>(layers_of(job));
  if (job.what == "openblas") {  // by OpenBLAS's own threads
    omp_set_num_threads(static_cast<int>(job.threads));
    return [layers] {
      for (Layer& layer : *layers) {
        openblas(layer.x, false, layer.w, false, layer.y);
        openblas(layer.x, true, layer.dy, false, layer.dw);
        if (!layer.data) openblas(layer.dy, false, layer.w, true, layer.dx);
      }
    };
  }
  CHECK_ARG(job.what == "panels", "--rule: '", job.what, "' is not panels or openblas");
  return [layers] {
    for (const Layer& layer : *layers) {
      linear(layer.x, layer.w, Tensor());
      linear_weight_gradient(layer.dy, layer.x);
      if (!layer.data) matmul(layer.dy, layer.w, false, true);
    }
  };
}

/// A classifier 784-512-256-10 with ReLU and Adam.
struct MlpStep {
  explicit MlpStep(const Job& job) : batches(job.batch, /*bits=*/false), labels({job.batch}) {
    for (int64_t i = 0; i < labels.numel(); ++i) labels.data()[i] = static_cast<real>(i % 10);
  }
  Var loss() { return mean(cross_entropy(net(batches.next()), labels)); }
  real operator()() {
    const Var loss = this->loss();
    adam.zero_grad();
    loss.backward();
    adam.step();
    return loss.value().item();
  }
  const nn::Module& model() const { return net; }

  Batches batches;
  Tensor labels;
  Rng rng{1};
  nn::MLP net{kClassifier, rng};
  optim::Adam adam{net.parameters(), {.lr = 1e-3}};
};

/// A cache line goes from the first processor to the second and back, so many times.
Step round_trips(int64_t trips) {
  const auto stay_on = [](int processor) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    sched_setaffinity(0, sizeof only, &only);
  };
  return [=] {
    std::atomic<int64_t> ball = 0;
    const auto play = [&](int64_t side) {
      stay_on(static_cast<int>(side));
      for (int64_t i = side; i < 2 * trips; i += 2) {
        for (int look = 1; ball != i; ++look)
          if (look % 1000 == 0) std::this_thread::yield();  // others may have our processor
        ball = i + 1;
      }
    };
    std::thread other(play, 1);
    play(0);
    other.join();
  };
}

#if STFLOW_HAS_INTRINSICS
constexpr int kChains = 12;  // hide the latency of a sum; each differs, or the compiler joins them

STFLOW_AVX512 float multiply_add_wide(int64_t rounds) {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 half = _mm512_set1_ps(0.5f);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, half, half);
  }
  for (const __m512& sum : sums) sums[0] = _mm512_add_ps(sums[0], sum);
  return sums[0][0];
}

STFLOW_AVX2 float multiply_add_narrow(int64_t rounds) {
  __m256 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 half = _mm256_set1_ps(0.5f);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, half, half);
  }
  for (const __m256& sum : sums) sums[0] = _mm256_add_ps(sums[0], sum);
  return sums[0][0];
}
#endif

/// So many multiply-adds of floats that stay in registers: what one core can do at best.
Step multiply_adds([[maybe_unused]] int64_t count) {
#if STFLOW_HAS_INTRINSICS
  return [=] {
    const bool wide = has_avx512();
    const int64_t rounds = count / (kChains * (wide ? 16 : 8));
    [[maybe_unused]] volatile float kept =
        wide ? multiply_add_wide(rounds) : multiply_add_narrow(rounds);
  };
#else
  throw std::runtime_error("--rule fma: not on this processor");
#endif
}

Step op(const Job& job) {
  Rng rng(4);
  if (job.what == "fma") return multiply_adds(job.batch);
  if (job.what == "trip") return round_trips(job.batch);
  if (job.what == "matmul") {  // of square matrices, this wide
    const auto a = std::make_shared<Tensor>(rng.uniform({job.batch, job.batch}));
    return [=] { matmul(*a, *a); };
  }
  const auto x = std::make_shared<Tensor>(rng.normal({job.batch / 100, 100}));
  const auto y = std::make_shared<Tensor>(rng.bernoulli(Tensor::full(x->shape(), real(0.5))));
  if (job.what == "add") return [=] { add(*x, *y); };
  if (job.what == "exp") return [=] { exp(*x); };
  if (job.what == "sigmoid") return [=] { sigmoid(*x); };
  if (job.what == "softmax") return [=] { softmax(*x, -1); };
  if (job.what == "bernoulli") {
    const auto draws = std::make_shared<Rng>(5);
    return [=] { Bernoulli(Var(*x)).sample(*draws); };
  }
  if (job.what == "log_prob") {
    return [=] {
      Tensor residual;
      bernoulli_log_prob(*x, *y, &residual);
    };
  }
  CHECK_ARG(job.what == "adam", "--rule: there is no op '", job.what, "'");
  const auto parameter = std::make_shared<Var>(Var::parameter(*x));
  const auto adam = std::make_shared<optim::Adam>(std::vector{*parameter}, optim::AdamOptions{});
  parameter->add_grad(*y);
  return [=] { adam->step(); };
}

template <typename JobStep>
nn::NamedTensors recorded(JobStep&& step) {
  nn::NamedTensors file = step.model().state_dict();
  file["images"] = step.batches.images();
  Tensor losses({kRecordedSteps});
  for (int64_t i = 0; i < losses.numel(); ++i) losses.data()[i] = step();
  file["losses"] = losses;
  return file;
}

/// A batch of one epoch after the other.
Step data(const Job& job) {
  const Dataset grey = generate_digits(10'000, 1, Split::train);
  const auto loader = std::make_shared<DataLoader>(binarize(grey, binarize_from_name(job.what)),
                                                   DataLoaderOptions{.batch_size = job.batch});
  const auto epoch = std::make_shared<DataLoader::Epoch>(loader->epoch(1));
  const auto taken = std::make_shared<int64_t>(0);
  return [=] {
    const Batch batch = (*epoch)[*taken % epoch->size()];
    if (++*taken % epoch->size() == 0) *epoch = loader->epoch(*taken / epoch->size() + 1);
  };
}

}  // namespace

Step make_step(const Job& job) {
  set_num_threads(static_cast<int>(job.threads));
  if (job.kind.ends_with("-products")) return products(job);
  if (job.kind == "op") return op(job);
  if (job.kind == "data") return data(job);
  if (job.kind == "mlp-step") {
    const auto mlp = std::make_shared<MlpStep>(job);
    return [mlp] { (*mlp)(); };
  }
  const auto vae = std::make_shared<VaeStep>(job);
  return [vae] { (*vae)(); };
}

Var loss_of_a_step(const Job& job) {
  return job.kind == "mlp-step" ? MlpStep(job).loss() : VaeStep(job).loss();
}

nn::NamedTensors recorded_steps(const Job& job) {
  if (job.kind == "mlp-step") return recorded(MlpStep(job));
  CHECK_ARG(job.kind == "vae-step", "--record: expected a step of training, got '", job.kind, "'");
  VaeStep step(job);
  const std::vector<std::vector<int64_t>> sizes = model_of(job).sizes;
  const int64_t samples = kRecordedSteps * std::ssize(sizes) * job.batch;
  const Tensor uniforms = Rng(step.rng).uniform({samples, sizes[0].back()});
  nn::NamedTensors file = recorded(step);
  file["uniforms"] = uniforms;
  return file;
}

}  // namespace stflow::bench
