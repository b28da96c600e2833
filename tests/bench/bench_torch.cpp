// bench_torch.cpp - the same jobs in LibTorch, written as its users would.
#include <torch/torch.h>

#include "stflow/tensor/parallel.h"
#include "stflow/train/console/program.h"
#include "tests/bench/job.h"

namespace stflow::bench {
namespace {

using torch::nn::Linear;

constexpr auto kReal = sizeof(real) == 4 ? torch::kFloat32 : torch::kFloat64;

torch::Tensor as_torch(const Tensor& x) {
  return torch::from_blob(const_cast<real*>(x.data()), {x.dim(0), x.dim(1)}, kReal);
}

/// Linear layers with LeakyReLU(0.1) between them.
torch::nn::Sequential mlp(const std::vector<int64_t>& widths) {
  torch::nn::Sequential net;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    if (i > 0)
      net->push_back(torch::nn::LeakyReLU(torch::nn::LeakyReLUOptions().negative_slope(0.1)));
    net->push_back(Linear(widths[i], widths[i + 1]));
  }
  return net;
}

torch::Tensor log_prob(const torch::Tensor& logits, const torch::Tensor& x) {
  return (x * logits - torch::nn::functional::softplus(logits)).sum(-1);
}

/// A bit in the value, its probability in the gradient.
torch::Tensor straight_through(const torch::Tensor& logits) {
  const torch::Tensor p = logits.sigmoid();
  return p + (torch::bernoulli(p.detach()) - p).detach();
}

struct TorchVae {
  explicit TorchVae(const std::string& arch) : pm1(arch == "linear") {
    std::vector<std::vector<int64_t>> sizes{{784, 200}};
    if (arch == "two-layer") sizes = {{784, 200}, {200, 200}};
    if (arch == "nonlinear") sizes = {{784, 200, 200, 200}};
    std::vector<torch::Tensor> weights;
    for (const auto& up : sizes) {
      encoders.push_back(mlp(up));
      decoders.push_back(mlp({up.rbegin(), up.rend()}));
      for (const auto& net : {encoders.back(), decoders.back()})
        for (const auto& weight : net->parameters()) weights.push_back(weight);
    }
    prior = torch::zeros({200}, torch::requires_grad(arch != "nonlinear"));
    adam = std::make_unique<torch::optim::Adam>(weights, torch::optim::AdamOptions(1e-4));
    if (arch != "nonlinear")
      sgd = std::make_unique<torch::optim::SGD>(std::vector{prior}, torch::optim::SGDOptions(0.01));
  }

  torch::Tensor fed(const torch::Tensor& v) const { return pm1 ? 2 * v - 1 : v; }

  torch::Tensor neg_elbo(const torch::Tensor& v, size_t layer = 0) {
    const torch::Tensor logits = encoders[layer]->forward(fed(v));
    const torch::Tensor z = straight_through(logits);
    const torch::Tensor above =
        layer + 1 < encoders.size() ? neg_elbo(z, layer + 1) : -log_prob(prior, z);
    return log_prob(logits.detach(), z) - log_prob(decoders[layer]->forward(fed(z)), v) + above;
  }

  void step(const torch::Tensor& x) {
    const torch::Tensor loss = neg_elbo(x).mean();
    adam->zero_grad();
    if (sgd) sgd->zero_grad();
    loss.backward();
    adam->step();
    if (sgd) sgd->step();
  }

  bool pm1;
  std::vector<torch::nn::Sequential> encoders, decoders;
  torch::Tensor prior;
  std::unique_ptr<torch::optim::Adam> adam;
  std::unique_ptr<torch::optim::SGD> sgd;
};

Step mlp_step(int64_t batch) {
  using torch::nn::ReLU;
  torch::nn::Sequential net(Linear(784, 512), ReLU(), Linear(512, 256), ReLU(), Linear(256, 10));
  const auto adam = std::make_shared<torch::optim::Adam>(net->parameters(), 1e-3);
  const auto batches = std::make_shared<Batches>(batch, /*bits=*/false);
  const torch::Tensor labels = torch::arange(batch, torch::kInt64).remainder(10);
  return [=]() mutable {
    const torch::Tensor loss =
        torch::nn::functional::cross_entropy(net->forward(as_torch(batches->next())), labels);
    adam->zero_grad();
    loss.backward();
    adam->step();
  };
}

Step op(const Job& job) {
  const torch::Tensor x = torch::randn({job.batch / 100, 100});
  const torch::Tensor y = torch::bernoulli(torch::full_like(x, 0.5));
  if (job.what == "add") return [=] { x.add(y); };
  if (job.what == "exp") return [=] { x.exp(); };
  if (job.what == "sigmoid") return [=] { x.sigmoid(); };
  if (job.what == "softmax") return [=] { x.softmax(-1); };
  if (job.what == "bernoulli") return [=] { torch::bernoulli(x.sigmoid()); };
  if (job.what == "log_prob") {
    const torch::Tensor logits = x.clone().requires_grad_();
    return [=]() mutable {
      logits.mutable_grad() = torch::Tensor();
      log_prob(logits, y).sum().backward();
    };
  }
  CHECK_ARG(job.what == "adam", "--rule: there is no op '", job.what, "'");
  torch::Tensor parameter = x.clone().requires_grad_();
  parameter.mutable_grad() = y;
  const auto adam = std::make_shared<torch::optim::Adam>(std::vector{parameter});
  return [=] { adam->step(); };
}

}  // namespace

Step make_torch_step(const Job& job) {
  torch::set_num_threads(static_cast<int>(job.threads));
  torch::set_default_dtype(torch::scalarTypeToTypeMeta(kReal));
  if (job.kind == "mlp-step") return mlp_step(job.batch);
  if (job.kind == "op") return op(job);
  CHECK_ARG(job.layers.empty(), "--layers: LibTorch's VAE has the layers of --arch alone");
  const auto vae = std::make_shared<TorchVae>(job.arch);
  const auto batches = std::make_shared<Batches>(job.batch, /*bits=*/true);
  return [vae, batches] { vae->step(as_torch(batches->next())); };
}

}  // namespace stflow::bench

namespace {

void run(int argc, char** argv) {
  using namespace stflow;
  bench::Job job;
  Options options("bench_torch", "A job of bench in LibTorch; it is bench that starts it.");
  options.choice("--case", job.kind, {"vae-step", "mlp-step", "op"}, "kind of job");
  bench::add_job_options(options, job);
  options.parse(argc, argv);
  set_num_threads(1);  // ours: the digits must not start a second thread pool
  bench::serve(bench::make_torch_step(job));
}

}  // namespace

int main(int argc, char** argv) { return stflow::run_main(argc, argv, run); }
