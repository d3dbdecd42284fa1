#!/bin/sh
# Runs the named stages (fmt, lint, unit, gates, it) in order, says which one it is at and for how long it ran, and ends with
# one line that counts all tests: "N passed, N failed".
# After `it`, further words are filters for the names of integration tests. Those that failed among the others are run once
# more, alone: on a crowded machine a server may start too late. What passes only then is named in the result.
set -u
cd "$(dirname "$0")/.." || exit 1

# Each integration test of faults starts servers of its own: more than this many at once and two cores only swap tasks.
threads=${TEST_THREADS:-3}
# More failures than this are no accident of a busy machine, and nothing is run again.
max_reruns=4
# Property tests draw the same cases in every run: what fails here fails again. `cargo test` alone draws new ones.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261123}"
report=$(mktemp) || exit 1
# The tests write down here what they could not look at.
export POINTSMAN_SKIPPED="${POINTSMAN_SKIPPED:-$report.skipped}"
: >"$POINTSMAN_SKIPPED"
trap 'rm -f "$report" "$report.skipped"' EXIT
broken=""
unsteady=""
start=$(date +%s)

say() { printf '\n== %s (%s s since start)\n' "$1" "$(($(date +%s) - start))"; }

# tee would hide the command's exit code, and /bin/sh knows no pipefail.
counted() {
    { "$@" 2>&1; echo "exit $?" >>"$report"; } | tee -a "$report"
    [ "$(grep '^exit ' "$report" | tail -n 1)" = "exit 0" ]
}

# The tests that failed in this stage pass alone. Each must really run again: a name that finds no test proves nothing.
passed_alone() {
    failed=$(sed -n '/^stage it$/,$ s/^test \(.*\) \.\.\. FAILED$/\1/p' "$report" | sort -u)
    count=$(printf '%s\n' "$failed" | grep -c .)
    [ "$count" -gt 0 ] && [ "$count" -le "$max_reruns" ] || return 1
    say "once more, one at a time: $count that failed among the others"
    again=$(mktemp) || return 1
    # shellcheck disable=SC2086 # One word for each test.
    cargo test -p pointsman-tests --test it -- --test-threads=1 --exact $failed 2>&1 | tee "$again"
    ran=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$again")
    rm -f "$again"
    [ "$ran" = "$count" ] || return 1
    unsteady=$failed
}

stage() {
    case $1 in
    fmt) say "format: cargo fmt --check" && cargo fmt --all --check ;;
    lint) say "lints: cargo clippy, warnings are errors" && cargo clippy --workspace --all-targets --quiet -- -D warnings ;;
    unit)
        say "unit tests: every crate but pointsman-tests" &&
            counted cargo test --workspace --exclude pointsman-tests --no-fail-fast
        ;;
    gates)
        say "build of the release binary, whose queries are counted" &&
            cargo build --release -p pointsman-proxy --bin pointsman --quiet &&
            cargo build --release -p pointsman-planner --example analysis_loop --quiet &&
            cargo build -p pointsman-benches --bin null-backend --quiet || return 1
        say "gates: instructions, system calls, allocations and memory against benches/budgets.toml" &&
            counted cargo test -p pointsman-benches --test gates -- --test-threads=1 --show-output
        ;;
    it)
        say "build of the program under test" && cargo build -p pointsman-proxy --bin pointsman --quiet || return 1
        # What was just built; the tests would otherwise each time ask cargo whether it is current.
        [ -n "${POINTSMAN_BIN:-}" ] || export POINTSMAN_BIN="${CARGO_TARGET_DIR:-$PWD/target}/debug/pointsman"
        shift
        echo "stage it" >>"$report"
        say "integration tests: real servers, $threads at a time" &&
            { counted cargo test -p pointsman-tests --no-fail-fast -- --test-threads="$threads" "$@" || passed_alone; }
        ;;
    *) echo "unknown stage: $1" >&2 && return 1 ;;
    esac
}

while [ $# -gt 0 ]; do
    if [ "$1" = it ]; then
        stage "$@" || broken="$broken it"
        break
    fi
    stage "$1" || broken="$broken $1"
    shift
done

say "result"
[ -z "$broken" ] || echo "failed stages:$broken"
sort "$POINTSMAN_SKIPPED" | uniq -c | while read -r times why; do echo "skipped $times times: $why"; done
for test in $unsteady; do echo "failed among the others, passed alone: $test"; done
awk -v alone="$(printf '%s\n' "$unsteady" | grep -c .)" '/^test result: /{ for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
     END { p += alone; f -= alone; printf "%d passed, %d failed\n", p, f }' "$report"
[ -z "$broken" ]
