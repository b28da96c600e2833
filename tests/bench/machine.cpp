#include "tests/bench/machine.h"

#include <algorithm>
#include <cmath>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/train/console/measure.h"

namespace stflow::bench {
namespace {

constexpr double kTurn = 2e-3;  // seconds, at least
constexpr int64_t kMultiplyAdds = 1'000'000;
constexpr int64_t kMoved = 1 << 20;  // bytes that a pass over a level moves at least
constexpr int64_t kReal = sizeof(real);
constexpr int64_t kStreams = 4, kSkew = 1024 / kReal;  // apart, or they share sets of the cache

/// Reads `each` numbers of each stream, or adds to them in place, so many times.
template <typename Vec, bool kChange>
inline __attribute__((always_inline)) real pass(real* x, int64_t each, real step, int64_t times) {
  constexpr int64_t kLanes = sizeof(Vec) / sizeof(real), kVecs = 2 * kStreams;
  Vec sums[kVecs] = {};
  for (int64_t time = 0; time < times; ++time) {
    for (int64_t i = 0; i < each; i += 2 * kLanes) {
#pragma GCC unroll 8
      for (int64_t v = 0; v < kVecs; ++v) {
        Vec* at = reinterpret_cast<Vec*>(x + v / 2 * (each + kSkew) + i + v % 2 * kLanes);
        if constexpr (kChange) {
          *at += step;
        } else {
          sums[v] += *at;
        }
      }
    }
  }
  for (const Vec& sum : sums) sums[0] += sum;
  return sums[0][0];
}

template <typename Width>
inline __attribute__((always_inline)) real pass(real* x, int64_t each, bool change, int64_t times) {
  return change ? pass<typename Width::Vec, true>(x, each, 0, times)
                : pass<typename Width::Vec, false>(x, each, 0, times);
}

STFLOW_AVX512 real pass_avx512(real* x, int64_t each, bool change, int64_t times) {
  return pass<Wide>(x, each, change, times);
}

STFLOW_CLONES real pass_avx2(real* x, int64_t each, bool change, int64_t times) {
  return pass<Narrow>(x, each, change, times);
}

Step passes(int64_t bytes, bool change) {
  const int64_t each = bytes / kStreams / kReal;
  auto numbers = Tensor::zeros({kStreams * (each + kSkew)});
  return [=]() mutable {
    [[maybe_unused]] volatile real kept = (has_avx512() ? pass_avx512 : pass_avx2)(
        numbers.data(), each, change, std::max<int64_t>(1, kMoved / bytes));
  };
}

std::string size_of(int64_t bytes) {
  return bytes < 1 << 20 ? concat_message(bytes >> 10, " KB") : concat_message(bytes >> 20, " MB");
}

}  // namespace

void Timed::take_turn() {
  run();
  const double start = seconds_now();
  double elapsed = 0;
  int64_t times = 0;
  for (; elapsed < kTurn; elapsed = seconds_now() - start, ++times) run();
  add(elapsed, times);
}

void Timed::add(double elapsed, int64_t times) {
  seconds = std::min(seconds, elapsed / static_cast<double>(times));
}

Machine::Machine()
    : multiply_adds_{make_step({.kind = "op", .what = "fma", .batch = kMultiplyAdds})} {
  for (int64_t bytes = 16 << 10; bytes <= 64 << 20; bytes *= 4)
    levels_.push_back({bytes, {passes(bytes, false)}, {passes(bytes, true)}});
}

void Machine::take_turn() {
  multiply_adds_.take_turn();
  for (Level& level : levels_) {
    level.read.take_turn();
    level.change.take_turn();
  }
}

double Machine::rate(What what, size_t level) const {
  double best = 0;
  for (; level < levels_.size(); ++level) {
    const auto moved = static_cast<double>(std::max(levels_[level].bytes, kMoved));
    best = std::max(best, moved / (levels_[level].*what).seconds);
  }
  return best;
}

double Machine::multiply_adds() const { return kMultiplyAdds / multiply_adds_.seconds; }

Bound Machine::bound(const std::vector<Work>& ways) const {
  std::vector<Bound> each;
  for (const Work& work : ways) each.push_back(bound(work));
  return *std::ranges::min_element(each, {}, &Bound::seconds);
}

Bound Machine::bound(const Work& work) const {
  size_t level = 0;
  const double set = std::max(work.read, work.written);
  while (level + 1 < levels_.size() && static_cast<double>(levels_[level + 1].bytes) <= set)
    ++level;
  const std::string way = work.way.empty() ? "" : work.way + ": ";
  const auto amount = [](double count, const char* unit) {
    return concat_message(std::round(count / 1e4) / 100, " M", unit);
  };
  const Bound limits[] = {
      {work.multiplications / multiply_adds(), way + "multiply-adds",
       amount(2 * work.multiplications, "FLOP")},
      {work.looked_up / rate(&Level::read, 0) + work.tabulated / rate(&Level::change, 0),
       way + "L1", amount(work.looked_up + work.tabulated, "B")},
      {std::max(work.read / rate(&Level::read, level), work.written / rate(&Level::change, level)),
       way + "bytes, " + size_of(levels_[level].bytes), amount(work.read + work.written, "B")}};
  return *std::ranges::max_element(limits, {}, &Bound::seconds);
}

void Machine::print(Tables& tables) const {
  tables.table(concat_message("The machine, one thread: ", std::round(2e-9 * multiply_adds()),
                              " GFLOP/s in registers"));
  for (size_t level = 0; level < levels_.size(); ++level)
    tables.row({{"a set of", size_of(levels_[level].bytes)},
                {"read, GB/s", 1e-9 * rate(&Level::read, level)},
                {"changed, GB/s", 1e-9 * rate(&Level::change, level)}});
}

}  // namespace stflow::bench
