#include "stflow/train/data.h"

#include "stflow/datasets/binarize.h"
#include "stflow/datasets/catalog.h"
#include "stflow/datasets/images.h"
#include "stflow/tensor/check.h"
#include "stflow/train/console/program.h"

namespace stflow {
namespace {

DataParts limited(DataParts parts, int64_t limit) {
  if (limit > 0) {
    for (Dataset* part : {&parts.train, &parts.validation, &parts.test}) *part = part->take(limit);
  }
  return parts;
}

/// Each part of a split needs an image.
void check_enough(const Dataset& data, int64_t least, const std::string& parts) {
  if (data.size() < least) {
    throw std::runtime_error(concat_message(data.sources[0].path, ": expected at least ", least,
                                            " images, to have some for ", parts, ", found ",
                                            data.size()));
  }
}

}  // namespace

DataParts load_parts(const CommonOptions& common, Binarize binarization) {
  const auto load = [&](const std::string& name, Split split) {
    return binarize(load_dataset(name, common.data, split), binarization);
  };
  const Dataset all = load(common.dataset, Split::train);
  const Dataset test = load(all.name, Split::test);  // `auto` might find another one
  if (test.height != all.height || test.width != all.width) {
    throw std::runtime_error(concat_message(
        test.sources[0].path, ": its images have ", test.width, "x", test.height,
        " pixels, but those of ", all.sources[0].path, " have ", all.width, "x", all.height));
  }
  check_enough(all, 3, "training and validation");
  const auto [train, validation] = split_last(all);
  return limited({train, validation, test}, common.limit);
}

DataParts load_image_parts(const CommonOptions& common, const std::string& folder, bool colour,
                           int64_t size) {
  CHECK_ARG(0 <= size && size <= kMaxImageSide, "[load_image_parts] image size must be 0 to ",
            kMaxImageSide, ", got ", size);
  const Dataset all =
      load_image_folder(folder, {.channels = colour ? 3 : 1, .size = static_cast<int>(size)});
  if (!all.passed_over.empty()) {
    tell(concat_message("warning: ", folder, ": ", all.passed_over,
                        "; .png, .jpg and .jpeg are read"));
  }
  check_enough(all, 4, "training, validation and test");
  const auto [rest, test] = split_last(all.shuffled(static_cast<uint64_t>(common.seed)));
  const auto [train, validation] = split_last(rest, 1.0 / 5);
  return limited({train, validation, test}, common.limit);
}

}  // namespace stflow
