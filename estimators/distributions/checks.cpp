#include "stflow/estimators/distributions/checks.h"

#include "stflow/autodiff/grad.h"

namespace stflow {

void require_option(const std::string& rule, const std::string& option, double value, double low,
                    double high) {
  CHECK_ARG(value >= low && value <= high, "rule '", rule, "': ", option, " must lie in [", low,
            ", ", high, "], got ", value);
}

void require_temperature(const std::string& rule, double temperature) {
  require_option(rule, "temperature", temperature, kLeastTemperature, kLargestTemperature);
}

void require_samples(const std::string& rule, int64_t samples, int64_t least) {
  CHECK_ARG(samples >= least && samples <= kMostSamples, "rule '", rule, "' needs at least ",
            least == 2 ? "two samples" : "one sample", " and takes at most ", kMostSamples,
            ", got ", samples);
}

void require_path(const std::string& rule, const Var& f, const Var& z) {
  CHECK_ARG(depends_on(f, z), "rule '", rule,
            "' needs the gradient of the cost in z, but no op leads from the cost back to z; rules "
            "that need none: exact, reinforce, reinforce-mean, reinforce-net, leave-one-out, for "
            "bernoulli arm and disarm, for poisson measure-valued. Hint: where z.value() was taken "
            "or z detached use z; a cost that is constant on purpose adds 0 * sum(z, {-1})");
}

}  // namespace stflow
