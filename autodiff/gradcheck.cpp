// gradcheck.cpp - central differences against the engine, at first and second order.
#include "stflow/autodiff/gradcheck.h"

#include <cmath>
#include <stdexcept>

#include "stflow/autodiff/grad.h"
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/rng.h"

namespace stflow {
namespace {

using Function = std::function<Var(const Vars&)>;

Vars parameters(const std::vector<Tensor>& values) {
  Vars result;
  for (const Tensor& value : values) result.push_back(Var::parameter(value));
  return result;
}

/// The value of f with number i of one input replaced.
Tensor value_with(const Function& f, std::vector<Tensor> inputs, size_t input, int64_t i, real x) {
  inputs[input] = inputs[input].clone();
  inputs[input].data()[i] = x;
  return f(parameters(inputs)).value();
}

/// d<w, f>/dx for number i of one input, from two values of f.
double numeric_slope(const Function& f, const std::vector<Tensor>& inputs, size_t input, int64_t i,
                     const Tensor& w, double epsilon) {
  const real x = inputs[input][i];
  const real above = static_cast<real>(x + epsilon), below = static_cast<real>(x - epsilon);
  const Tensor high = value_with(f, inputs, input, i, above);
  const Tensor low = value_with(f, inputs, input, i, below);
  double difference = 0;
  for (int64_t j = 0; j < w.numel(); ++j) {
    difference += double{w[j]} * (double{high[j]} - double{low[j]});
  }
  return difference / (double{above} - double{below});
}

/// "[1,0]" for flat position 3 of shape [2,3].
std::string position(const Shape& shape, int64_t flat) {
  std::vector<int64_t> index(shape.rank());
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return Shape(index).str();
}

void check_first_order(const Function& f, const std::vector<Tensor>& inputs,
                       const GradcheckOptions& options, int order) {
  const Vars vars = parameters(inputs);
  const Var out = f(vars);
  const Tensor w = Rng(1).normal(out.shape());
  const Vars gradients = grad({out}, vars, false, {w});
  for (size_t input = 0; input < inputs.size(); ++input) {
    for (int64_t i = 0; i < inputs[input].numel(); ++i) {
      const double analytic = gradients[input].value()[i];
      const double numeric = numeric_slope(f, inputs, input, i, w, options.epsilon);
      const double error = std::abs(analytic - numeric);
      if (std::isfinite(error) && error <= options.atol + options.rtol * std::abs(numeric))
        continue;
      throw std::runtime_error(concat_message("[gradcheck] order ", order, ", input ", input,
                                              " of shape ", inputs[input].shape(), " at ",
                                              position(inputs[input].shape(), i), ": analytic ",
                                              analytic, ", numeric ", numeric));
    }
  }
}

/// The gradient of <w, f(x)>, projected on fixed directions, as a function of the inputs x and,
/// last, w.
Function projected_gradient(const Function& f) {
  return [f](const Vars& inputs_and_w) {
    const Vars inputs(inputs_and_w.begin(), inputs_and_w.end() - 1);
    const Var out = f(inputs);
    Rng directions(2);
    Var total = 0.0;
    for (const Var& gradient : grad({out}, inputs, true, {inputs_and_w.back()})) {
      total = total + sum(gradient * directions.normal(gradient.shape()));
    }
    return total;
  };
}

}  // namespace

void gradcheck(const Function& f, const std::vector<Tensor>& inputs,
               const GradcheckOptions& options) {
  CHECK_ARG(options.order == 1 || options.order == 2, "[gradcheck] order must be 1 or 2, got ",
            options.order);
  CHECK_ARG(options.epsilon > 0 && std::isfinite(options.epsilon),
            "[gradcheck] epsilon must be above 0 and finite, got ", options.epsilon);
  CHECK_ARG(options.rtol >= 0 && options.atol >= 0,
            "[gradcheck] rtol and atol must be at least 0, got ", options.rtol, " and ",
            options.atol);
  CHECK_ARG(f, "[gradcheck] the function is empty");
  for (const Tensor& input : inputs) input.shape("gradcheck");
  const GradMode recording(true);
  check_first_order(f, inputs, options, 1);
  if (options.order == 1) return;
  std::vector<Tensor> inputs_and_w = inputs;
  inputs_and_w.push_back(Rng(3).normal(f(parameters(inputs)).shape()));
  check_first_order(projected_gradient(f), inputs_and_w, options, 2);
}

}  // namespace stflow
