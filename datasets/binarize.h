// binarize.h - grey images to black and white. Every reported number names the way it was done:
//     none       as they are
//     static     each pixel is drawn once, 1 with probability grey/255, from a seed fixed here for
//                everyone (the files of Larochelle & Murray 2011 have the same distribution)
//     threshold  1 where grey/255 > 0.5
//     dynamic    a new draw in each epoch, made by the DataLoader
// A drawn bit is a function of (seed, split, epoch, position of the image in its source, pixel). So
// limits, splits and orders never change it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stflow/datasets/dataset.h"

namespace stflow {

/// The seed of static binarisation.
constexpr uint64_t kStaticBinarizationSeed = 2011;

/// Returns the dataset binarised: bytes 0 and 255 for static and threshold; for dynamic the grey
/// bytes and a mark that the DataLoader obeys. Apply it before splitting, so that the parts share
/// their bytes. Throws when the dataset is binarised already.
Dataset binarize(const Dataset& dataset, Binarize mode);

/// none, static, threshold, dynamic: the names of the command line.
const std::vector<std::string>& binarize_names();
std::string to_string(Binarize mode);
/// Throws with the list of names when `name` is none of them.
Binarize binarize_from_name(const std::string& name);

/// Draws 0 or 255 for each of `count` grey bytes of image number `image`.
void draw_pixels(const uint8_t* grey, int64_t count, uint64_t seed, uint64_t stream, int64_t image,
                 uint8_t* drawn);

}  // namespace stflow
