// noise.h - the random bits of datasets/: each is a pure function of where it is used.
//
// Which numbers an image gets depends on its position in its source alone, never on the order in
// which images are visited, on subsets or on threads. The purpose is the upper half of the stream
// number of tensor/rng.h: an Rng made with a stream below 2^32 never shares numbers with these.
#pragma once

#include <array>
#include <cstdint>

#include "datasets/dataset.h"
#include "tensor/rng.h"

namespace stflow {

enum class NoiseUse : uint32_t { binarize = 0x64617400, shuffle, digits };

/// The stream of tensor/rng.h for one purpose, split and epoch. The two splits are independent.
inline uint64_t noise_stream(NoiseUse use, Split split, uint32_t epoch) {
  const uint32_t purpose = static_cast<uint32_t>(use) * 2 + static_cast<uint32_t>(split);
  return uint64_t{purpose} << 32 | epoch;
}

/// Four random words: block `block` of image `image` in such a stream.
inline std::array<uint32_t, 4> noise_words(uint64_t seed, uint64_t stream, int64_t image,
                                           int64_t block) {
  const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
  const auto high = [](uint64_t x) { return static_cast<uint32_t>(x >> 32); };
  return philox4x32(
      {static_cast<uint32_t>(block), static_cast<uint32_t>(image), low(stream), high(stream)},
      {low(seed), high(seed)});
}

}  // namespace stflow
