//! The fuzz targets' entry functions under proptest, so that stable builds run them too.

#[path = "../../fuzz/src/planner.rs"]
mod planner;

use proptest::prelude::*;

/// As many as PROPTEST_CASES says, for long runs; else what takes a second.
fn cases() -> ProptestConfig {
    const USUAL: u32 = 2_000;
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(USUAL)
    }
}

/// Words and signs in any order: they get further than noise.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"SELECT ",
        b"INSERT INTO t VALUES ",
        b"UPDATE t SET ",
        b"DELETE ",
        b"SET ",
        b"CALL ",
        b"WITH c AS ",
        b"FROM ",
        b"WHERE ",
        b"LIMIT ",
        b"INTO ",
        b"FOR UPDATE ",
        b"PREPARE p FROM ",
        b"EXECUTE p ",
        b"ALTER TABLE t RENAME TO ",
        b"CONNECTION_ID()",
        b"FOUND_ROWS ( )",
        b"ROW_COUNT()",
        b"GET_LOCK('a', 1)",
        b"RELEASE_LOCK('a')",
        b"f(",
        b"(",
        b")",
        b",",
        b";",
        b"'",
        b"\"",
        b"`",
        b"'x'",
        b"@a",
        b"@@b",
        b":=",
        b"=",
        b"/*",
        b"*/",
        b"/*!50000 ",
        b"/*M! ",
        b"/*+ ",
        b"-- ",
        b"#",
        b"\n",
        b"\\",
        b"1",
        b"1.5e3",
        b"0x1F",
        b"NULL",
        b"\0",
        b"\xbf\x5c",
        b"\x81",
        b"\xe9",
        b"\xc3\xa9",
        b"/* pointsman: role=replica max_lag_ms=5 */ ",
        b"BEGIN ",
        b"END ",
        b"ANALYZE ",
        b"EXPLAIN ",
        b"HANDLER t OPEN ",
    ];
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(PIECES), 0..20).prop_map(|pieces| pieces.concat()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_text_breaks_the_planner(reading in any::<[u8; 2]>(), text in texts()) {
        let bytes = [&reading[..], &text].concat();
        for (_, entry) in planner::ALL {
            entry(&bytes);
        }
    }
}
