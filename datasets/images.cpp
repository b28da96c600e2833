// images.cpp - walks class folders and decodes their files one by one.
//
// The header of each file is read first, so that a picture that claims to be huge costs no memory.
#include "datasets/images.h"

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>

#include "datasets/sha256.h"
#include "tensor/check.h"

namespace stflow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& message) {
  throw std::runtime_error(path.string() + ": " + message);
}

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

/// The entries of a folder that are not hidden and pass `wanted`, sorted by name.
template <typename Wanted>
std::vector<fs::path> sorted_entries(const fs::path& folder, Wanted wanted) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with('.') && wanted(entry)) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path, "cannot be opened");
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() > std::numeric_limits<int>::max()) fail(path, "too large for an image file");
  return bytes;
}

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

struct Image {
  int64_t height, width;
  std::vector<uint8_t> pixels;  // [height][width][channels]
};

Image decode(const fs::path& path, const std::vector<uint8_t>& bytes, const ImageOptions& options) {
  const auto refuse = [&path](const std::string& found) {
    fail(path, concat_message("expected a PNG or JPEG image of at most ", kMaxImageSide, "x",
                              kMaxImageSide, " pixels, found: ", found));
  };
  if (has_oversized_huffman_table(bytes)) refuse("corrupt JPEG");
  const int length = static_cast<int>(bytes.size());
  int width, height, stored_channels;
  if (!stbi_info_from_memory(bytes.data(), length, &width, &height, &stored_channels)) {
    refuse(stbi_failure_reason());
  }
  if (std::max(width, height) > kMaxImageSide) refuse(concat_message(width, "x", height));
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
    fail(path,
         concat_message("cannot be resized from ", width, "x", height, " to ", size, "x", size));
  }
  return resized;
}

}  // namespace

Dataset load_image_folder(const fs::path& folder, const ImageOptions& options) {
  CHECK_ARG(options.channels == 1 || options.channels == 3,
            "[load_image_folder] channels must be 1 or 3, got ", options.channels);
  CHECK_ARG(0 <= options.size && options.size <= kMaxImageSide,
            "[load_image_folder] image size must be 0 to ", kMaxImageSide, ", got ", options.size);
  if (!fs::is_directory(folder)) fail(folder, "expected a folder of images, found none");
  const std::vector<fs::path> class_folders =
      sorted_entries(folder, [](const fs::directory_entry& entry) { return entry.is_directory(); });
  if (class_folders.empty()) {
    fail(folder, "expected a subfolder of PNG or JPEG images for each class, found no subfolder");
  }

  Dataset description;
  description.name = "images";
  description.channels = options.channels;
  std::vector<uint8_t> pixels;
  std::vector<int> labels;
  Sha256 hash;
  for (const fs::path& class_folder : class_folders) {
    const std::vector<fs::path> files =
        sorted_entries(class_folder, [](const fs::directory_entry& entry) {
          return entry.is_regular_file() && is_image_name(entry.path());
        });
    if (files.empty()) fail(class_folder, "expected .png, .jpg or .jpeg files, found none");
    const int label = static_cast<int>(description.class_names.size());
    description.class_names.push_back(class_folder.filename().string());
    for (const fs::path& path : files) {
      const std::vector<uint8_t> bytes = read_bytes(path);
      const std::string name = path.lexically_relative(folder).generic_string();
      hash.update(name.data(), name.size());
      hash.update(bytes.data(), bytes.size());
      const Image image = decode(path, bytes, options);
      if (labels.empty()) {
        description.height = image.height;
        description.width = image.width;
      }
      if (image.height != description.height || image.width != description.width) {
        fail(path, concat_message("is ", image.width, "x", image.height,
                                  " pixels, but the first image is ", description.width, "x",
                                  description.height, "\nhint: resize with --image-size"));
      }
      pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
      labels.push_back(label);
    }
  }
  description.sources = {{folder.string(), hash.hex()}};
  return make_dataset(std::move(description), std::move(pixels), std::move(labels));
}

}  // namespace stflow
