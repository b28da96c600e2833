// nn.h - everything of nn/ in one include: modules, losses, optimisers, models on disk.
#pragma once

#include "nn/activations.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/loss.h"
#include "nn/module.h"
#include "nn/npy.h"
#include "nn/optim.h"
#include "nn/safetensors.h"
#include "nn/sequential.h"
