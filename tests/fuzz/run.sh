#!/usr/bin/env bash
# run.sh DIR SECONDS [HARNESS...] - runs the fuzzers of DIR, all or those named, two at a time, SECONDS each.
#
# They begin with the seeds in tests/fuzz/seeds/<harness>, among them what was found in the past, and with
# what earlier runs have kept in DIR/corpus. The last line is "N passed, N failed"; the exit code is 1 if
# anything was found.
set -u
dir=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- campaign checkpoint config idx images npy safetensors
scratch=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$scratch"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
export TMPDIR=$scratch OMP_NUM_THREADS=1
mkdir -p "$dir/findings"

fuzz() {  # HARNESS
  local log=$dir/$1.log corpus=$dir/corpus/$1 status found
  mkdir -p "$corpus"
  "$dir/$1" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1536 -malloc_limit_mb=1024 \
    -max_len=8192 -print_final_stats=1 -artifact_prefix="$dir/findings/$1-" \
    "$corpus" "tests/fuzz/seeds/$1" >"$log" 2>&1
  status=$?
  if [ "$status" = 0 ]; then
    echo "ok    $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
    return
  fi
  tail -n 60 "$log"
  found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  echo "FAIL  $1: exit code $status; found: ${found:-nothing, see $log}"
  [ -z "$found" ] || echo "      run it again: $dir/$1 $found"
}

for harness in "$@"; do
  while [ "$(jobs -pr | wc -l)" -ge 2 ]; do wait -n; done
  fuzz "$harness" >"$scratch/$harness.said" &
done
wait
passed=0 failed=0
for harness in "$@"; do
  cat "$scratch/$harness.said"
  if grep -q '^ok ' "$scratch/$harness.said"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
