//! Fuzzes [`pointsman_fuzz::entries::client_auth`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::client_auth(bytes));
