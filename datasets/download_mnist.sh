#!/usr/bin/env bash
# download_mnist.sh [DIR] - downloads the four MNIST files into DIR and verifies them; files that are right stay.
#
# The checksums are those of the decompressed bytes: compressed files differ by who compressed them.
set -u
dir=${1:-}
dir=${dir:-${XDG_DATA_HOME:-$HOME/.local/share}/stflow/mnist}
mirrors="https://ossci-datasets.s3.amazonaws.com/mnist
https://storage.googleapis.com/cvdf-datasets/mnist"
files="
train-images-idx3-ubyte.gz ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
train-labels-idx1-ubyte.gz 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
t10k-images-idx3-ubyte.gz 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
t10k-labels-idx1-ubyte.gz ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"

is_right() {  # FILE SHA256
  [ -f "$1" ] && [ "$(gzip -dc "$1" 2>/dev/null | sha256sum | cut -d ' ' -f 1)" = "$2" ]
}

for tool in curl gzip sha256sum; do
  if ! command -v "$tool" >/dev/null; then
    echo "error: $tool is not installed (make deps installs it)" >&2
    exit 1
  fi
done
if ! { mkdir -p "$dir" && temporary=$(mktemp -d "$dir/.download.XXXXXX"); }; then
  echo "error: cannot write into $dir" >&2
  exit 1
fi
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

failed=0
while read -r name sha; do
  [ -n "$name" ] || continue
  if is_right "$dir/$name" "$sha"; then
    echo "ok       $name"
    continue
  fi
  reasons=
  for mirror in $mirrors; do
    if ! why=$(curl -fsSL --connect-timeout 15 -o "$temporary/$name" "$mirror/$name" 2>&1); then
      reasons+="  $mirror: ${why:-download failed}"$'\n'
    elif ! is_right "$temporary/$name" "$sha"; then
      reasons+="  $mirror: the file has the wrong checksum"$'\n'
    elif mv "$temporary/$name" "$dir/$name"; then
      echo "fetched  $name"
      continue 2
    fi
  done
  echo "error: could not fetch $name" >&2
  printf '%s' "$reasons" >&2
  failed=1
done <<< "$files"

if [ "$failed" = 1 ]; then
  echo "hint: without a network, copy the four .gz files into $dir and run this again to verify them;" \
       "or use --dataset fashion-mnist" >&2
  exit 1
fi
echo "MNIST is complete in $dir"
