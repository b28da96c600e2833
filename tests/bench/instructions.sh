#!/usr/bin/env bash
# instructions.sh BENCH - machine instructions of one training step (straight-through, batch 50, one thread), counted
# by callgrind, beside those recorded in instructions.txt: a regression shows here on a machine too noisy for clocks.
# Counts are those of the AVX2 code, which is what valgrind runs. With RECORD=1 the file is written anew.
#
# What is not a step (starting, making data) is the same for a short and a long run and drops out of the difference.
set -eu
bench=$1
recorded=$(dirname "$0")/instructions.txt
command -v valgrind > /dev/null || { echo 'valgrind is not installed; hint: apt-get install valgrind' >&2; exit 1; }

collected() {  # ARCH STEPS -> instructions of so many steps and all around them
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --serve --case vae-step --arch "$1" --batch 50 \
    <<< "$2" 2>&1 >/dev/null | sed -n 's/.*Collected : //p'
}

compiler=$(readelf -p .comment "$bench" | sed -n 's/^ *\[ *0\] *//p')
found="# compiled by $compiler"
[ -n "${RECORD:-}" ] || sed -n "s/^# /recorded: /p" "$recorded"
echo "now:      compiled by $compiler"
printf '%-12s %12s %12s %7s\n' architecture recorded now ratio
for arch in linear two-layer nonlinear; do
  now=$((($(collected $arch 15) - $(collected $arch 5)) / 10))
  found+=$'\n'"$arch $now"
  before=$(sed -n "s/^$arch //p" "$recorded")
  awk -v arch=$arch -v before="${before:-0}" -v now=$now 'BEGIN {
    ratio = before > 0 ? now / before : 0
    printf "%-12s %12d %12d %7.3f%s\n", arch, before, now, ratio, (ratio > 1.02 ? "  more than recorded" : "")
  }'
done
[ -z "${RECORD:-}" ] || echo "$found" > "$recorded"
