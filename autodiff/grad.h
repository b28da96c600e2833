// grad.h - the engine: gradients of outputs with respect to any Vars of their graph. How it works,
// and why it does so in that order, is told in grad.cpp.
#pragma once

#include "stflow/autodiff/var.h"

namespace stflow {

/// Gradients of sum_i <upstream_i, outputs_i> with respect to each of `wrt`, in order and in their
/// shapes. `upstream` defaults to ones (so several outputs are summed), and each has the shape of
/// its output. A wrt that no output depends on gets zeros. Throws when a value that a rule needs
/// was changed in place after the graph was made (PyTorch's version counters). With create_graph
/// the gradients can be differentiated again. Never frees a graph.
Vars grad(const Vars& outputs, const Vars& wrt, bool create_graph = false,
          const Vars& upstream = {});

/// Does a chain of ops that keep a graph lead from `output` back to `input`?
bool depends_on(const Var& output, const Var& input);

/// Adds the gradient of a scalar into .grad of every parameter behind it. Throws unless `loss` has
/// one element.
void backward(const Var& loss);

}  // namespace stflow
