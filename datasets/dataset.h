// dataset.h - labelled images as bytes: what every loader returns and what batches are cut from.
//
// A Dataset is a cheap value: the bytes are shared, and `rows` says which images belong to this set
// and in what order, so subsets, splits and shuffled copies cost one integer an image. Images stay
// bytes (an eighth of MNIST's size in double) until a batch is assembled (data_loader.h). Loading:
// catalog.h for datasets by name, images.h for folders.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stflow/tensor/shape.h"

namespace stflow {

/// Which half of a dataset: the images to learn from, or those kept for the final result.
enum class Split { train, test };

/// How grey pixels become 0 or 1 (binarize.h). C++ reserves the word static, hence the underscore.
enum class Binarize { none, static_, threshold, dynamic };

/// Where bytes came from: a path (or a description), and the SHA-256 of what was read, after
/// gunzip.
struct DataSource {
  std::string path;
  std::string sha256;
};

struct Dataset {
  std::string name;  // mnist, fashion-mnist, digits, images
  Split split = Split::train;
  int64_t height = 0, width = 0, channels = 1;
  std::vector<std::string> class_names;
  std::shared_ptr<const std::vector<uint8_t>> pixels;  // [image][height][width][channels]
  std::shared_ptr<const std::vector<int>> labels;      // [image], each in [0, classes())
  std::vector<int64_t> rows;                           // the images of this set
  Binarize binarization = Binarize::none;
  std::vector<DataSource> sources;
  std::string passed_over = "";  // entries of a folder of images that are none, counted, in words

  int64_t size() const { return static_cast<int64_t>(rows.size()); }
  /// Numbers in one image: height * width * channels.
  int64_t features() const { return height * width * channels; }
  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
  /// [size, height, width, channels]
  Shape shape() const { return {size(), height, width, channels}; }
  /// The features() bytes of image i, and its class. Both throw unless 0 <= i < size().
  const uint8_t* image(int64_t i) const;
  int label(int64_t i) const;

  /// Images [begin, end). Throws unless 0 <= begin <= end <= size().
  Dataset subset(int64_t begin, int64_t end) const;
  /// The first `count` images, or all when there are fewer.
  Dataset take(int64_t count) const;
  /// The same images in an order that is a function of the seed.
  Dataset shuffled(uint64_t seed) const;
};

/// Throws std::invalid_argument, with `op`, unless there are labels and as many images of at least
/// one byte, classes have different names, labels are classes, and rows are images.
void check_dataset(const Dataset& dataset, const char* op);

/// A dataset of all images in `pixels`, in order. Throws like check_dataset.
Dataset make_dataset(Dataset description, std::vector<uint8_t> pixels, std::vector<int> labels);

/// Cuts off the end: {all but the last fraction, the last fraction}. The default gives the usual
/// split of MNIST's training file, 50,000 for training and the last 10,000 for validation. Sort
/// order matters: images that lie class by class are shuffled() first. Throws when a part would be
/// empty.
std::pair<Dataset, Dataset> split_last(const Dataset& dataset, double fraction = 1.0 / 6);

/// "train" or "test".
std::string to_string(Split split);

}  // namespace stflow
