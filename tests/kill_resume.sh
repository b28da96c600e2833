#!/usr/bin/env bash
# kill_resume.sh BUILD [KILLS [SEED [OPTION...]]] - is a run that was killed and resumed the run that was not?
#
# Trains bernoulli_vae once to its end; then again, killed by SIGKILL at KILLS random moments (20; the same for the
# same SEED, as far as the machine's speed is), and resumed each time. OPTIONs go to the program. One line a kill; at
# the end "identical", when model, metrics and variance of both runs agree to the last bit, else exit code 1.
set -u
program=$(realpath "$1")/bernoulli_vae kills=${2:-20} seed=${3:-1}
shift $(($# < 3 ? $# : 3))
options=(--dataset digits --limit 2000 --epochs 6 --lr 0.001 --rule rebar --binarize dynamic --track-variance 40
  --variance-draws 2 --checkpoint-every 7 --threads 1 --no-plots --quiet "$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 1

now() { date +%s.%N; }
die() {
  echo "$1"
  cat err
  exit 1
}

has_checkpoint() { compgen -G "$1/checkpoints/step_*.safetensors" > /dev/null; }

next() {  # sets the command that begins the run, or goes on with it
  if has_checkpoint killed; then
    command=("$program" --resume killed --no-plots --quiet)
  else  # killed while it read its data
    rm -rf killed
    command=("$program" "${options[@]}" --out killed)
  fi
}

begun=$(now)
"$program" "${options[@]}" --out whole > out 2> err &
until has_checkpoint whole || ! kill -0 $! 2> /dev/null; do sleep .02; done
ready=$(now)
wait $! || die 'the uninterrupted run failed'
# A moment between the start of the program and twice the share of training that falls to each kill.
mapfile -t moments < <(awk -v n="$kills" -v seed="$seed" -v begun="$begun" -v ready="$ready" -v end="$(now)" \
  'BEGIN { srand(seed); for (; n-- > 0;) print rand() * (ready - begun + 2 * (end - ready) / '"$kills"') }')

for ((i = 0; i < kills; i++)); do
  next
  timeout --foreground -s KILL "${moments[i]}" "${command[@]}" > out 2> err
  status=$?
  [ $status = 137 ] || [ $status = 0 ] || die "kill $((i + 1)): exit code $status"
  newest=$(compgen -G 'killed/checkpoints/step_*.safetensors' | tail -n 1)
  newest=${newest##*/step_}
  printf 'kill %d after %.2f s: %s, newest checkpoint: %s\n' $((i + 1)) "${moments[i]}" \
    "$([ $status = 0 ] && echo 'it had ended' || echo killed)" "${newest:+step $((10#${newest%.*}))}"
done
next
"${command[@]}" > out 2> err || die 'the last resume failed'

columns() { rev "$1" | cut -d , -f 2- | rev; }  # all but the last, which is seconds
cmp whole/model.safetensors killed/model.safetensors && cmp <(columns whole/metrics.csv) <(columns killed/metrics.csv) &&
  cmp whole/variance.csv killed/variance.csv || exit 1
echo identical
