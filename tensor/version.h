// version.h - which stflow this is. The Makefile and CMakeLists.txt read the numbers from here.
#pragma once

#define STFLOW_VERSION_MAJOR 0
#define STFLOW_VERSION_MINOR 1
#define STFLOW_VERSION_PATCH 0

#define STFLOW_VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define STFLOW_VERSION_EXPAND(major, minor, patch) STFLOW_VERSION_TEXT(major, minor, patch)
/// "0.1.0"
#define STFLOW_VERSION \
  STFLOW_VERSION_EXPAND(STFLOW_VERSION_MAJOR, STFLOW_VERSION_MINOR, STFLOW_VERSION_PATCH)
