// rebar.h - what REBAR and RELAX share: the estimate with a control variate c(z) of the perturbed
// parameter z, and REBAR's own c, the cost at a relaxed sample.
#pragma once

#include "stflow/estimators/rules/rules.h"

namespace stflow {

/// c(z) for each example, [...,B], given the distribution of this layer (its parameter a leaf) and
/// z.
using ControlVariate = std::function<Var(const Distribution& here, const Var& z)>;

/// (f(b) - c(z~)) score(b) + d c(z) - d c(z~), attached to f(b): unbiased for any c. Trains
/// `parameters`.
Var relaxed_control_variate_estimate(const Expectation& e, const ControlVariate& c,
                                     const Vars& parameters);

/// eta f(soften(z, T)), with eta and log T trained or not.
struct RelaxedCost {
  RelaxedCost(const RebarOptions& options, const std::string& name);
  /// At the perturbed parameter z of `here`.
  Var operator()(const Expectation& e, const Distribution& here, const Var& z) const;

  std::string rule;
  /// {eta, temperature}, for Rule::report.
  std::vector<std::pair<std::string, double>> report() const;

  Var eta, log_temperature;
  NamedVars parameters;  // the two, or none
};

}  // namespace stflow
