// test_checkpoint.cpp - safetensors and .npy files: round trips, exact bytes, and every broken
// file.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "stflow/nn/binary_file.h"
#include "stflow/nn/nn.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::check_equal;
using stflow::testing::kFloat;
using stflow::testing::message_of;
using stflow::testing::TempDir;

namespace {

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

template <typename Number>
std::string raw(Number number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::string safetensors(const std::string& header, const std::string& data) {
  return raw(static_cast<uint64_t>(header.size())) + header + data;
}

/// What load_safetensors says of a file with this header and that many bytes of data.
std::string complaint(const TempDir& folder, const std::string& header, size_t data_size) {
  const std::string path = folder / "bad.safetensors";
  put(path, safetensors(header, std::string(data_size, '\0')));
  const std::string text = message_of<std::runtime_error>([&] { nn::load_safetensors(path); });
  check_contains(text, path);
  return text;
}

std::string npy(const std::string& header, const std::string& data) {
  return std::string("\x93NUMPY\1\0", 8) + raw(static_cast<uint16_t>(header.size())) + header +
         data;
}

std::string npy_complaint(const TempDir& folder, const std::string& bytes) {
  const std::string path = folder / "bad.npy";
  put(path, bytes);
  const std::string text = message_of<std::runtime_error>([&] { nn::load_npy(path); });
  check_contains(text, path);
  return text;
}

/// Loads every truncation and every flipped bit of a file: each loads or throws std::runtime_error.
/// Returns how many were refused.
template <typename Load>
int damage(const std::string& path, const Load& load) {
  const std::string good = nn::read_file(path);
  int refused = 0;
  const auto try_loading = [&](const std::string& bytes) {
    put(path, bytes);
    try {
      load(path);
    } catch (const std::runtime_error&) {
      ++refused;
    }
  };
  for (size_t size = 0; size < good.size(); ++size) try_loading(good.substr(0, size));
  CHECK(refused == static_cast<int>(good.size()));
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      try_loading(bytes);
    }
  }
  return refused;
}

}  // namespace

TEST_CASE("safetensors: a file written here is read back bit for bit") {
  const TempDir folder;
  const std::string path = folder / "model.safetensors";
  constexpr real kInf = std::numeric_limits<real>::infinity();
  const nn::NamedTensors tensors{
      {"encoder.0.weight", Tensor::from({real(0.1), -0.0, kInf, -kInf, real(1e-40), 5}, {2, 3})},
      {"scalar", Tensor::scalar(3)},
      {"none", Tensor::zeros({2, 0})},
      {"a \"name\" \\ \xc3\xa9", Tensor::from({1, 2})},
      {"six", Tensor::ones({1, 2, 1, 2, 1, 2})}};
  const nn::Metadata metadata{{"rule", "st"}, {"text", "two\nlines"}};
  nn::save_safetensors(path, tensors, metadata);
  const nn::SafetensorsFile file = nn::load_safetensors(path);
  CHECK(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    CHECK(file.tensors.at(name).shape() == tensor.shape());
    CHECK(nn::bytes_of(file.tensors.at(name)) == nn::bytes_of(tensor));
  }
}

TEST_CASE("safetensors: the bytes are those the format prescribes") {
  const TempDir folder;
  const std::string path = folder / "model.safetensors";
  nn::save_safetensors(path, {{"b", Tensor::from({2})}, {"a", Tensor::from({1})}}, {{"k", "v"}});
  const std::string size = kFloat ? "4" : "8", twice = kFloat ? "8" : "16";
  const std::string type = kFloat ? "F32" : "F64";
  std::string header = R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[0,)" + size +
                       R"(],"dtype":")" + type + R"(","shape":[1]},"b":{"data_offsets":[)" + size +
                       "," + twice + R"(],"dtype":")" + type + R"(","shape":[1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(nn::read_file(path) == safetensors(header, raw(real(1)) + raw(real(2))));
}

TEST_CASE("safetensors: a file as the Python library writes it is read") {
  const TempDir folder;
  const std::string path = folder / "python.safetensors";
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("w":{"dtype":"F64","shape":[2],"data_offsets":[4,20]},)"
                             R"("b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  put(path, safetensors(header, raw(0.5F) + raw(1.25) + raw(-3.0)));
  const nn::SafetensorsFile file = nn::load_safetensors(path);
  CHECK(file.metadata == nn::Metadata{{"format", "pt"}});
  check_equal(file.tensors.at("b"), Tensor::scalar(real(0.5)));
  check_equal(file.tensors.at("w"), Tensor::from({real(1.25), -3}));
}

TEST_CASE("safetensors: a model goes through a file") {
  const TempDir folder;
  const std::string path = folder / "model.safetensors";
  Rng rng(1), other(2);
  nn::MLP saved({3, 4, 2}, rng), loaded({3, 4, 2}, other), narrow({3, 2}, other);
  nn::save_safetensors(path, saved.state_dict());
  loaded.load_state_dict(nn::load_safetensors(path).tensors, path);
  const Var x = rng.normal({5, 3});
  check_equal(loaded(x).value(), saved(x).value());
  check_contains(message_of<std::runtime_error>(
                     [&] { narrow.load_state_dict(nn::load_safetensors(path).tensors, path); }),
                 path + " does not fit this model:",
                 "wrong shape: 0.weight is [4,3], expected [2,3]", "unexpected: 2.weight [2,4]");
}

TEST_CASE("safetensors: writing replaces the old file and leaves no other") {
  const TempDir folder;
  const std::string path = folder / "model.safetensors";
  nn::save_safetensors(path, {{"a", Tensor::ones({100})}});
  nn::save_safetensors(path, {{"b", Tensor::ones({2})}});
  CHECK(nn::load_safetensors(path).tensors.contains("b"));
  const std::filesystem::directory_iterator files(folder.path());
  CHECK(std::distance(begin(files), end(files)) == 1);
}

TEST_CASE("safetensors: a file that cannot be written or read is named, with the reason") {
  const TempDir folder;
  const std::string missing = folder / "no/such/folder.safetensors";
  check_contains(message_of<std::runtime_error>([&] { nn::save_safetensors(missing, {}); }),
                 missing, "No such file or directory");
  check_contains(message_of<std::runtime_error>([&] { nn::load_safetensors(missing); }), missing,
                 "No such file or directory");
  const std::string directory = folder.path().string();
  check_contains(message_of<std::runtime_error>([&] { nn::load_safetensors(directory); }),
                 directory, "Is a directory");
  std::filesystem::create_directory(folder / "taken");
  check_contains(
      message_of<std::runtime_error>([&] { nn::save_safetensors(folder / "taken", {}); }),
      folder / "taken", "cannot replace");
  const std::filesystem::directory_iterator files(folder.path());
  CHECK(std::distance(begin(files), end(files)) == 1);  // the temporary file is gone
}

TEST_CASE("safetensors: what cannot be stored is refused before anything is written") {
  const TempDir folder;
  const std::string path = folder / "model.safetensors";
  const Tensor one = Tensor::ones({1});
  check_contains(message_of([&] {
                   nn::save_safetensors(path, {{"__metadata__", one}});
                 }),
                 "[save_safetensors]", "__metadata__");
  check_contains(message_of([&] {
                   nn::save_safetensors(path, {{"a", Tensor()}});
                 }),
                 "tensor 'a' is undefined");
  check_contains(message_of([&] { nn::save_safetensors(path, {{"\xff", one}}); }), "not UTF-8");
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("safetensors: each kind of broken file is refused with what was expected and found") {
  const TempDir folder;
  const std::string path = folder / "bad.safetensors";
  put(path, "abc");
  check_contains(message_of<std::runtime_error>([&] { nn::load_safetensors(path); }),
                 "expected at least 8 bytes, found 3");
  put(path, raw(uint64_t{1000}) + "{}");
  check_contains(message_of<std::runtime_error>([&] { nn::load_safetensors(path); }),
                 "header has 1000 bytes", "only 2 follow");
  put(path, "<!doctype html><html>");
  check_contains(message_of<std::runtime_error>([&] { nn::load_safetensors(path); }),
                 "not a safetensors file");

  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& at) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + at + "}";
  };
  const auto one = [&](const std::string& text, size_t data_size) {
    return complaint(folder, R"({"w":)" + text + "}", data_size);
  };
  check_contains(complaint(folder, "{w}", 0), "not JSON");
  check_contains(complaint(folder, "[1]", 0), "not a JSON object");
  check_contains(complaint(folder, std::string(100000, '['), 0), "nested too deeply");
  check_contains(complaint(folder, R"({"__metadata__":{"a":1}})", 0), "object of texts",
                 R"({"a":1})");
  check_contains(one("3", 0), "'w'", "found 3");
  check_contains(one(R"({"dtype":"F32","shape":[]})", 0), "dtype, shape and data_offsets");
  check_contains(one(entry("BF16", "[2]", "[0,4]"), 4), "'w'", "F32 or F64", "\"BF16\"");
  check_contains(one(entry("F32", "[-2]", "[0,8]"), 8), "shape", "not negative", "[-2]");
  check_contains(one(entry("F32", "[1.5]", "[0,8]"), 8), "[1.5]");
  check_contains(one(entry("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4), "at most 6 numbers");
  check_contains(one(entry("F32", "[2]", "[0,12]"), 8), "within 8 bytes", "[0,12]");
  check_contains(one(entry("F32", "[2]", "[8,0]"), 8), "[8,0]");
  check_contains(one(entry("F32", "[2]", "[0]"), 8), "[begin,end]", "[0]");
  check_contains(one(entry("F32", "[3]", "[0,8]"), 8), "shape [3]", "needs 12 bytes", "give 8");
  check_contains(one(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0), "too many");
  check_contains(one(entry("F32", "[0,4294967296,4294967296]", "[0,0]"), 0), "too many");
  check_contains(one(entry("F32", "[18446744073709551615]", "[0,0]"), 0), "shape must be");
  check_contains(one(entry("F32", "[2]", "[0,8]"), 12), "describes 8 bytes", "has 12");
  check_contains(one(entry("F32", "[1]", "[4,8]"), 8), "begins at byte 4, expected 0", "hole");
  const auto two = [&](const std::string& name, const std::string& at) {
    return complaint(folder,
                     R"({"w":)" + entry("F32", "[2]", "[0,8]") + ",\"" + name +
                         "\":" + entry("F32", "[2]", at) + "}",
                     16);
  };
  check_contains(two("v", "[4,12]"), "begins at byte 4, expected 8", "overlaps");
  check_contains(two("w", "[8,16]"), "name 'w' occurs twice");
}

TEST_CASE("safetensors: no truncation and no flipped bit crashes the reader") {
  const TempDir folder;
  const std::string path = folder / "small.safetensors";
  nn::save_safetensors(path, {{"b", Tensor::ones({2})}, {"w", Tensor::ones({1, 3})}}, {{"k", "v"}});
  CHECK(damage(path, [](const std::string& p) { nn::load_safetensors(p); }) > 500);
}

TEST_CASE("npy: a tensor written here is read back, whatever its rank") {
  const TempDir folder;
  const std::string path = folder / "x.npy";
  Rng rng(1);
  for (const Shape& shape :
       {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 2}, Shape{1, 2, 3, 1, 2, 2}}) {
    CAPTURE(shape.str());
    const Tensor x = rng.normal(shape);
    nn::save_npy(path, x);
    const Tensor y = nn::load_npy(path);
    CHECK(y.shape() == shape);
    CHECK(nn::bytes_of(y) == nn::bytes_of(x));
  }
  check_contains(message_of([&] { nn::save_npy(path, Tensor()); }), "[save_npy]");
}

TEST_CASE("npy: the bytes are those numpy.save writes") {
  const TempDir folder;
  const std::string path = folder / "x.npy";
  nn::save_npy(path, Tensor::from({1, 2}, {2, 1}));
  std::string header = "{'descr': '" + std::string(kFloat ? "<f4" : "<f8") +
                       "', 'fortran_order': False, 'shape': (2, 1), }";
  header.resize(117, ' ');
  CHECK(nn::read_file(path) == npy(header + "\n", raw(real(1)) + raw(real(2))));
  nn::save_npy(path, Tensor::from({1}));
  check_contains(nn::read_file(path), "'shape': (1,), }");
  nn::save_npy(path, Tensor::scalar(1));
  check_contains(nn::read_file(path), "'shape': (), }");
}

TEST_CASE("npy: both float types are read") {
  const TempDir folder;
  const std::string path = folder / "x.npy";
  put(path, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", raw(0.25F)));
  check_equal(nn::load_npy(path), Tensor::from({real(0.25)}));
  put(path, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}", raw(0.25)));
  check_equal(nn::load_npy(path), Tensor::from({real(0.25)}, {1, 1}));
}

TEST_CASE("npy: each kind of broken file is refused with what was expected and found") {
  const TempDir folder;
  const std::string four(4, '\0');
  check_contains(npy_complaint(folder, "PK\3\4 this is a zip archive"), "not a .npy file");
  check_contains(npy_complaint(folder, std::string("\x93NUMPY\2\0\0\0\0\0", 12)),
                 "expected .npy version 1.0, found 2.0");
  check_contains(npy_complaint(folder, std::string("\x93NUMPY\1\0\x70\0{", 11)),
                 "header has 112 bytes, 1 follow");
  const auto header = [&](const std::string& text, const std::string& data) {
    return npy_complaint(folder, npy(text, data));
  };
  check_contains(header("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", four),
                 "expected '<f4' or '<f8', found '>f4'");
  check_contains(header("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", four),
                 "expected row-major order");
  check_contains(header("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }", four),
                 "expected a shape");
  check_contains(header("{'shape': (1,)}", four), "expected {'descr': '", "found {'shape': (1,)}");
  check_contains(header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", four),
                 "shape [2] of '<f4' needs 8 bytes, the file has 4");
  check_contains(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", four),
                 "too many");
  check_contains(
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296), }",
             ""),
      "too many");
  check_contains(
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1), }", four),
      "expected at most 6 axes, found 7");
}

TEST_CASE("npy: no truncation and no flipped bit crashes the reader") {
  const TempDir folder;
  const std::string path = folder / "small.npy";
  nn::save_npy(path, Tensor::ones({2, 3}));
  CHECK(damage(path, [](const std::string& p) { nn::load_npy(p); }) > 200);
}
