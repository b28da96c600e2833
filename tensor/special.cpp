#include "stflow/tensor/special.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace stflow {

double polygamma(int n, double x) {
  if (x < 0) return std::numeric_limits<double>::quiet_NaN();
  // psi_n(x) = psi_n(x+1) - (-1)^n n! / x^{n+1}; log Gamma (n = -1) loses log x instead.
  double factorial = 1;
  for (int i = 2; i <= n; ++i) factorial *= i;
  const double sign = n % 2 == 0 ? 1 : -1;
  double shift = 0;
  for (; x < 10; x += 1) shift += n < 0 ? std::log(x) : sign * factorial / std::pow(x, n + 1);

  // Asymptotic series: the (n+1)-th derivative of log Gamma's, with Bernoulli numbers B_2k.
  constexpr double kBernoulli[] = {1.0 / 6,  -1.0 / 30,     1.0 / 42, -1.0 / 30,
                                   5.0 / 66, -691.0 / 2730, 7.0 / 6};
  double series = 0;
  for (int k = 1; k <= 7; ++k) {
    double ratio = 1;  // (2k + n - 1)! / (2k)!
    for (int i = 2 * k + 1; i <= 2 * k + n - 1; ++i) ratio *= i;
    if (n == -1) ratio = 1.0 / (2 * k * (2 * k - 1));
    if (n == 0) ratio = 1.0 / (2 * k);
    series += kBernoulli[k - 1] * ratio / std::pow(x, 2 * k + n);
  }
  if (n == -1) {
    return (x - 0.5) * (std::log(x) - 1) + 0.5 * (std::log(2 * std::numbers::pi) - 1) + series -
           shift;
  }
  if (n == 0) return std::log(x) - 0.5 / x - series - shift;
  const double leading = factorial / n / std::pow(x, n) + factorial / (2 * std::pow(x, n + 1));
  return -sign * (leading + series) - shift;
}

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
