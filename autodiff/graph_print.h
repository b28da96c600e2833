// graph_print.h - a graph made visible: as text, or for Graphviz.
//
// Only what a gradient could flow through is recorded, so only that is shown. Stochastic nodes are
// those labelled name[rule], such as bernoulli[mmd]; they are marked with * in the text and drawn
// as diamonds.
#pragma once

#include <string>

#include "stflow/autodiff/var.h"

namespace stflow {

/// One line a node, inputs before their users: "#7 linear [64,200] <- #1 #2 #3".
std::string to_text(const Vars& outputs);

/// What else to_dot writes into each node, in a graph small enough to be followed number by number.
struct DotOptions {
  bool values = false;
  bool gradients = false;  // of the sum of the outputs, where there is one
};

/// The same graph in Graphviz's language: pipe it through `dot -Tsvg`.
std::string to_dot(const Vars& outputs, const DotOptions& options = {});

}  // namespace stflow
