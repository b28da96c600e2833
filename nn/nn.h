// nn.h - everything of nn/ in one include: modules, losses, optimisers, models on disk.
#pragma once

#include "stflow/nn/activations.h"
#include "stflow/nn/init.h"
#include "stflow/nn/linear.h"
#include "stflow/nn/loss.h"
#include "stflow/nn/module.h"
#include "stflow/nn/npy.h"
#include "stflow/nn/optim.h"
#include "stflow/nn/safetensors.h"
#include "stflow/nn/sequential.h"
