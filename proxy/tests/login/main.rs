//! Logins against real peers: our client half at MariaDB servers, real clients at our server half.
//!
//! Needs Debian's mariadb-server, mariadb-client, php-cli with php-mysql, python3-pymysql and openssl; and MySQL 9, which is
//! skipped where there can be none.

// clippy.toml's permission covers #[test] functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod backends;
mod certificates;
mod clients;
mod echo;
mod mariadb;
mod tls;
