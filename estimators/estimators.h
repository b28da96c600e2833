// estimators.h - everything of this folder in one include.
#pragma once

#include "stflow/estimators/distributions/bernoulli.h"
#include "stflow/estimators/distributions/binomial.h"
#include "stflow/estimators/distributions/categorical.h"
#include "stflow/estimators/distributions/geometric.h"
#include "stflow/estimators/distributions/negative_binomial.h"
#include "stflow/estimators/distributions/poisson.h"
#include "stflow/estimators/expect.h"
#include "stflow/estimators/flow/projection.h"
#include "stflow/estimators/lab/diagnostics.h"
#include "stflow/estimators/lab/problems.h"
#include "stflow/estimators/registry.h"
#include "stflow/estimators/rules/rules.h"
