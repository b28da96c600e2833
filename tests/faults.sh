#!/usr/bin/env bash
# faults.sh BUILD [STRIDE] - does a run survive every fault of the disk, and its own death at any moment?
#
# A short run of bernoulli_vae and a comparison make some hundred calls that change files. One after another each
# of these (or one in STRIDE) is spoilt, in four ways: fault_shim.cpp says how. The program must go on to the same
# result or end with a message that says why, and must then, started again, come to the result of an undisturbed
# run to the last bit. The last line is "N passed, N failed"; the exit code is 1 if any failed.
set -u
build=$(realpath "$1") stride=${2:-1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 1
export build scratch

idx() {  # FILE EXTENTS PERIOD: a file of bytes that repeat, as IDX
  local extent size=1
  {
    printf '\0\0\10\'$(($(wc -w <<< "$2")))
    for extent in $2; do printf '\0\0\0\'"$(printf %o "$extent")"; size=$((size * extent)); done
    yes "$3" | tr -d '\n' | tr '0-9,' '\0-\11\377' | head -c $size
  } > "data/mnist/$1"
}
mkdir -p data/mnist
idx train-images-idx3-ubyte '100 28 28' '0,,30,,4,5,,,7,0'
idx train-labels-idx1-ubyte 100 0123456789
idx t10k-images-idx3-ubyte '20 28 28' '0,,30,5,,,7,0,'
idx t10k-labels-idx1-ubyte 20 0123456789

settings="--dataset mnist --data $scratch/data --epochs 2 --nll-samples 2 --no-plots"
start() {  # PROGRAM: in the folder of one try, with what may be before it
  # shellcheck disable=SC2086
  case $1 in
    vae) timeout 60 "$build/bernoulli_vae" $settings --threads 1 --quiet --out "${2:-run}" ;;
    comparison) timeout 60 "$build/compare_estimators" --rule st,arm --seeds 1 --jobs 1 --no-plots --out run -- \
      ${settings% --no-plots} ;;
  esac
}

# What a run came to; all but the time it took.
results() {  # PROGRAM DIRECTORY
  local directory
  if [ "$1" = comparison ]; then
    cut -d , -f 1-7 "$2/results.csv"
    set -- vae "$2/cells/linear_st_1" "$2/cells/linear_arm_1"
  fi
  for directory in "${@:2}"; do
    sha256sum < "$directory/model.safetensors"
    sed 's/,[^,]*$//' "$directory/metrics.csv" "$directory/metrics.jsonl"
  done
}

spoilt() {  # KIND N COMMAND...: in its own process, for the shell's own calls shall not count
  head -c 8 /dev/zero > count
  (export STFLOW_FAULT="$1 $2 $PWD/count" LD_PRELOAD=$build/fault_shim.so; "${@:3}") > out 2> err
}

try() {  # PROGRAM KIND N
  local folder=$scratch/$1-$2-$3 status trouble
  mkdir "$folder" && cd "$folder" || return
  spoilt "$2" "$3" start "$1" 2> /dev/null
  status=$?
  trouble=$(judge "$1" "$2" "$status" 2>&1)
  if [ -z "$trouble" ]; then
    echo "ok    $1: $2 at call $3 (exit code $status)"
  else
    echo "FAIL  $1: $2 at call $3: $trouble; it had said: $(tail -n 2 err | tr '\n' ' ')"
  fi
  rm -rf "$folder"
}

judge() {  # PROGRAM KIND STATUS: says what is wrong
  local directory=run
  case $2-$3 in
    *-0 | kill-137 | kill-1) ;;
    short-*) echo "exit code $3 after a write of half a text" ;;
    *-1)
      grep -q '^error: ' err && grep -qE 'run/?.*(No space left on device|Input/output error)' err ||
        echo "no path or no reason in the message"
      ;;
    *) echo "exit code $3" ;;
  esac
  [ "$3" = 0 ] || again "$1"
  [ ! -f other/config.json ] || directory=other
  diff <(results "$1" $directory) "$scratch/expected-$1" > difference || head -n 4 difference
  [ "$2" = kill ] || find $directory -name '*.tmp'
}

again() {  # PROGRAM: goes on, or begins anew where nothing was there to go on from
  if [ "$1" = comparison ]; then
    # A run that has lost its parent keeps the lock to its end.
    [ ! -f run/campaign.lock ] || flock -w 60 run/campaign.lock true
    start comparison
  elif compgen -G 'run/checkpoints/step_*.safetensors' > /dev/null; then
    timeout 60 "$build/bernoulli_vae" --resume run --quiet --no-plots
  elif [ ! -d run ] || rmdir run 2> /dev/null; then
    start vae
  else
    timeout 60 "$build/bernoulli_vae" --resume run > /dev/null 2> refused
    [ $? = 1 ] && grep -q '^error: .*run' refused && start vae other || { cat refused >&2; false; }
  fi > out 2> again || echo "it does not go on: $(cat again)"
}
export -f try judge again start spoilt results
export settings

for program in vae comparison; do
  mkdir whole && cd whole || exit 1
  spoilt count 0 start $program || { cat err; exit 1; }
  calls=$(($(od -A n -t d8 count)))
  results $program run > ../expected-$program
  cd .. && rm -rf whole
  echo "$program: $calls calls, one in $stride spoilt" >&2
  first=1
  for kind in kill fail full short; do
    seq $((first++ % stride)) "$stride" $calls | sed "s/^/$program $kind /"
  done
done > tries
grep -v ' 0$' tries | xargs -P "$(nproc)" -L 1 bash -c 'try "$@"' try | tee log | grep '^FAIL'
passed=$(grep -c '^ok ' log) failed=$(grep -c '^FAIL ' log)
[ $((passed + failed)) = "$(grep -vc ' 0$' tries)" ] || { echo "FAIL  not every try came to an end"; failed=$((failed + 1)); }
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
