#!/bin/sh
# Removes what the laboratory keeps between runs: MySQL 9's directory and the templates of data directories.
# A chroot with something still mounted in it is left alone: removing it would remove what is mounted.
set -eu
cd "$(dirname "$0")/.."
cache=$(pwd -P)/.cache
if grep -q " $cache/" /proc/mounts; then
    echo "something is mounted below .cache: unmount it first" >&2
    exit 1
fi
rm -rf "$cache"
