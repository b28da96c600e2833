#!/usr/bin/env bash
# instructions.sh BENCH - machine instructions of one training step (straight-through, batch 50, one thread), counted
# by callgrind: a regression shows here on a machine too noisy for clocks. Counts are those of the AVX2 code, which
# is what valgrind runs.
#
# What is not a step (starting, reading data) is the same for a short and a long run and drops out of the difference.
set -eu
bench=$1

collected() {  # ARCH STEPS -> instructions of 2 * STEPS steps and all around them
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --case vae-step --arch "$1" --rounds 1 \
    --steps "$2" 2>&1 >/dev/null | sed -n 's/.*Collected : //p'
}

printf '%-12s %s\n' architecture 'instructions a step'
for arch in linear two-layer nonlinear; do
  printf '%-12s %d\n' $arch $((($(collected $arch 15) - $(collected $arch 5)) / 20))
done
