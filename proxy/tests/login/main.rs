//! Logins against real peers: our client half at MariaDB servers, real clients at our server half.
//!
//! Needs Debian's mariadb-server, mariadb-client, php-cli with php-mysql, python3-pymysql and openssl. With
//! `MYSQL9_ADDRESS` (host:port, TCP), `MYSQL9_SOCKET` and `MYSQL9_CA` set, an already running MySQL 9 whose
//! root has the password `root` is tested too; with `MYSQL9_CLIENT` (a command line), its client.

// clippy.toml's permission covers #[test] functions, not their helpers.
#![allow(clippy::unwrap_used)]

mod backends;
mod certificates;
mod clients;
mod echo;
mod mariadb;
mod tls;
