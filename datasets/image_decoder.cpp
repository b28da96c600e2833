// image_decoder.cpp - stb_image, and what has to be known before a file is given to it.
//
// The header of each file is read first, so that a picture that claims to be huge costs no memory.
#include "stflow/datasets/image_decoder.h"

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "stflow/tensor/check.h"

namespace stflow {
namespace {

/// Deflate makes at most 1032 bytes of one, and a byte holds at most eight pixels; a JPEG has
/// fewer.
constexpr int64_t kMostPixelsPerByte = 8 * 1032;

/// True when a JPEG declares a Huffman table of more than 256 codes, the most there can be:
/// stb_image 2.27 would write them past the end of its own table. Segments are walked as stb walks
/// them; after the first scan begins, every mark of a table counts.
bool has_oversized_huffman_table(const std::vector<uint8_t>& bytes) {
  const auto at = [&bytes](size_t i) { return i < bytes.size() ? int{bytes[i]} : 0; };
  if (at(0) != 0xff) return false;  // not a JPEG
  bool in_scan = false;
  size_t i = 0;
  while (i + 1 < bytes.size()) {
    const int marker = at(i + 1);
    if (at(i) != 0xff || marker == 0xff || (in_scan && marker != 0xc4)) {
      ++i;
      continue;
    }
    const int length = at(i + 2) << 8 | at(i + 3);
    if (marker == 0xc4) {  // tables: a class, 16 counts, then as many values
      int left = length - 2;
      for (size_t table = i + 4; left > 0;) {
        int codes = 0;
        for (size_t k = 1; k <= 16; ++k) codes += at(table + k);
        if (codes > 256) return true;
        table += 17 + static_cast<size_t>(codes);
        left -= 17 + codes;
      }
    }
    in_scan = in_scan || marker == 0xda;
    const bool has_length = !in_scan && marker != 0xd8;  // 0xd8 begins the file
    i += has_length ? 2 + static_cast<size_t>(length) : 2;
  }
  return false;
}

/// Removes the restart marks of a JPEG after which no data comes, as before its end: stb_image 2.27
/// refuses them.
void drop_idle_restarts(std::vector<uint8_t>& bytes) {
  const auto at = [&bytes](size_t i) { return i < bytes.size() ? int{bytes[i]} : 0; };
  if (at(0) != 0xff || at(1) != 0xd8) return;  // not a JPEG
  std::vector<uint8_t> kept;
  kept.reserve(bytes.size());
  bool in_scan = false;
  for (size_t i = 0; i < bytes.size();) {
    const int marker = at(i) == 0xff ? at(i + 1) : 0;
    const bool restart = 0xd0 <= marker && marker <= 0xd7;
    if (in_scan && restart && at(i + 2) == 0xff && at(i + 3) != 0) {
      i += 2;
      continue;
    }
    size_t length = 1;
    if (marker >= 0xc0 && !restart && marker != 0xd8 && marker != 0xd9 && marker != 0xff) {
      length =
          std::min(size_t{2} + static_cast<size_t>(at(i + 2) << 8 | at(i + 3)), bytes.size() - i);
      in_scan = marker == 0xda;
    }
    kept.insert(kept.end(), &bytes[i], &bytes[i] + length);
    i += length;
  }
  bytes = std::move(kept);
}

/// Fills the palette of a PNG with black up to 256 colours: for an index beyond its end stb_image
/// 2.27 takes what lies on the stack. False when a chunk is longer than the file: stb would
/// allocate what it claims.
bool fill_palette(std::vector<uint8_t>& bytes) {
  constexpr size_t kFrame = 12, kWhole = 3 * 256;  // length, type and checksum; a whole palette
  constexpr size_t kHead = 8;                      // length and type
  if (bytes.size() < 8 || std::memcmp(bytes.data(), "\x89PNG\r\n\x1a\n", 8) != 0) return true;
  for (size_t i = 8; i + kHead <= bytes.size();) {
    const auto at = [&](size_t k) { return size_t{bytes[i + k]}; };
    const auto is = [&](const char* type) { return std::memcmp(&bytes[i + 4], type, 4) == 0; };
    size_t length = at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3);
    if (is("IEND")) return true;
    if (length + kFrame > bytes.size() - i) return false;
    if (is("PLTE") && length < kWhole && length % 3 == 0) {
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(i + 8 + length), kWhole - length, 0);
      bytes[i + 2] = kWhole >> 8;
      bytes[i + 3] = kWhole & 0xff;
      length = kWhole;
    }
    i += kFrame + length;
  }
  return true;
}

}  // namespace

Image decode_image(std::vector<uint8_t> bytes, const ImageOptions& options) {
  const auto refuse = [](const std::string& found) {
    throw std::runtime_error(concat_message("expected a PNG or JPEG image of at most ",
                                            kMaxImageSide, "x", kMaxImageSide,
                                            " pixels, found: ", found));
  };
  if (has_oversized_huffman_table(bytes)) refuse("corrupt JPEG");
  const auto most_pixels = kMostPixelsPerByte * std::ssize(bytes);
  drop_idle_restarts(bytes);
  if (!fill_palette(bytes)) refuse("truncated PNG");
  const int length = static_cast<int>(bytes.size());
  int width, height, stored_channels;
  if (!stbi_info_from_memory(bytes.data(), length, &width, &height, &stored_channels)) {
    refuse(stbi_failure_reason());
  }
  if (std::max(width, height) > kMaxImageSide) refuse(concat_message(width, "x", height));
  if (int64_t{width} * height > most_pixels) {
    refuse(concat_message("a file too short for ", width, "x", height, " pixels"));
  }
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> decoded(
      stbi_load_from_memory(bytes.data(), length, &width, &height, &stored_channels,
                            options.channels),
      &stbi_image_free);
  if (!decoded) refuse(stbi_failure_reason());

  const int size = options.size;
  if (size == 0 || (width == size && height == size)) {
    const size_t count = static_cast<size_t>(width) * static_cast<size_t>(height) *
                         static_cast<size_t>(options.channels);
    return {height, width, {decoded.get(), decoded.get() + count}};
  }
  Image resized{size, size,
                std::vector<uint8_t>(static_cast<size_t>(size * size * options.channels))};
  if (!stbir_resize_uint8(decoded.get(), width, height, 0, resized.pixels.data(), size, size, 0,
                          options.channels)) {
    throw std::runtime_error(
        concat_message("cannot be resized from ", width, "x", height, " to ", size, "x", size));
  }
  return resized;
}

}  // namespace stflow
