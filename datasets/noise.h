// noise.h - the random bits of datasets/: each is a pure function of where it is used.
//
// Which numbers an image gets depends on its position in its source alone, never on the order in
// which images are visited, on subsets or on threads. The purpose is the upper half of the stream
// number of tensor/rng.h: an Rng made with a stream below 2^32 never shares numbers with these.
#pragma once

#include <array>
#include <cstdint>

#include "stflow/datasets/dataset.h"
#include "stflow/tensor/rng.h"

namespace stflow {

enum class NoiseUse : uint32_t { binarize = 0x64617400, shuffle, digits };

/// The stream of tensor/rng.h for one purpose, split and epoch. The two splits are independent.
inline uint64_t noise_stream(NoiseUse use, Split split, uint32_t epoch) {
  const uint32_t purpose = static_cast<uint32_t>(use) * 2 + static_cast<uint32_t>(split);
  return uint64_t{purpose} << 32 | epoch;
}

/// Where block `block` of image `image` in such a stream is in the generator's sequence: four
/// random words are philox4x32(noise_counter(...), noise_key(seed)).
inline std::array<uint32_t, 4> noise_counter(uint64_t stream, int64_t image, int64_t block) {
  return {static_cast<uint32_t>(block), static_cast<uint32_t>(image), static_cast<uint32_t>(stream),
          static_cast<uint32_t>(stream >> 32)};
}
inline std::array<uint32_t, 2> noise_key(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

}  // namespace stflow
