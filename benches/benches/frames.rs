//! What walking a reply costs: a point select's one row, and a result of many.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pointsman_benches::answers::{Answers, Dialect};
use pointsman_protocol::Capabilities;
use pointsman_protocol::frame::HEADER_LEN;
use pointsman_protocol::reply::Status;
use pointsman_protocol::response::{ReplyKind, ResponseReader, Stop};

fn walk(wire: &mut [u8]) -> u64 {
    let server = Capabilities::DEPRECATE_EOF | Capabilities::SESSION_TRACK;
    let mut reader = ResponseReader::new(ReplyKind::Results, server, 1, 1);
    let mut at = 0;
    while let Ok(step) = reader.walk(&mut wire[at..]) {
        at += step.pass;
        match step.stop {
            Stop::Done | Stop::NeedBytes(_) => break,
            Stop::DefinitionsEnd => {}
            Stop::Packet(control, len) => {
                let payload = &wire[at + HEADER_LEN..at + len];
                if reader.accept(control, payload, Status::AUTOCOMMIT).is_err() {
                    break;
                }
                at += len;
            }
        }
    }
    assert!(reader.is_done(), "the reply was walked to its end");
    reader.rows()
}

fn benches(c: &mut Criterion) {
    let answers = Answers::new(Dialect { deprecate_eof: true, tracks: true });
    for (name, mut wire) in [("one row", answers.point), ("100,000 rows", answers.big)] {
        let mut group = c.benchmark_group("walk");
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |b| b.iter(|| walk(black_box(&mut wire))));
        group.finish();
    }
}

criterion_group!(group, benches);
criterion_main!(group);
