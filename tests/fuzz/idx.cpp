// idx.cpp - an IDX file, raw or gzip, read as images and as labels.
#include "stflow/datasets/idx.h"

#include "tests/fuzz/fuzz.h"

using namespace stflow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string path = fuzz::write("file", {reinterpret_cast<const char*>(data), size});
  for (const IdxKind kind : {IdxKind::images, IdxKind::labels}) {
    fuzz::attempt((4 << 20) + 3 * 1032 * static_cast<int64_t>(size), [&] { read_idx(path, kind); });
  }
  return 0;
}
