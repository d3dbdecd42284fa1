//! Counts nothing itself: run under `valgrind --tool=callgrind` to see what a cache hit costs.
//!
//! `valgrind --tool=callgrind target/release/examples/instructions 1000` runs a thousand hits; the difference to a run
//! with another number, divided by the difference of the numbers, is the cost of one.

use pointsman_planner::{AnalysisCache, ClientCharset, Reading, Routines, ServerKind};

/// 75 bytes, as an application writes them.
const STATEMENT: &str = "SELECT id, name, mail FROM users WHERE id = 123456 AND status = 'activated'";

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse::<u32>().ok()).unwrap_or(1_000);
    let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
    let routines = Routines::default();
    let mut cache = AnalysisCache::default();
    for _ in 0..rounds {
        let text = std::hint::black_box(STATEMENT.as_bytes());
        std::hint::black_box(cache.get_or_analyze(text, &reading, &routines));
    }
    assert_eq!(cache.counts().hits, u64::from(rounds) - 1, "every round but the first hits");
}
