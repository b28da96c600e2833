// binarize.cpp - the Bernoulli draw of a pixel, and its use on a whole dataset.
#include "stflow/datasets/binarize.h"

#include <algorithm>

#include "stflow/datasets/noise.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/parallel.h"

namespace stflow {

void draw_pixels(const uint8_t* grey, int64_t count, uint64_t seed, uint64_t stream, int64_t image,
                 uint8_t* drawn) {
  // Four pixels share a block of random words. Most blocks of a digit are black or white and need
  // none; of the others many are computed side by side.
  const auto is_certain = [](uint8_t value) { return value == 0 || value == 255; };
  PhiloxBlocks blocks = {};
  int64_t begins[PhiloxBlocks::kCount];
  int waiting = 0;
  const auto draw_waiting = [&] {
    philox4x32(blocks, noise_key(seed));
    for (int block = 0; block < waiting; ++block) {
      const int64_t begin = begins[block];
      for (int64_t i = begin; i < std::min(begin + 4, count); ++i) {
        // word / 2^32 < grey / 255, in exact arithmetic
        const uint64_t word = blocks.word[i - begin][block];
        drawn[i] = word * 255 < uint64_t{grey[i]} << 32 ? 255 : 0;
      }
    }
    waiting = 0;
  };
  for (int64_t begin = 0; begin < count; begin += 4) {
    const int64_t end = std::min(begin + 4, count);
    if (std::all_of(grey + begin, grey + end, is_certain)) {
      std::copy(grey + begin, grey + end, drawn + begin);
      continue;
    }
    const std::array<uint32_t, 4> counter = noise_counter(stream, image, begin / 4);
    for (size_t w = 0; w < 4; ++w) blocks.word[w][waiting] = counter[w];
    begins[waiting++] = begin;
    if (waiting == PhiloxBlocks::kCount) draw_waiting();
  }
  if (waiting > 0) draw_waiting();
}

Dataset binarize(const Dataset& dataset, Binarize mode) {
  CHECK_ARG(dataset.binarization == Binarize::none, "[binarize] '", dataset.name,
            "' is binarised already (", to_string(dataset.binarization), ")");
  check_dataset(dataset, "binarize");
  Dataset result = dataset;
  result.binarization = mode;
  if (mode == Binarize::none || mode == Binarize::dynamic) return result;

  const std::vector<uint8_t>& grey = *dataset.pixels;
  std::vector<uint8_t> black_white(grey.size());
  const int64_t features = dataset.features();
  const uint64_t stream = noise_stream(NoiseUse::binarize, dataset.split, 0);
  const int64_t grain = std::max<int64_t>(1, kElementwiseGrain / features);
  parallel_for(std::ssize(*dataset.labels), grain, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      const uint8_t* from = grey.data() + image * features;
      uint8_t* to = black_white.data() + image * features;
      if (mode == Binarize::static_) {
        draw_pixels(from, features, kStaticBinarizationSeed, stream, image, to);
      } else {
        std::transform(from, from + features, to, [](uint8_t v) { return v > 127 ? 255 : 0; });
      }
    }
  });
  result.pixels = std::make_shared<const std::vector<uint8_t>>(std::move(black_white));
  return result;
}

const std::vector<std::string>& binarize_names() {
  static const std::vector<std::string> names = {"none", "static", "threshold", "dynamic"};
  return names;
}

std::string to_string(Binarize mode) { return binarize_names()[static_cast<size_t>(mode)]; }

Binarize binarize_from_name(const std::string& name) {
  const auto found = std::find(binarize_names().begin(), binarize_names().end(), name);
  CHECK_ARG(found != binarize_names().end(), "[binarize] '", name,
            "' is not one of none, static, threshold, dynamic");
  return static_cast<Binarize>(found - binarize_names().begin());
}

}  // namespace stflow
