// npy.cpp - a .npy file, written and read again where it is one.
#include "stflow/nn/npy.h"

#include "stflow/nn/binary_file.h"
#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string path = fuzz::write("file", {reinterpret_cast<const char*>(data), size});
  fuzz::attempt((1 << 20) + 64 * static_cast<int64_t>(size), [&] {
    const Tensor tensor = nn::load_npy(path);
    nn::save_npy(path, tensor);
    const Tensor again = nn::load_npy(path);
    if (again.shape() != tensor.shape() || nn::bytes_of(again) != nn::bytes_of(tensor)) {
      fuzz::finding("what was read is not what is written");
    }
  });
  return 0;
}
