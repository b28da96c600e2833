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
user_program() {  # PREFIX NAME SOURCE
  local program=$scratch/program
  # shellcheck disable=SC2086
  rm -rf "$program" && mkdir "$program" &&
    flags=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --cflags --libs stflow) &&
    $cxx -o "$program/run" "$3" $flags && (cd "$program" && timeout 120 ./run)
  result $? "$2"
}

installed() {  # BUILD REAL
  local prefix=$scratch/$2 settings=(REAL="$2" CONFIG="${2#float}" BUILD="$1")
  echo "== installed copy, $2"
  "$make" --no-print-directory "${settings[@]}" DESTDIR= PREFIX="$prefix" install
  result $? "make install ($2)"
  user_program "$prefix" "tests/install/user.cpp ($2)" tests/install/user.cpp
  [ "$2" = float ] || return

  readme "$prefix"
  # A package is staged under DESTDIR, and its stflow.pc names the final place.
  "$make" --no-print-directory "${settings[@]}" DESTDIR="$scratch/stage" PREFIX=/usr install &&
    diff <(cd "$prefix" && find . -type f | sort) <(cd "$scratch/stage/usr" && find . -type f | sort) &&
    grep -qx prefix=/usr "$scratch/stage/usr/lib/pkgconfig/stflow.pc"
  result $? "make install DESTDIR="
  "$make" --no-print-directory "${settings[@]}" DESTDIR= PREFIX="$prefix" uninstall >/dev/null &&
    [ -z "$(find "$prefix" -type f)" ]
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
      user_program "$1" "README.md, program $count" "$file"
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
    installed "$2" float
    installed "$2" double
    cli_ended
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
