// test_idx.cpp - the IDX reader against files written here, and the hash it reports.
#include <doctest/doctest.h>

#include "stflow/datasets/idx.h"
#include "stflow/datasets/sha256.h"
#include "tests/idx_files.h"
#include "tests/testing.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

/// What read_idx says about a file of these bytes.
std::string message_for(const std::string& bytes, IdxKind kind = IdxKind::images) {
  TempDir folder;
  write_raw(folder / "file.gz", bytes);
  const std::string path = folder / "file.gz";
  const std::string message = message_of<std::runtime_error>([&] { read_idx(path, kind); });
  check_contains(message, path);
  return message;
}

Dataset two_classes() {
  Dataset description;
  description.name = "mnist";
  description.class_names = {"a", "b"};
  return description;
}

}  // namespace

TEST_CASE("sha256: the known answers of FIPS 180-4") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: bytes that arrive in pieces give the digest of the whole") {
  for (size_t length : {1, 55, 56, 63, 64, 65, 119, 120, 128, 200}) {
    CAPTURE(length);
    const std::string text(length, 'x');
    Sha256 hash;
    for (size_t begin = 0; begin < length; begin += 7) {
      const std::string piece = text.substr(begin, 7);
      hash.update(piece.data(), piece.size());
      hash.hex();  // asking in between changes nothing
    }
    CHECK(hash.hex() == sha256(text));
  }
}

TEST_CASE("idx: raw and gzip files give the same images") {
  TempDir folder;
  const std::string bytes = idx_bytes({2, 2, 3}, "abcdefghijkl");
  write_raw(folder / "raw", bytes);
  write_gz(folder / "gz", bytes);
  for (const char* name : {"raw", "gz"}) {
    CAPTURE(name);
    const IdxFile file = read_idx(folder / name, IdxKind::images);
    CHECK(file.dims == std::vector<int64_t>{2, 2, 3});
    CHECK(std::string(file.bytes.begin(), file.bytes.end()) == "abcdefghijkl");
    CHECK(file.sha256 == sha256(bytes));
  }
}

TEST_CASE("idx: a file larger than the reader's buffer arrives whole") {
  TempDir folder;
  std::string body(3 * 1024 * 1024 + 5, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * i >> 7);
  write_gz(folder / "labels", idx_bytes({static_cast<uint32_t>(body.size())}, body));
  const IdxFile file = read_idx(folder / "labels", IdxKind::labels);
  CHECK(std::string(file.bytes.begin(), file.bytes.end()) == body);
}

TEST_CASE("idx: an HTML page saved under the name of a dataset is recognised") {
  check_contains(message_for("<!doctype html><html>404</html>"),
                 "not an IDX image file (magic 0x3c21646f; starts with \"<!do\": an HTML error "
                 "page was saved?); expected magic 0x00000803");
}

TEST_CASE("idx: labels where images are expected are refused, and the reverse") {
  check_contains(message_for(idx_bytes({1}, "a")), "not an IDX image file (magic 0x00000801)");
  check_contains(message_for(idx_bytes({1, 1, 1}, "a"), IdxKind::labels),
                 "not an IDX label file (magic 0x00000803); expected magic 0x00000801");
}

TEST_CASE("idx: a truncated file is refused with both sizes") {
  check_contains(message_for(idx_bytes({2, 2, 3}, "abcdefg")),
                 "truncated: header says 2x2x3 = 12 bytes, file has 7");
  check_contains(message_for(idx_bytes({2, 2, 3}, "").substr(0, 9)),
                 "truncated: the header of an IDX image file has 16 bytes, file has 9");
  check_contains(message_for(""), "has 16 bytes, file has 0");
}

TEST_CASE("idx: a truncated or damaged gzip stream is refused") {
  TempDir folder;
  const std::string path = folder / "labels.gz";
  std::string body(5000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * i >> 5);
  write_gz(path, idx_bytes({5000}, body));
  const std::string good = read_raw(path);
  const auto message = [&](const std::string& bytes) {
    write_raw(path, bytes);
    return message_of<std::runtime_error>([&] { read_idx(path, IdxKind::labels); });
  };
  check_contains(message(good.substr(0, good.size() / 2)), path,
                 "truncated: header says 5000 = 5000 bytes, file has ");
  check_contains(message(good.substr(0, good.size() - 4)), path,
                 "truncated: the gzip checksum at the end is missing");
  std::string damaged = good;
  damaged[damaged.size() - 6] ^= 1;  // in the checksum
  check_contains(message(damaged), path, "incorrect data check (unreadable or corrupt)");
}

TEST_CASE("idx: bytes after the data are refused") {
  check_contains(message_for(idx_bytes({1, 2, 2}, "abcde")),
                 "too long: header says 1x2x2 = 4 bytes, more follow");
}

TEST_CASE("idx: a header that claims too much costs no memory") {
  check_contains(message_for(idx_bytes({0xffffffff, 0xffffffff, 0xffffffff}, "abc")),
                 "not believable: header says 4294967295x4294967295x4294967295");
  check_contains(message_for(idx_bytes({1u << 30, 16, 16}, "abc")),
                 "truncated: header says 1073741824x16x16 = 274877906944 bytes, file has 3");
}

TEST_CASE("idx: a small gzip file that unpacks to a lot is refused before it is unpacked") {
  TempDir folder;
  const auto packed = [&](uint32_t count, const std::string& body) {
    write_gz(folder / "x.gz", idx_bytes({count, 28, 28}, body));
    return message_of<std::runtime_error>([&] { read_idx(folder / "x.gz", IdxKind::images); });
  };
  check_contains(
      packed(2'000'000, "abc"), folder / "x.gz",
      "not believable: header says 2000000x28x28 = 1568000000 bytes, in a gzip file of ");
  // Less than that may be as black as it likes.
  CHECK(packed(10'000, std::string(7'840'000, '\0')) == "");
}

TEST_CASE("idx: an empty dataset is refused") {
  check_contains(message_for(idx_bytes({0, 28, 28}, "")), "holds no data: header says 0x28x28");
}

TEST_CASE("idx: a missing file and a folder are refused") {
  TempDir folder;
  const auto message = [](const std::string& path) {
    return message_of<std::runtime_error>([&] { read_idx(path, IdxKind::images); });
  };
  check_contains(message(folder / "none"), folder / "none", "cannot be opened: No such file");
  check_contains(message(folder.path().string()), folder.path().string(), "unreadable or corrupt");
}

TEST_CASE("idx: images and labels become a dataset") {
  TempDir folder;
  write_raw(folder / "images", idx_bytes({2, 2, 3}, "abcdefghijkl"));
  write_raw(folder / "labels", idx_bytes({2}, std::string("\1\0", 2)));
  const Dataset dataset = load_idx(folder / "images", folder / "labels", two_classes());
  CHECK(dataset.shape() == Shape{2, 2, 3, 1});
  CHECK(dataset.label(0) == 1);
  CHECK(dataset.label(1) == 0);
  CHECK(dataset.image(1)[0] == 'g');
  REQUIRE(dataset.sources.size() == 2);
  CHECK(dataset.sources[1].path == folder / "labels");
  CHECK(dataset.sources[1].sha256 == sha256(read_raw(folder / "labels")));
}

TEST_CASE("idx: labels out of range are refused") {
  TempDir folder;
  write_raw(folder / "images", idx_bytes({2, 1, 1}, "ab"));
  write_raw(folder / "labels", idx_bytes({2}, std::string("\0\2", 2)));
  check_contains(message_of<std::runtime_error>(
                     [&] { load_idx(folder / "images", folder / "labels", two_classes()); }),
                 folder / "labels", "label 2 at position 1 is out of range; expected 0 to 1");
}

TEST_CASE("idx: images and labels of different number are refused") {
  TempDir folder;
  write_raw(folder / "images", idx_bytes({2, 1, 1}, "ab"));
  write_raw(folder / "labels", idx_bytes({3}, std::string(3, '\0')));
  check_contains(message_of<std::runtime_error>(
                     [&] { load_idx(folder / "images", folder / "labels", two_classes()); }),
                 folder / "images", "holds 2 images, but ", folder / "labels", "holds 3 labels");
}
