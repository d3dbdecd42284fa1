#!/bin/sh
# Fuzzes everything that decodes a peer's bytes or reads its statements: each target of fuzz/ for FUZZ_SECONDS (30), one
# after the other; with words, only the targets of these names. Needs rustup: libFuzzer is built with flags of the nightly
# compiler. What crashes a target is kept in fuzz/artifacts, what was found to be new to it in fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-30}

[ ! -d "$HOME/.cargo/bin" ] || PATH=$HOME/.cargo/bin:$PATH
command -v rustup >/dev/null 2>&1 || {
    echo "make fuzz needs the nightly compiler of rustup: https://rustup.rs" >&2
    exit 1
}
rustup run nightly rustc --version >/dev/null 2>&1 || {
    echo "installing the nightly compiler"
    rustup toolchain install nightly --profile minimal
}
command -v cargo-fuzz >/dev/null 2>&1 || {
    echo "installing cargo-fuzz"
    cargo install cargo-fuzz --locked
}

all=$(cargo +nightly fuzz list)
targets=${*:-$all}
for target in $targets; do
    printf '%s\n' "$all" | grep -qx -- "$target" || {
        echo "no fuzz target $target; there are:" $all >&2
        exit 1
    }
done
echo "building $(printf '%s\n' $targets | wc -l) targets"
# One build for all: each run would look for it again.
cargo +nightly fuzz build
failed=""
for target in $targets; do
    echo "== $target, $seconds s"
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 || failed="$failed $target"
done
[ -z "$failed" ] || {
    echo "failed:$failed (fuzz/artifacts has the inputs)" >&2
    exit 1
}
echo "all targets done, nothing found"
