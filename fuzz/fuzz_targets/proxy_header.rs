//! Fuzzes [`pointsman_fuzz::entries::proxy_header`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::proxy_header(bytes));
