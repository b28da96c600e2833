// broadcast.h - how two operands are walked together when their shapes differ: NumPy's rule as
// loops.
//
// The output is cut into runs along the innermost axis; in a run each operand advances by one or
// stays put. Axes that both operands walk in step are merged first, so that equal shapes make one
// long run. For tensor/*.cpp only.
#pragma once

#include <algorithm>
#include <vector>

#include "stflow/tensor/parallel.h"
#include "stflow/tensor/shape.h"

namespace stflow {

struct Broadcast {
  Shape shape;         // of the output
  int64_t a_step = 1;  // within a run: 1, or 0 for an operand that is repeated
  int64_t b_step = 1;
  int64_t run = 1;  // length of a run

  /// With `whole_last_axis` a run is exactly the last axis (for kernels that reduce over it).
  Broadcast(const Shape& a, const Shape& b, const char* op, bool whole_last_axis = false)
      : shape(broadcast_shapes(a, b, op)), run_may_be_cut_(!whole_last_axis) {
    shape.numel(op);           // throws when the strides below would overflow
    std::vector<Axis> merged;  // innermost first
    int64_t a_stride = 1, b_stride = 1;
    for (int i = 1; i <= shape.rank(); ++i) {
      const int64_t na = i <= a.rank() ? a[-i] : 1, nb = i <= b.rank() ? b[-i] : 1;
      const Axis axis{shape[-i], na == 1 ? 0 : a_stride, nb == 1 ? 0 : b_stride};
      a_stride *= na;
      b_stride *= nb;
      if (axis.extent == 1 && !(whole_last_axis && i == 1)) continue;
      const bool may_merge = !merged.empty() && !(whole_last_axis && merged.size() == 1);
      if (may_merge && merged.back().continues_in(axis)) {
        merged.back().extent *= axis.extent;
      } else {
        merged.push_back(axis);
      }
    }
    if (!merged.empty()) {
      run = merged[0].extent;
      a_step = merged[0].a;
      b_step = merged[0].b;
      outer_.assign(merged.begin() + 1, merged.end());
    }
  }

  /// Calls body(first output position, length, first position in a, first position in b) for all
  /// runs, long ones in pieces, in parallel.
  template <typename Body>
  void for_each_run(Body body) const {
    if (shape.numel() == 0) return;
    if (outer_.empty() && run_may_be_cut_) {
      parallel_for(run, kElementwiseGrain, [&](int64_t begin, int64_t end) {
        body(begin, end - begin, begin * a_step, begin * b_step);
      });
      return;
    }
    const int64_t runs = shape.numel() / run;
    parallel_for(runs, std::max<int64_t>(1, kElementwiseGrain / run),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r) {
                     int64_t rest = r, ia = 0, ib = 0;
                     for (const Axis& axis : outer_) {
                       const int64_t position = rest % axis.extent;
                       rest /= axis.extent;
                       ia += position * axis.a;
                       ib += position * axis.b;
                     }
                     body(r * run, run, ia, ib);
                   }
                 });
  }

 private:
  struct Axis {
    int64_t extent, a, b;  // strides of the operands; 0 where one is repeated
    bool continues_in(const Axis& outer) const {
      return outer.a == a * extent && outer.b == b * extent;
    }
  };
  std::vector<Axis> outer_;  // innermost first
  bool run_may_be_cut_;
};

}  // namespace stflow
