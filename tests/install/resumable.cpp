// resumable.cpp - a user's own training program: a sigmoid belief layer on generated digits, with
// exact resume, metrics, a progress bar and pictures from the installed library. The lines that
// bring these are marked; without them it is a plain loop.
#include <stflow/stflow.h>

using namespace stflow;

namespace {

void train(int argc, char** argv) {
  CommonOptions common;                                            // 1
  Options options("resumable", "Trains a program of one's own.");  // 2
  options.add_common(common);                                      // 3
  options.parse(argc, argv);                                       // 4

  const auto seed = static_cast<uint64_t>(common.seed);
  const Dataset digits = generate_digits(500, seed, Split::train);
  Rng init(seed, 0), draws(seed, 1);
  auto encoder = std::make_shared<nn::Linear>(digits.features(), 20, init);
  auto decoder = std::make_shared<nn::Linear>(20, digits.features(), init);
  nn::Sequential model{encoder, decoder};
  optim::Adam adam(model.parameters(), {.lr = common.lr});
  const std::vector<Rule> rules{rebar()};
  RuleTrainer rule_trainer(rules, common.lr);
  const DataLoader loader(digits, {.batch_size = common.batch_size, .seed = seed});

  Run run(options, common, {digits});  // 5
  run.state.add("model", model);       // 6
  run.state.add("adam", adam);
  run.state.add("draws", draws);
  rule_trainer.add_to(run.state);
  run.start(loader.batches(), {"train_loss"});  // 7
  for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
    for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
      const Var loss = mean(expect(Bernoulli((*encoder)(batch.x)), rules[0], Scope{draws},
                                   [&](const Var& z, const Scope&) {
                                     return sum(square(sigmoid((*decoder)(z)) - batch.x), {-1});
                                   }));
      adam.zero_grad();
      loss.backward();
      adam.step();
      rule_trainer.step();
      run.step(loss.item(), batch.size());  // 8
      if (!run.go_on()) break;              // 9
    }
    run.epoch({{"epoch", epoch}, {"train_loss", run.train_loss()}}, run.train_loss());  // 10
  }
  run.plot_metrics("loss", "squared error (per image)", {"train_loss"});
  run.finish({{"train_loss", run.last("train_loss")}});
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, train); }
