#include "examples/common/data.h"

#include "datasets/binarize.h"
#include "datasets/catalog.h"
#include "datasets/images.h"

namespace stflow {
namespace {

DataParts limited(DataParts parts, int64_t limit) {
  if (limit > 0) {
    for (Dataset* part : {&parts.train, &parts.validation, &parts.test}) *part = part->take(limit);
  }
  return parts;
}

}  // namespace

DataParts load_parts(const CommonOptions& common, Binarize binarization) {
  const auto load = [&](Split split) {
    return binarize(load_dataset(common.dataset, common.data, split), binarization);
  };
  auto [train, validation] = split_last(load(Split::train));
  return limited({train, validation, load(Split::test)}, common.limit);
}

DataParts load_image_parts(const CommonOptions& common, const std::string& folder, bool colour,
                           int64_t size) {
  const Dataset all =
      load_image_folder(folder, {.channels = colour ? 3 : 1, .size = static_cast<int>(size)});
  const auto [rest, test] = split_last(all.shuffled(static_cast<uint64_t>(common.seed)));
  const auto [train, validation] = split_last(rest, 1.0 / 5);
  return limited({train, validation, test}, common.limit);
}

}  // namespace stflow
