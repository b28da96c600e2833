// rng.cpp - Philox4x32-10, and the distributions made from its words.
//
// Number i of a stream is word i % 4 of block i / 4; the block's counter is (i / 4, stream) and its
// key the seed. Filling a tensor computes many blocks side by side. The constants are those of
// Random123, whose known answers are tested.
#include "stflow/tensor/rng.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "stflow/tensor/kernels/cpu.h"
#include "stflow/tensor/math.h"
#include "stflow/tensor/numbers.h"
#include "stflow/tensor/parallel.h"

namespace stflow {
namespace {

constexpr int kRounds = 10;
constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kKeyStep0 = 0x9E3779B9, kKeyStep1 = 0xBB67AE85;
constexpr int kLanes = PhiloxBlocks::kCount;

constexpr uint32_t low_half(uint64_t x) { return static_cast<uint32_t>(x); }
constexpr uint32_t high_half(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

/// One round on a block held in four variables.
inline void philox_round(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint32_t k0,
                         uint32_t k1) {
  const uint64_t product0 = uint64_t{kMultiplier0} * c0;
  const uint64_t product1 = uint64_t{kMultiplier1} * c2;
  c0 = high_half(product1) ^ c1 ^ k0;
  c1 = low_half(product1);
  c2 = high_half(product0) ^ c3 ^ k1;
  c3 = low_half(product0);
}

inline __attribute__((always_inline)) void philox_lanes(PhiloxBlocks& blocks, uint32_t k0,
                                                        uint32_t k1) {
  auto& [c0, c1, c2, c3] = blocks.word;
  for (int round = 0; round < kRounds; ++round, k0 += kKeyStep0, k1 += kKeyStep1) {
    for (int i = 0; i < kLanes; ++i) philox_round(c0[i], c1[i], c2[i], c3[i], k0, k1);
  }
}

/// Uniforms number 4 block, ..., 4 (block + kLanes) - 1 of a stream.
STFLOW_CLONES
void uniform_lanes(uint64_t seed, uint64_t stream, uint64_t block, real* out) {
  PhiloxBlocks blocks;
  auto& [c0, c1, c2, c3] = blocks.word;
  for (int i = 0; i < kLanes; ++i) {
    c0[i] = low_half(block + i);
    c1[i] = high_half(block + i);
    c2[i] = low_half(stream);
    c3[i] = high_half(stream);
  }
  philox_lanes(blocks, low_half(seed), high_half(seed));
  // (2 k + 1) 2^-24 with k the top 23 bits. Signed, because vector units convert those directly.
  const auto to_uniform = [](uint32_t word) {
    return static_cast<real>(static_cast<int32_t>(word >> 8 | 1)) * real(0x1p-24);
  };
  for (int i = 0; i < kLanes; ++i) {
    out[4 * i + 0] = to_uniform(c0[i]);
    out[4 * i + 1] = to_uniform(c1[i]);
    out[4 * i + 2] = to_uniform(c2[i]);
    out[4 * i + 3] = to_uniform(c3[i]);
  }
}

/// Numbers [position, position + n) of a stream.
void fill_uniform(const Rng::State& state, uint64_t position, real* out, int64_t n) {
  constexpr int64_t kGroup = 4 * kLanes;
  const int64_t skip = static_cast<int64_t>(position % 4);  // of the first block
  const int64_t groups = ceil_div(skip + n, kGroup);
  parallel_for(groups, kElementwiseGrain / (4 * kGroup), [&](int64_t begin, int64_t end) {
    real numbers[kGroup];
    for (int64_t group = begin; group < end; ++group) {
      const uint64_t block = position / 4 + static_cast<uint64_t>(group * kLanes);
      uniform_lanes(state.seed, state.stream, block, numbers);
      const int64_t offset = group * kGroup - skip;  // where numbers[0] belongs in out
      const int64_t first = std::max<int64_t>(0, -offset);
      const int64_t last = std::min(kGroup, n - offset);
      std::copy(numbers + first, numbers + last, out + offset + first);
    }
  });
}

uint32_t word_at(const Rng::State& state, uint64_t position) {
  const uint64_t block = position / 4;
  return philox4x32(
      {low_half(block), high_half(block), low_half(state.stream), high_half(state.stream)},
      {low_half(state.seed), high_half(state.seed)})[position % 4];
}

Tensor next_replayed(std::deque<Tensor>& noise, const Shape& shape, const char* function) {
  CHECK_ARG(!noise.empty(), "[Rng::", function, "] replay: asked for shape ", shape,
            ", but no tensor is left");
  CHECK_ARG(noise.front().shape() == shape, "[Rng::", function, "] replay: expected shape ", shape,
            ", next tensor has ", noise.front().shape());
  Tensor next = std::move(noise.front());
  noise.pop_front();
  return next;
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  auto& [c0, c1, c2, c3] = counter;
  for (int round = 0; round < kRounds; ++round, key[0] += kKeyStep0, key[1] += kKeyStep1) {
    philox_round(c0, c1, c2, c3, key[0], key[1]);
  }
  return counter;
}

STFLOW_CLONES void philox4x32(PhiloxBlocks& blocks, std::array<uint32_t, 2> key) {
  philox_lanes(blocks, key[0], key[1]);
}

Rng Rng::replay(std::vector<Tensor> noise) {
  for (size_t i = 0; i < noise.size(); ++i)
    CHECK_ARG(noise[i].defined(), "[Rng::replay] tensor ", i, " is undefined");
  Rng rng(0);
  rng.replaying_ = true;
  rng.replay_.assign(noise.begin(), noise.end());
  return rng;
}

uint64_t Rng::take(int64_t count) {
  return std::exchange(state_.position, state_.position + static_cast<uint64_t>(count));
}

Tensor Rng::uniform(const Shape& shape) {
  if (replaying_) return next_replayed(replay_, shape, "uniform");
  Tensor out(shape, "Rng::uniform");
  fill_uniform(state_, take(out.numel()), out.data(), out.numel());
  return out;
}

// Each normal takes two uniforms of its own and drops Box-Muller's second result: so it stays a
// function of its position alone, independent of what was drawn before and after.
Tensor Rng::normal(const Shape& shape) {
  if (replaying_) return next_replayed(replay_, shape, "normal");
  Tensor out(shape, "Rng::normal");
  const Tensor noise = uniform({out.numel(), 2});
  const real* u = noise.data();
  real* z = out.data();
  parallel_for(out.numel(), kElementwiseGrain / 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double radius = std::sqrt(-2 * std::log(double{u[2 * i]}));
      z[i] = static_cast<real>(radius * std::cos(2 * std::numbers::pi * double{u[2 * i + 1]}));
    }
  });
  return out;
}

Tensor Rng::bernoulli(const Tensor& probs) {
  const Shape& shape = probs.shape("Rng::bernoulli");
  const real *p = probs.data(), *end = p + probs.numel();
  const real* bad = std::find_if_not(p, end, [](real x) { return x >= 0 && x <= 1; });
  CHECK_ARG(bad == end, "[Rng::bernoulli] expected probabilities in [0, 1], found ", *bad,
            " at position ", bad - p, " of ", shape);
  return greater(probs, uniform(shape));
}

// 64 random bits modulo n: the bias, below n / 2^64, cannot be seen.
int64_t Rng::below(int64_t n) {
  CHECK_ARG(n >= 1, "[Rng::below] expected n >= 1, got ", n);
  CHECK_ARG(!replaying_, "[Rng::below] a replay holds uniforms and normals, not integers");
  const uint64_t position = take(2);
  const uint64_t bits = uint64_t{word_at(state_, position)} << 32 | word_at(state_, position + 1);
  return static_cast<int64_t>(bits % static_cast<uint64_t>(n));
}

std::vector<int64_t> Rng::permutation(int64_t n) {
  CHECK_ARG(n >= 0, "[Rng::permutation] expected n >= 0, got ", n);
  std::vector<int64_t> order(Shape{n}.numel("Rng::permutation"));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[below(i + 1)]);
  return order;
}

}  // namespace stflow
