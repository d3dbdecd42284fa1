//! Fuzzes [`pointsman_fuzz::entries::server_auth`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::server_auth(bytes));
