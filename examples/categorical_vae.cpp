// categorical_vae - trains a variational autoencoder whose latents are categorical: by default 20
// units of 10 categories each, with a uniform prior, by any rule that fits.
//
// The same model as bernoulli_vae's (models/vae.h) with another distribution; what is left here is
// its settings and the training loop.
#include "examples/models/vae.h"
#include "stflow/autodiff/graph_print.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/train/console/program.h"
#include "stflow/train/data.h"
#include "stflow/train/evaluate.h"
#include "stflow/train/rule_trainer.h"
#include "stflow/train/run.h"

using namespace stflow;

namespace {

void train(int argc, char** argv) {
  CommonOptions common;
  std::string binarization = "static";
  int64_t latents = 20, categories = 10, nll_samples = 0;
  RuleChoice rule;

  Options options(
      "categorical_vae",
      "Trains a variational autoencoder with categorical latents, and a hidden layer of "
      "200 each way, on binarised images and reports -ELBO in nats per image.");
  options.add("--latents", latents, "categorical units", between(1, 1000));
  options.add("--categories", categories, "of each unit", between(2, 1000));
  options.choice("--binarize", binarization, {"static", "threshold", "dynamic"},
                 "draw each pixel once, cut at 0.5, or draw anew each epoch");
  add_rule_options(options, rule, "categorical");
  options.add("--nll-samples", nll_samples, "importance samples; 0: none", between(0, kMostSteps));
  options.add_common(common);
  options.parse(argc, argv);

  const DataParts data = load_parts(common, binarize_from_name(binarization));
  const auto seed = static_cast<uint64_t>(common.seed);
  Rng init_rng(seed, 0), rng(seed, 1);  // streams of the seed: evaluation has 2, pictures 3
  const VaeOptions model{.sizes = {{data.train.features(), 200, latents * categories}},
                         .categories = categories};
  Vae vae(model, init_rng);
  vae.rules = make_rules(rule, model.sizes);
  optim::Adam adam(vae.weights(), {.lr = common.lr});
  RuleTrainer rule_trainer(vae.rules, common.lr);
  const ImageCost neg_elbo = [&](const Tensor& x, Rng& from) { return vae.neg_elbo(x, {from}); };

  Run run(options, common, data.all());
  run.state.add("model", vae);
  run.state.add("adam", adam);
  run.state.add("rng", rng);
  rule_trainer.add_to(run.state);
  const DataLoader loader(data.train, {.batch_size = common.batch_size, .seed = seed});
  run.start(loader.batches(), kFigures, rule_trainer.log());
  for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
    for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
      // One category is drawn for each unit. It enters the decoder as a one-hot vector, through
      // which no slope passes: the encoder's gradient is the rule's estimate.
      const Var loss = mean(neg_elbo(batch.x, rng));
      if (run.steps() == 0) run.draw_graph("graph", to_dot({loss}));
      vae.zero_grad();
      loss.backward();
      adam.step();
      rule_trainer.step();  // what the rule learns for itself, such as a temperature
      run.step(loss.item(), batch.size(), vae.evaluations());
      if (!run.go_on()) break;
    }
    end_epoch(run, epoch, neg_elbo, data, Rng(seed, 2), rule_trainer.log());
  }

  draw_pictures(run, vae, data.test, Rng(seed, 3));
  run.finish({{"train_neg_elbo", run.last("train_neg_elbo")},
              {"test_neg_elbo", run.last("test_neg_elbo")},
              {"test_nll", mean_nll(neg_elbo, data.test, nll_samples, rng)},
              {"nll_samples", nll_samples}});
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, train); }
