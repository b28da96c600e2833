// test_parallel.cpp - the parallel loop: what it covers, what it carries out, what it forbids BLAS.
#include <doctest/doctest.h>
#include <omp.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stflow/tensor/parallel.h"
#include "tests/testing.h"
#include "tests/threads.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

/// The chunks of a loop, at the place of the first number of each.
std::vector<std::pair<int64_t, int64_t>> chunks_of(int64_t n, int64_t grain) {
  std::vector<std::pair<int64_t, int64_t>> by_begin(n, {-1, -1});
  parallel_for(n, grain, [&](int64_t begin, int64_t end) { by_begin[begin] = {begin, end}; });
  std::erase(by_begin, std::pair<int64_t, int64_t>{-1, -1});
  return by_begin;
}

}  // namespace

TEST_CASE("parallel_for: chunks cover the range once and do not depend on the number of threads") {
  const std::vector<std::pair<int64_t, int64_t>> expected = {{0, 3}, {3, 6}, {6, 9}, {9, 10}};
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    const Threads scope(threads);
    CHECK(chunks_of(10, 4) == expected);
    CHECK(chunks_of(8, 4).size() == 4);
    CHECK(chunks_of(3, 4).size() == 1);
    CHECK(chunks_of(0, 4).empty());
    CHECK(chunks_of(13, 1).size() == 13);
    CHECK(chunks_of(20'000, 16'384) ==
          std::vector<std::pair<int64_t, int64_t>>{
              {0, 5008}, {5008, 10'016}, {10'016, 15'024}, {15'024, 20'000}});
  }
}

TEST_CASE("parallel_for: a loop of one chunk runs on the calling thread") {
  const Threads scope(2);
  std::thread::id worker;
  parallel_for(4, 4, [&](int64_t, int64_t) { worker = std::this_thread::get_id(); });
  CHECK(worker == std::this_thread::get_id());
}

TEST_CASE("parallel_for: a nested loop covers its range") {
  const Threads scope(2);
  std::vector<int> seen(12, 0);
  parallel_for(3, 1, [&](int64_t outer, int64_t) {
    parallel_for(4, 1, [&](int64_t inner, int64_t) { ++seen[outer * 4 + inner]; });
  });
  CHECK(seen == std::vector<int>(12, 1));
}

TEST_CASE(
    "parallel_for: the exception of the lowest chunk comes out, with one thread as with two") {
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    const Threads scope(threads);
    const auto fail_from_chunk_2 = [](int64_t begin, int64_t) {
      if (begin >= 2) throw std::runtime_error(concat_message("chunk ", begin));
    };
    CHECK(message_of<std::runtime_error>([&] { parallel_for(8, 1, fail_from_chunk_2); }) ==
          "chunk 2");
  }
}

TEST_CASE("parallel_for: loops of two threads of the program do not wait for each other") {
  const Threads scope(2);
  std::atomic<bool> release = false;
  std::atomic<int> blocked = 0;
  std::thread other([&] {
    parallel_for(2, 1, [&](int64_t, int64_t) {
      for (++blocked; !release;) std::this_thread::yield();
    });
  });
  while (blocked == 0) std::this_thread::yield();
  CHECK(chunks_of(10, 4).size() == 4);
  release = true;
  other.join();
}

TEST_CASE("parallel_for: far processors share what is left of a long loop, and no short one") {
  const Threads scope(2);
  assume_far_processors(true);
  std::mutex mutex;
  std::set<std::thread::id> workers;
  const auto sleep = [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(mutex);
    workers.insert(std::this_thread::get_id());
  };
  parallel_for(20, 1, sleep);
  CHECK(workers.size() == 2);
  CHECK(message_of<std::runtime_error>([&] {
          parallel_for(8, 1, [&](int64_t begin, int64_t end) {
            sleep(begin, end);
            if (begin >= 2) throw std::runtime_error("chunk " + std::to_string(begin));
          });
        }) == "chunk 2");
  workers.clear();
  for (int loop = 0; loop < 100; ++loop)
    parallel_for(4, 1, [&](int64_t, int64_t) { workers.insert(std::this_thread::get_id()); });
  CHECK(workers.size() == 1);
  CHECK(chunks_of(13, 1).size() == 13);
  assume_far_processors({});
}

TEST_CASE("parallel_for: many short loops in a row, more threads than processors") {
  for (const int threads : {2, 7}) {
    const Threads scope(threads);
    std::vector<int64_t> sums(100, 0);
    for (int64_t round = 1; round <= 2'000; ++round)
      parallel_for(100, 9, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) sums[i] += round;
      });
    CHECK(sums == std::vector<int64_t>(100, 2'000 * 2'001 / 2));
  }
}

TEST_CASE(
    "parallel_for: a chunk may use one thread for BLAS, and the caller's setting comes back") {
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    const Threads scope(threads);
    std::vector<int> allowed(4);
    parallel_for(4, 1, [&](int64_t begin, int64_t) { allowed[begin] = omp_get_max_threads(); });
    CHECK(allowed == std::vector<int>(4, 1));
    CHECK(omp_get_max_threads() == 3);
    CHECK_THROWS(parallel_for(1, 1, [](int64_t, int64_t) { throw std::runtime_error("stop"); }));
    CHECK(omp_get_max_threads() == 3);
  }
  omp_set_num_threads(before);
}

TEST_CASE("set_num_threads: holds for every thread of the program and refuses zero") {
  CHECK(num_threads() <= omp_get_num_procs());
  const Threads scope(2);
  int seen = 0;
  std::thread([&] { seen = num_threads(); }).join();
  CHECK(seen == 2);
  check_contains(message_of([] { set_num_threads(0); }), "[set_num_threads]", "at least 1",
                 "got 0");
  CHECK(num_threads() == 2);
}

TEST_CASE("parallel_for: refuses a negative range and a grain of zero") {
  const auto nothing = [](int64_t, int64_t) {};
  check_contains(message_of([&] { parallel_for(-1, 1, nothing); }), "[parallel_for] expected n",
                 "-1");
  check_contains(message_of([&] { parallel_for(1, 0, nothing); }), "[parallel_for] expected grain");
}
