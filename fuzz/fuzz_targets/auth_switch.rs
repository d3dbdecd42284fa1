//! Fuzzes [`pointsman_fuzz::entries::auth_switch`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::entries::auth_switch(bytes));
