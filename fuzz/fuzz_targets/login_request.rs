//! Fuzzes [`pointsman_fuzz::entries::login_request`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::login_request(bytes));
