// test_file_safety.cpp - writing where others may write too: links, pipes, permissions, long names;
// and reading JSON that wants to take the stack or the memory.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "stflow/nn/nn.h"
#include "stflow/train/console/files.h"
#include "stflow/train/console/record.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::check_contains;
using stflow::testing::message_of;
using stflow::testing::TempDir;

namespace {

namespace fs = std::filesystem;

const Tensor kOne = Tensor::ones({1});

void save_model(const std::string& path) { nn::save_safetensors(path, {{"a", kOne}}); }

std::string refusal_of(const std::function<void()>& call) {
  return message_of<std::runtime_error>(call);
}

unsigned mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

size_t files_in(const TempDir& dir) {
  const fs::directory_iterator files(dir.path());
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

/// A file of the safetensors format with this header.
std::string with_header(const std::string& header) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header;
}

}  // namespace

TEST_CASE("files: a temporary name that somebody has foreseen leads nowhere") {
  const TempDir dir;
  const std::string path = dir / "summary.json", victim = dir / "victim";
  write_file(victim, "mine");
  for (int i = 0; i < 3000; ++i) {  // the names before they were random
    fs::create_symlink(victim, concat_message(path, ".", getpid(), "-", i, ".tmp"));
  }
  write_file(path, "new");
  save_model(dir / "model");
  CHECK(read_file(path) == "new");
  CHECK(read_file(victim) == "mine");
}

TEST_CASE("files: saving a model writes what a symbolic link leads to, and leaves the link") {
  const TempDir dir;
  fs::create_directory(dir / "far");
  save_model(dir / "far/model");
  fs::create_symlink("far/model", dir / "near");
  fs::create_symlink("near", dir / "nearer");
  fs::create_symlink("far/later", dir / "dangling");
  nn::save_safetensors(dir / "nearer", {{"b", kOne}});
  nn::save_npy(dir / "dangling", kOne);
  CHECK(fs::is_symlink(dir / "near"));
  CHECK(fs::is_symlink(dir / "nearer"));
  CHECK(nn::load_safetensors(dir / "far/model").tensors.contains("b"));
  CHECK(fs::is_symlink(dir / "dangling"));
  CHECK(nn::load_npy(dir / "far/later").numel() == 1);
  fs::create_symlink("loop", dir / "loop");
  check_contains(refusal_of([&] { save_model(dir / "loop"); }), dir / "loop", "levels of symbolic");
}

TEST_CASE("files: permissions are kept, and those of a new file are the user's") {
  const TempDir dir;
  const std::string path = dir / "model";
  const mode_t before = umask(027);
  save_model(path);
  CHECK(mode_of(path) == 0640);
  for (const unsigned mode : {0600U, 0666U, 0444U, 0755U}) {
    fs::permissions(path, static_cast<fs::perms>(mode));
    save_model(path);
    CHECK(mode_of(path) == mode);
  }
  write_file(path, "text");
  CHECK(mode_of(path) == 0755);
  umask(before);
}

TEST_CASE("files: pipes, devices and folders are not replaced, and nothing waits for a reader") {
  const TempDir dir;
  REQUIRE(mkfifo((dir / "pipe").c_str(), 0666) == 0);
  fs::create_directory(dir / "folder");
  fs::create_symlink("pipe", dir / "to_pipe");
  for (const std::string& path : {dir / "pipe", dir / "to_pipe", std::string("/dev/null")}) {
    check_contains(refusal_of([&] { save_model(path); }), path,
                   "cannot replace a pipe or a device");
  }
  check_contains(refusal_of([&] { save_model(dir / "folder"); }), "cannot replace a directory");
  check_contains(refusal_of([&] { append_line(dir / "pipe", "x"); }), "cannot write", dir / "pipe");
  CHECK(fs::is_fifo(dir / "pipe"));
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(files_in(dir) == 3);
}

TEST_CASE("files: a name as long as the file system allows can be written") {
  const TempDir dir;
  const std::string name(255, 'n');
  save_model(dir / name);
  CHECK(nn::load_safetensors(dir / name).tensors.contains("a"));
  nn::save_npy(dir / name, kOne);
  write_file(dir / name, "text");
  CHECK(read_file(dir / name) == "text");
  const std::string longer(256, 'n');
  check_contains(refusal_of([&] { save_model(dir / longer); }), "File name too long");
  CHECK(files_in(dir) == 1);
}

TEST_CASE("files: what a program writes on its own goes through no symbolic link") {
  const TempDir dir;
  const std::string victim = dir / "victim", link = dir / "link";
  write_file(victim, "mine");
  fs::create_symlink(victim, link);
  const std::string log = dir / "log";
  fs::create_symlink(victim, log);
  for (const auto& [path, call] : std::vector<std::pair<std::string, std::function<void()>>>{
           {link, [&] { write_file(link, "x"); }},
           {link, [&] { append_line(link, "x"); }},
           {link, [&] { take_lock(link); }},
           {log,
            [&] {
              run_command({"echo", "x"}, ".", log);
            }},
           {link, [&] { run_filter({"cat"}, ".", "x", link); }}}) {
    check_contains(refusal_of(call), path, "symbolic link", "hint: remove it");
    CHECK(read_file(victim) == "mine");
    CHECK(fs::is_symlink(path));
  }
  fs::create_directory(dir / "theirs");
  fs::create_directory_symlink(dir / "theirs", dir / "ours");
  check_contains(refusal_of([&] { make_own_directory(dir / "ours"); }), dir / "ours",
                 "symbolic link");
  CHECK_NOTHROW(make_directory(dir / "ours"));
  check_contains(refusal_of([&] { make_own_directory(dir / "gone/ours"); }), dir / "gone/ours",
                 "No such file or directory");
  CHECK_FALSE(fs::exists(dir / "gone"));
  make_own_directory(dir / "new");
  CHECK_NOTHROW(make_own_directory(dir / "new"));
  check_contains(refusal_of([&] { make_own_directory(victim); }), victim);
  check_contains(refusal_of([&] { make_directory(victim + "/x"); }),
                 "cannot create directory '" + victim + "/x'", "Not a directory");
}

TEST_CASE("files: run_filter passes bytes through a command, whose failure leaves what was there") {
  const TempDir dir;
  const std::string bytes("a\0b\nc\xff", 6), out = dir / "out";
  CHECK(run_filter({"cat"}, dir.path(), bytes, out) == 0);
  CHECK(read_file(out) == bytes);
  CHECK(run_filter({"sh", "-c", "echo half; exit 3"}, dir.path(), "", out) == 3);
  CHECK(run_filter({"no-such-program-at-all"}, dir.path(), "", out) == -1);
  CHECK(read_file(out) == bytes);
}

TEST_CASE("files: read_file takes no more than it is told") {
  const TempDir dir;
  write_file(dir / "x", "12345");
  CHECK(read_file(dir / "x", 5) == "12345");
  check_contains(refusal_of([&] { read_file(dir / "x", 4); }), dir / "x",
                 "expected at most 4 bytes, found 5");
  fs::resize_file(dir / "x", uintmax_t{1} << 36);  // sparse
  check_contains(refusal_of([&] { read_record(dir / "x"); }), "expected at most", "68719476736");
}

TEST_CASE("safetensors: a header that could not be read again is not written") {
  const TempDir dir;
  const std::string path = dir / "m";
  check_contains(refusal_of([&] {
                   nn::save_safetensors(path, {}, {{"k", std::string(100'000'000, 'x')}});
                 }),
                 path, "names and metadata take more than 100000000 bytes");
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("JSON: depth, size, names and numbers are bounded wherever it is read") {
  const TempDir dir;
  const auto record = [](const std::string& text) {
    return refusal_of([&] { record_from_json(text, "x.json"); });
  };
  const auto model = [&](const std::string& header) {
    write_file(dir / "m", with_header(header));
    return refusal_of([&] { nn::load_safetensors(dir / "m"); });
  };
  std::string objects, flat = "{", zeros = R"({"a":[0)", entries = "{";
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  for (int i = 0; i < 1001; ++i) flat += concat_message(i ? "," : "", '"', i, R"(":0)");
  for (int i = 0; i < 1'000'000; ++i) zeros += ",0";
  for (int i = 0; i < 200'000; ++i) {
    entries += concat_message(i ? "," : "", '"', i,
                              R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
  }
  for (const std::string& deep : {objects, objects + "1" + std::string(100'000, '}'),
                                  R"({"a":)" + std::string(1'000'000, '[')}) {
    check_contains(record(deep), "x.json: not read: nested too deeply");
    check_contains(model(deep), dir / "m", "nested too deeply");
  }
  check_contains(record(zeros + "]}"), "more than 1000000 values");
  check_contains(model(zeros + "]}"), "more than 1000000 values");
  check_contains(model(entries + "}"), "more than 1000000 values");
  check_contains(record(flat + "}"), "more than 1000 names in one object");
  CHECK(record_from_json(R"({"a":{"a":{"a":[{"a":{"a":{}}}]}}})", "x").size() == 1);
  for (const std::string& end : {std::string("\0", 1), std::string("\0garbage", 8),
                                 std::string("{}"), std::string("x"), std::string("  ]")}) {
    CAPTURE(end);
    check_contains(record("{}" + end), "x.json: not JSON (byte ");
    check_contains(model("{}" + end), dir / "m", "not JSON");
  }
  check_contains(model(std::string("{\0}", 3)), "not JSON");
  CHECK(model("{}   \n").empty());
  CHECK(record("{} \t\n").empty());
  check_contains(model("  {}"), "not a JSON object");
  check_contains(record(R"({"a":1,"b":{"c":1,"c":2}})"), "x.json: name 'c' occurs twice");
  check_contains(record(R"({"a":1e999})"), "x.json: not read: number overflow parsing '1e999'");
  check_contains(model(R"({"w":{"shape":[1e999]}})"), dir / "m", "1e999");
  check_contains(record(R"({"seed":18446744073709551615})"),
                 "x.json: 'seed': 18446744073709551615 does not fit a whole number of 64 bits");
  check_contains(record(R"({"a":[{"b":9223372036854775808}]})"), "'b': 9223372036854775808");
  CHECK(get<int64_t>(record_from_json(R"({"a":-9223372036854775808})", "x"), "a") == INT64_MIN);
}

TEST_CASE("record: a value that is missing, or no number, is told with the file it is not in") {
  const Record record{{"a", "text"}};
  const auto message = [&](const char* name) {
    return refusal_of([&] { get<int64_t>(record, name, "f.json"); });
  };
  CHECK(message("b") == "f.json: there is no value named 'b'");
  CHECK(message("a") == "f.json: another kind of value than expected is named 'a'");
  CHECK(refusal_of([&] { as_number(record[0].value); }) == "expected a number, found 'text'");
}

TEST_CASE("npy: what follows the header's dictionary is refused, blanks are not") {
  const TempDir dir;
  const auto complaint = [&](const std::string& end) {
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }" + end;
    const auto size = static_cast<uint16_t>(header.size());
    write_file(dir / "x", std::string("\x93NUMPY\1\0", 8) +
                              std::string(reinterpret_cast<const char*>(&size), 2) + header);
    return refusal_of([&] { nn::load_npy(dir / "x"); });
  };
  CHECK(complaint("").empty());
  CHECK(complaint("   \n").empty());
  for (const std::string& end : {std::string("x"), std::string("\0", 1), std::string(" {}\n")}) {
    check_contains(complaint(end), "expected the end of the header at character 57");
  }
}
