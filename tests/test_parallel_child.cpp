// test_parallel_child.cpp - the parallel loop in a child process: after a fork, and where the
// system has no thread to give.
#include <doctest/doctest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "stflow/nn/binary_file.h"
#include "stflow/tensor/parallel.h"
#include "tests/capture.h"
#include "tests/testing.h"
#include "tests/threads.h"

using namespace stflow;
using namespace stflow::testing;

namespace {

std::vector<int> numbers_after_loop() {
  std::vector<int> numbers(13, 0);
  parallel_for(13, 1, [&](int64_t begin, int64_t) { ++numbers[begin]; });
  return numbers;
}

/// How many threads take part in a loop of chunks that last 5 ms.
size_t workers_of_long_loop() {
  std::mutex mutex;
  std::set<std::thread::id> workers;
  parallel_for(20, 1, [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(mutex);
    workers.insert(std::this_thread::get_id());
  });
  return workers.size();
}

}  // namespace

TEST_CASE("parallel_for: a child forked while helpers are busy does not wait for them") {
  const Threads scope(3);
  std::atomic<bool> end = false;
  std::thread busy([&] {
    while (!end) parallel_for(8, 1, [](int64_t, int64_t) { std::this_thread::yield(); });
  });
  for (int i = 0; i < 20; ++i) {
    CHECK(ended_by([] {
            for (int loop = 0; loop < 10; ++loop) {
              if (numbers_after_loop() != std::vector<int>(13, 1)) return 1;
            }
            return workers_of_long_loop() >= 2 ? 0 : 2;  // helpers of its own
          }) == 0);
  }
  end = true;
  busy.join();
}

TEST_CASE("parallel_for: where no thread can be started the caller works alone, and says so once") {
  const Threads scope(4);
  const TempDir dir;
  const std::string log = dir / "log";
  CHECK(ended_by([&] {
          dup2(open(log.c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
          // A stack as large as all addresses: fails for root too, as `ulimit -u` does not.
          pthread_attr_t stack;
          pthread_attr_init(&stack);
          pthread_attr_setstacksize(&stack, size_t{1} << 47);
          pthread_setattr_default_np(&stack);
          std::vector<int64_t> numbers(100, 0);
          for (int64_t round = 0; round < 10; ++round) {
            parallel_for(100, 9, [&](int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i) ++numbers[i];
            });
          }
          return numbers == std::vector<int64_t>(100, 10) ? 0 : 1;
        }) == 0);
  CHECK(nn::read_file(log).find("warning: cannot start a thread (") == 0);
  CHECK(nn::read_file(log).ends_with("): computing with 1 of 4\n"));
}
