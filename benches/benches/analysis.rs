//! What the analysis of a statement costs: its fingerprint, a cache hit, the plan, and a parse from nothing.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pointsman_planner::{
    AnalysisCache, ClientCharset, Hint, Reading, Routines, ServerKind, SessionFacts, TxFacts, analyze, plan, scan,
};

/// 75 bytes, as an application writes them.
const POINT: &[u8] = b"SELECT id, name, mail FROM users WHERE id = 123456 AND status = 'activated'";
const WRITE: &[u8] = b"UPDATE sbtest1 SET c='12345678901-23456789012', k=k+1 WHERE id=500123";

fn benches(c: &mut Criterion) {
    let reading = Reading::new(ServerKind::MariaDb, 101_114, ClientCharset::Utf8);
    let routines = Routines::default();
    for (name, text) in [("point select", POINT), ("update", WRITE)] {
        c.bench_function(&format!("fingerprint/{name}"), |b| b.iter(|| scan(black_box(text), &reading)));
        let mut cache = AnalysisCache::default();
        c.bench_function(&format!("cache hit/{name}"), |b| {
            b.iter(|| cache.get_or_analyze(black_box(text), &reading, &routines));
        });
        c.bench_function(&format!("analysis/{name}"), |b| b.iter(|| analyze(black_box(text), &reading, &routines)));
        let analysis = analyze(text, &reading, &routines);
        let facts =
            SessionFacts { transaction: TxFacts::None, autocommit: true, pinned: false, in_system_schema: false };
        c.bench_function(&format!("plan/{name}"), |b| {
            b.iter(|| plan(black_box(&analysis), &Hint::default(), &facts));
        });
    }
}

criterion_group!(group, benches);
criterion_main!(group);
