// real.h - the one scalar type of a build.
#pragma once

#ifndef STFLOW_REAL
#define STFLOW_REAL float
#endif

namespace stflow {

/// float, or double with `make REAL=double`.
using real = STFLOW_REAL;

}  // namespace stflow
