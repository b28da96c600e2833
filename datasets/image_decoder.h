// image_decoder.h - the bytes of one PNG or JPEG file to pixels.
//
// Pixels stay as they are stored: a JPEG's EXIF orientation, which many cameras write instead of
// turning the picture, is not applied, and the alpha channel is dropped.
#pragma once

#include <cstdint>
#include <vector>

#include "stflow/datasets/images.h"

namespace stflow {

struct Image {
  int64_t height, width;
  std::vector<uint8_t> pixels;  // [height][width][channels]
};

/// Throws std::runtime_error, without the name of the file, when it cannot be read or has a side of
/// more than kMaxImageSide. An index beyond the palette of a PNG is black. At most 2^31 - 1 bytes.
Image decode_image(std::vector<uint8_t> bytes, const ImageOptions& options);

}  // namespace stflow
