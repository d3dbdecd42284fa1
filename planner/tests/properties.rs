//! What holds for every text: no panics, one view of where tokens are, and nothing harmless that was not proved so.

use pointsman_planner::{
    Access, AnalysisCache, ClientCharset, FunctionName, Reading, Routines, ServerKind, TokenKind, Value, analyze,
    leading_hint, replace_calls, scan, tokens,
};
use proptest::prelude::*;

/// As many as PROPTEST_CASES says, for long runs; else what takes a second.
fn cases() -> ProptestConfig {
    const USUAL: u32 = 3_000;
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(USUAL)
    }
}

fn readings() -> impl Strategy<Value = Reading> {
    let servers = prop_oneof![Just((ServerKind::MariaDb, 101_114)), Just((ServerKind::MySql, 90_700))];
    let charsets = prop_oneof![
        Just(ClientCharset::AsciiSafe),
        Just(ClientCharset::Utf8),
        Just(ClientCharset::Gbk),
        Just(ClientCharset::Gb18030),
        Just(ClientCharset::Big5),
        Just(ClientCharset::Sjis),
        Just(ClientCharset::Cp932),
    ];
    (servers, charsets, any::<[bool; 5]>()).prop_map(|((server, version), charset, flags)| Reading {
        ansi_quotes: flags[0],
        no_backslash_escapes: flags[1],
        ignore_space: flags[2],
        oracle: flags[3],
        multi_statements: flags[4],
        ..Reading::new(server, version, charset)
    })
}

/// Pieces of statements in any order: they reach further into the grammar than bytes by chance.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "SELECT",
        "FROM t",
        "WHERE",
        "(",
        ")",
        ",",
        ";",
        "'",
        "\"",
        "`",
        "'x'",
        "1",
        "1.5e3",
        "1.",
        ".5",
        "0x1F",
        "@a",
        "@@b",
        "@",
        ":=",
        "=",
        "/*",
        "*/",
        "/*!",
        "/*!50000",
        "/*M!",
        "/*+",
        "--",
        "-- ",
        "#",
        "\n",
        "\\",
        "BEGIN",
        "END",
        "CASE",
        "SET",
        "NAMES",
        "GLOBAL",
        "INTO",
        "FOR UPDATE",
        "INSERT",
        "VALUES",
        "UPDATE",
        "WITH",
        "c AS",
        "CREATE",
        "PROCEDURE",
        "TEMPORARY TABLE",
        "KILL",
        "QUERY",
        "XA",
        "HANDLER",
        "f(",
        "GET_LOCK(",
        "LAST_INSERT_ID()",
        ".",
        "UNION",
        "EXPLAIN",
        "ANALYZE",
        "SHOW",
        "STATEMENT",
        "FOR",
        "TRANSACTION",
        "x'",
        "n'",
        "b'01'",
        "\\N",
        "?",
        "*",
        "é",
        "à",
        "CONNECTION_ID()",
        "AS",
        "ROLLBACK",
        "TO",
        "NULL",
    ];
    let piece = prop_oneof![
        9 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec((piece, any::<bool>()), 0..24).prop_map(|pieces| {
        pieces.into_iter().fold(Vec::new(), |mut text, (piece, blank)| {
            text.extend(piece);
            text.extend(blank.then_some(b' '));
            text
        })
    })
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![pieces(), prop::collection::vec(any::<u8>(), 0..80)]
}

/// Texts that begin as something which may leave the writer.
fn queries() -> impl Strategy<Value = Vec<u8>> {
    let verbs =
        prop::sample::select(vec!["SELECT ", "DO ", "SET @a = 1, b = ", "WITH c AS (SELECT 1) ", "(SELECT ", ""]);
    (verbs, pieces()).prop_map(|(verb, pieces)| [verb.as_bytes(), &pieces[..pieces.len().min(60)]].concat())
}

/// A statement and the same statement with other literals, blanks and comments.
fn twins() -> impl Strategy<Value = (String, String)> {
    let number = prop_oneof![Just("1"), Just("23"), Just("987654321")];
    let string = prop_oneof![Just("''"), Just("'it''s'"), Just("'; DROP TABLE t; -- '"), Just("'\\''")];
    let blank = prop_oneof![Just(" "), Just("\n\t"), Just(" /* x */ "), Just(" -- x\n"), Just(" # x\n")];
    let rows = 1..5_usize;
    let one = (number, string, blank, rows);
    (one.clone(), one, 0..4_usize).prop_map(|(a, b, which)| {
        let write = |(number, string, blank, rows): (&str, &str, &str, usize)| match which {
            0 => format!("SELECT *{blank}FROM t WHERE a ={blank}{number} AND b = {string}"),
            1 => format!("SELECT * FROM t WHERE a IN ({}){blank}AND b = 1", vec![number; rows].join(",")),
            2 => {
                format!("INSERT INTO t{blank}VALUES {}", vec![format!("({number}, {string}, NOW())"); rows].join(", "))
            }
            _ => format!("UPDATE t SET a = {number}{blank}WHERE b IN ({string},{blank}{string}) LIMIT {number};"),
        };
        (write(a), write(b))
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_text_makes_it_panic(text in texts(), reading in readings()) {
        let analysis = analyze(&text, &reading, &Routines::default());
        prop_assert!(!analysis.statements.is_empty());
        let values = [(FunctionName::ConnectionId, Value::Signed(1)), (FunctionName::LastInsertId, Value::Unsigned(2))];
        let _ = (replace_calls(&text, &reading, &values), leading_hint(&text), scan(&text, &reading));
    }

    #[test]
    fn tokens_are_in_order_and_cover_every_visible_byte(text in texts(), reading in readings()) {
        let mut end = 0;
        for token in tokens(&text, &reading) {
            prop_assert!(end <= token.start && token.start <= token.end && token.end <= text.len());
            prop_assert!(token.start < token.end || token.kind == TokenKind::Malformed);
            end = token.end;
        }
    }

    /// The fingerprint depends on nothing but the tokens, and on what touches a name: written out with one blank between
    /// the others, the text has the same.
    #[test]
    fn the_fingerprint_is_that_of_the_tokens(text in texts(), reading in readings()) {
        let all: Vec<_> = tokens(&text, &reading).collect();
        if all.iter().any(|t| t.kind == TokenKind::Malformed) {
            return Ok(());
        }
        let mut plain: Vec<u8> = Vec::new();
        for (at, token) in all.iter().enumerate() {
            let touches = at > 0 && all[at - 1].end == token.start;
            let stays = matches!(token.kind, TokenKind::Punctuation(b'(') | TokenKind::UserVariable) && touches;
            plain.extend((!stays).then_some(b' '));
            plain.extend_from_slice(&text[token.start..token.end]);
        }
        let again: Vec<_> = tokens(&plain, &reading).collect();
        // A blank may part what reads otherwise together (`t .5`, `@@ x`); such texts prove nothing here.
        if again.iter().map(|t| t.kind).eq(all.iter().map(|t| t.kind)) {
            prop_assert_eq!(scan(&text, &reading), scan(&plain, &reading));
        }
    }

    #[test]
    fn a_name_that_touches_its_parenthesis_is_another((name, server) in ("COUNT|NOW|f", 0..2_usize)) {
        let reading = [
            Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8),
            Reading::new(ServerKind::MySql, 90_700, ClientCharset::Utf8),
        ][server];
        let [touching, apart] = ["", " "].map(|blank| format!("SELECT {name}{blank}(1)"));
        prop_assert_ne!(scan(touching.as_bytes(), &reading), scan(apart.as_bytes(), &reading));
    }

    #[test]
    fn other_literals_and_blanks_have_the_same_fingerprint((a, b) in twins(), server in 0..2_usize) {
        let reading = [
            Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8),
            Reading::new(ServerKind::MySql, 90_700, ClientCharset::Utf8),
        ][server];
        prop_assert_eq!(scan(a.as_bytes(), &reading), scan(b.as_bytes(), &reading), "{} / {}", a, b);
    }

    /// A cached analysis is the one that the text would get itself.
    #[test]
    fn a_hit_is_as_good_as_an_analysis(texts in prop::collection::vec(pieces(), 1..8), reading in readings()) {
        let routines = Routines::default();
        let mut cache = AnalysisCache::new(4);
        for text in texts.iter().chain(&texts) {
            let cached = cache.get_or_analyze(text, &reading, &routines);
            prop_assert_eq!(&*cached, &analyze(text, &reading, &routines));
        }
        prop_assert!(cache.len() <= 4);
    }

    /// Written independently of the analysis: whatever is let off the writer begins as a query or as something
    /// that touches the session only, and holds no word that could lock, write or store.
    #[test]
    fn nothing_suspicious_leaves_the_writer(text in queries(), reading in readings()) {
        let analysis = analyze(&text, &reading, &Routines::default());
        if analysis.access() > Access::Read {
            return Ok(());
        }
        let all: Vec<_> = tokens(&text, &reading).filter(|t| t.kind != TokenKind::OptimizerHint).collect();
        for (at, token) in all.iter().enumerate() {
            prop_assert!(token.kind != TokenKind::Malformed);
            let unknown_call = &text[token.start..token.end] == b"f"
                && all.get(at + 1).is_some_and(|t| t.kind == TokenKind::Punctuation(b'('))
                && (at == 0 || matches!(&text[all[at - 1].start..all[at - 1].end], b"SELECT" | b"," | b"=" | b"WHERE"));
            prop_assert!(!unknown_call, "an unknown call: {}", String::from_utf8_lossy(&text));
        }
        let is = |at: usize, word: &str| {
            all.get(at).is_some_and(|t| text[t.start..t.end].eq_ignore_ascii_case(word.as_bytes()))
        };
        for (at, token) in all.iter().enumerate() {
            let named = at > 0 && is(at - 1, ".");
            let stores = is(at, "INTO") || is(at, "CREATE") || is(at, "UPDATE") || (is(at, "GET_LOCK") && is(at + 1, "("));
            let locks = is(at, "FOR") && is(at + 1, "UPDATE");
            let assigns = token.kind == TokenKind::UserVariable && is(at + 1, ":=") && !is(0, "SET");
            // What SET does not understand the server refuses.
            prop_assert!(named || is(0, "SET") || !(stores || locks || assigns), "{}", String::from_utf8_lossy(&text));
        }
    }
}

/// Texts that would take a minute if anything in here were quadratic.
#[test]
fn long_texts_take_no_longer_than_their_length() {
    let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
    let many = |piece: &dyn Fn(usize) -> String| (0..40_000).map(piece).collect::<Vec<_>>().join(", ");
    let texts = [
        format!("SELECT {}", many(&|i| format!("@v{i} := {i}"))),
        format!("SELECT {}", many(&|i| format!("@v{i}"))),
        format!("SELECT {}", many(&|_| "CONNECTION_ID()".to_owned())),
        format!("WITH {}", many(&|i| format!("c{i} (a"))),
        format!("SELECT {}", "(".repeat(100_000)),
        format!("SELECT {}1{}", "f(".repeat(50_000), ")".repeat(50_000)),
        "SELECT 1;".repeat(40_000),
        "CREATE PROCEDURE p() BEGIN ;".repeat(5_000),
        "/*!".repeat(100_000),
        "/*!99999 /*".repeat(50_000),
    ];
    for text in &texts {
        for multi_statements in [false, true] {
            let reading = Reading { multi_statements, ..reading };
            let analysis = analyze(text.as_bytes(), &reading, &Routines::default());
            assert!(!analysis.statements.is_empty());
            let _ = replace_calls(text.as_bytes(), &reading, &[(FunctionName::ConnectionId, Value::Unsigned(1))]);
            let _ = scan(text.as_bytes(), &reading);
        }
    }
}
