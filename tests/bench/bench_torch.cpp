// bench_torch.cpp - the same jobs in LibTorch, written as its users would.
#include <torch/torch.h>

#include "stflow/nn/safetensors.h"
#include "stflow/tensor/parallel.h"
#include "stflow/train/console/program.h"
#include "tests/bench/job.h"

namespace stflow::bench {
namespace {

using torch::nn::Linear;

constexpr auto kReal = sizeof(real) == 4 ? torch::kFloat32 : torch::kFloat64;

torch::Tensor as_torch(const Tensor& x) {
  return torch::from_blob(const_cast<real*>(x.data()),
                          torch::IntArrayRef(x.shape().begin(), x.shape().end()), kReal);
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

using nn::NamedTensors;

/// The weights of a file of `bench --record`, which has the names of PyTorch.
void load(torch::nn::Sequential& net, const NamedTensors& file, const std::string& prefix) {
  const torch::NoGradGuard no_grad;
  for (auto& item : net->named_parameters())
    item.value().copy_(as_torch(file.at(prefix + item.key())).view_as(item.value()));
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

  void load(const NamedTensors& file) {
    for (size_t i = 0; i < encoders.size(); ++i) {
      bench::load(encoders[i], file, concat_message("encoder", i + 1, "."));
      bench::load(decoders[i], file, concat_message("decoder", i + 1, "."));
    }
    uniforms = as_torch(file.at("uniforms"));
  }

  /// A bit in the value, its probability in the gradient.
  torch::Tensor straight_through(const torch::Tensor& logits) {
    const torch::Tensor p = logits.sigmoid(), fixed = p.detach();
    if (!uniforms.defined()) return p + ((fixed > torch::rand_like(fixed)).to(kReal) - p).detach();
    const torch::Tensor given = uniforms.narrow(0, used, p.size(0));
    used += p.size(0);
    return p + ((fixed > given).to(kReal) - p).detach();
  }

  torch::Tensor fed(const torch::Tensor& v) const { return pm1 ? 2 * v - 1 : v; }

  torch::Tensor neg_elbo(const torch::Tensor& v, size_t layer = 0) {
    const torch::Tensor logits = encoders[layer]->forward(fed(v));
    const torch::Tensor z = straight_through(logits);
    const torch::Tensor above =
        layer + 1 < encoders.size() ? neg_elbo(z, layer + 1) : -log_prob(prior, z);
    return log_prob(logits.detach(), z) - log_prob(decoders[layer]->forward(fed(z)), v) + above;
  }

  torch::Tensor step(const torch::Tensor& x) {
    const torch::Tensor loss = neg_elbo(x).mean();
    adam->zero_grad();
    if (sgd) sgd->zero_grad();
    loss.backward();
    adam->step();
    if (sgd) sgd->step();
    return loss;
  }

  bool pm1;
  torch::Tensor uniforms;  // to draw with, where a recorded run is repeated,
  int64_t used = 0;        // and how many rows of them are
  std::vector<torch::nn::Sequential> encoders, decoders;
  torch::Tensor prior;
  std::unique_ptr<torch::optim::Adam> adam;
  std::unique_ptr<torch::optim::SGD> sgd;
};

struct TorchMlp {
  explicit TorchMlp(int64_t batch)
      : labels(torch::arange(batch, torch::kInt64).remainder(10)),
        net(Linear(784, 512), torch::nn::ReLU(), Linear(512, 256), torch::nn::ReLU(),
            Linear(256, 10)),
        adam(net->parameters(), 1e-3) {}

  void load(const NamedTensors& file) { bench::load(net, file, ""); }

  torch::Tensor step(const torch::Tensor& x) {
    const torch::Tensor loss = torch::nn::functional::cross_entropy(net->forward(x), labels);
    adam.zero_grad();
    loss.backward();
    adam.step();
    return loss;
  }

  torch::Tensor labels;
  torch::nn::Sequential net;
  torch::optim::Adam adam;
};

/// Repeats the steps in a file of `bench --record`, and prints their losses in a line.
template <typename Model>
void repeat(Model model, const Job& job, const NamedTensors& file) {
  model.load(file);
  const torch::Tensor images = as_torch(file.at("images"));
  const int64_t batches = images.size(0) / job.batch;
  for (int64_t step = 0; step < file.at("losses").numel(); ++step)
    std::cout << model.step(images.narrow(0, step % batches * job.batch, job.batch)).item() << " ";
  std::cout << std::endl;
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

void prepare(const Job& job) {
  torch::set_num_threads(static_cast<int>(job.threads));
  torch::set_default_dtype(torch::scalarTypeToTypeMeta(kReal));
  CHECK_ARG(job.layers.empty(), "--layers: LibTorch's VAE has the layers of --arch alone");
}

}  // namespace

Step make_torch_step(const Job& job) {
  prepare(job);
  if (job.kind == "mlp-step") {
    const auto mlp = std::make_shared<TorchMlp>(job.batch);
    const auto batches = std::make_shared<Batches>(job.batch, /*bits=*/false);
    return [mlp, batches] { mlp->step(as_torch(batches->next())); };
  }
  if (job.kind == "op") return op(job);
  const auto vae = std::make_shared<TorchVae>(job.arch);
  const auto batches = std::make_shared<Batches>(job.batch, /*bits=*/true);
  return [vae, batches] { vae->step(as_torch(batches->next())); };
}

void repeat_steps(const Job& job, const std::string& recording) {
  prepare(job);
  const NamedTensors file = nn::load_safetensors(recording).tensors;
  job.kind == "mlp-step" ? repeat(TorchMlp(job.batch), job, file)
                         : repeat(TorchVae(job.arch), job, file);
}

}  // namespace stflow::bench

namespace {

void run(int argc, char** argv) {
  using namespace stflow;
  bench::Job job;
  Options options("bench_torch", "A job of bench in LibTorch; it is bench that starts it.");
  options.choice("--case", job.kind, {"vae-step", "mlp-step", "op"}, "kind of job");
  bench::add_job_options(options, job);
  std::string recording;
  options.add("--repeat", recording, "print the losses of the steps that bench --record recorded",
              "FILE");
  options.parse(argc, argv);
  set_num_threads(1);  // ours: the digits must not start a second thread pool
  if (!recording.empty()) return bench::repeat_steps(job, recording);
  bench::serve(bench::make_torch_step(job));
}

}  // namespace

int main(int argc, char** argv) { return stflow::run_main(argc, argv, run); }
