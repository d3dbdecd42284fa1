//! Fuzzes [`pointsman_fuzz::entries::change_user`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::change_user(bytes));
