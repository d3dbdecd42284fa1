#!/bin/sh
# Installs what `make test` and `make demo` need and this machine lacks, on Debian 12 and 13. With everything present it
# does nothing, and needs neither root nor network. It never leaves a database server running that it installed.
set -eu

# Rust 2024 and `rust-version` of Cargo.toml.
rust_minor=85

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

# Some servers live in sbin, which a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin
need cc build-essential
need make make
need curl curl
need mariadbd mariadb-server
need mariadb mariadb-client
need php php-cli
need debootstrap debootstrap
need haproxy haproxy
need python3 python3
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

# rustup's directory is not in PATH until the next login.
[ ! -d "$HOME/.cargo/bin" ] || PATH=$HOME/.cargo/bin:$PATH

rust_is_new_enough() {
    command -v cargo >/dev/null 2>&1 || return 1
    minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge "$rust_minor" ]
}

# Debian 12's cargo is 1.63 and Debian 13's is 1.85, but without a promise of staying new enough: rustup, from Debian 13's
# package where there is one, else from Rust's own installer.
if ! rust_is_new_enough; then
    if apt-cache show rustup >/dev/null 2>&1; then
        install_packages rustup
        rustup default stable
    else
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default
    fi
    echo "Rust is installed; a new shell has it in PATH (now: . \"\$HOME/.cargo/env\")"
fi
command -v rustfmt >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
