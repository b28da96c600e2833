// estimators.h - everything of this folder in one include.
#pragma once

#include "estimators/bernoulli.h"
#include "estimators/categorical.h"
#include "estimators/diagnostics.h"
#include "estimators/expect.h"
#include "estimators/poisson.h"
#include "estimators/problems.h"
#include "estimators/projection.h"
#include "estimators/registry.h"
#include "estimators/rules.h"
