// data.h - the three parts of a dataset a training program wants, as its command line asks for
// them.
#pragma once

#include <vector>

#include "stflow/datasets/dataset.h"
#include "stflow/train/console/options.h"

namespace stflow {

struct DataParts {
  Dataset train, validation, test;
  std::vector<Dataset> all() const { return {train, validation, test}; }
};

/// --dataset from --data, at most --limit images a part. The last sixth of the training file is for
/// validation.
DataParts load_parts(const CommonOptions& common, Binarize binarization = Binarize::none);

/// A folder of images, shuffled by --seed: four sixths to train on, one to validate, one to test.
/// `size`: side of the square they are resized to, 0 keeps them.
DataParts load_image_parts(const CommonOptions& common, const std::string& folder, bool colour,
                           int64_t size);

}  // namespace stflow
