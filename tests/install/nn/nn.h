// nn.h - a header of the user's own whose name stflow has too: each must be found under its own.
#pragma once

inline int own_nn() { return 42; }
