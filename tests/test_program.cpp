// test_program.cpp - the frame around every program: exit codes, signals, standard streams.
//
// What would end the tests, or spoil their streams, happens in a child process.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iostream>

#include "stflow/train/console/files.h"
#include "stflow/train/console/program.h"
#include "tests/capture.h"
#include "tests/testing.h"

using namespace stflow;
using stflow::testing::ended_by;
using stflow::testing::message_of;
using stflow::testing::printed_by;
using stflow::testing::TempDir;
using stflow::testing::written_to_2_by;

TEST_CASE("program: every way to end has its exit code and its message") {
  std::vector<int> codes;
  const auto run = [&](const std::function<void()>& body) {
    codes.push_back(run_main(0, nullptr, [&](int, char**) { body(); }));
  };
  const auto printed = printed_by([&] {
    run([] {});
    run([] { throw Finished(); });
    run([] { throw std::runtime_error("no data"); });
    run([] { throw std::invalid_argument("[matmul] sizes"); });
    run([] { std::filesystem::directory_iterator("/nowhere"); });
    run([] { throw std::bad_alloc(); });
    run([] { throw UsageError("unknown option"); });
    run([] { throw Diverged("loss became NaN"); });
    run([] { throw std::runtime_error("file '\x1b[2J\x07\xc2\x9b\x7f\xc3\xa9'\nhint"); });
    run([] { std::cout.setstate(std::ios::badbit); });  // as when the disk is full
  });
  CHECK(codes == std::vector<int>{0, 0, 1, 1, 1, 1, 2, 3, 1, 1});
  CHECK(printed.err ==
        "error: no data\nerror: [matmul] sizes\n"
        "error: cannot access '/nowhere': No such file or directory\nerror: out of memory; hint: a "
        "smaller --batch-size\n"
        "error: unknown option\nerror: loss became NaN\n"
        "error: file '\\x1b[2J\\x07\\x9b\\x7f\xc3\xa9'\nhint\nerror: cannot write to standard "
        "output\n");
}

TEST_CASE("program: Ctrl-C is a question to the loop, and ends with 130; SIGTERM with 143") {
  bool before = true, after = false;
  int code = 0;
  const auto said_after = [&](int number) {
    return written_to_2_by([&] {
      code = run_main(0, nullptr, [&](int, char**) {
        before = interrupted();
        std::raise(number);
        after = interrupted();
      });
    });
  };
  const std::string message = "\nfinishing this step, then saving; Ctrl-C again quits at once\n";
  CHECK(said_after(SIGINT) == message);
  CHECK(code == 130);
  CHECK_FALSE(before);
  CHECK(after);
  CHECK(said_after(SIGTERM) == message);
  CHECK(code == 143);
  CHECK_FALSE(before);  // each run_main starts afresh
  CHECK(run_main(0, nullptr, [](int, char**) {}) == 0);
}

TEST_CASE("program: the second signal kills, whichever it is; one that was ignored stays ignored") {
  const auto end_of = [](const std::vector<int>& signals, void (*hangup)(int) = SIG_DFL) {
    return ended_by([&] {
      std::signal(SIGHUP, hangup);
      return run_main(0, nullptr, [&](int, char**) {
        for (const int number : signals) std::raise(number);
      });
    });
  };
  CHECK(end_of({SIGINT}) == 130);
  CHECK(end_of({SIGINT, SIGINT}) == -SIGINT);
  CHECK(end_of({SIGINT, SIGTERM}) == -SIGTERM);
  CHECK(end_of({SIGHUP}) == 129);
  CHECK(end_of({SIGINT, SIGHUP}) == -SIGHUP);
  CHECK(end_of({SIGHUP}, SIG_IGN) == 0);
  CHECK(end_of({SIGINT, SIGHUP}, SIG_IGN) == 130);
  CHECK(end_of({SIGHUP, SIGINT}, SIG_IGN) == 130);
}

TEST_CASE("program: a reader that has left stops it like Ctrl-C, and writing goes on failing") {
  std::string problem;
  CHECK(ended_by([] {
          int ends[2];
          if (pipe(ends) != 0) return 1;
          close(ends[0]);
          dup2(ends[1], STDOUT_FILENO);
          return run_main(0, nullptr, [](int, char**) {
            for (int line = 0; line < 3; ++line) std::cout << "line" << std::endl;
            if (!interrupted()) throw std::runtime_error("the loop is not told");
          });
        }) == 128 + SIGPIPE);
  CHECK(ended_by([] {
          return run_main(0, nullptr, [](int, char**) {
            std::raise(SIGPIPE);
            std::raise(SIGINT);  // is the first Ctrl-C
          });
        }) == 130);
}

TEST_CASE("program: a file beyond the limit of sizes is an error of writing, not a death") {
  const TempDir dir;
  const std::string path = dir / "large.txt";
  CHECK(ended_by([&] {
          const rlimit limit{1000, 1000};
          setrlimit(RLIMIT_FSIZE, &limit);
          return run_main(0, nullptr,
                          [&](int, char**) { write_file(path, std::string(2000, 'x')); });
        }) == 1);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("program: no file gets the number of a standard stream that is closed") {
  const TempDir dir;
  for (const int closed : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    CAPTURE(closed);
    CHECK(ended_by([&] {
            close(closed);
            return run_main(0, nullptr, [&](int, char**) {
              const int file = open((dir / "file").c_str(), O_CREAT | O_RDWR, 0600);
              std::raise(SIGINT);  // its message goes to 2
              char byte = 0;
              const bool in = read(STDIN_FILENO, &byte, 0) == 0;
              const bool out = write(STDOUT_FILENO, &byte, 0) == 0;
              if (file <= STDERR_FILENO) throw std::runtime_error("the number was free");
              if (closed == STDIN_FILENO && in) throw std::runtime_error("0 can be read");
              if (closed == STDOUT_FILENO && out) throw std::runtime_error("1 can be written");
            });
          }) == 130);
    CHECK(std::filesystem::file_size(dir / "file") == 0);
  }
}

TEST_CASE("program: Ctrl-C stops what it started, but for what draws its pictures") {
  const TempDir dir;
  const std::vector<std::string> slow{"sh", "-c", "sleep .3; cat"};
  int drawn = -1;
  written_to_2_by([&] {
    run_main(0, nullptr, [&](int, char**) {
      std::raise(SIGINT);
      drawn = run_filter(slow, dir.path(), "text", dir / "picture");
    });
  });
  run_main(0, nullptr, [](int, char**) {});  // forgets the signal
  CHECK(drawn == 0);
  CHECK(read_file(dir / "picture") == "text");
  CHECK(ended_by([] {
          std::signal(SIGINT, SIG_IGN);  // what we ignore, the other hears
          return run_main(0, nullptr, [](int, char**) {
            std::raise(SIGTERM);
            if (run_command({"sleep", "20"}, ".") != 128 + SIGINT)
              throw std::runtime_error("it went on");
          });
        }) == 143);
}

TEST_CASE("program: did_you_mean finds a near word or a beginning, and is silent otherwise") {
  const std::vector<std::string> words = {"--epochs", "--epsilon", "st", "rebar", "relax"};
  CHECK(did_you_mean("--epoch", words) == "; did you mean '--epochs'?");
  CHECK(did_you_mean("--eps", words) == "; did you mean '--epsilon'?");
  CHECK(did_you_mean("rebra", words) == "; did you mean 'rebar'?");
  CHECK(did_you_mean("zzzzz", words).empty());
  CHECK(did_you_mean("", words).empty());
}
