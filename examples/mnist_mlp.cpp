// mnist_mlp - trains a classifier with two hidden layers, on MNIST, Fashion-MNIST, generated
// digits, or your own pictures (--images DIR with a folder for each class).
//
// The usual deep-learning program: no sampling nodes, just modules, a loss, an optimiser and the
// loop.
#include "stflow/datasets/data_loader.h"
#include "stflow/nn/nn.h"
#include "stflow/train/console/program.h"
#include "stflow/train/data.h"
#include "stflow/train/run.h"

using namespace stflow;

namespace {

struct Classifier : nn::Module {
  nn::MLP body;
  nn::Dropout dropout;
  nn::Linear head;

  Classifier(int64_t features, int64_t classes, double drop, Rng& init_rng, Rng& dropout_rng)
      : body({features, 512, 256}, init_rng),
        dropout(drop, dropout_rng),
        head(256, classes, init_rng) {
    register_module("body", body);
    register_module("dropout", dropout);
    register_module("head", head);
  }

  /// Images [B,D] -> logits [B,classes].
  Var forward(const Var& x) override { return head(dropout(relu(body(x)))); }
};

struct Score {
  double loss, accuracy;  // mean cross entropy in nats; fraction of images classified right
};

Score evaluate(Classifier& model, const Dataset& data) {
  const NoGradGuard no_grad;
  model.eval();
  Score total{0, 0};
  const DataLoader loader(data, {.batch_size = 500, .shuffle = false});
  for (const Batch& batch : loader.epoch(0)) {
    const Var logits = model(batch.x);
    total.loss += sum(cross_entropy(logits, batch.labels)).item();
    total.accuracy +=
        nn::accuracy(logits.value(), batch.labels) * static_cast<double>(batch.size());
  }
  model.train();
  const auto images = static_cast<double>(data.size());
  return {total.loss / images, total.accuracy / images};
}

void train(int argc, char** argv) {
  CommonOptions common;
  common.batch_size = 128;
  common.schedule_over_epochs = true;
  std::string images;
  bool colour = false;
  int64_t image_size = 0;
  double drop = 0.2;
  Options options(
      "mnist_mlp",
      "Trains a classifier D-512-256-classes with ReLU, dropout and Adam, and reports its "
      "accuracy on the test images.");
  options.add("--images", images, "folder with a subfolder of PNG or JPEG files for each class",
              "DIR");
  options.flag("--colour", colour, "keep red, green and blue of --images (default: grey)");
  options.add("--image-size", image_size, "resize --images to squares of this side; 0: as they are",
              between(0, 1024));
  options.add("--dropout", drop, "fraction of hidden units left out in training", between(0, 0.9));
  options.only_with("--images", {}, {"--colour", "--image-size"});
  options.add_common(common);
  options.parse(argc, argv);
  if (!images.empty() && (common.dataset != "auto" || !common.data.empty())) {
    throw UsageError("--images replaces --dataset and --data; give one or the other");
  }

  const DataParts data =
      images.empty() ? load_parts(common) : load_image_parts(common, images, colour, image_size);
  const auto seed = static_cast<uint64_t>(common.seed);
  Rng init_rng(seed, 0), dropout_rng(seed, 1);
  Classifier model(data.train.features(), data.train.classes(), drop, init_rng, dropout_rng);
  optim::Adam adam(model.parameters(), {.lr = common.lr});

  Run run(options, common, data.all());
  run.state.add("model", model);
  run.state.add("adam", adam);
  run.state.add("dropout", dropout_rng);
  const DataLoader loader(data.train, {.batch_size = common.batch_size, .seed = seed});
  run.start(loader.batches(), {"train_loss", "validation_accuracy", "test_loss", "test_accuracy"});
  for (int64_t epoch = run.first_epoch(); epoch <= common.epochs && !interrupted(); ++epoch) {
    // The learning rate falls linearly, so that the last epochs settle.
    adam.options.lr = common.lr * (1 - double(epoch - 1) / double(common.epochs));
    for (const Batch& batch : loader.epoch(epoch, run.steps_in_epoch())) {
      // A new graph for each batch, forward; gradients backward along it; one step down. They add
      // up in .grad, so they are cleared first.
      const Var loss = mean(cross_entropy(model(batch.x), batch.labels));
      adam.zero_grad();
      loss.backward();
      adam.step();
      run.step(loss.item(), batch.size());
      if (!run.go_on()) break;
    }
    // The validation images choose which weights are kept (run.epoch's last argument, the lower the
    // better); the test images choose nothing, so their score is one for images never seen.
    const Score validation = evaluate(model, data.validation), test = evaluate(model, data.test);
    run.epoch({{"epoch", epoch},
               {"train_loss", run.train_loss()},
               {"validation_accuracy", validation.accuracy},
               {"test_loss", test.loss},
               {"test_accuracy", test.accuracy}},
              -validation.accuracy);
  }
  run.plot_metrics("curves", "accuracy", {"validation_accuracy", "test_accuracy"});
  run.plot_metrics("loss", "cross entropy (nats per image)", {"train_loss", "test_loss"});
  run.finish({{"test_loss", run.last("test_loss")}, {"test_accuracy", run.last("test_accuracy")}});
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, train); }
