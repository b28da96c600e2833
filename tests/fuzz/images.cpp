// images.cpp - a PNG or JPEG, alone in a folder of one class, as grey and as small colour.
#include "datasets/images.h"

#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::filesystem::create_directory(fuzz::folder() + "/class");
  fuzz::write("class/image.png", {reinterpret_cast<const char*>(data), size});
  // 8192 x 8192 pixels of 8 bytes, twice
  fuzz::attempt(int64_t{1} << 30, [] { load_image_folder(fuzz::folder()); });
  fuzz::attempt(int64_t{1} << 30,
                [] { load_image_folder(fuzz::folder(), {.channels = 3, .size = 5}); });
  return 0;
}
