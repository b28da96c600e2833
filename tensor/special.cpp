#include "stflow/tensor/special.h"

#include <cmath>
#include <numbers>

#include "stflow/tensor/math.h"

namespace stflow {

double deviance(double x, double m, double log_ratio) {
  const double apart = x - m;
  if (!(std::abs(apart) < 0.1 * (x + m))) return (x == 0 ? 0 : x * log_ratio) - apart;
  // With v = (x - m) / (x + m): log(x/m) = 2 (v + v^3/3 + v^5/5 + ...)
  const double v = apart / (x + m);
  double total = apart * v, power = 2 * x * v;
  for (int odd = 3; odd < 40; odd += 2) total += (power *= v * v) / odd;
  return total;
}

double poisson_log_pmf(double x, double rate, double log_rate) {
  if (x < 16) return (x == 0 ? 0 : x * log_rate) - rate - polygamma(-1, x + 1);
  // log x! = x log x - x + log(2 pi x) / 2 + stirling
  const double inverse = 1 / x, square = inverse * inverse;
  const double stirling =
      inverse *
      (1.0 / 12 -
       square * (1.0 / 360 - square * (1.0 / 1260 - square * (1.0 / 1680 - square / 1188))));
  return -deviance(x, rate, std::log(x) - log_rate) - stirling -
         0.5 * std::log(2 * std::numbers::pi * x);
}

}  // namespace stflow
