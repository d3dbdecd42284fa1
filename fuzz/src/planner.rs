//! One function per part of the planner: any text may come in, in any reading. Nothing may panic, take longer than its
//! length, or answer otherwise from the cache than without.

use pointsman_planner::{
    Access, AnalysisCache, ClientCharset, FunctionName, Hint, Reading, Routines, ServerKind, SessionFacts, TokenKind,
    TxFacts, Value, analyze, leading_hint, plan, replace_calls, scan, tokens,
};

/// Entry function of one target.
pub type Entry = fn(&[u8]);

/// All targets, by the names of their files in fuzz_targets.
pub const ALL: [(&str, Entry); 5] = [
    ("planner_tokens", planner_tokens),
    ("planner_analyze", planner_analyze),
    ("planner_cache", planner_cache),
    ("planner_rewrite", planner_rewrite),
    ("planner_hint", planner_hint),
];

/// The first two bytes choose the reading, the rest is the text.
fn with_reading(bytes: &[u8]) -> Option<(Reading, &[u8])> {
    const CHARSETS: [ClientCharset; 7] = [
        ClientCharset::AsciiSafe,
        ClientCharset::Utf8,
        ClientCharset::Gbk,
        ClientCharset::Gb18030,
        ClientCharset::Big5,
        ClientCharset::Sjis,
        ClientCharset::Cp932,
    ];
    let ([charset, flags], text) = bytes.split_first_chunk()?;
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let (server, version) = if flag(5) { (ServerKind::MySql, 90_700) } else { (ServerKind::MariaDb, 101_114) };
    let charset = CHARSETS[usize::from(*charset) % CHARSETS.len()];
    let reading = Reading {
        ansi_quotes: flag(0),
        no_backslash_escapes: flag(1),
        ignore_space: flag(2),
        oracle: flag(3),
        multi_statements: flag(4),
        ..Reading::new(server, version, charset)
    };
    Some((reading, text))
}

/// Tokens stand in order, inside the text, and are not empty.
pub fn planner_tokens(bytes: &[u8]) {
    let Some((reading, text)) = with_reading(bytes) else { return };
    let mut end = 0;
    for token in tokens(text, &reading) {
        assert!(end <= token.start && token.start <= token.end && token.end <= text.len());
        assert!(token.start < token.end || token.kind == TokenKind::Malformed);
        end = token.end;
    }
}

/// The same text in the same reading is the same statement, and what is planned for a replica is a read.
pub fn planner_analyze(bytes: &[u8]) {
    let Some((reading, text)) = with_reading(bytes) else { return };
    let routines = Routines::default();
    let analysis = analyze(text, &reading, &routines);
    assert!(!analysis.statements.is_empty());
    assert_eq!(analysis, analyze(text, &reading, &routines));
    let facts = SessionFacts { transaction: TxFacts::None, autocommit: true, pinned: false, in_system_schema: false };
    let route = plan(&analysis, &Hint::default(), &facts);
    assert!(!route.writes || analysis.access() > Access::Read, "{route:?}");
}

/// The text behind the reading is cut at NULs into several; a hit is as good as an analysis.
pub fn planner_cache(bytes: &[u8]) {
    let Some((reading, texts)) = with_reading(bytes) else { return };
    let routines = Routines::default();
    let mut cache = AnalysisCache::new(4);
    for _ in 0..2 {
        for text in texts.split(|b| *b == 0).take(8) {
            let cached = cache.get_or_analyze(text, &reading, &routines);
            assert_eq!(*cached, analyze(text, &reading, &routines));
        }
    }
    assert!(cache.len() <= 4);
}

/// Replacing a call leaves none of it, and nothing else changes: a second time there is nothing to replace.
pub fn planner_rewrite(bytes: &[u8]) {
    let Some((reading, text)) = with_reading(bytes) else { return };
    let values = [
        (FunctionName::ConnectionId, Value::Unsigned(7)),
        (FunctionName::FoundRows, Value::Signed(-1)),
        (FunctionName::RowCount, Value::Signed(3)),
    ];
    // On MySQL the replacement of FOUND_ROWS() calls it as well, for the warning.
    let gone =
        values.iter().filter(|(name, _)| reading.server == ServerKind::MariaDb || *name != FunctionName::FoundRows);
    let gone: Vec<_> = gone.cloned().collect();
    if let Some(once) = replace_calls(text, &reading, &values) {
        assert_eq!(replace_calls(&once, &reading, &gone), None);
    }
}

pub fn planner_hint(bytes: &[u8]) {
    let Some((reading, text)) = with_reading(bytes) else { return };
    let _ = (leading_hint(text), scan(text, &reading));
}
