// digits.h - generated digits: a dataset that needs no file, to try things where none is installed.
//
// Ten classes of 28x28 grey images, drawn with a pen along strokes that are bent, slanted, scaled
// and shifted at random. Easier than handwriting, and never to be compared with results on MNIST.
#pragma once

#include <cstdint>

#include "stflow/datasets/dataset.h"

namespace stflow {

/// More would take more than 8 GB.
constexpr int64_t kMostDigits = 10'000'000;

/// `count` digits, image i of class i % 10. Image i is a function of (seed, split, i), so a longer
/// dataset begins with the shorter one. Throws when count is negative or
/// more than kMostDigits.
Dataset generate_digits(int64_t count, uint64_t seed, Split split);

}  // namespace stflow
