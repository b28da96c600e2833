// images.h - the user's own pictures: DIR/<class>/*.png, *.jpg or *.jpeg, decoded by stb_image.
//
// Classes are the subfolders in the order of their names, images the files in the order of theirs.
// Hidden files are passed over; so are other files, folders in a class and links to nothing, which
// are counted (Dataset::passed_over). Pixels stay as they are stored: EXIF orientation is not
// applied. The source's hash covers names and contents. There is no train and test half: shuffle,
// then split_last().
#pragma once

#include <filesystem>

#include "stflow/datasets/dataset.h"

namespace stflow {

/// Images with a side longer than this are refused before they are decoded.
constexpr int kMaxImageSide = 8192;

struct ImageOptions {
  int channels = 1;  // 1: grey, 3: red, green, blue; files are converted
  int size = 0;      // resize to size x size, whatever the proportions; 0 keeps images as they are
};

/// Loads a folder of class folders. Throws std::runtime_error when it is none, when a class has no
/// image or is a link to another, an image can't be read or is too large, or sizes differ and no
/// resizing was asked for.
Dataset load_image_folder(const std::filesystem::path& folder, const ImageOptions& options = {});

}  // namespace stflow
