#include "tests/bench/contest.h"

#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <thread>

#include "stflow/tensor/blas.h"
#include "stflow/tensor/check.h"
#include "stflow/tensor/statistics.h"
#include "stflow/train/console/program.h"

namespace stflow::bench {
namespace {

constexpr auto kPause = std::chrono::milliseconds(10);
constexpr const char* kKernelChoice[] = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"};

constexpr const char* kTorchChoice = "ATEN_CPU_CAPABILITY";

/// LibTorch's own kernels, those that are not BLAS.
std::string torch_kernels() {
  if (const char* chosen = std::getenv(kTorchChoice)) return chosen;
  return best_blas_kernels() == "SkylakeX" ? "avx512" : "avx2";
}

std::string program(const Candidate& candidate) {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return folder / (candidate.torch ? "bench_torch" : "bench");
}

std::vector<std::string> command(const Candidate& candidate) {
  std::vector<std::string> words{"env"};
  if (candidate.free_kernels) {
    for (const char* variable : kKernelChoice) words.insert(words.end(), {"-u", variable});
  }
  if (candidate.torch && !best_blas_kernels().empty()) {
    if (candidate.free_kernels || !kernels_are_pinned())
      words.push_back(concat_message(kKernelChoice[0], "=", best_blas_kernels()));
    words.push_back(concat_message(kTorchChoice, "=", torch_kernels()));
  }
  words.push_back(program(candidate));
  for (const std::string& word : words_of(candidate.job)) words.push_back(word);
  if (!candidate.torch) words.push_back("--serve");
  return words;
}

/// Moves the first thread of a process (0: our own) to a processor; it may leave again.
void move_to(pid_t process, int processor, const cpu_set_t& allowed) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  sched_setaffinity(process, sizeof only, &only);
  sched_setaffinity(process, sizeof allowed, &allowed);
}

/// The job begins on the first processor that we may use, and we leave it for the last one.
void make_room(pid_t job) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int first = -1, last = -1;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    if (first < 0) first = i;
    last = i;
  }
  move_to(0, last, allowed);
  move_to(job, first, allowed);
}

/// The process of one candidate; a socket is its standard input and output.
class Child {
 public:
  explicit Child(const Candidate& candidate) : name_(candidate.name) {
    std::vector<std::string> words = command(candidate);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::runtime_error(concat_message("cannot make a socket: ", std::strerror(errno)));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    socket_ = ends[0];
    if (error == 0) return;
    close(socket_);
    throw std::runtime_error(concat_message("cannot run '", words[0], "': ", std::strerror(error)));
  }
  ~Child() {
    close(socket_);  // the child reads the end of its input, and ends
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  struct Turn {
    double ms, peak_mb;
    std::string kernels;
  };
  /// So many steps.
  Turn turn(int64_t steps) {
    std::this_thread::sleep_for(kPause);
    make_room(pid_);
    const std::string request = concat_message(steps, "\n");
    send(socket_, request.data(), request.size(), MSG_NOSIGNAL);  // or no answer comes
    std::string answer;
    for (char c = 0; c != '\n'; answer += c) {
      if (recv(socket_, &c, 1, 0) != 1)
        throw std::runtime_error(concat_message("the process of '", name_, "' has ended"));
    }
    Turn result{};
    std::istringstream(answer) >> result.ms >> result.peak_mb >> result.kernels;
    return result;
  }

 private:
  std::string name_;
  pid_t pid_ = 0;
  int socket_ = -1;
};

}  // namespace

double Timing::median() const { return quantile(ms, 0.5); }

Ratio ratio(const Timing& a, const Timing& b) {
  if (a.handicapped || b.handicapped) return {NAN, NAN, NAN};
  std::vector<double> ratios;
  for (size_t round = 0; round < std::min(a.ms.size(), b.ms.size()); ++round)
    ratios.push_back(a.ms[round] / b.ms[round]);
  return {quantile(ratios, 0.5), quantile(ratios, 0.1), quantile(ratios, 0.9)};
}

std::vector<Timing> measure(const std::vector<Candidate>& candidates, const Rounds& rounds) {
  std::vector<std::unique_ptr<Child>> children;
  std::vector<int64_t> steps;
  std::vector<bool> is_torch;
  std::vector<Timing> timings;
  for (const Candidate& candidate : candidates) {
    if (!std::filesystem::exists(program(candidate))) continue;
    children.push_back(std::make_unique<Child>(candidate));
    children.back()->turn(4);  // builds its tables, touches its memory
    const double ms = children.back()->turn(4).ms;
    steps.push_back(4 * std::max<int64_t>(1, std::lround(rounds.turn_ms / ms / 4)));
    timings.emplace_back().name = candidate.name;
    is_torch.push_back(candidate.torch);
  }
  for (int64_t round = 0; round < rounds.count && !interrupted(); ++round) {
    for (size_t i = 0; i < children.size(); ++i) {
      const Child::Turn turn = children[i]->turn(steps[i]);
      timings[i].ms.push_back(turn.ms);
      timings[i].peak_mb = turn.peak_mb;
      timings[i].kernels = turn.kernels;
      if (!is_torch[i]) continue;
      timings[i].kernels += ", " + torch_kernels();
      timings[i].handicapped = !slow_blas_warning(turn.kernels, best_blas_kernels()).empty();
    }
  }
  return timings;
}

bool kernels_are_pinned() { return std::getenv(kKernelChoice[0]) != nullptr; }

}  // namespace stflow::bench
