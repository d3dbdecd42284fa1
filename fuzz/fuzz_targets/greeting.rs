//! Fuzzes [`pointsman_fuzz::entries::greeting`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::greeting(bytes));
