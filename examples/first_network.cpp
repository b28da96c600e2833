// first_network - a network of nine neurons learns exclusive or: 1 where one of two bits is set,
// but not both. No straight line parts the ones from the zeros, so a hidden layer is needed.
#include <cstdio>

#include "stflow/autodiff/ops.h"
#include "stflow/nn/nn.h"

using namespace stflow;

int main() {
  // Four examples, one a row: [B,I] and [B,O].
  const Tensor x = Tensor::from({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const Tensor y = Tensor::from({0, 1, 1, 0}, {4, 1});

  // 2 inputs, 8 hidden neurons with tanh, 1 logit. The weights begin as random numbers: were they
  // all equal, all neurons would stay equal.
  Rng rng(1);
  nn::MLP network({2, 8, 1}, rng, std::make_shared<nn::Tanh>());
  optim::Adam adam(network.parameters(), {.lr = 0.05});

  for (int step = 0; step <= 200; ++step) {
    // Forward: the loss is -log of the probability that the network gives to the right answers.
    const Var loss = -mean(bernoulli_log_prob(network(x), y));
    if (step % 50 == 0) std::printf("step %3d   loss %.4f\n", step, double{loss.item()});

    // Backward: d loss / d w into .grad of each weight w. backward() adds to .grad, so it is
    // cleared first. Then each weight goes a step down its slope.
    adam.zero_grad();
    loss.backward();
    adam.step();
  }

  const Tensor p = sigmoid(network(x)).value();
  for (int64_t i = 0; i < 4; ++i) {
    std::printf("%.0f xor %.0f: P(1) = %.3f\n", double{x[2 * i]}, double{x[2 * i + 1]},
                double{p[i]});
  }
}
