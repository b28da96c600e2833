// special.h - functions of single numbers, in double, that are not in the standard library, or
// whose plain formulas lose digits: differences of large numbers that are nearly equal.
#pragma once

namespace stflow {

/// The polygamma function psi_n(x), x > 0: n = -1 is log Gamma, 0 digamma, 1 trigamma, ... 20.
/// (Abramowitz & Stegun 6.1.41, 6.3.18, 6.4.11 after shifting x above 10 by the recurrence.)
double polygamma(int n, double x);

/// x log(x/m) - x + m >= 0 for x, m >= 0, given log(x/m): how far x is from its mean m, and what a
/// KL divergence is a sum of. Full digits also where x is near m (Loader 2000, "Fast and accurate
/// computation of binomial probabilities": bd0). 0 at x = m, infinite at m = 0 < x.
double deviance(double x, double m, double log_ratio);

/// log(rate^x e^-rate / Gamma(x+1)) for x > -1. From x = 16 on by Stirling's formula, which leaves
/// a deviance where the plain one has numbers of the size of x log x (Loader 2000).
double poisson_log_pmf(double x, double rate, double log_rate);

}  // namespace stflow
