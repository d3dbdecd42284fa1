//! Fuzzes [`pointsman_fuzz::entries::response`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::response(bytes));
