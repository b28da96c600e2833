// images.cpp - walks class folders and decodes their files one by one.
#include "stflow/datasets/images.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>

#include "stflow/datasets/image_decoder.h"
#include "stflow/datasets/sha256.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/text.h"

namespace stflow {
namespace {

namespace fs = std::filesystem;

std::string extension_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_image_name(const fs::path& path) {
  const std::string extension = extension_of(path);
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

/// How many entries of each kind were passed over.
using PassedOver = std::map<std::string, int64_t>;

std::string kind_of(const fs::path& path, fs::file_type type) {
  std::error_code unknown;
  if (type == fs::file_type::directory) return "folder";
  if (type == fs::file_type::regular) {
    const std::string extension = extension_of(path);
    return extension.empty() ? "file without extension" : extension;
  }
  return fs::is_symlink(fs::symlink_status(path, unknown)) ? "link to no file"
                                                           : "unreadable or special";
}

/// "3 entries passed over: 2 .gif, 1 folder", or "".
std::string in_words(const PassedOver& passed_over) {
  int64_t count = 0;
  for (const auto& [kind, times] : passed_over) count += times;
  if (count == 0) return "";
  const std::string kinds = joined(passed_over, ", ", [](const auto& kind) {
    return concat_message(kind.second, " ", kind.first);
  });
  return concat_message(count, count == 1 ? " entry" : " entries", " passed over: ", kinds);
}

/// The entries of a folder that are not hidden and of this type, sorted by name; images only, when
/// they are files. The others are counted.
std::vector<fs::path> sorted_entries(const fs::path& folder, fs::file_type wanted,
                                     PassedOver& passed_over) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.filename().string().starts_with('.')) continue;
    std::error_code unknown;
    const fs::file_type type = fs::status(path, unknown).type();
    if (type == wanted && (type == fs::file_type::directory || is_image_name(path))) {
      paths.push_back(path);
    } else {
      ++passed_over[kind_of(path, type)];
    }
  }
  if (error) bad_file(folder, "cannot be listed: " + error.message());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<uint8_t> read_bytes(const fs::path& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error) bad_file(path, "cannot be read: " + error.message());
  if (size > std::numeric_limits<int>::max() / 2) bad_file(path, "too large for an image file");
  std::ifstream file(path, std::ios::binary);
  if (!file) bad_file(path, "cannot be opened: ", std::strerror(errno));
  return {std::istreambuf_iterator<char>(file), {}};
}

Image decode(const fs::path& path, const std::vector<uint8_t>& bytes, const ImageOptions& options) {
  try {
    return decode_image(bytes, options);
  } catch (const std::runtime_error& error) {
    bad_file(path, error.what());
  }
}

/// Throws when two of the folders are one, by a link: its images would have two labels.
void check_different(const std::vector<fs::path>& folders) {
  std::map<fs::path, fs::path> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    const auto [same, is_new] = names.emplace(fs::canonical(folder, error), folder);
    if (error) bad_file(folder, "cannot be resolved: " + error.message());
    if (!is_new) {
      bad_file(folder, "expected a folder for each class, found a link to that of class '" +
                           same->second.filename().string() + "'");
    }
  }
}

}  // namespace

Dataset load_image_folder(const fs::path& folder, const ImageOptions& options) {
  CHECK_ARG(options.channels == 1 || options.channels == 3,
            "[load_image_folder] channels must be 1 or 3, got ", options.channels);
  CHECK_ARG(0 <= options.size && options.size <= kMaxImageSide,
            "[load_image_folder] image size must be 0 to ", kMaxImageSide, ", got ", options.size);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    bad_file(folder,
             "expected a folder of images, found none" + (error ? ": " + error.message() : ""));
  }
  PassedOver passed_over;
  const std::vector<fs::path> class_folders =
      sorted_entries(folder, fs::file_type::directory, passed_over);
  if (class_folders.empty()) {
    bad_file(folder,
             "expected a subfolder of PNG or JPEG images for each class, found no subfolder");
  }
  check_different(class_folders);

  Dataset description;
  description.name = "images";
  description.channels = options.channels;
  std::vector<uint8_t> pixels;
  std::vector<int> labels;
  Sha256 hash;
  for (const fs::path& class_folder : class_folders) {
    PassedOver others;
    const std::vector<fs::path> files =
        sorted_entries(class_folder, fs::file_type::regular, others);
    if (files.empty()) {
      const std::string found = in_words(others);
      bad_file(class_folder, "expected .png, .jpg or .jpeg files, found none" +
                                 (found.empty() ? "" : "; " + found));
    }
    for (const auto& [kind, times] : others) passed_over[kind] += times;
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
        bad_file(path, "is ", image.width, "x", image.height, " pixels, but the first image is ",
                 description.width, "x", description.height, "\nhint: resize with --image-size");
      }
      pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
      labels.push_back(label);
    }
  }
  description.passed_over = in_words(passed_over);
  description.sources = {{folder.string(), hash.hex()}};
  return make_dataset(std::move(description), std::move(pixels), std::move(labels));
}

}  // namespace stflow
