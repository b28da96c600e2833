#!/usr/bin/env bash
# run.sh all BUILD    - every test of `make test`, which has built before: the suite in float and
#                       double, an installed copy, the code in README.md, command lines (cli.sh).
# run.sh long BUILD   - what takes longer: runs that are killed and resumed, again and again.
# run.sh suite DIR... - these suites alone.
# run.sh tsan DIR     - the suite of a build for the thread sanitizer, and a race that it must find.
# Run from the project root. The last line is "N passed, N failed"; the exit code is 1 if any failed.
set -u
cxx=${CXX:-g++} make=${MAKE:-make}
# The settings of the calling make hold here too, but its -j does not reach through a script.
MAKEFLAGS=$(sed -E 's/ -j[0-9]*| --jobserver[^ ]*//g' <<< "${MAKEFLAGS:-}")
passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
# Programs run in other folders too.
[ -z "${STFLOW_DATA:-}" ] || STFLOW_DATA=$(realpath -m "$STFLOW_DATA")

result() {  # STATUS NAME
  if [ "$1" = 0 ]; then
    passed=$((passed + 1))
    echo "ok    $2"
  else
    failed=$((failed + 1))
    echo "FAIL  $2"
  fi
}

# Adds counts that a program printed. If it failed without saying what, or tested nothing, that is one
# failure more.
add() {  # STATUS PASSED FAILED NAME
  passed=$((passed + $2)) failed=$((failed + $3))
  if [ "$3" = 0 ] && { [ "$1" != 0 ] || [ "$2" = 0 ]; }; then
    result 1 "$4: exit code $1 after $2 tests"
  fi
}

suite() {  # DIR
  local status counts
  echo "== $1/tests"
  "$1/tests" --no-colors=true 2>&1 | tee "$scratch/log"
  status=${PIPESTATUS[0]}
  counts=$(sed -nE 's/^\[doctest\] test cases:.*\| *([0-9]+) passed *\| *([0-9]+) failed.*/\1 \2/p' \
    "$scratch/log" | tail -n 1)
  # shellcheck disable=SC2086
  add "$status" ${counts:-0 0} "$1/tests"
}

# Command lines wait a good deal, so they run beside the rest; what they say comes at the end. env: what a script
# starts with & would not know Ctrl-C.
cli_started() {  # BUILD
  env --default-signal=INT,QUIT tests/cli.sh "$1" > "$scratch/cli" 2>&1 &
  cli=$!
}

cli_ended() {
  local status
  echo "== command lines"
  wait "$cli"
  status=$?
  cat "$scratch/cli"
  add "$status" "$(grep -c '^ok ' "$scratch/cli")" "$(grep -c '^FAIL ' "$scratch/cli")" tests/cli.sh
}

# Builds a program as a user of an installed stflow does, and runs it in an empty folder.
user_program() {  # PREFIX PACKAGE COMPILER NAME SOURCE
  local program=$scratch/program
  # shellcheck disable=SC2086
  rm -rf "$program" && mkdir "$program" &&
    flags=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --cflags --libs "$2") &&
    $3 -o "$program/run" "$5" -I"$(dirname "$5")" $flags && (cd "$program" && timeout 120 ./run)
  result $? "$4, pkg-config $2, $3"
}

# The same by CMake, with an installed copy or fetched sources.
user_project() {  # COMPILER NAME OPTION...
  local project=$scratch/project
  rm -rf "$project" && CXX=$1 cmake -S tests/install -B "$project" "${@:3}" >/dev/null &&
    cmake --build "$project" -j2 >/dev/null && "$project/user"
  result $? "$2, $1"
}

compilers() { for compiler in "$cxx" clang++; do command -v "$compiler" >/dev/null && echo "$compiler"; done; }

installed() {  # BUILD PREFIX REAL
  local compiler package settings=(REAL="$3" CONFIG="${3#float}" BUILD="$1")
  echo "== installed copy, $3"
  "$make" --no-print-directory "${settings[@]}" DESTDIR= PREFIX="$2" install
  result $? "make install ($3)"
  package=stflow${3#float}
  package=${package/%double/-double}
  for compiler in $(compilers); do user_program "$2" "$package" "$compiler" tests/install/user.cpp tests/install/user.cpp; done
  [ "$3" = float ] || return

  user_program "$2" stflow "$cxx" tests/install/own_distribution.cpp tests/install/own_distribution.cpp
  resumable "$2"
  readme "$2"
  # A package is staged under DESTDIR, and its stflow.pc names the final place.
  "$make" --no-print-directory "${settings[@]}" DESTDIR="$scratch/stage" PREFIX=/usr install &&
    diff <(cd "$2" && find . | sort) <(cd "$scratch/stage/usr" && find . | sort) &&
    grep -qx prefix=/usr "$scratch/stage/usr/lib/pkgconfig/stflow.pc"
  result $? "make install DESTDIR="
}

# A user's own training program goes on where it was stopped, to the same bits.
resumable() {  # PREFIX
  local flags program=$scratch/resumable options='--epochs 3 --no-plots --quiet --json'
  rm -rf "$program" && mkdir "$program"
  # shellcheck disable=SC2046,SC2086
  flags=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --cflags --libs stflow) &&
    $cxx -o "$program/run" tests/install/resumable.cpp $flags &&
    (cd "$program" && ./run $options --out whole && ./run ${options/3/1} --out part &&
      ./run $options --resume part && cmp whole/model.safetensors part/model.safetensors) >/dev/null
  result $? "tests/install/resumable.cpp: resumes to the same bits"
}

# Float and double side by side in one prefix.
both_installed() {  # BUILD
  local bad compiler prefix=$scratch/prefix
  installed "$1" "$prefix" float
  installed "$1" "$prefix" double
  for bad in some/folder '/a b'; do
    "$make" --no-print-directory DESTDIR="$scratch/refused" PREFIX="$bad" install 2>&1 | grep -q "error: PREFIX='$bad'" &&
      [ ! -e "$scratch/refused" ]
    result $? "make install PREFIX='$bad' is refused"
  done
  command -v cmake >/dev/null || { echo "note: cmake is not installed; find_package is not tested"; return; }
  for compiler in $(compilers); do
    user_project "$compiler" 'find_package(stflow)' -DCMAKE_PREFIX_PATH="$prefix"
  done
  "$make" --no-print-directory DESTDIR= PREFIX="$prefix" uninstall >/dev/null && [ -z "$(find "$prefix" ! -type d)" ]
  result $? "make uninstall leaves no file"
}

# Every ```cpp block of README.md that has a main.
readme() {  # PREFIX
  local file count=0
  [ -f README.md ] || return
  echo "== README.md"
  awk -v prefix="$scratch/readme" '/^```cpp/ { inside = 1; n++; next } /^```/ { inside = 0 }
    inside { print > (prefix n ".cpp") }' README.md
  for file in "$scratch"/readme*.cpp; do
    if grep -q 'int main' "$file" 2>/dev/null; then
      count=$((count + 1))
      for compiler in $(compilers); do
        user_program "$1" stflow "$compiler" "README.md, program $count" "$file"
      done
    fi
  done
  [ "$count" -gt 0 ] || result 1 "README.md has no program"
}

# The warning and not the exit code says that a race was found, and where.
planted_race() {  # DIR
  "$1/planted_race" > "$scratch/log" 2>&1
  grep -q 'WARNING: ThreadSanitizer: data race' "$scratch/log" && grep -q 'SUMMARY.*/planted_race\.cpp' "$scratch/log" ||
    { cat "$scratch/log"; false; }
  result $? "the planted race is found"
}

case $1 in
  suite) for dir in "${@:2}"; do suite "$dir"; done ;;
  long)
    for options in '--rule rebar --binarize dynamic' '--rule relax --arch two-layer' \
        '--rule reinforce-net --arch nonlinear'; do
      # shellcheck disable=SC2086
      tests/kill_resume.sh "$2" 4 1 --limit 600 --epochs 3 --track-variance 5 $options
      result $? "kill -9, again and again: $options"
    done
    ! command -v cmake >/dev/null ||
      user_project "$cxx" 'FetchContent' -DSTFLOW_SOURCE="$PWD" -DCMAKE_BUILD_TYPE=Debug
    ;;
  tsan)
    # Memory that OpenMP's and BLAS's libraries touch is theirs; what threads do with it in between, archer says.
    export TSAN_OPTIONS=ignore_noninstrumented_modules=1
    suite "$2"
    planted_race "$2"
    ;;
  all)
    cli_started "$2"
    suite "$2"
    suite "$2/double"
    both_installed "$2"
    cli_ended
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
