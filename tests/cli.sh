#!/usr/bin/env bash
# cli.sh BUILD - the command lines of the programs in BUILD as their users meet them: exit codes, messages,
# streams, run directories, signals. A line "ok NAME" or "FAIL NAME" for each test; exit code 1 if any failed.
#
# It needs no data set: small IDX and PNG files are written here byte by byte.
set -u
build=$(realpath "$1") tests=$(dirname "$(realpath "$0")")
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 1
unset STFLOW_DATA
export XDG_DATA_HOME=$scratch/none

# ---- helpers ----

result() {  # NAME PROBLEM, which is empty when all is well
  if [ -z "$2" ]; then
    echo "ok $1"
  else
    failed=1
    echo "FAIL $1"
    echo "  $2"
    sed 's/^/  stdout: /' out | head -n 20
    sed 's/^/  stderr: /' err | head -n 20
  fi
}

run() {  # COMMAND... -> status, files out and err
  timeout -k 1 60 "$@" > out 2> err < /dev/null
  status=$?
}

# What is true of every run: its exit code, the texts it prints, one error message if it failed, none if not; and
# what a caller has found already, its $found.
verify() {  # CODE NAME TEXT...
  local code=$1 name=$2 text problem=${found:-} errors=0
  shift 2
  [[ $code = [123] ]] && errors=1
  [ "$status" = "$code" ] || problem="exit code $status, not $code"
  for text in "$@"; do
    grep -qF -- "$text" out err || problem="nothing says: $text"
  done
  [ "$(grep -c '^error: ' err)" = $errors ] || problem="expected $errors lines that begin with 'error: '"
  ! grep -q $'\r' out err || problem='a carriage return, but there is no terminal'
  result "$name" "$problem"
}

expect_exit() {  # CODE NAME TEXT... -- COMMAND...
  local words=()
  while [ "$1" != -- ]; do
    words+=("$1")
    shift
  done
  run "${@:2}"
  if [ "${words[0]}" != 0 ] && [ -s out ]; then
    result "${words[1]}" 'a failed run printed to standard output'
  else
    verify "${words[@]}"
  fi
}

check() {  # NAME COMMAND..., which must succeed
  local problem=''
  "${@:2}" > out 2> err || problem="failed: ${*:2}"
  result "$1" "$problem"
}

# Starts a training, does ACTION (which may use $pid) after its first epoch, waits for the end.
at_first_epoch() {  # ACTION COMMAND...
  # --foreground: otherwise timeout would pass a signal on twice
  timeout --foreground -k 1 60 "${@:2}" > pipe 2> err < /dev/null &
  pid=$!
  {
    read -r _ && read -r _  # the header and the first epoch
    eval "$1"
    cat
  } < pipe > out
  wait $pid
  status=$?
}

# ---- data ----

bytes() { printf "$(sed 's/ //g; s/../\\x&/g' <<< "$*")"; }  # 00ff ... -> two bytes ...
be32() { bytes "$(printf '%08x ' "$@")"; }
pixels() { seq 100000 999999 | head -c "$1"; }
images() { be32 $((0x803)) "$1" "$2" "$2"; pixels $(($1 * $2 * $2)); }  # COUNT SIDE
labels() {  # COUNT
  local i
  be32 $((0x801)) "$1"
  for ((i = 0; i < $1; i++)); do printf "\\$((i % 8))"; done
}
dataset() {  # DIR SIDE TRAIN TEST
  mkdir -p "$1"
  images "$3" "$2" > "$1/train-images-idx3-ubyte"
  labels "$3" > "$1/train-labels-idx1-ubyte"
  images "$4" "$2" | gzip > "$1/t10k-images.idx3-ubyte.gz"
  labels "$4" | gzip > "$1/t10k-labels.idx1-ubyte.gz"
}
spoil() {  # FILE of the data set bad becomes standard input
  rm -rf bad
  cp -r tiny bad
  rm "bad/${1%.gz}"
  cat > "bad/$1"
}

png_head='89504e470d0a1a0a 0000000d49484452'
png_1x1() {
  bytes "$png_head 0000000100000001 0800000000 3a7e9b55 0000000a49444154 789c636000000002 0001 48afa471" \
    0000000049454e44ae426082
}
huge_png() { bytes "$png_head 00004e2000004e20 0800000000 00000000"; }
picture() { rm -rf pictures; mkdir -p pictures/a; cat > pictures/a/x.png; }

dataset tiny 4 60 20
dataset medium 28 300 100
mkfifo pipe
short=(--dataset mnist --epochs 1 --no-plots)
vae=("$build/bernoulli_vae" --data tiny "${short[@]}")
mlp=("$build/mnist_mlp" --data tiny "${short[@]}")
bad=("$build/bernoulli_vae" --data bad "${short[@]}")
folder=("$build/mnist_mlp" --epochs 1 --no-plots --images)

# ---- help and wrong usage ----

expect_exit 0 'hello_autodiff runs' 'dy/dx = 1.18157' 'bernoulli[mmd]*' -- "$build/hello_autodiff"
expect_exit 0 'hello_autodiff has help' 'Usage: hello_autodiff' -- "$build/hello_autodiff" --help
expect_exit 2 'hello_autodiff takes no other options' "unknown option '--epochs'" -- "$build/hello_autodiff" --epochs 3
for program in bernoulli_vae mnist_mlp; do
  expect_exit 0 "$program --help shows options and defaults" "Usage: $program" '--batch-size N' '[10]' \
    '--dataset NAME' '[auto]' -- "$build/$program" --help
  check "$program --help goes to standard output, 80 columns wide" \
    bash -c '"$0" -h > help 2> help.err && [ -s help ] && ! grep -E ".{81}" help && [ ! -s help.err ]' "$build/$program"
  expect_exit 0 "$program --version" "$program (stflow " -- "$build/$program" --version
done

usage() {  # NAME TEXT ARGUMENTS...
  expect_exit 2 "usage: $1" "error: $2" -- "${vae[@]}" "${@:3}"
}
usage 'misspelt option' "unknown option '--epoch'; did you mean '--epochs'?" --epoch 3
usage 'one dash' "unknown option '-epochs'; did you mean '--epochs'?" -epochs 3
usage 'stray word' "unexpected 'mnist'; every option begins with --" mnist
usage 'not one of the architectures' "--arch: 'deep' is not one of linear, two-layer, nonlinear" --arch deep
usage 'not one of the data sets' "--dataset: 'cifar' is not one of auto, mnist, fashion-mnist, digits" --dataset cifar
usage 'no epochs' '--epochs: 0 is out of range; expected from 1 to 1000000000' --epochs 0
usage 'negative seed' '--seed: -1 is out of range; expected from 0 to 9223372036854775807' --seed -1
usage 'too many threads' '--threads: 99999 is out of range; expected from 1 to 256' --threads 99999
usage 'learning rate nan' '--lr: nan is out of range; expected above 0' --lr nan
usage 'not a number' "--lr: 'fast' is not a number" --lr fast
usage 'not a whole number' "--epochs: '1.5' is not a whole number" --epochs 1.5
usage 'value missing at the end' '--epochs needs a value' --epochs
usage 'value missing before an option' '--lr needs a value' --lr --epochs 3
usage 'flag with a value' "--json: '3' is neither true nor false" --json=3
expect_exit 2 'usage: misspelt rule' "error: --rule: 'reinforec' is not one of st, " "; did you mean 'reinforce'?" -- \
  "${vae[@]}" --rule reinforec
expect_exit 2 'usage: two sources of data' '--images replaces --dataset' -- "${mlp[@]}" --images tiny
check 'wrong usage leaves no run directory' [ ! -e runs ]

expect_exit 0 'an option of another rule is warned of' 'warning: --bandwidth has no effect with --rule st' -- \
  "${vae[@]}" --bandwidth 2
expect_exit 0 '--samples is warned of where it is ignored' 'warning: --samples has no effect with --rule arm' -- \
  "${vae[@]}" --samples 3 --rule arm
expect_exit 0 '--colour is warned of without --images' 'warning: --colour has no effect without --images' -- \
  "${mlp[@]}" --colour

# ---- odd but right ----

expect_exit 0 'one image' 'test_neg_elbo' -- "${vae[@]}" --limit 1
expect_exit 0 'fewer images than a batch' '100 % (1/1 steps)' -- "${vae[@]}" --limit 7 --batch-size 1000
expect_exit 0 'one sample of the importance bound' 'nll_samples        1' -- "${vae[@]}" --nll-samples 1
expect_exit 0 'no importance bound is a dash, not a nan' 'test_nll           -' -- "${vae[@]}"
expect_exit 0 'generated digits need no file' 'dataset            digits' -- \
  "$build/bernoulli_vae" "${short[@]}" --dataset digits --limit 50
cp -r tiny 'my data'
expect_exit 0 'names with spaces' 'results in my run/1' -- "${vae[@]}" --data 'my data' --out 'my run/1'
expect_exit 0 'another working directory' 'results in run' -- \
  env -C tiny "${vae[@]}" --data "$scratch/tiny" --out run

# ---- data sets ----

mkdir empty
expect_exit 1 'data set not found: folders and hint' "error: dataset 'mnist' not found" \
  'looked in: empty/mnist, empty, data/mnist, ' "$XDG_DATA_HOME/stflow/mnist" 'hint: make mnist' -- \
  "${vae[@]}" --data empty
expect_exit 1 '--data is no folder' '--data no/such/folder: expected a folder' -- "${vae[@]}" --data no/such/folder

idx() {  # NAME FILE TEXT < what stands in the file
  spoil "$2"
  expect_exit 1 "IDX: $1" "error: bad/$2: $3" -- "${bad[@]}"
}
images=train-images-idx3-ubyte labels=train-labels-idx1-ubyte
idx 'wrong magic' $images 'not an IDX image file (magic 0x00000801)' < <(labels 60)
idx 'HTML page saved as .gz' $images.gz \
  'not an IDX image file (magic 0x3c21646f; starts with "<!do": an HTML error page was saved?)' \
  <<< '<!doctype html><h1>404'
idx 'truncated' $images 'truncated: header says 60x4x4 = 960 bytes, file has 484' < <(images 60 4 | head -c 500)
idx 'truncated .gz' $images.gz 'truncated: header says 60x4x4 = 960 bytes' < <(images 60 4 | gzip | head -c 100)
idx '.gz without its checksum' $images.gz 'truncated: the gzip checksum' < <(images 60 4 | gzip | head -c -8)
idx 'truncated header' $images 'truncated: the header of an IDX image file has 16' < <(images 60 4 | head -c 10)
idx 'more bytes than announced' $images 'too long: header says 60x4x4' < <(images 60 4; echo)
idx 'absurd sizes' $images 'not believable' < <(be32 $((0x803)) 4294967295 4294967295 4294967295)
idx 'label out of range' $labels 'label 49 at position 0 is out of range; expected 0 to 9' \
  < <(be32 $((0x801)) 60; pixels 60)
spoil $labels < <(labels 59)
expect_exit 1 'IDX: image and label counts' 'holds 60 images, but' 'holds 59 labels' -- "${bad[@]}"
dataset bad 5 60 20
cp tiny/train-* bad
expect_exit 1 'IDX: test images of another size' 'its images have 5x5 pixels' 'have 4x4' -- "${bad[@]}"
rm bad/t10k-*
expect_exit 1 'IDX: no test images' 'looked in: bad/mnist, bad, ' '(for t10k-images-idx3-ubyte' -- "${bad[@]}"
expect_exit 1 'IDX: auto never mixes two data sets' '(for t10k-images-idx3-ubyte' -- "${bad[@]}" --dataset auto
dataset bad 4 2 20
expect_exit 1 'IDX: too few images to split' 'expected at least 3 images' 'found 2' -- "${bad[@]}"

# ---- image folders ----

expect_exit 1 'images: no such folder' 'nowhere: expected a folder of images' -- "${folder[@]}" nowhere
expect_exit 1 'images: empty folder' 'empty: expected a subfolder of PNG or JPEG' -- "${folder[@]}" empty
mkdir -p pictures/a
expect_exit 1 'images: class without images' 'pictures/a: expected .png' -- "${folder[@]}" pictures
picture < <(huge_png)
expect_exit 1 'images: header of 20000x20000 pixels' 'pictures/a/x.png: expected a PNG or JPEG image of at most' \
  'found: 20000x20000' -- "${folder[@]}" pictures
picture <<< 'no picture'
expect_exit 1 'images: no picture inside' 'pictures/a/x.png: expected a PNG or JPEG' -- "${folder[@]}" pictures
picture < <(png_1x1 | head -c 50)
expect_exit 1 'images: corrupt PNG' 'pictures/a/x.png: expected a PNG or JPEG' -- "${folder[@]}" pictures
picture < <(png_1x1)
expect_exit 1 'images: too few to split' 'pictures: expected at least 4 images' 'found 1' -- "${folder[@]}" pictures
for i in 1 2 3 4 5; do cp pictures/a/x.png pictures/a/$i.png; done
cp -r pictures/a pictures/b
expect_exit 0 'images: 1x1 pixels are enough' 'dataset            images' -- "${folder[@]}" pictures --out ones
expect_exit 0 'images: the configuration repeats the run' 'dataset            images' -- \
  "$build/mnist_mlp" --config ones/config.json --no-plots --out ones2
check 'images: and gives the same model' cmp ones/model.safetensors ones2/model.safetensors

# ---- run directory ----

expect_exit 0 'a whole run' 'results in run' 'directory          run' -- \
  "$build/bernoulli_vae" --data medium --dataset mnist --epochs 2 --out run
for file in config.json manifest.json metrics.csv metrics.jsonl summary.json model.safetensors samples.png \
  reconstructions.png curves.png graph.svg; do
  check "the run directory has $file" [ -s "run/$file" ]
done
check 'a run directory has no temporary file' bash -c '! ls run | grep tmp'
cp run/samples.png pictures/b/0.png
expect_exit 1 'images: sizes differ' 'but the first image is 1x1' 'hint: resize with --image-size' -- \
  "${folder[@]}" pictures
expect_exit 0 'images: --image-size makes them equal' 'dataset            images' -- \
  "${folder[@]}" pictures --image-size 6 --colour

expect_exit 1 '--out with contents' "'run' is not empty, and a run never overwrites another" -- "${vae[@]}" --out run
expect_exit 1 '--out is a file' "cannot create run directory 'help'" -- "${vae[@]}" --out help
expect_exit 1 '--out below a file' "cannot create run directory 'help/run'" -- "${vae[@]}" --out help/run
expect_exit 1 '--out cannot be written' "cannot create run directory '/proc/run'" -- "${vae[@]}" --out /proc/run
expect_exit 1 'a working directory that cannot be written' "cannot create run directory 'runs/" 'hint: --out' -- \
  env -C /proc "${vae[@]}" --data "$scratch/tiny"
at_first_epoch 'mv moving moved' "${vae[@]}" --epochs 1000000 --out moving
verify 1 'the run directory is taken away' 'moving/' 'No such file or directory'

# ---- --config ----

config() {  # NAME TEXT JSON
  printf '%s' "$3" > config.json
  expect_exit 1 "config: $1" "error: config.json: $2" -- "${vae[@]}" --config config.json
}
config 'misspelt option' "unknown option 'epcohs'; did you mean 'epochs'?" '{"epcohs": 3}'
config 'text for a number' "--epochs: 'many' is not a whole number" '{"epochs": "many"}'
config 'fraction for a whole number' "--samples: '1.5' is not a whole number" '{"samples": 1.5}'
config 'out of range' '--lr: -1 is out of range; expected above 0' '{"lr": -1}'
config 'no such choice' "--rule: 'sst' is not one of" '{"rule": "sst"}'
config 'null' "'lr' is null" '{"lr": null}'
config 'no object' 'expected a JSON object, found array' '[1, 2]'
config 'broken off' 'not JSON: ends too early' '{"lr": 1'
config 'no JSON' 'not JSON (byte 1 of 6 is where it breaks)' '<html>'
config 'of another program' "written by 'mnist_mlp', not by bernoulli_vae" '{"program": "mnist_mlp"}'
expect_exit 1 'config: no such file' "none.json: cannot read: No such file" -- "${vae[@]}" --config none.json
expect_exit 0 'config: a run with many options' 'results in first' -- "${vae[@]}" --arch two-layer --rule mmd \
  --bandwidth 3 --samples 2 --inputs pm1 --prior fixed --binarize dynamic --epochs 3 --lr 0.01 --seed 9 \
  --limit 40 --batch-size 16 --out first
expect_exit 0 'config: its config.json alone repeats it' 'results in second' -- \
  "$build/bernoulli_vae" --config first/config.json --no-plots --out second
check 'config: the same configuration' cmp first/config.json second/config.json
check 'config: the same model' cmp first/model.safetensors second/model.safetensors

# ---- standard streams ----

expect_exit 0 '--json' '"interrupted":false' '100 % (1/1 steps)' 'train_neg_elbo  validation_neg_elbo' -- \
  "${vae[@]}" --json --nll-samples 2
cp out line.json
check '--json prints one line' [ "$(wc -l < line.json)" = 1 ]
for key in dataset arch rule epochs seed threads train_neg_elbo test_neg_elbo test_nll nll_samples \
  seconds_per_epoch step_ms_median gemm_share peak_rss_mb; do
  check "--json has $key" grep -qE "\"$key\":(\"|[0-9])" line.json
done
# The options' own reader takes the line for an object, and stumbles only over what is no option.
expect_exit 1 '--json is a JSON object' "line.json: unknown option 'threads'" -- "${vae[@]}" --config line.json
expect_exit 0 '--quiet' 'test_neg_elbo' -- "${vae[@]}" --quiet
cp out quiet.out && cp err quiet.err
check '--quiet: nothing but the results' bash -c '! grep -q validation quiet.out && [ ! -s quiet.err ]'
expect_exit 1 'standard output is full' 'cannot write to standard output' -- bash -c '"$@" > /dev/full' - "${vae[@]}"
expect_exit 1 'standard output is closed' 'cannot write to standard output' -- bash -c '"$@" >&-' - "${vae[@]}"
run bash -c 'set -o pipefail; "$@" --epochs 1000000 --out left | head -n 1' - "${vae[@]}"
verify 141 'the reader leaves early' 'train_neg_elbo' 'continue with:'
check 'the reader leaves early: the run is saved' [ "$(ls left/checkpoints/step_*.safetensors | wc -l)" = 2 ]
run bash -c 'ulimit -f 1; "$@"' - "$build/bernoulli_vae" --resume left --no-plots
verify 1 'a file beyond ulimit -f' 'File too large'
at_first_epoch 'kill -INT $pid' "$build/bernoulli_vae" --resume left --no-plots
verify 130 'and the run goes on from its checkpoint' 'resumed after step' 'interrupted        yes'
for stream in '>&-' '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
  bash -c "exec \"\$@\" $stream" - "${vae[@]}" --epochs 1000000 --out "closed $stream" > out 2> err & pid=$!
  for ((i = 0; i < 100; i++)); do [ -s "closed $stream/metrics.csv" ] && break; sleep .1; done
  kill -TERM $pid  # bash has background jobs ignore SIGINT
  wait $pid
  check "SIGTERM with streams closed ($stream): no message in any file" bash -c '! grep -rlE "finishing|error|data mnist" "$0"' \
    "closed $stream"
done
run bash -c 'trap "" INT; "$@" & sleep .3; kill -INT $! && wait $!' - "${vae[@]}" --epochs 200 --out ignored
verify 0 'a SIGINT that was ignored at the start does not stop the run' 'interrupted        no'
check 'OMP_NUM_THREADS is the default of --threads' \
  bash -c 'OMP_NUM_THREADS=1 "$0" --help | grep -q -- "--threads N .*\[1\]"' "$build/bernoulli_vae"

# ---- seeds ----

same_bits() {  # NAME COMMAND...
  local name=$1
  shift
  rm -rf seed_*
  run "$@" --threads 1 --out seed_a
  verify 0 "$name: one thread" 'directory          seed_a'
  run "$@" --threads 2 --out seed_b
  verify 0 "$name: two threads" 'directory          seed_b'
  check "$name: the threads do not change a bit" cmp seed_a/model.safetensors seed_b/model.safetensors
  run "$@" --threads 2 --seed 2 --out seed_c
  verify 0 "$name: another seed" 'directory          seed_c'
  check "$name: another seed does change it" \
    bash -c '[ -s seed_c/model.safetensors ] && ! cmp -s seed_a/model.safetensors seed_c/model.safetensors'
}
for rule in st mmd arm rebar; do
  same_bits "seed, bernoulli_vae --rule $rule" "${vae[@]}" --data medium --rule $rule --batch-size 125 --lr 0.01
done
same_bits 'seed, mnist_mlp' "${mlp[@]}" --data medium --batch-size 125

# ---- rules ----

run "${vae[@]}" --rule ''
rules=$(sed -n 's/.* is not one of //p' err | tr -d ,)
check 'the list of rules is known' [ -n "$rules" ]
for rule in $rules; do
  for arch in linear two-layer nonlinear; do
    if [ "$rule" = exact ]; then
      expect_exit 1 "--rule $rule --arch $arch" "'exact' enumerates 2^D states" 'D = 200 is too many' -- \
        "${vae[@]}" --rule exact --arch $arch
    else
      expect_exit 0 "--rule $rule --arch $arch" test_neg_elbo -- "${vae[@]}" --rule "$rule" --arch $arch
    fi
  done
done

rules='st mmd reinmax gumbel-softmax st-gumbel-softmax gumbel-rao none reinforce reinforce-mean reinforce-net
  leave-one-out muprop rebar relax'
for rule in $rules; do
  expect_exit 0 "categorical_vae --rule $rule" 'nll_samples        2' 'peak_rss_mb' -- \
    "$build/categorical_vae" --data tiny --epochs 1 --no-plots --nll-samples 2 --rule "$rule"
done
for rule in $rules arm disarm; do
  expect_exit 0 "sbn --rule $rule" 'nll_samples        2' 'peak_rss_mb' -- \
    "$build/sbn" --data tiny --epochs 1 --no-plots --nll-samples 2 --rule "$rule"
done
expect_exit 2 'categorical_vae: a rule of another distribution' "--rule: 'arm' is not one of" -- \
  "$build/categorical_vae" --data tiny --rule arm

expect_exit 0 '--track-variance' 'results in tracked' -- \
  "$build/bernoulli_vae" --data medium --epochs 2 --rule rebar --track-variance 1 --variance-draws 3 --out tracked
for file in variance.csv variance_curves.csv variance_curves.png; do
  check "--track-variance: the directory has $file" [ -s "tracked/$file" ]
done
check '--track-variance: what is measured' [ "$(head -n 1 tracked/variance.csv)" = \
  step,encoder_variance,encoder_mean_norm,encoder_variance_plain,decoder_variance,decoder_mean_norm,decoder_variance_plain ]
expect_exit 0 'the same run, not tracked' 'results in untracked' -- \
  "$build/bernoulli_vae" --data medium --epochs 2 --rule rebar --no-plots --out untracked
check '--track-variance: what is trained does not notice' cmp tracked/model.safetensors untracked/model.safetensors
expect_exit 0 '--variance-draws alone' 'warning: --variance-draws has no effect' -- "${vae[@]}" --variance-draws 3

# ---- compare_estimators ----

compare=("$build/compare_estimators" --rule 'st,arm' --seeds 2 --out compared)
expect_exit 0 'compare_estimators has help' 'Usage: compare_estimators' '--jobs N' -- "${compare[@]}" --help
expect_exit 0 'compare_estimators: runs and tables' 'running linear_st_1, 1 of 4, log in compared/cells/linear_st_1.log' \
  'linear st seed 1: test -ELBO' '| arm | ' 'tables and curves in compared' -- \
  "${compare[@]}" -- --data "$PWD/medium" --epochs 2
for file in results.csv results.md linear_epoch.png linear_seconds.png linear_evaluations.png cells/linear_arm_2/model.safetensors; do
  check "compare_estimators: the directory has $file" [ -s "compared/$file" ]
done
check 'compare_estimators: a line for each rule' [ "$(cut -d , -f 2-3 compared/results.csv | tr '\n' ' ')" = \
  'rule,seeds st,2 arm,2 ' ]
rm compared/cells/linear_arm_1/summary.json
expect_exit 0 'compare_estimators: what has finished is kept' 'linear arm seed 1' '"half_width":' -- \
  "${compare[@]}" --json -- --data "$PWD/medium" --epochs 2
cp out line.json
check 'compare_estimators: and not run again' [ "$(grep -c seed err)" = 1 ]
check 'compare_estimators --json prints one line' [ "$(wc -l < line.json)" = 1 ]
expect_exit 1 'compare_estimators: other arguments' "made with the arguments '--data $PWD/medium', not '--lr 0.1'" -- \
  "${compare[@]}" -- --lr 0.1 --epochs 2
expect_exit 0 'compare_estimators: more epochs train on, with the published numbers' 'linear st seed 1: test -ELBO' '(119.1)' -- \
  "${compare[@]}" --published -- --data "$PWD/medium" --epochs 3
check 'compare_estimators: from where the runs had ended' \
  [ "$(cut -d , -f 1 compared/cells/linear_st_1/metrics.csv | tr '\n' ' ')" = 'epoch 1 2 3 ' ]
expect_exit 2 'compare_estimators: no such rule' "--rule: 'disram' is not one of" "did you mean 'disarm'?" -- \
  "${compare[@]}" --rule disram
expect_exit 2 'compare_estimators: what bernoulli_vae refuses' "error: unknown option '--epoch'; did you mean '--epochs'?" -- \
  "${compare[@]}" --out compared2 -- --epoch 3
expect_exit 2 'compare_estimators: and the corrected command goes on in the same directory' \
  "error: unknown option '--epochz'" -- "${compare[@]}" --out compared2 -- --epochz 3
for word in --rule --seed=3 --out; do
  expect_exit 2 "compare_estimators: $word belongs before --" "after --: ${word%=*} is set for each run" -- \
    "${compare[@]}" --out compared4 -- $word arm
done
expect_exit 1 'compare_estimators: a directory of something else' "'medium' is not empty, and no comparison is in it" -- \
  "${compare[@]}" --out medium
expect_exit 1 'compare_estimators: a directory that cannot be made' "cannot create directory '/proc/nope'" -- \
  "${compare[@]}" --out /proc/nope
(flock -n 9 && exec sleep 60) 9> compared/campaign.lock & sleep .3
expect_exit 1 'compare_estimators: two in one directory' 'is still at work in' -- \
  "${compare[@]}" -- --data "$PWD/medium" --epochs 2
kill $! && wait
echo '{"interrupted": fal' > compared/cells/linear_st_1/summary.json
expect_exit 0 'compare_estimators: a run cut off is run again' 'linear st seed 1: test -ELBO' -- \
  "${compare[@]}" -- --data "$PWD/medium" --epochs 2
rm -r compared/cells/linear_st_1/checkpoints
expect_exit 1 'compare_estimators: results without a checkpoint are not trained over' \
  "linear_st_1' has results, but no checkpoint to go on from" -- \
  "$build/compare_estimators" --rule st --seeds 1 --out compared -- --data "$PWD/medium" --epochs 4
check 'compare_estimators: they are still there' \
  [ "$(cut -d , -f 1 compared/cells/linear_st_1/metrics.csv | tr '\n' ' ')" = 'epoch 1 2 3 ' ]
expect_exit 1 'compare_estimators: a run that fails' 'linear st seed 1: exit code 3, loss became' \
  'error: not all runs have finished' -- "${compare[@]}" --out compared3 -- --data "$PWD/medium" --lr 1e300 --batch-size 5

# ---- estimator_lab ----

lab=("$build/estimator_lab" --draws 2000)
expect_exit 0 'estimator_lab has help' 'Usage: estimator_lab' '--draws N' '[100000]' -- "$build/estimator_lab" --help
for problem in toy-0.45 toy-0.499 bernoulli4 two-layer categorical poisson-critic; do
  expect_exit 0 "estimator_lab --problem $problem" 'relative_bias' 'leave-one-out' 'results in' -- \
    "${lab[@]}" --problem $problem --no-plots
done
expect_exit 0 'estimator_lab: some rules, into a directory' 'results in lab' -- "${lab[@]}" --rule st,arm --out lab
for file in estimators.csv summary.json bias_variance.csv bias_variance.gp bias_variance.png; do
  check "estimator_lab: the directory has $file" [ -s "lab/$file" ]
done
check 'estimator_lab: a line for each rule' [ "$(cut -d , -f 1 lab/estimators.csv | tr '\n' ' ')" = 'rule st arm ' ]
expect_exit 0 'estimator_lab --json' '"rule":"st"' '"biased":true' '"evaluations":2' -- \
  "${lab[@]}" --rule st,arm --json --no-plots --out lab2
cp out line.json
check 'estimator_lab --json prints one line' [ "$(wc -l < line.json)" = 1 ]
check 'estimator_lab: same seed, same numbers' \
  cmp <(cut -d , -f 1-8 lab/estimators.csv) <(cut -d , -f 1-8 lab2/estimators.csv)
expect_exit 0 'estimator_lab --train' '"train":20' -- \
  "${lab[@]}" --rule rebar,relax --train 20 --json --no-plots --out lab3
check 'estimator_lab --train changes what has parameters' bash -c '! cmp -s <(grep rebar lab3/estimators.csv | cut -d , -f 2) \
  <("${@}" > /dev/null; grep rebar lab4/estimators.csv | cut -d , -f 2)' _ "${lab[@]}" --rule rebar,relax --no-plots --out lab4
expect_exit 2 'estimator_lab: no such problem' "--problem: 'bernouli4' is not one of toy-0.45" -- \
  "${lab[@]}" --problem bernouli4
expect_exit 2 'estimator_lab: misspelt rule' \
  "; did you mean 'disarm'?" -- "${lab[@]}" --rule st,disram
expect_exit 2 'estimator_lab: no rule' 'error: --rule: expected all, or names' -- "${lab[@]}" --rule ''
expect_exit 2 'estimator_lab: a rule of another distribution' "error: --rule: 'arm' is not one of st, mmd, fini2" -- \
  "${lab[@]}" --problem poisson-critic --rule arm
expect_exit 0 'estimator_lab --rule-option, for those that have it' '"rule":"rebar"' '"tune=false,temperature=.7"' -- \
  "${lab[@]}" --rule st,rebar --rule-option tune=false,temperature=.7 --json --no-plots --out lab5
check 'estimator_lab --rule-option changes what it gives' bash -c '! cmp -s <(grep "$0" lab4/estimators.csv | cut -d , -f 2) \
  <(grep "$0" lab5/estimators.csv | cut -d , -f 2)' rebar
for program in estimator_lab poisson_gan; do
  run "$build/$program" --help
  tr -s ' \n' ' ' < out > help
  for option in samples on_param kernel bandwidth epsilon control_variate st_scale divide_by_mean_weight loss_scale decay; do
    check "$program --help lists rule option $option" grep -q ": $option=" help
  done
done
for option in temperature draws eta tune tune_every; do
  expect_exit 0 "estimator_lab --help lists rule option $option" "$option=" -- "$build/estimator_lab" --help
done
expect_exit 2 'estimator_lab: misspelt rule option' "--rule-option: 'tune_evry=2' is not name=value of an option of rebar" \
  "; did you mean 'tune_every'?" -- "${lab[@]}" --rule rebar --rule-option tune_evry=2
expect_exit 2 'estimator_lab: an option that no rule has' "is not name=value of an option of arm; there is none" -- \
  "${lab[@]}" --rule arm --rule-option eta=1
expect_exit 1 'estimator_lab: a rule option out of range leaves no directory' 'decay must lie in' -- \
  "${lab[@]}" --rule reinforce-mean --rule-option decay=2 --out lab6
check 'estimator_lab: none is there' [ ! -e lab6 ]
expect_exit 1 'estimator_lab: --out with contents' "'lab' is not empty" -- "${lab[@]}" --out lab

# ---- poisson_gan ----

gan=("$build/poisson_gan" --rule st,mmd --seeds 2 --epochs 2 --samples 50 --data-samples 50)
expect_exit 0 'poisson_gan has help' 'Usage: poisson_gan' '--match-step' '[1.75]' -- "$build/poisson_gan" --help
expect_exit 0 'poisson_gan: a table, into a directory' '| rule ' '| mmd ' '5.008' 'seeds 1 to 2' -- \
  "${gan[@]}" --controls --out gan
for file in config.json summary.json table1.md table1.csv runs.csv {figure3,rules,controls}.{csv,gp,png}; do
  check "poisson_gan: the directory has $file" [ -s "gan/$file" ]
done
for threads in 1 3; do
  expect_exit 0 "poisson_gan --json --threads $threads" '{"rules":{"st":{"mean":' '"seeds":2' -- \
    "${gan[@]}" --controls --json --quiet --no-plots --threads $threads --out gan$threads
done
cp out line.json
cp err silent
check 'poisson_gan --json prints one line' [ "$(wc -l < line.json)" = 1 ]
check 'poisson_gan --quiet is silent on standard error' [ ! -s silent ]
check 'poisson_gan: same seed, same bits for any number of threads' cmp gan1/runs.csv gan3/runs.csv
check 'poisson_gan: nor do pictures change them' cmp gan/runs.csv gan3/runs.csv
expect_exit 0 'poisson_gan --objective wasserstein' '| st ' -- "${gan[@]}" --objective wasserstein --no-plots
expect_exit 2 'poisson_gan: a rule of another distribution' "--rule: 'arm' is not one of st, mmd" -- "${gan[@]}" --rule arm
expect_exit 0 'poisson_gan --rule-option' '"rule_option":"epsilon=3"' -- \
  "${gan[@]}" --rule-option epsilon=3 --json --no-plots --out gan7
expect_exit 0 'poisson_gan --epsilon is the same' '"epsilon":3' -- "${gan[@]}" --epsilon 3 --json --no-plots --out gan8
check 'poisson_gan --rule-option: the same numbers' cmp gan7/runs.csv gan8/runs.csv
check 'poisson_gan --rule-option changes them' bash -c '! cmp -s gan7/runs.csv gan/runs.csv'
expect_exit 2 'poisson_gan: misspelt rule option' "; did you mean 'kernel'?" -- "${gan[@]}" --rule-option kernal=linear
expect_exit 2 'poisson_gan: an option that no rule has' "is not name=value of an option of st, mmd" -- \
  "${gan[@]}" --rule-option decay=.5
expect_exit 1 'poisson_gan: the gain needs a fixed bandwidth' "rule mmd's gain is known for kernel rbf" -- \
  "${gan[@]}" --rule-option bandwidth=median --match-step --out gan9
check 'poisson_gan: and nothing is written' [ ! -e gan9 ]
expect_exit 2 'poisson_gan: empty range' 'error: --rate-min 3 is above --rate-max 2' -- "${gan[@]}" --rate-min 3 --rate-max 2
expect_exit 1 'poisson_gan: --out with contents' "'gan' is not empty" -- "${gan[@]}" --out gan
stop_gan() {  # DIR ACTION: stops a long run after the action
  timeout --foreground -k 1 60 "$build/poisson_gan" --seeds 5000 --no-plots --out "$1" > out 2> err < /dev/null &
  pid=$!
  until [ -s "$1/config.json" ] || ! kill -0 $pid 2> /dev/null; do sleep .05; done
  eval "$2"
  kill -TERM $pid
  wait $pid
  status=$?
}
stop_gan gan4 true
verify 143 'poisson_gan: stopped, it has nothing to report' 'nothing to report'
check 'poisson_gan: then its directory is gone' [ ! -e gan4 ]
stop_gan gan5 'echo precious > gan5/notes.txt'
verify 143 'poisson_gan: stopped, in a directory with files of others' 'nothing to report'
check 'poisson_gan: what it has not written stays' [ "$(ls gan5)" = notes.txt ]
mkdir gan6
stop_gan gan6 true
check 'poisson_gan: so does an empty directory that was there' [ -d gan6 ]

# ---- projected_flow ----

flow=("$build/projected_flow" --particles 500 --steps 5)
expect_exit 0 'projected_flow has help' 'Usage: projected_flow' '--distance NAMES' '[10000]' -- "${flow[@]}" --help
for case in poisson bernoulli; do
  expect_exit 0 "projected_flow --case $case" 'wasserstein' 'rule mmd' "results in flow_$case" -- \
    "${flow[@]}" --case $case --out flow_$case
  for file in flow.csv summary.json {strip,paths}.{csv,gp,png}; do
    check "projected_flow --case $case: the directory has $file" [ -s "flow_$case/$file" ]
  done
done
expect_exit 0 'projected_flow --json' '"bandwidth":4.0' '"name":"rule fini2","k":5' -- \
  "${flow[@]}" --json --no-plots --out flow2
cp out line.json
check 'projected_flow --json prints one line' [ "$(wc -l < line.json)" = 1 ]
check 'projected_flow: same seed, same numbers' cmp flow_poisson/flow.csv flow2/flow.csv
check 'projected_flow --no-plots draws none' [ ! -e flow2/strip.png ]
expect_exit 0 'projected_flow: one distance' 'rule st' -- "${flow[@]}" --distance mean --no-plots --out flow3
check 'projected_flow: one distance only' [ "$(cut -d , -f 1,2 flow3/flow.csv | uniq | tr '\n' ' ')" = \
  'kind,name projection,mean rule,rule st exact,rule exact ' ]
expect_exit 2 'projected_flow: no such distance' "--distance: 'means' is not one of mean" -- \
  "${flow[@]}" --distance means
expect_exit 2 'projected_flow: no such case' "--case: 'poison' is not one of poisson" -- "${flow[@]}" --case poison
expect_exit 2 'projected_flow: no probability' '--init: expected at most 0.99, got 3' -- \
  "${flow[@]}" --case bernoulli --init 3
expect_exit 1 'projected_flow: --out with contents' "'flow2' is not empty" -- "${flow[@]}" --out flow2

# ---- divergence and signals ----

expect_exit 3 'divergence, bernoulli_vae' 'error: loss became' 'at epoch 1, step 2; last good model: none yet' \
  'hint: lower --lr' -- "${vae[@]}" --arch nonlinear --lr 1e300 --batch-size 5
expect_exit 3 'divergence, mnist_mlp' 'error: loss became' 'at epoch 1, step 2' -- "${mlp[@]}" --lr 1e300 --batch-size 5
expect_exit 3 'divergence in the last step' 'validation_neg_elbo became' 'at epoch 1, step 1' -- \
  "${vae[@]}" --arch nonlinear --lr 1e300 --batch-size 1000

for program in vae mlp; do
  declare -n command=$program
  at_first_epoch 'kill -INT $pid' "${command[@]}" --epochs 1000000 --out "stopped_$program"
  verify 130 "Ctrl-C, $program" 'finishing this step, then saving; Ctrl-C again quits at once' 'interrupted        yes'
  check "Ctrl-C, $program: the model is saved" [ -s "stopped_$program/model.safetensors" ]
  check "Ctrl-C, $program: the summary says so" grep -q '"interrupted": true' "stopped_$program/summary.json"
done
at_first_epoch 'kill -TERM $pid' "${vae[@]}" --epochs 1000000
verify 143 'SIGTERM is taken for Ctrl-C' 'interrupted        yes'
at_first_epoch 'kill -INT $pid' "$build/bernoulli_vae" --data medium --dataset mnist --epochs 1000000 --out stopped_pictures
verify 130 'Ctrl-C, with pictures' 'interrupted        yes'
check 'Ctrl-C: the curves are drawn' [ -s stopped_pictures/curves.png ]
at_first_epoch 'kill -INT $pid' "${vae[@]}" --limit 10 --nll-samples 1000000000
verify 130 'Ctrl-C ends the importance bound' 'test_nll           -'

# ---- --resume ----

for name in bernoulli_vae categorical_vae sbn mnist_mlp; do
  program=("$build/$name" --dataset digits --limit 300 --batch-size 10 --epochs 40 --threads 1 --no-plots)
  run "${program[@]}" --out "whole_$name"
  at_first_epoch 'kill -INT $pid' "${program[@]}" --out "cut_$name"
  verify 130 "$name: Ctrl-C says how to go on" "continue with: $build/$name --resume cut_$name"
  expect_exit 0 "$name --resume" 'resumed after step' 'interrupted        no' -- "$build/$name" --resume "cut_$name" --no-plots
  check "$name --resume: the very model" cmp "whole_$name/model.safetensors" "cut_$name/model.safetensors"
  check "$name --resume: the very metrics" cmp <(rev "whole_$name/metrics.csv" | cut -d , -f 2- | rev) \
    <(rev "cut_$name/metrics.csv" | cut -d , -f 2- | rev)  # but for the last column, seconds
done
resume=("$build/bernoulli_vae" --resume cut_bernoulli_vae --no-plots)
expect_exit 2 '--resume: another option than then' "error: --lr: 0.5 does not go with the run in 'cut_bernoulli_vae', which has" -- \
  "${resume[@]}" --lr 0.5
expect_exit 2 '--resume: fewer epochs' '--epochs: 39 does not go with the run' 'more epochs extend the run, fewer cannot be' -- \
  "${resume[@]}" --epochs 39
expect_exit 2 '--resume and --out' '--resume: the run goes on in its own directory' 'leave out --out' -- "${resume[@]}" --out other
expect_exit 0 '--resume: more epochs extend the run' 'resumed after step 1200, in epoch 41 of 42' -- "${resume[@]}" --epochs 42
expect_exit 0 '--resume: a finished run only makes its end again' 'the run has had its 42 epochs' 'interrupted        no' -- \
  "${resume[@]}"
run "$build/bernoulli_vae" --data medium --dataset mnist --epochs 1 --no-plots --out on_medium
dataset altered 28 300 101
expect_exit 1 '--resume: other data' "not the data of the run in 'on_medium': expected sha256" 'hint: --data DIR' -- \
  "$build/bernoulli_vae" --resume on_medium --data altered
expect_exit 1 '--resume: no such directory' "'nowhere' is no run directory" -- "$build/bernoulli_vae" --resume nowhere
(flock -n 9 && exec sleep 60) 9> cut_bernoulli_vae/run.lock & sleep .3
expect_exit 1 '--resume: two at once' "another process is at work in 'cut_bernoulli_vae'" -- "${resume[@]}"
kill $! && wait
newest=$(ls cut_bernoulli_vae/checkpoints/step_*.safetensors | tail -n 1)
truncate -s 1000 "$newest"
expect_exit 0 '--resume: a damaged checkpoint' "warning: $newest" 'the checkpoint before it is taken' -- "${resume[@]}"
rm cut_bernoulli_vae/checkpoints/*
expect_exit 1 '--resume: no checkpoint' 'no checkpoint that can be read' 'hint: start anew with --config cut_bernoulli_vae/config.json' -- \
  "${resume[@]}"

mkdir misuse && cd misuse || exit 1
# shellcheck source=tests/cli_misuse.sh
. "$tests/cli_misuse.sh"

exit $failed
