//! Fuzzes [`pointsman_fuzz::planner::planner_tokens`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pointsman_fuzz::planner::planner_tokens(bytes));
