#!/usr/bin/env bash
# layers.sh - checks the rules of the source tree that the compiler does not know; prints each breach.
#
# Layers: tensor <- autodiff <- nn <- estimators <- train; datasets sees tensor; nothing in the library
# sees examples or tests, and train is seen by these alone. Inside estimators: distributions <- (expect,
# rule) <- rules <- registry <- lab, and flow beside the rules. tensor/kernels/ has a door. BLAS and threads
# have one door each. Files stay short enough to be read.
set -u
shopt -s nullglob
breaches=$(
  # FOLDER ALLOWED...: the folders, or files, of the library that its files may include
  check() {
    local folder=$1 file line included allowed
    shift
    for file in "$folder"/*.h "$folder"/*.cpp; do
      grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" | while IFS= read -r line; do
        included=${line#*\"}
        included=${included%\"*}
        for allowed in "$@"; do
          case $included in "stflow/$allowed" | "stflow/$allowed"/[!/]*.h)
            [ "${included#stflow/"$allowed"/*/}" != "$included" ] || continue 2 ;;
          esac
        done
        echo "$file:${line%%:*}: $folder may not include \"$included\" (allowed: $*)"
      done
    done
  }
  map=tensor/kernels/map.h
  check tensor tensor tensor/kernels
  check tensor/kernels tensor tensor/kernels
  check autodiff tensor autodiff $map
  check nn tensor autodiff nn tensor/kernels/optim_kernels.h
  d=estimators/distributions
  check $d tensor autodiff $d $map
  check estimators/rules tensor autodiff nn $d estimators/expect.h estimators/flow/kernel.h estimators/rules $map
  check estimators/flow tensor autodiff $d estimators/flow $map
  check estimators/lab tensor autodiff nn $d estimators estimators/rules estimators/lab
  check datasets tensor datasets tensor/kernels/cpu.h
  check train/console tensor nn datasets train/console
  check train tensor autodiff nn $d estimators estimators/{rules,flow,lab} datasets train train/console $map
  for file in examples/*.cpp examples/{models,paper}/*.{h,cpp}; do
    grep -nE 'include "stflow/tensor/kernels' "$file" /dev/null
  done

  library=({tensor,autodiff,nn,estimators,datasets,train}/{,*/}*.{h,cpp})
  programs=(examples/*.cpp)
  source=("${library[@]}" "${programs[@]}" examples/{models,paper}/*.{h,cpp})
  only_in() {  # FILE PATTERN WHAT
    grep -nE "$2" "${source[@]}" /dev/null | grep -v "^$1:" | while IFS= read -r line; do
      echo "$(cut -d : -f 1,2 <<< "$line"): $3 belongs in $1 alone"
    done
  }
  only_in tensor/blas.cpp '# *include *[<"]cblas' 'cblas.h'
  only_in tensor/kernels/processors.cpp '# *include *<omp\.h>|# *pragma +omp +(parallel|task|for)' 'OpenMP'

  short() {  # LIMIT FILE...
    local limit=$1 file lines
    shift
    for file in "$@"; do
      lines=$(wc -l < "$file")
      [ "$lines" -le "$limit" ] || echo "$file: $lines lines; the limit is $limit"
    done
  }
  short 400 "${source[@]}" tests/*.{h,cpp}
  # What clang-format leaves as it is: comments.
  awk 'length > 100 { print FILENAME ":" FNR ": longer than 100 columns" }' "${source[@]}" tests/*.{h,cpp}
)
[ -z "$breaches" ] || { printf '%s\n' "$breaches"; exit 1; }
echo "layers: ok"
