#!/bin/sh
# Installs what `make test` needs and this machine lacks, on Debian 12 and 13; with the word `demo` only what `make demo`
# needs. With everything present it does nothing, and needs neither root nor network. It never leaves a database server
# running that it installed.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-test}

# Rust 2024 and `rust-version` of Cargo.toml.
rust_minor=88

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

# Some servers live in sbin, which a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin
need cc build-essential
need make make
need mariadbd mariadb-server
need mariadb mariadb-client
need php php-cli
if [ "$purpose" != demo ]; then
    need curl curl
    need debootstrap debootstrap
    need haproxy haproxy
    need mariadb-test mariadb-test
    need python3 python3
    need valgrind valgrind
    need strace strace
fi
if command -v php >/dev/null 2>&1; then
    php -m | grep -qx mysqli && php -m | grep -qx pdo_mysql || missing="$missing php-mysql"
else
    missing="$missing php-mysql"
fi

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's maintainer scripts ask policy-rc.d before they start a service (invoke-rc.d(8)); 101 is "not allowed".
# The laboratory starts servers of its own, on free ports.
install_packages() {
    policy=/usr/sbin/policy-rc.d
    ours=""
    if [ ! -e "$policy" ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    status=0
    as_root apt-get update -q || status=$?
    [ "$status" != 0 ] || as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" || status=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$status"
}

if [ -n "$missing" ]; then
    echo "installing:$missing"
    # shellcheck disable=SC2086 # a list of package names
    install_packages $missing
fi

# The languages whose drivers are tested, one Debian package a line (`apt NAME`). A test skips, saying so, what can't be
# had: without them everything else still runs.
drivers=tests/drivers/packages.txt
if [ "$purpose" != demo ] && [ -r "$drivers" ]; then
    wanted=$(sed -n 's/^apt[[:space:]:]*//p' "$drivers" | tr '\n' ' ')
    lacking=""
    for package in $wanted; do
        # npm comes with other makers' nodejs, which conflicts with Debian's npm.
        [ "$package" = npm ] && command -v npm >/dev/null 2>&1 && continue
        dpkg -s "$package" >/dev/null 2>&1 || lacking="$lacking $package"
    done
    if [ -n "$lacking" ]; then
        [ -n "$(ls /var/lib/apt/lists 2>/dev/null | grep Packages)" ] || as_root apt-get update -q || true
        # Releases differ in what they have, and one unknown name would stop apt for all.
        known=""
        for package in $lacking; do
            ! apt-cache show "$package" >/dev/null 2>&1 || known="$known $package"
        done
        lacking=$known
    fi
    if [ -n "$lacking" ]; then
        echo "installing for driver tests:$lacking"
        # shellcheck disable=SC2086 # a list of package names
        install_packages $lacking || echo "not installed; the tests of these drivers will be skipped"
    fi
fi

# rustup's directory is not in PATH until the next login.
[ ! -d "$HOME/.cargo/bin" ] || PATH=$HOME/.cargo/bin:$PATH

rust_is_new_enough() {
    command -v cargo >/dev/null 2>&1 || return 1
    minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge "$rust_minor" ]
}

# All from Debian: the cargo of 12 and 13 is too old, but each has, newer, the toolchain that its
# browsers are built with. Else rustup, for whose packages the user decides.
install_rust() {
    as_root apt-get update -q
    minor=$(apt-cache policy cargo | sed -n 's/^ *Candidate: [^ ]*1\.\([0-9]*\)\..*/\1/p')
    if [ "${minor:-0}" -ge "$rust_minor" ]; then
        install_packages cargo rustfmt rust-clippy
    elif apt-cache show cargo-web >/dev/null 2>&1; then
        install_packages cargo-web rustfmt-web rust-web-clippy
    else
        return 1
    fi
    hash -r
}

if ! rust_is_new_enough; then
    echo "installing Rust 1.$rust_minor or later"
    install_rust && rust_is_new_enough || {
        echo "Rust 1.$rust_minor or later is needed and Debian's is older: install it by https://rustup.rs" >&2
        exit 1
    }
fi
command -v rustfmt >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || {
    command -v rustup >/dev/null 2>&1 && rustup component add rustfmt clippy
}
