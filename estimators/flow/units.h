// units.h - what projections ask of one unit, by its support. For estimators/flow/*.cpp only.
#pragma once

#include <utility>
#include <vector>

#include "stflow/estimators/flow/projection.h"

namespace stflow {

/// Throws unless there is a distribution, one that can be projected onto, and the rest is in range.
void check_projection(const ProjectionOptions& options);

/// Means and the linear kernel ask for the same.
bool compares_means(const ProjectionOptions& options);

/// The least and the largest mean of a unit on the line.
std::pair<double, double> mean_range(const ProjectionOptions& options);

/// The parameter of a count with this mean. Throws where there is none.
double count_param(const Distribution& family, double mean);

using Points = std::vector<std::vector<double>>;

/// One-hot units: the nearest pi to particles, one a row, and d distance^2 / d pi, `before` being
/// the particles before the move, as control variate, or empty.
std::vector<double> project_one_hot(const Points& pushed, const ProjectionOptions& options);
std::vector<double> one_hot_slope(const std::vector<double>& pi, const Points& before,
                                  const Points& pushed, const ProjectionOptions& options);

}  // namespace stflow
