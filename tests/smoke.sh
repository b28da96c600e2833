#!/usr/bin/env bash
# smoke.sh build/PROGRAM... - runs each example program for seconds, with settings as small as they go.
#
# Each program has a row below; one without a row fails. No data files are needed. The last line is
# "N passed, N failed"; the exit code is 1 if any failed.
set -u
passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

tiny="--dataset digits --epochs 1 --limit 200 --out $scratch/run"
arguments() {  # PROGRAM
  case $1 in
    hello_autodiff | first_network | coin_vae) ;;
    estimator_lab) echo "--problem two-layer --draws 100 --out $scratch/run" ;;
    compare_estimators) echo "--rule st,arm --seeds 1 --out $scratch/run -- --dataset digits --epochs 1 --limit 200" ;;
    poisson_gan) echo "--rule all --controls --seeds 1 --epochs 2 --samples 50 --out $scratch/run" ;;
    projected_flow) echo "--particles 500 --steps 5 --out $scratch/run" ;;
    mnist_mlp) echo "$tiny" ;;
    bernoulli_vae | categorical_vae | sbn) echo "$tiny --nll-samples 2" ;;
    *) return 1 ;;
  esac
}

for path in "$@"; do
  program=${path##*/}
  if ! options=$(arguments "$program"); then
    echo "$program has no row in tests/smoke.sh" > "$scratch/log"
    status=1
  else
    # shellcheck disable=SC2086
    timeout 60 "$path" $options > "$scratch/log" 2>&1 </dev/null
    status=$?
  fi
  rm -rf "$scratch/run"
  if [ "$status" = 0 ]; then
    passed=$((passed + 1))
    echo "ok    $program"
  else
    failed=$((failed + 1))
    echo "FAIL  $program (exit code $status)"
    tail -n 20 "$scratch/log"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
