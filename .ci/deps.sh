#!/usr/bin/env bash
# deps.sh demo|all - installs the Debian packages that are missing; says nothing when none is.
#
# demo: what building, the tests and the demo need. all: also what developers use. A missing required
# package is an error; without the others the project works, with less (but `deps.sh all` fails).
set -u
required="g++ pkg-config libopenblas-openmp-dev zlib1g-dev libstb-dev libcli11-dev"
required+=" nlohmann-json3-dev doctest-dev"
pictures="dataset-fashion-mnist gnuplot-nox graphviz"
developer="cmake clang clang-format clang-tidy libclang-rt-14-dev libomp-14-dev valgrind curl ca-certificates"
cxx=${CXX:-g++}

missing() {  # those of the named packages that are not installed
  local package names=
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Abbrev};' "$package" 2>/dev/null) in
      *"ii ;"*) ;;
      *) names+=" $package" ;;
    esac
  done
  echo "$names"
}

# Another flavour of OpenBLAS may answer at run time; switching it is the user's decision.
warn_blas_flavour() {
  local name
  name="libopenblas.so.0-$("$cxx" -print-multiarch 2>/dev/null)"
  case $(update-alternatives --query "$name" 2>/dev/null | sed -n 's/^Value: //p') in
    "" | *openblas-openmp*) ;;
    *) echo "warning: this system uses another OpenBLAS than the OpenMP one: slower with stflow's" \
            "threads; to switch: sudo update-alternatives --config $name" >&2 ;;
  esac
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  headers='<cblas.h> <zlib.h> <stb/stb_image.h> <CLI/CLI.hpp> <nlohmann/json.hpp> <doctest/doctest.h>'
  # shellcheck disable=SC2046,SC2086
  if printf '#include %s\n' $headers |
      "$cxx" -std=c++20 $(pkg-config --cflags openblas 2>/dev/null) -x c++ -E - >/dev/null 2>&1; then
    exit 0
  fi
  cat >&2 <<TEXT
error: there is no apt-get here to install the libraries with. stflow needs, with their headers:
  OpenBLAS (OpenMP build), zlib, stb, CLI11 2, nlohmann-json 3, doctest 2, pkg-config, g++ 12
and for pictures and real data: gnuplot, graphviz, and MNIST (make mnist).
TEXT
  exit 1
fi

[ "${1:-all}" = all ] && optional="$pictures $developer" || optional=$pictures
# shellcheck disable=SC2086
need=$(missing $required) wish=$(missing $optional)
if [ -z "$need$wish" ]; then
  warn_blas_flavour
  exit 0
fi
line="apt-get update && apt-get install$need$wish"

if [ "$(id -u)" = 0 ]; then
  as_root=(env)
elif [ -n "$need" ] && command -v sudo >/dev/null; then
  as_root=(sudo env)
elif sudo -n true 2>/dev/null; then
  as_root=(sudo env)
elif [ -n "$need" ] || [ "${1:-all}" = all ]; then
  echo "error: packages are missing, and installing them needs root. Run as root: $line" >&2
  exit 1
else
  echo "note: not installed, and not strictly needed:$wish (as root: $line)" >&2
  exit 0
fi

apt() {
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
install() { apt install -y --no-install-recommends "$@"; }

echo "Installing:$need$wish"
apt update || echo "warning: apt-get update failed (no network?); trying with the old lists" >&2
# shellcheck disable=SC2086
if ! install $need $wish; then
  # One unknown package makes apt-get refuse all: the required ones together, the others singly.
  [ -z "$need" ] || install $need
  for package in $wish; do install "$package"; done
fi

# shellcheck disable=SC2086
need=$(missing $required) wish=$(missing $optional)
warn_blas_flavour
[ -z "$wish" ] || echo "warning: could not install:$wish (see the messages of apt-get above)" >&2
if [ -n "$need" ]; then
  echo "error: could not install what stflow needs:$need" >&2
  echo "hint: is there a network, and does this release have these packages (Debian 12 has)?" \
       "Try: $line" >&2
  exit 1
fi
[ -z "$wish" ] || [ "${1:-all}" != all ]
