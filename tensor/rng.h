// rng.h - random numbers by counting: number i of a stream is a pure function of (seed, stream, i).
//
// The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
// 1, 2, 3"). Nothing is carried from one number to the next, so tensors are filled in parallel with
// the same bits for any number of threads, and the whole state is three integers. Samples of
// discrete distributions are functions of this noise (estimators/distributions/).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "stflow/tensor/tensor.h"

namespace stflow {

/// One block of Philox4x32 with 10 rounds.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Many blocks side by side, which is vector code: word w of block i is word[w][i], before a
/// counter and then its four random words.
struct PhiloxBlocks {
  static constexpr int kCount = 32;
  uint32_t word[4][kCount];
};
void philox4x32(PhiloxBlocks& blocks, std::array<uint32_t, 2> key);

class Rng {
 public:
  struct State {
    uint64_t seed = 0, stream = 0, position = 0;
    bool operator==(const State&) const = default;
  };

  explicit Rng(uint64_t seed, uint64_t stream = 0) : state_{seed, stream, 0} {}
  explicit Rng(const State& state) : state_(state) {}
  /// A generator for tests: uniform() and normal() hand out these tensors in order, check their
  /// shapes, and throw when none is left.
  static Rng replay(std::vector<Tensor> noise);

  /// Starts over from the given seed, stream 0 (PyTorch's name).
  void manual_seed(uint64_t seed) { state_ = {seed, 0, 0}; }
  const State& state() const { return state_; }

  /// Independent uniforms in (0, 1): odd multiples of 2^-24, so never 0 or 1, the same numbers in
  /// float and double builds, and 1 - u has exactly the same distribution.
  Tensor uniform(const Shape& shape);
  /// Independent standard normals (Box-Muller).
  Tensor normal(const Shape& shape);
  /// 0/1 tensor: 1 with the given probability, element by element.
  Tensor bernoulli(const Tensor& probs);
  /// Uniform integer in [0, n). Throws unless n >= 1.
  int64_t below(int64_t n);
  /// A random order of 0..n-1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t n);

 private:
  uint64_t take(int64_t count);  // reserves positions, returns the first

  State state_;
  bool replaying_ = false;
  std::deque<Tensor> replay_;
};

}  // namespace stflow
