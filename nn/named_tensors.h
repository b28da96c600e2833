// named_tensors.h - tensors under names: what a model, an optimiser and a file exchange.
//
// The names are sorted, so the same model always gives the same bytes on disk. Loading is strict: a
// name too many, too few or of another shape is an error that lists all of them, never a warning.
#pragma once

#include <map>
#include <string>

#include "stflow/autodiff/var.h"

namespace stflow::nn {

using NamedTensors = std::map<std::string, Tensor>;

/// A copy of `tensor`, which is a parameter's value or an optimiser's state, from the form it has
/// in memory to that in files, or back, which is the same: a matrix is transposed where the
/// parameter's stored() says so.
Tensor turned(const Var& parameter, const Tensor& tensor);

/// Throws std::runtime_error "<source> does not fit <target>:" with every missing, unexpected and
/// wrong-shape name unless `given` has exactly the names and shapes of `expected`.
void check_fits(const NamedTensors& given, const NamedTensors& expected, const std::string& source,
                const std::string& target);

}  // namespace stflow::nn
