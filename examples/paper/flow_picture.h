// flow_picture.h - what projected flows and gradient steps on one cost look like, as text, table
// and pictures.
//
// The strip shows the three steps, a panel for each k: the distribution mu_k as grey bars; an arrow
// from each value to where its particles went (all that share a value move alike); those particles
// as blue sticks; the distribution they are projected to as orange frames, which are the bars of
// the next panel. Distributions of one unit only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "stflow/estimators/flow/projection.h"
#include "stflow/train/console/record.h"

namespace stflow {

/// A parameter and F = E f(z) after k = 0, 1, ... steps.
struct FlowPath {
  std::string name;
  std::vector<double> theta, cost = {};
};

/// The flow by one distance, step by step, and its path.
struct NamedFlow {
  std::string name;
  std::vector<FlowStep> steps;
  FlowPath path = {};
};

/// All paths have the same number of steps.
struct FlowResults {
  std::shared_ptr<const Distribution> family;
  std::string parameter;                // what theta is called
  double best;                          // the parameter at which F is least
  std::vector<NamedFlow> flows = {};    // by projection
  std::vector<FlowPath> descents = {};  // by the rule of each distance
  FlowPath exact = {};

  /// Fills in the paths of the flows, and F along all paths.
  void measure(const std::function<double(double theta)>& cost);
  std::string table() const;         // for people, every step at first, then fewer
  std::vector<Record> ends() const;  // where each path ends
};

/// Writes DIRECTORY/flow.csv and, with pictures, strip (the first four steps of each flow) and
/// paths (all paths), each as .csv, .gp and .png. Returns false, after a note on standard error,
/// when gnuplot is missing or fails.
bool save_flow(const std::string& directory, const FlowResults& results, bool pictures);

}  // namespace stflow
