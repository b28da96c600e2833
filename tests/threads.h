// threads.h - a number of threads for one scope of a test.
#pragma once

#include "stflow/tensor/parallel.h"

namespace stflow::testing {

/// Sets the number of threads for one scope.
class Threads {
 public:
  explicit Threads(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace stflow::testing
