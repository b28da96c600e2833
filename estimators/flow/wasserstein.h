// wasserstein.h - distances of two distributions on the line: W1, W2 and MMD, exactly, in double.
//
// A distribution is a list of atoms, points with mass: a sample, the probabilities of counts, the
// pushed particles of a gradient flow. On the line the cheapest transport never crosses itself: it
// couples equal quantiles, so W is one walk along two sorted lists, without approximation. Several
// dimensions are not here: where the units are independent, W2^2 is the sum over units (Theorem 2.1
// of the paper).
#pragma once

#include <vector>

#include "stflow/estimators/flow/kernel.h"

namespace stflow {

/// A discrete distribution on the line: points in increasing order and their masses, of total 1.
class Atoms {
 public:
  /// Weights, one a point, are divided by their sum; none means equal ones. Throws without points,
  /// on points that are not finite, on negative weights and when all are zero.
  explicit Atoms(const std::vector<double>& points, const std::vector<double>& weights = {});

  const std::vector<double>& points() const { return points_; }
  const std::vector<double>& weights() const { return weights_; }
  double mean() const;
  /// Smallest point below or at which there is mass u in [0,1]. Where the mass is u to 1e-12, any
  /// point up to the next atom would do, and it is halfway there: as u moves, the quantile jumps
  /// here, and this is the mean of both sides.
  double quantile(double u) const;

 private:
  std::vector<double> points_, weights_, mass_up_to_;
};

/// Least mean |x - y| over all couplings of a and b (Kantorovich 1942).
double wasserstein1(const Atoms& a, const Atoms& b);
/// W2^2: least mean (x - y)^2.
double wasserstein2_squared(const Atoms& a, const Atoms& b);

/// K(x,y) on the line, less a constant, by which differences of K keep their digits where all are
/// near 1: K - 1 for the rbf kernel of bandwidth h > 0, x y for the linear one.
double centred_kernel(Kernel kernel, double bandwidth, double x, double y);
/// Squared maximum mean discrepancy E K(x,x') + E K(y,y') - 2 E K(x,y) (Gretton et al. 2012,
/// lemma 6). For a sample it is that of the empirical distribution: pairs of a point with itself
/// count. With the linear kernel it is (E x - E y)^2.
double mmd_squared(const Atoms& a, const Atoms& b, Kernel kernel, double bandwidth);

}  // namespace stflow
