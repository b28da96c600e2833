# cli_misuse.sh - a table of command lines that are wrong, or odd but documented as valid: each row has the exit
# code, words that the program says, and the command. None may crash, hang, or do something else in silence.
#
# The last part of cli.sh, which runs it with its own functions, in an empty folder.
ulimit -c 0

row() {  # CODE WORDS PROGRAM ARGUMENTS...
  local found=''
  # 2 seconds of the processor; the other limit is for what waits.
  (ulimit -t 2; exec timeout -k 1 20 "$build/$3" "${@:4}") > out 2> err < /dev/null
  status=$?
  [ "$1" = 0 ] || [ ! -s out ] || found='a refusal on standard output'
  ! grep -qE 'exception|std::|stoll|stod|terminate|basic_string|bad_|what\(\)|vector::|_M_' err || found='a raw exception'
  [ "$1" != 2 ] || [ ! -e runs ] || found='wrong usage made a run directory'
  verify "$1" "misuse: ${*:3}" "$2"
  rm -rf runs
}

# ---- rubbish ----

mkdir folder full no_checkpoint
echo text > full/text
echo text > text
head -c 2000 "$build/hello_autodiff" > binary
: > nothing
printf '{"lr": 1e999}' > lr_1e999.json
printf '{"seed": 18446744073709551615}' > seed_2_64.json
printf '{"seed": -9223372036854775809}' > seed_below.json
printf '{"epochs": 1, "epochs": true}' > truth.json
printf '{"epochs": [1]}' > list.json
printf '{"epochs": {"a": 1}}' > object.json
printf '{"samples": 4611686018427387904}' > samples.json
printf '{"": 1}' > no_name.json
printf '{"program": 3}' > program.json
printf '{"program": "bernoulli_vae", "seed": "\\ud800"}' > surrogate.json
printf '{"seed": 1}{"seed": 2}' > two.json
printf '\xff\xfe{\0"\0' > utf16.json
echo '{"dataset": "digits", "lr": 0.1}' > no_checkpoint/config.json
for name in rubbish_config rubbish_manifest rubbish_checkpoint; do
  mkdir -p $name/checkpoints
  echo '{"dataset": "digits"}' > $name/config.json
  echo '{}' > $name/manifest.json
done
cp binary rubbish_config/config.json
cp binary rubbish_manifest/manifest.json
cp binary rubbish_checkpoint/checkpoints/step_99999999999999999999.safetensors

digits='--dataset digits --limit 30 --epochs 1 --no-plots'
seeds='expected from 0 to 9223372036854775807'
steps='to 1000000000'

# ---- every program: words that are no options, values that are missing ----

for program in bernoulli_vae categorical_vae compare_estimators estimator_lab hello_autodiff mnist_mlp poisson_gan \
  projected_flow sbn; do
  row 0 "Usage: $program" $program --help
  row 2 "unknown option '--no-such'" $program --no-such=3
  row 2 "unexpected 'stray'; every option begins with --" $program stray
  row 2 "unexpected ''" $program ''
  row 2 "unknown option '-'" $program -
  row 2 "unknown option '-x'" $program -x
  [ $program != hello_autodiff ] || continue
  row 2 '--out needs a value' $program --out
  row 2 '--out needs a value' $program --out ''
  row 2 '--out needs a value' $program --out= folder2
  row 2 '--out needs a value' $program --out --json
  row 2 "--json: 'yes' is neither true nor false" $program --json=yes
done
row 2 "unknown option '--'" bernoulli_vae --
row 2 "unknown option '--epoch'; did you mean '--epochs'?" sbn --epoch=3
row 2 '--epochs needs a value' bernoulli_vae --epochs
row 2 '--epochs needs a value' bernoulli_vae --epochs=
row 2 '--epochs needs a value' bernoulli_vae --epochs= 3
row 2 "--epochs: '' is not a whole number" bernoulli_vae --epochs ''
row 2 '--lr needs a value' categorical_vae --lr --seed 3
row 2 "--rule: '' is not one of" categorical_vae --rule ''
row 2 "--rule: '' is not one of" estimator_lab --rule ,
row 2 "--rule: 'st ' is not one of" poisson_gan --rule 'st , mmd'
row 2 '--rule: expected all, or names' compare_estimators --rule ''
row 2 "--arch: expected all, or names" compare_estimators --arch ''
row 2 '--distance: expected all, or names' projected_flow --distance ''

# ---- numbers ----

for value in -1 9223372036854775808 18446744073709551615 99999999999999999999999; do
  row 2 "--seed: $value is out of range; $seeds" bernoulli_vae --seed $value
done
for value in 1.5 1e3 0x10 +1 ' 1' '1 ' 1,000 nan inf ١ 1_000 -; do
  row 2 "--epochs: '$value' is not a whole number" mnist_mlp --epochs "$value"
done
for value in nan -nan -inf -1 0 -1e999; do
  row 2 "--lr: $value is out of range; expected above 0" sbn --lr $value
done
for value in inf infinity 1e999 1e-999; do
  row 2 "--lr: $value is out of range; expected above 0, and finite" sbn --lr $value
done
for value in 1e 1.2.3 1e1000x 1,5; do
  row 2 "--lr: '$value' is not a number" sbn --lr $value
done
huge=4611686018427387904 most=9223372036854775807
row 2 "--samples: $huge is out of range; expected from 0 to 10000" bernoulli_vae --samples $huge
row 2 "--tune-every: 0 is out of range; expected from 1 $steps" bernoulli_vae --tune-every 0
row 2 "--nll-samples: $most is out of range; expected from 0 $steps" bernoulli_vae --nll-samples $most
row 2 "--nll-samples: 0 is out of range; expected from 1 $steps" sbn --nll-samples 0
row 2 "--track-variance: $most is out of range; expected from 0 $steps" bernoulli_vae --track-variance $most
row 2 "--variance-draws: 1 is out of range; expected from 2 to 10000" bernoulli_vae --variance-draws 1
row 2 "--variance-draws: 10001 is out of range; expected from 2 to 10000" bernoulli_vae --variance-draws 10001
row 2 "--epochs: $most is out of range; expected from 1 $steps" bernoulli_vae --epochs $most
row 2 "--batch-size: $most is out of range; expected from 1 to 1000000" mnist_mlp --batch-size $most
row 2 "--limit: $most is out of range; expected from 0 $steps" mnist_mlp --limit $most
row 2 "--checkpoint-every: -1 is out of range; expected from 0 $steps" mnist_mlp --checkpoint-every -1
row 2 '--threads: 0 is out of range; expected from 1 to 256' mnist_mlp --threads 0
row 2 '--image-size: 1025 is out of range; expected from 0 to 1024' mnist_mlp --images folder --image-size 1025
row 2 '--dropout: 1 is out of range; expected from 0 to 0.9' mnist_mlp --dropout 1
row 2 '--latents: 0 is out of range; expected from 1 to 1000' categorical_vae --latents 0
row 2 '--categories: 1 is out of range; expected from 2 to 1000' categorical_vae --categories 1
row 2 "--seeds: $most is out of range; expected from 1 to 10000" compare_estimators --seeds $most
row 2 "--jobs: $most is out of range; expected from 1 to 256" compare_estimators --jobs $most
row 2 "--epochs: $most is out of range; expected from 1 $steps" compare_estimators -- --epochs $most
row 2 "--epochs: -5 is out of range; expected from 1 $steps" compare_estimators -- --epochs=-5
row 2 "--epochs: 'x' is not a whole number" compare_estimators -- --epochs x
row 2 '--epochs needs a value' compare_estimators -- --epochs
row 2 'after --: --seed is set for each run' compare_estimators -- --seed 3
row 2 'after --: --config cannot be' compare_estimators -- --config lr_1e999.json
row 2 'after --: --resume cannot be' compare_estimators -- --resume=folder
row 2 'after --: --help cannot be' compare_estimators -- --help
row 2 'after --: --version cannot be' compare_estimators -- --version
row 2 "--draws: 1 is out of range; expected from 2 $steps" estimator_lab --draws 1
row 2 "--draws: $huge is out of range; expected from 2 $steps" estimator_lab --draws $huge
row 2 "--train: $huge is out of range; expected from 0 $steps" estimator_lab --train $huge
row 2 "--seed: -1 is out of range; $seeds" estimator_lab --seed -1
row 2 "--seeds: $most is out of range; expected from 1 to 10000" poisson_gan --seeds $most
row 2 "--seed: $most is out of range; expected from 0 to 1000000000000000000" poisson_gan --seed $most
row 2 "--samples: $huge is out of range; expected from 2 to 1000000" poisson_gan --samples $huge
row 2 "--data-samples: $huge is out of range; expected from 1 to 1000000" poisson_gan --data-samples $huge
row 2 "--epochs: $huge is out of range; expected from 1 to 1000000" poisson_gan --epochs $huge
row 2 "--epoch-steps: $huge is out of range; expected from 1 $steps" poisson_gan --epoch-steps $huge
row 2 "--critic-width: $huge is out of range; expected from 1 to 10000" poisson_gan --critic-width $huge
row 2 '--threads: 257 is out of range; expected from 1 to 256' poisson_gan --threads 257
row 2 '--true-rate: nan is out of range' poisson_gan --true-rate nan
row 2 '--rate-min 3 is above --rate-max 2' poisson_gan --rate-min 3 --rate-max 2
row 2 '--true-rate: 1e+300 is out of range' poisson_gan --true-rate 1e+300
row 2 '--init: 1e+300 is out of range' poisson_gan --init 1e+300
row 2 "--particles: $huge is out of range; expected from 1 to 1000000" projected_flow --particles $huge
row 2 "--steps: $huge is out of range; expected from 1 to 100000" projected_flow --steps $huge
row 2 '--init: expected at most 0.99, got 3' projected_flow --case bernoulli --init 3
row 2 '--init: inf is out of range' projected_flow --init inf
row 2 '--epsilon: 0 is out of range; expected from 1e-06 to 1000000' projected_flow --epsilon 0
row 2 '--bandwidth: -1 is out of range' projected_flow --bandwidth -1
row 2 '--bandwidth: 1e300 is out of range' bernoulli_vae --rule mmd --bandwidth 1e300
row 2 '--epsilon: 1e300 is out of range' bernoulli_vae --rule mmd --epsilon 1e300
row 2 '--temperature: 1e300 is out of range' bernoulli_vae --rule rebar --temperature 1e300

# ---- files ----

row 1 '--data nowhere: expected a folder' bernoulli_vae --data nowhere
row 1 '--data text: expected a folder' bernoulli_vae --data text
row 1 '--data /dev/null: expected a folder' bernoulli_vae --data /dev/null
row 1 'expected a folder of images' mnist_mlp --images text
row 1 'expected a folder of images' mnist_mlp --images /dev/null
row 1 'expected a subfolder' mnist_mlp --images folder
row 2 '--images replaces --dataset' mnist_mlp --images folder --dataset mnist
row 1 "'full' is not empty" sbn --out full --dataset digits
row 1 "'full' is not empty" poisson_gan --out full
row 1 "'full' is not empty" projected_flow --out full
row 1 "'full' is not empty" estimator_lab --out full
row 1 "'full' is not empty" compare_estimators --out full
row 1 "cannot create run directory 'text'" sbn --out text --dataset digits
row 1 "cannot create run directory '/dev/null'" estimator_lab --out /dev/null
row 1 "cannot create directory '/dev/null'" compare_estimators --out /dev/null
for program in bernoulli_vae categorical_vae mnist_mlp sbn; do
  row 1 'none.json: cannot read: No such file' $program --config none.json
  row 1 'Is a directory' $program --config folder
  row 1 'nothing: not JSON' $program --config nothing
  row 1 '/dev/null: cannot read' $program --config /dev/null
  row 1 'binary: not JSON' $program --config binary
  row 1 "'nowhere' is no run directory" $program --resume nowhere
  row 1 "'text' is no run directory" $program --resume text
  row 1 'config.json: not JSON' $program --resume rubbish_config
  row 2 'leave out --config' $program --resume folder --config text
done
row 1 'lr_1e999.json: ' bernoulli_vae --config lr_1e999.json
row 1 18446744073709551615 bernoulli_vae --config seed_2_64.json
row 1 '--seed: ' bernoulli_vae --config seed_below.json
row 1 'truth.json: ' bernoulli_vae --config truth.json
row 1 'list.json: ' bernoulli_vae --config list.json
row 1 'object.json: ' bernoulli_vae --config object.json
row 1 "samples.json: --samples: $huge is out of range; expected from 0 to 10000" bernoulli_vae --config samples.json
row 1 "no_name.json: unknown option ''" bernoulli_vae --config no_name.json
row 1 "program.json: written by '3', not by bernoulli_vae" bernoulli_vae --config program.json
row 1 'surrogate.json: not JSON' bernoulli_vae --config surrogate.json
row 1 'two.json: not JSON' bernoulli_vae --config two.json
row 1 'utf16.json: not JSON' bernoulli_vae --config utf16.json
row 1 'no_checkpoint' bernoulli_vae --resume no_checkpoint
row 1 'manifest.json' bernoulli_vae --resume rubbish_manifest
row 1 'manifest.json' bernoulli_vae --resume rubbish_checkpoint
row 2 '--resume: the run goes on in its own directory' bernoulli_vae --resume folder --out other
row 2 '--resume needs a value' bernoulli_vae --resume ''

# ---- odd, but documented as valid ----

row 2 "--lr: 0.5 does not go with the run in 'no_checkpoint', which has" bernoulli_vae --resume no_checkpoint --lr 0.5
row 0 'directory          --two' bernoulli_vae $digits --out=--two
row 0 'directory          -3' bernoulli_vae $digits --out -3
row 0 'directory          last' bernoulli_vae $digits --out first --seed 1 --seed 9223372036854775807 --out=last
row 0 'warning: --bandwidth has no effect with --rule st' bernoulli_vae $digits --bandwidth 2
row 0 'warning: --data has no effect with --dataset digits' mnist_mlp $digits --data folder
row 0 'warning: --colour has no effect without --images' mnist_mlp $digits --colour=true
row 0 'nll_samples        1' sbn $digits --nll-samples 1 --batch-size 1000000 --json=false
row 0 'results in runs/' categorical_vae $digits --latents 1 --categories 2 --checkpoint-every 0
