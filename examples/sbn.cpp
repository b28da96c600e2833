// sbn - trains a sigmoid belief network to complete digits by any rule: the upper half of an image
// predicts the lower half through two layers of 200 Bernoulli units (Raiko et al. 2015).
//
// There is no inference network: the units are sampled from the model itself. The loss is the
// expectation of -log p(lower | z2), one expect inside another.
#include "stflow/autodiff/graph_print.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/estimators/estimators.h"
#include "stflow/nn/nn.h"
#include "stflow/train/console/program.h"
#include "stflow/train/data.h"
#include "stflow/train/evaluate.h"
#include "stflow/train/rule_trainer.h"
#include "stflow/train/run.h"

using namespace stflow;

namespace {

struct BeliefNetwork : nn::Module {
  BeliefNetwork(int64_t above, int64_t below, Rng& rng)
      : upper(above), first(above, 200, rng), second(200, 200, rng), last(200, below, rng) {
    register_module("first", first);
    register_module("second", second);
    register_module("last", last);
  }

  /// E[-log p(lower | z2)], a bound of -log p(lower | upper): x [B,D] -> [B], nats.
  Var neg_bound(const Tensor& x, Rng& rng) {
    const Tensor given = slice(x, -1, 0, upper), lower = slice(x, -1, upper, x.dim(-1));
    const auto cost_of_first = [&](const Var& z1, const Scope& scope) {
      const auto cost_of_second = [&](const Var& z2, const Scope&) {
        return -Bernoulli(last(z2)).log_prob(lower);
      };
      return expect(Bernoulli(second(z1)), rules.at(1), scope, cost_of_second, /*context=*/z1);
    };
    return expect(Bernoulli(first(given)), rules.at(0), {rng}, cost_of_first, /*context=*/given);
  }

  /// The images with their lower half replaced by P(lower = 1 | z2), for one draw of z2.
  Tensor complete(const Tensor& x, Rng& rng) {
    const NoGradGuard no_grad;
    const Tensor given = slice(x, -1, 0, upper);
    const Tensor z1 = Bernoulli(first(given)).sample(rng), z2 = Bernoulli(second(z1)).sample(rng);
    return concat(std::vector{given, Bernoulli(last(z2)).probs().value()}, -1);
  }

  int64_t upper;  // pixels of the upper half; they are the first of an image
  nn::Linear first, second, last;
  std::vector<Rule> rules;
};

void train(int argc, char** argv) {
  CommonOptions common;
  std::string binarization = "static";
  int64_t nll_samples = 100;
  RuleChoice rule;
  Options options("sbn",
                  "Trains a sigmoid belief network with two layers of 200 Bernoulli units to "
                  "predict the lower half of a binarised image from the upper half.");
  options.choice("--binarize", binarization, {"static", "threshold", "dynamic"},
                 "draw each pixel once, cut at 0.5, or draw anew each epoch");
  add_rule_options(options, rule, "bernoulli");
  options.add("--nll-samples", nll_samples, "for the final likelihood", between(1, kMostSteps));
  options.add_common(common);
  options.parse(argc, argv);

  const DataParts data = load_parts(common, binarize_from_name(binarization));
  const auto seed = static_cast<uint64_t>(common.seed);
  Rng init_rng(seed, 0), rng(seed, 1);  // streams of the seed: evaluation has 2 and 4, pictures 3
  const int64_t above = data.train.height / 2 * data.train.width;
  BeliefNetwork network(above, data.train.features() - above, init_rng);
  network.rules = make_rules(rule, {{above, 200}, {200, 200}});
  optim::Adam adam(network.parameters(), {.lr = common.lr});
  RuleTrainer rule_trainer(network.rules, common.lr);
  const ImageCost bound = [&](const Tensor& x, Rng& from) { return network.neg_bound(x, from); };

  Run run(options, common, data.all());
  run.state.add("model", network);
  run.state.add("adam", adam);
  run.state.add("rng", rng);
  rule_trainer.add_to(run.state);
  const DataLoader loader(data.train, {.batch_size = common.batch_size, .seed = seed});
  run.start(loader.batches(), {"train_bound", "validation_bound", "test_bound"},
            rule_trainer.log());
  for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
    for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
      // Both layers are drawn once an image. By Jensen's inequality the mean of -log p(lower | z2)
      // over draws lies above -log p(lower | upper): to lower the bound is to raise the likelihood.
      const Var loss = mean(bound(batch.x, rng));
      if (run.steps() == 0) run.draw_graph("graph", to_dot({loss}));
      network.zero_grad();
      loss.backward();
      adam.step();
      rule_trainer.step();  // what the rules learn for themselves
      run.step(loss.item(), batch.size());
      if (!run.go_on()) break;
    }
    // The same draws after every epoch, and none taken from training: curves differ by weights
    // alone.
    Rng evaluation_rng(seed, 2);
    const double test_bound = mean_cost(bound, data.test, evaluation_rng);
    const double validation_bound = mean_cost(bound, data.validation, evaluation_rng);
    run.epoch({{"epoch", epoch},
               {"train_bound", run.train_loss()},
               {"validation_bound", validation_bound},
               {"test_bound", test_bound}},
              validation_bound, rule_trainer.log());
  }

  Rng picture_rng(seed, 3), nll_rng(seed, 4);
  const auto complete = [&](const Tensor& x) { return network.complete(x, picture_rng); };
  save_reconstructions(run, "completions", data.test, complete, /*draws=*/4);
  run.plot_metrics("curves", "bound of -log p(lower | upper), nats per image",
                   {"train_bound", "validation_bound", "test_bound"});
  run.finish({{"test_bound", run.last("test_bound")},
              {"test_nll", mean_nll(bound, data.test, nll_samples, nll_rng)},
              {"nll_samples", nll_samples}});
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, train); }
