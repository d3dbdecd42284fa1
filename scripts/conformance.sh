#!/bin/sh
# MariaDB's own tests, directly and through Pointsman, in the text protocol, prepared, with cursors, and with a session
# that changes its connection after every statement. Arguments (such as --sample 20) go to each run.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${POINTSMAN_BIN:-}" ]; then
    cargo build --release --quiet -p pointsman-proxy --bin pointsman
fi
status=0
for mode in "" --ps-protocol --cursor-protocol --always-switch; do
    echo "conformance: ${mode:-text protocol}"
    # shellcheck disable=SC2086 # an empty mode must vanish
    python3 scripts/conformance.py $mode --out "target/conformance/${mode:-text}" "$@" || status=1
done
exit "$status"
