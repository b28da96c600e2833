// estimators.h - everything of this folder in one include.
#pragma once

#include "estimators/distributions/bernoulli.h"
#include "estimators/distributions/categorical.h"
#include "estimators/distributions/poisson.h"
#include "estimators/expect.h"
#include "estimators/flow/projection.h"
#include "estimators/lab/diagnostics.h"
#include "estimators/lab/problems.h"
#include "estimators/registry.h"
#include "estimators/rules/rules.h"
