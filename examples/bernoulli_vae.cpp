// bernoulli_vae - trains a variational autoencoder with Bernoulli latents on binarised images: the
// three networks of the paper's Table 2, by any rule that fits.
//
// The model is in models/vae.h; what is left here is its settings and the training loop.
#include <optional>

#include "examples/models/vae.h"
#include "stflow/autodiff/graph_print.h"
#include "stflow/datasets/binarize.h"
#include "stflow/datasets/data_loader.h"
#include "stflow/train/console/program.h"
#include "stflow/train/data.h"
#include "stflow/train/evaluate.h"
#include "stflow/train/rule_trainer.h"
#include "stflow/train/run.h"
#include "stflow/train/variance.h"

using namespace stflow;

namespace {

void train(int argc, char** argv) {
  CommonOptions common;
  common.batch_size = 50;
  common.lr = 1e-4;
  std::string arch = "linear", binarization = "static", inputs, prior;
  int64_t nll_samples = 0;
  RuleChoice rule;
  VarianceOptions variance;
  Options options(
      "bernoulli_vae",
      "Trains a variational autoencoder with layers of 200 Bernoulli units (the paper's "
      "Table 2) on binarised images and reports -ELBO in nats per image.");
  options.choice("--arch", arch, table2_architectures(),
                 "linear: 784-200-784; two-layer: two stochastic layers of 200; nonlinear: two "
                 "hidden layers of 200 each way");
  options.choice("--inputs", inputs, {"01", "pm1"},
                 "feed networks v or 2v-1 (default: pm1 for linear, else 01)");
  options.choice(
      "--prior", prior, {"fixed", "learned"},
      "prior logits at 0, or trained by SGD with rate 0.01 (default: fixed for nonlinear, "
      "else learned)");
  options.choice("--binarize", binarization, {"static", "threshold", "dynamic"},
                 "draw each pixel once, cut at 0.5, or draw anew each epoch");
  add_rule_options(options, rule, "bernoulli");
  add_variance_options(options, variance);
  options.add("--nll-samples", nll_samples, "importance samples; 0: none", between(0, kMostSteps));
  options.add_common(common);
  options.parse(argc, argv);

  const DataParts data = load_parts(common, binarize_from_name(binarization));
  const auto seed = static_cast<uint64_t>(common.seed);
  Rng init_rng(seed, 0), rng(seed, 1);  // streams: evaluation has 2 and 4, pictures 3, variance 5
  VaeOptions model = table2_vae(arch, data.train.features());
  if (options.given("--inputs")) model.pm1 = inputs == "pm1";
  if (options.given("--prior")) model.learned_prior = prior == "learned";
  inputs = model.pm1 ? "pm1" : "01";
  prior = model.learned_prior ? "learned" : "fixed";
  Vae vae(model, init_rng);
  vae.rules = make_rules(rule, model.sizes);
  optim::Adam adam(vae.weights(), {.lr = common.lr});
  RuleTrainer rule_trainer(vae.rules, common.lr);
  std::optional<optim::SGD> prior_sgd;  // the protocol of ARM (Yin & Zhou 2019)
  if (model.learned_prior)
    prior_sgd.emplace(std::vector{vae.prior_logits}, optim::SGDOptions{.lr = 0.01});

  const ImageCost neg_elbo = [&](const Tensor& x, Rng& from) { return vae.neg_elbo(x, {from}); };

  Run run(options, common, data.all());
  run.state.add("model", vae);
  run.state.add("adam", adam);
  run.state.add("rng", rng);
  rule_trainer.add_to(run.state);
  if (prior_sgd) run.state.add("prior_sgd", *prior_sgd);
  const DataLoader loader(data.train, {.batch_size = common.batch_size, .seed = seed});
  VarianceLog variance_log(
      variance, common, run,
      {{"encoder", Vae::weights(vae.encoders)}, {"decoder", Vae::weights(vae.decoders)}}, vae.rules,
      neg_elbo, data.validation);
  run.start(loader.batches(), kFigures, rule_trainer.log());
  variance_log.step();
  // A resumed run begins in the middle: at its epoch, with the batches that are left of it.
  for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
    for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
      // One draw of the latents for each image; the value is an estimate of -ELBO, and backward()
      // gives the encoder the rule's estimate of its gradient.
      const Var loss = mean(neg_elbo(batch.x, rng));
      if (run.steps() == 0) run.draw_graph("graph", to_dot({loss}));
      // Gradients add up in .grad until they are cleared.
      vae.zero_grad();
      loss.backward();
      adam.step();
      rule_trainer.step();  // what the rule learns for itself, such as a baseline
      if (prior_sgd) prior_sgd->step();
      run.step(loss.item(), batch.size(), vae.evaluations());
      variance_log.step();
      if (!run.go_on()) break;
    }
    end_epoch(run, epoch, neg_elbo, data, Rng(seed, 2), rule_trainer.log());
  }

  Rng nll_rng(seed, 4);
  draw_pictures(run, vae, data.test, Rng(seed, 3));
  variance_log.plot();
  run.finish({{"train_neg_elbo", run.last("train_neg_elbo")},
              {"test_neg_elbo", run.last("test_neg_elbo")},
              {"test_nll", mean_nll(neg_elbo, data.test, nll_samples, nll_rng)},
              {"nll_samples", nll_samples}});
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, train); }
