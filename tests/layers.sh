#!/usr/bin/env bash
# layers.sh - checks the rules of the source tree that the compiler does not know; prints each breach.
#
# Layers: tensor <- autodiff <- nn <- estimators; datasets sees tensor; nothing in the library sees
# examples or tests. BLAS and threads have one door each. Files stay short enough to be read.
set -u
shopt -s nullglob
breaches=$(
  check() {  # FOLDER ALLOWED...: the folders its files may include
    local folder=$1 file line
    shift
    for file in "$folder"/*.h "$folder"/*.cpp; do
      grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" | while IFS= read -r line; do
        included=${line#*\"}
        included=${included%\"*}
        case " $* " in
          *" ${included%%/*} "*) [ "$included" != "${included#*/}" ] && continue ;;
        esac
        echo "$file:${line%%:*}: $folder may not include \"$included\" (allowed: $*)"
      done
    done
  }
  check tensor tensor
  check autodiff tensor autodiff
  check nn tensor autodiff nn
  check estimators tensor autodiff nn estimators
  check datasets tensor datasets

  library=({tensor,autodiff,nn,estimators,datasets}/*.{h,cpp})
  programs=(examples/*.cpp)
  source=("${library[@]}" "${programs[@]}" examples/common/*.{h,cpp})
  only_in() {  # FILE PATTERN WHAT
    grep -nE "$2" "${source[@]}" /dev/null | grep -v "^$1:" | while IFS= read -r line; do
      echo "$(cut -d : -f 1,2 <<< "$line"): $3 belongs in $1 alone"
    done
  }
  only_in tensor/blas.cpp '# *include *[<"]cblas' 'cblas.h'
  only_in tensor/parallel.cpp '# *include *<omp\.h>|# *pragma +omp +(parallel|task|for)' 'OpenMP'

  short() {  # LIMIT FILE...
    local limit=$1 file lines
    shift
    for file in "$@"; do
      lines=$(wc -l < "$file")
      [ "$lines" -le "$limit" ] || echo "$file: $lines lines; the limit is $limit"
    done
  }
  short 120 "${programs[@]}"
  short 400 "${source[@]}" tests/*.{h,cpp}
)
[ -z "$breaches" ] || { printf '%s\n' "$breaches"; exit 1; }
echo "layers: ok"
