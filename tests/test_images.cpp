// test_images.cpp - folders of pictures: what is read, and one clear message for each thing that is
// not.
#include <doctest/doctest.h>

#include "stflow/datasets/images.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

#include "tests/idx_files.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace fs = std::filesystem;

namespace {

/// A folder of class folders.
struct Pictures : TempDir {
  /// Writes a PNG of one colour (one byte a channel).
  void png(const std::string& name, int width, int height, std::vector<uint8_t> colour) {
    fs::create_directories((path() / name).parent_path());
    std::vector<uint8_t> pixels;
    for (int i = 0; i < width * height; ++i) {
      pixels.insert(pixels.end(), colour.begin(), colour.end());
    }
    REQUIRE(stbi_write_png((*this / name).c_str(), width, height, static_cast<int>(colour.size()),
                           pixels.data(), 0) != 0);
  }
  std::string why_not(const ImageOptions& options = {}) const {
    return message_of<std::runtime_error>([&] { load_image_folder(path(), options); });
  }
};

/// The first bytes of a PNG file that claims to have these extents.
std::string png_header(uint32_t width, uint32_t height) {
  std::string bytes = "\x89PNG\r\n\x1a\n";
  bytes += std::string("\0\0\0\x0dIHDR", 8);
  for (uint32_t number : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  }
  return bytes + std::string("\x08\0\0\0\0crc.", 9) + std::string("\0\0\0\x04IDATabcdcrc.", 16);
}

/// Leaves bytes of this value where the next function has its variables.
[[gnu::noinline]] void dirty_stack(char value) {
  volatile char stack[1 << 16];
  for (volatile char& byte : stack) byte = value;
}

}  // namespace

TEST_CASE("images: subfolders are classes and files are images, both sorted by name") {
  Pictures folder;
  folder.png("dog/b.png", 3, 2, {30});
  folder.png("dog/a.PNG", 3, 2, {20});
  folder.png("cat/z.png", 3, 2, {10});
  folder.png(".hidden/x.png", 9, 9, {1});
  write_raw(folder / "dog/notes.txt", "not an image");
  write_raw(folder / "list.csv", "not a class");
  const Dataset images = load_image_folder(folder.path());
  CHECK(images.name == "images");
  CHECK(images.shape() == Shape{3, 2, 3, 1});
  CHECK(images.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(*images.labels == std::vector<int>{0, 1, 1});
  for (int64_t i = 0; i < 3; ++i) CHECK(images.image(i)[5] == 10 * (i + 1));
  CHECK(images.sources[0].path == folder.path().string());
  const std::string hash = images.sources[0].sha256;
  CHECK(load_image_folder(folder.path()).sources[0].sha256 == hash);
  fs::rename(folder.path() / "dog/a.PNG", folder.path() / "cat/a.PNG");
  CHECK(load_image_folder(folder.path()).sources[0].sha256 != hash);
}

TEST_CASE("images: colour is kept or turned to grey as asked, and transparency is dropped") {
  Pictures folder;
  folder.png("a/colour.png", 2, 2, {255, 0, 10});
  folder.png("a/grey.png", 2, 2, {7});
  folder.png("a/transparent.png", 2, 2, {1, 2, 3, 0});
  const Dataset colour = load_image_folder(folder.path(), {.channels = 3});
  CHECK(colour.shape() == Shape{3, 2, 2, 3});
  const std::vector<uint8_t> expected[] = {{255, 0, 10}, {7, 7, 7}, {1, 2, 3}};
  for (int64_t i = 0; i < 3; ++i) {
    const uint8_t* last = colour.image(i) + 9;
    CHECK(std::vector<uint8_t>(last, last + 3) == expected[i]);
  }
  const Dataset grey = load_image_folder(folder.path(), {.channels = 1});
  CHECK(grey.shape() == Shape{3, 2, 2, 1});
  CHECK(grey.image(0)[0] == (255 * 77 + 10 * 29) / 256);  // .30 red + .59 green + .11 blue
  CHECK(grey.image(1)[0] == 7);
}

TEST_CASE("images: JPEG files are read") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  const std::vector<uint8_t> pixels(16 * 16, 100);
  for (const char* name : {"a/1.jpg", "a/2.jpeg"}) {
    REQUIRE(stbi_write_jpg((folder / name).c_str(), 16, 16, 1, pixels.data(), 95) != 0);
  }
  const Dataset images = load_image_folder(folder.path());
  CHECK(images.shape() == Shape{2, 16, 16, 1});
  CHECK(std::abs(images.image(1)[40] - 100) <= 2);
}

TEST_CASE("images: different sizes are refused, or resized if asked") {
  Pictures folder;
  folder.png("a/1.png", 4, 4, {50});
  folder.png("a/2.png", 6, 8, {90});
  check_contains(folder.why_not(), folder / "a/2.png",
                 "is 6x8 pixels, but the first image is 4x4\nhint: resize with --image-size");
  for (int size : {3, 4, 20}) {
    CAPTURE(size);
    const Dataset images = load_image_folder(folder.path(), {.size = size});
    CHECK(images.shape() == Shape{2, size, size, 1});
    for (int64_t j = 0; j < size * size; ++j) {
      CHECK(images.image(0)[j] == 50);
      CHECK(images.image(1)[j] == 90);
    }
  }
}

TEST_CASE("images: resizing keeps left, right, top and bottom where they are") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  std::vector<uint8_t> pixels(32 * 32);  // the upper right quarter is white
  for (size_t y = 0; y < 16; ++y) {
    for (size_t x = 16; x < 32; ++x) pixels[32 * y + x] = 255;
  }
  REQUIRE(stbi_write_png((folder / "a/1.png").c_str(), 32, 32, 1, pixels.data(), 0) != 0);
  const Dataset images = load_image_folder(folder.path(), {.size = 8});
  CHECK(images.image(0)[8 * 1 + 6] > 250);
  for (int64_t position : {8 * 1 + 1, 8 * 6 + 1, 8 * 6 + 6}) CHECK(images.image(0)[position] < 5);
}

TEST_CASE("images: a 1x1 image is an image") {
  Pictures folder;
  folder.png("a/1.png", 1, 1, {42});
  CHECK(load_image_folder(folder.path()).image(0)[0] == 42);
  CHECK(load_image_folder(folder.path(), {.size = 5}).image(0)[24] == 42);
}

TEST_CASE("images: a huge PNG is refused by its header") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  write_raw(folder / "a/1.png", png_header(20000, 10));
  check_contains(folder.why_not(), folder / "a/1.png",
                 "expected a PNG or JPEG image of at most 8192x8192 pixels, found: 20000x10");
  write_raw(folder / "a/1.png", png_header(2000000000, 2000000000));
  check_contains(folder.why_not(), folder / "a/1.png", "of at most 8192x8192 pixels, found: ");
}

TEST_CASE("images: files that are no images are refused") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  const std::string gif = "GIF89a" + std::string("\1\0\1\0\0\0\0;", 8);
  for (const std::string& bytes : {std::string(), std::string("<html>"), png_header(4, 4), gif}) {
    CAPTURE(bytes);
    write_raw(folder / "a/1.png", bytes);
    check_contains(folder.why_not(), folder / "a/1.png", "expected a PNG or JPEG image of at most");
  }
}

TEST_CASE("images: a truncated PNG is refused") {
  Pictures folder;
  folder.png("a/1.png", 20, 20, {42});
  const std::string whole = read_raw(folder / "a/1.png");
  write_raw(folder / "a/1.png", whole.substr(0, whole.size() / 2));
  check_contains(folder.why_not(), folder / "a/1.png", "expected a PNG or JPEG image of at most");
}

TEST_CASE("images: a JPEG with an impossible Huffman table is refused") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  const std::vector<uint8_t> pixels(16 * 16, 100);
  REQUIRE(stbi_write_jpg((folder / "a/1.jpg").c_str(), 16, 16, 1, pixels.data(), 95) != 0);
  std::string bytes = read_raw(folder / "a/1.jpg");
  const size_t table = bytes.find("\xff\xc4");
  REQUIRE(table != std::string::npos);
  for (size_t k = 12; k < 16; ++k) bytes[table + 5 + k] = '\xff';  // 4 x 255 codes of 13 to 16 bits
  write_raw(folder / "a/1.jpg", bytes);
  check_contains(folder.why_not(), folder / "a/1.jpg", "found: corrupt JPEG");
}

TEST_CASE("images: an index beyond the palette of a PNG is black, whatever was on the stack") {
  // 4 x 1 pixels with the indices 0, 1, 2, 255; the palette is red and green.
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  const auto chunk = [](const std::string& type, const std::string& data) {
    const auto length = static_cast<char>(data.size());
    return std::string{0, 0, 0, length} + type + data + "crc.";
  };
  const std::string header("\0\0\0\4\0\0\0\1\x8\3\0\0\0", 13);
  const std::string rows(
      "\x78\x01\x01\x05\x00\xfa\xff\x00\x00\x01\x02\xff"
      "adle",
      16);
  const std::string palette("\xff\0\0\0\xff\0", 6);
  for (const std::string& between : {std::string(), chunk("tRNS", "\x80"), chunk("tEXt", "a")}) {
    write_raw(folder / "a/1.png", "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) +
                                      chunk("PLTE", palette) + between + chunk("IDAT", rows) +
                                      chunk("IEND", ""));
    const std::vector<uint8_t> expected{255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0};
    for (char dirt : {'\0', '\x55', '\xff'}) {
      dirty_stack(dirt);
      const Dataset images = load_image_folder(folder.path(), {.channels = 3});
      CHECK(std::vector<uint8_t>(images.image(0), images.image(0) + 12) == expected);
    }
  }
}

TEST_CASE("images: restart marks before the end of a JPEG change nothing") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  std::vector<uint8_t> pixels(24 * 16);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
  REQUIRE(stbi_write_jpg((folder / "a/1.jpg").c_str(), 24, 16, 1, pixels.data(), 95) != 0);
  const std::vector<uint8_t> expected = *load_image_folder(folder.path()).pixels;
  const std::string bytes = read_raw(folder / "a/1.jpg"), body = bytes.substr(0, bytes.size() - 2);
  for (const std::string marks : {"\xff\xd0", "\xff\xd7\xff\xd0", "\xff\xd3\xff"}) {
    write_raw(folder / "a/1.jpg", body + marks + "\xff\xd9");
    CHECK(*load_image_folder(folder.path()).pixels == expected);
  }
}

TEST_CASE("images: pixels are as they are stored, whatever orientation EXIF says") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  std::vector<uint8_t> pixels(16 * 8, 255);
  std::fill(pixels.begin(), pixels.begin() + 64, 0);  // the upper half is black
  REQUIRE(stbi_write_jpg((folder / "a/1.jpg").c_str(), 16, 8, 1, pixels.data(), 95) != 0);
  const Dataset plain = load_image_folder(folder.path());
  const std::string bytes = read_raw(folder / "a/1.jpg");
  // Big-endian TIFF of one entry: tag 0x112, a short, 1, 6 (turn by 90 degrees)
  const std::string exif(
      "\xff\xe1\x00\x22"
      "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      36);
  write_raw(folder / "a/1.jpg", bytes.substr(0, 2) + exif + bytes.substr(2));
  const Dataset turned = load_image_folder(folder.path());
  CHECK(turned.shape() == Shape{1, 8, 16, 1});
  CHECK(*turned.pixels == *plain.pixels);
}

TEST_CASE("images: what is passed over is counted and said") {
  Pictures folder;
  folder.png("a/1.png", 2, 2, {1});
  CHECK(load_image_folder(folder.path()).passed_over == "");
  folder.png("a/nested/2.png", 2, 2, {2});
  for (const char* name :
       {"a/1.gif", "a/2.GIF", "a/3.webp", "a/LICENSE", "list.csv", "a/.hidden"}) {
    write_raw(folder / name, "x");
  }
  fs::create_symlink("nowhere", folder.path() / "a/4.png");
  fs::create_symlink("b", folder.path() / "b");  // to itself
  CHECK(load_image_folder(folder.path()).passed_over ==
        "8 entries passed over: 1 .csv, 2 .gif, 1 .webp, 1 file without extension, 1 folder, "
        "2 link to no file");
  fs::remove(folder.path() / "a/1.png");
  check_contains(folder.why_not(), folder / "a",
                 "expected .png, .jpg or .jpeg files, found none; 6 entries passed over: 2 .gif");
}

TEST_CASE("images: a folder or a file that may not be read is refused with the reason") {
  Pictures folder;
  folder.png("a/1.png", 2, 2, {1});
  for (const char* name : {"a/1.png", "a"}) {
    fs::permissions(folder / name, fs::perms::none);
    std::string message;
    {
      const NoRights nobody;
      message = folder.why_not();
    }
    fs::permissions(folder / name, fs::perms::owner_all);
    check_contains(message, (folder / name) + ": cannot be ", ": Permission denied");
  }
  check_contains(message_of<std::runtime_error>([] { load_image_folder(std::string(300, 'x')); }),
                 "expected a folder of images, found none: File name too long");
}

TEST_CASE("images: a class that is a link to another one is refused: two labels for one class") {
  Pictures folder;
  folder.png("cat/1.png", 2, 2, {1});
  fs::create_directory_symlink("cat", folder.path() / "dog");
  check_contains(folder.why_not(), folder / "dog",
                 "expected a folder for each class, found a link to that of class 'cat'");
  fs::remove(folder.path() / "dog");
  Pictures elsewhere;
  elsewhere.png("dogs/1.png", 2, 2, {1});
  fs::create_directory_symlink(elsewhere.path() / "dogs", folder.path() / "dog");
  CHECK(load_image_folder(folder.path()).class_names == std::vector<std::string>{"cat", "dog"});
}

TEST_CASE("images: a file too short for the pixels it claims costs no memory") {
  Pictures folder;
  fs::create_directories(folder.path() / "a");
  write_raw(folder / "a/1.png", png_header(8192, 8192));
  check_contains(folder.why_not(), folder / "a/1.png",
                 "found: a file too short for 8192x8192 pixels");
  std::string bytes = png_header(4, 4);
  bytes[bytes.find("IDAT") - 4] = '\x7f';  // of 2 GB
  write_raw(folder / "a/1.png", bytes);
  check_contains(folder.why_not(), folder / "a/1.png", "found: truncated PNG");
  write_raw(folder / "a/1.png", bytes.substr(0, bytes.find("IDAT") + 4));  // nothing follows
  check_contains(folder.why_not(), folder / "a/1.png", "found: truncated PNG");
}

TEST_CASE("images: a missing folder, an empty one and an empty class are refused") {
  Pictures folder;
  check_contains(folder.why_not(), folder.path().string(), "a subfolder", "found no subfolder");
  folder.png("b/1.png", 1, 1, {1});
  fs::create_directories(folder.path() / "a");
  write_raw(folder / "a/readme.txt", "");
  check_contains(folder.why_not(), folder / "a",
                 "expected .png, .jpg or .jpeg files, found none; 1 entry passed over: 1 .txt");
  check_contains(message_of<std::runtime_error>([&] { load_image_folder(folder / "none"); }),
                 folder / "none", "expected a folder of images, found none");
}

TEST_CASE("images: impossible options are refused") {
  check_contains(message_of([] { load_image_folder(".", {.channels = 2}); }),
                 "[load_image_folder] channels must be 1 or 3, got 2");
  check_contains(message_of([] { load_image_folder(".", {.size = -1}); }),
                 "[load_image_folder] image size must be 0 to 8192, got -1");
}
