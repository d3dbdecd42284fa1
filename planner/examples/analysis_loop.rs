//! `analysis-loop N`: looks N statements up whose analysis the cache knows. Its instructions are counted by the gates.

use std::hint::black_box;

use pointsman_planner::{AnalysisCache, ClientCharset, Reading, Routines, ServerKind};

/// 75 bytes, as an application writes them.
const STATEMENT: &[u8; 75] = b"SELECT id, name, mail FROM users WHERE id = 123456 AND status = 'activated'";

fn main() {
    let rounds: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
    let (routines, mut cache) = (Routines::default(), AnalysisCache::default());
    for _ in 0..rounds {
        black_box(cache.get_or_analyze(black_box(STATEMENT), &reading, &routines));
    }
}
