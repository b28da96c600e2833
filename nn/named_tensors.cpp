// named_tensors.cpp - what every state_dict and load_state_dict does: turn matrices, compare names.
#include "stflow/nn/named_tensors.h"

#include <stdexcept>

#include "stflow/tensor/check.h"
#include "stflow/tensor/math.h"

namespace stflow::nn {

Tensor turned(const Var& parameter, const Tensor& tensor) {
  const bool turns = parameter.stored() == Stored::transposed && tensor.rank() == 2;
  return turns ? transpose(tensor) : tensor.clone();
}

void check_fits(const NamedTensors& given, const NamedTensors& expected, const std::string& source,
                const std::string& target) {
  std::string problems;
  for (const auto& [name, tensor] : expected) {
    const auto found = given.find(name);
    if (found == given.end()) {
      problems += concat_message("\n  missing: ", name, " ", tensor.shape());
    } else if (!found->second.defined()) {
      problems += concat_message("\n  undefined: ", name, ", expected ", tensor.shape());
    } else if (found->second.shape() != tensor.shape()) {
      problems += concat_message("\n  wrong shape: ", name, " is ", found->second.shape(),
                                 ", expected ", tensor.shape());
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!expected.contains(name)) {
      problems += concat_message("\n  unexpected: ", name, " ",
                                 tensor.defined() ? tensor.shape().str() : "undefined");
    }
  }
  if (!problems.empty()) {
    throw std::runtime_error(source + " does not fit " + target + ":" + problems);
  }
}

}  // namespace stflow::nn
