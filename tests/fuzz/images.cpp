// images.cpp - a PNG or JPEG, alone in a folder of one class, as grey and as small colour.
#include "stflow/datasets/images.h"

#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::filesystem::create_directory(fuzz::folder() + "/class");
  fuzz::write("class/image.png", {reinterpret_cast<const char*>(data), size});
  // Twice 8 bytes for each pixel that so short a file may have
  const int64_t most = (4 << 20) + 2 * 8 * 8 * 1032 * static_cast<int64_t>(size);
  fuzz::attempt(most, [] { load_image_folder(fuzz::folder()); });
  fuzz::attempt(most, [] { load_image_folder(fuzz::folder(), {.channels = 3, .size = 5}); });
  return 0;
}
