// planted_race.cpp - two threads add to one number: a mistake that `make tsan` must find.
#include <chrono>
#include <thread>

#include "stflow/tensor/parallel.h"

int main() {
  stflow::set_num_threads(2);
  stflow::assume_far_processors(false);
  int sum = 0;
  stflow::parallel_for(50, 1, [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // so that the helper comes
    ++sum;
  });
  return sum == 0;
}
