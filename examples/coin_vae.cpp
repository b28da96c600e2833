// coin_vae - the smallest variational autoencoder with discrete latents: three coins z explain
// eight patterns of six pixels. The whole model and its training are in sight.
//
// -ELBO = E_q[log q(z|x) - log p(z) - log p(x|z)]. A coin has no slope: the gradient of E_q is a
// choice, here DisARM's. In its place put st(), rebar(), exact(), ...
#include <cmath>
#include <cstdio>

#include "stflow/autodiff/ops.h"
#include "stflow/estimators/estimators.h"
#include "stflow/nn/nn.h"

using namespace stflow;

namespace {

/// Each of three bits twice, side by side: 001 -> 000011. All eight patterns, [8,6].
Tensor patterns() {
  Tensor x({8, 6});
  for (int64_t i = 0; i < x.numel(); ++i) x.data()[i] = static_cast<real>(i / 6 >> i % 6 / 2 & 1);
  return x;
}

}  // namespace

int main() {
  Rng rng(1);
  nn::MLP encoder({6, 16, 3}, rng), decoder({3, 16, 6}, rng);
  Vars weights = encoder.parameters();
  for (const Var& weight : decoder.parameters()) weights.push_back(weight);
  optim::Adam adam(weights, {.lr = 0.01});

  const Tensor x = patterns();
  const Bernoulli prior(Tensor::zeros({3}));  // fair coins
  const Rule rule = disarm();
  for (int step = 0; step <= 2000; ++step) {
    const Bernoulli q(encoder(x));  // how likely is each coin heads, given the picture?
    // What z costs. q.detach(): the expectation of d log q is 0, so leaving it out only takes noise
    // away.
    const auto cost = [&](const Var& z, const Scope&) {
      const Bernoulli p(decoder(z));
      return q.detach().log_prob(z) - prior.log_prob(z) - p.log_prob(x);
    };
    const Var neg_elbo = mean(expect(q, rule, Scope{rng}, cost));
    if (step % 500 == 0) std::printf("step %4d   -ELBO %.3f nats\n", step, double{neg_elbo.item()});
    adam.zero_grad();
    neg_elbo.backward();
    adam.step();
  }

  // Eight patterns, equally likely: no model needs fewer than log 8 nats.
  std::printf("log 8 =     %.3f nats\n", std::log(8.0));
  const Tensor z = sigmoid(encoder(x)).value();
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t d = 0; d < 6; ++d) std::printf("%.0f", double{x[6 * i + d]});
    std::printf("  coins  %.2f %.2f %.2f\n", double{z[3 * i]}, double{z[3 * i + 1]},
                double{z[3 * i + 2]});
  }
}
