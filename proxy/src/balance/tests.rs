//! Tables of shards in every condition, and what a read is told there.

use std::sync::atomic::Ordering;

use super::*;
use crate::config::Config;
use crate::servers::{Servers, Verdict};
use tokio::time::timeout;

const HOLDS: Duration = Duration::from_secs(60);

fn servers(masters: &str, replicas: &str, more: &str) -> Servers {
    let text = format!(
        "[backend]\nuser='p'\npassword=''\n[[user]]\nname='a'\n[[shard]]\nname='s'\nmasters=[{masters}]\nreplicas=[{replicas}]\n{more}"
    );
    Servers::new(&Config::parse(&text).unwrap())
}

/// Master pair (0 writes, 1 stands by), replicas 2 and 3.
fn pair(more: &str) -> Servers {
    let s = servers("'m1','m2'", "'r1','r2'", more);
    confirm(&s, 0);
    s
}

fn confirm(s: &Servers, id: u16) {
    let now = Moment::now();
    s.shards()[0].confirm(ServerId(id), now, now.plus(HOLDS));
}

fn set(s: &Servers, id: u16, lag_ms: Option<u64>, takes_reads: bool) {
    let lag = lag_ms.map_or(Lag::Unknown, |ms| Lag::Known(Duration::from_millis(ms)));
    let verdict = Verdict { up: true, lag, takes_reads, until: Moment::now().plus(HOLDS) };
    s.server(ServerId(id)).publish(verdict, Duration::ZERO);
}

fn apply(s: &Servers, id: u16, gtid: &str) {
    s.server(ServerId(id)).set_applied_gtid(Some(Arc::new(GtidSet::parse_mariadb(gtid).unwrap())));
}

fn name(target: &ReadTarget) -> &'static str {
    match target {
        ReadTarget::Replica(_) => "replica",
        ReadTarget::WriterNoReplicas(_) => "writer, no replicas",
        ReadTarget::WriterSpill(..) => "writer, spill",
        ReadTarget::WriterForConsistency(_) => "writer, consistency",
        ReadTarget::NoneQualifies => "none",
    }
}

/// How often each server is chosen in many draws.
fn shares(s: &Servers, request: ReadRequest<'_>) -> [u32; 4] {
    let mut hits = [0; 4];
    for n in 0..1000u64 {
        let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 17;
        let target = choose_reader(&s.shards()[0], &ReadRequest { random, ..request });
        hits[target.server().unwrap().index()] += 1;
    }
    hits
}

#[test]
fn reads_go_to_fresh_servers_only() {
    let s = pair("");
    set(&s, 1, Some(0), true);
    set(&s, 2, Some(50), true);
    set(&s, 3, Some(5000), false);
    let hits = shares(&s, ReadRequest::default());
    assert!(hits[1] > 300 && hits[2] > 300, "{hits:?}");
    assert_eq!([hits[0], hits[3]], [0, 0]);
}

#[test]
fn the_standby_can_be_left_out() {
    let s = pair("standby_reads = false");
    set(&s, 1, Some(0), true);
    set(&s, 2, Some(0), true);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 0, 1000, 0]);
}

#[test]
fn a_hint_tightens_or_loosens_the_limit() {
    let s = pair("");
    set(&s, 2, Some(50), true);
    set(&s, 3, Some(5000), false);
    let within = |ms| ReadRequest { max_lag: Some(Duration::from_millis(ms)), ..ReadRequest::default() };
    assert_eq!(shares(&s, within(100)), [0, 0, 1000, 0]);
    assert!(shares(&s, within(6000))[3] > 300);
    assert_eq!(name(&choose_reader(&s.shards()[0], &within(10))), "writer, spill");
}

#[test]
fn own_writes_are_seen() {
    let s = pair("");
    for id in [2, 3] {
        set(&s, id, Some(0), true);
        apply(&s, id, "0-1-5");
    }
    let token = |text| GtidSet::parse_mariadb(text).unwrap();
    let (old, new) = (token("0-1-5"), token("0-1-6"));
    let asks = |t| ReadRequest { token: Some(t), ..ReadRequest::default() };
    assert_eq!(name(&choose_reader(&s.shards()[0], &asks(&old))), "replica");
    assert_eq!(name(&choose_reader(&s.shards()[0], &asks(&new))), "writer, consistency");
    apply(&s, 3, "0-1-6");
    assert_eq!(shares(&s, asks(&new)), [0, 0, 0, 1000]);
    s.shards()[0].unconfirm();
    apply(&s, 3, "0-1-5");
    assert_eq!(name(&choose_reader(&s.shards()[0], &asks(&new))), "none");
}

#[test]
fn without_replicas_the_writer_answers_all() {
    let s = servers("'m1'", "", "");
    assert_eq!(name(&choose_reader(&s.shards()[0], &ReadRequest::default())), "none");
    set(&s, 0, Some(0), false);
    assert_eq!(name(&choose_reader(&s.shards()[0], &ReadRequest::default())), "writer, no replicas", "read-only");
    let s = servers("'m1','m2'", "", "");
    confirm(&s, 1);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 1000, 0, 0]);
    set(&s, 0, Some(0), true);
    assert_eq!(shares(&s, ReadRequest::default()), [1000, 0, 0, 0], "the standby");
}

#[test]
fn the_writer_helps_out_up_to_a_limit_and_stale_replicas_only_when_allowed() {
    let s = pair("spill_limit = 2");
    set(&s, 2, Some(9000), false);
    let ask = || choose_reader(&s.shards()[0], &ReadRequest::default());
    let (a, b) = (ask(), ask());
    assert_eq!([name(&a), name(&b), name(&ask())], ["writer, spill", "writer, spill", "none"]);
    drop(a);
    assert_eq!(name(&ask()), "writer, spill");
    let s = pair("stale_reads = true");
    set(&s, 2, Some(9000), false);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 0, 1000, 0]);
}

#[test]
fn a_retry_goes_elsewhere_if_it_can() {
    let s = pair("");
    set(&s, 2, Some(0), true);
    set(&s, 3, Some(0), true);
    let retry = ReadRequest { exclude: Some(ServerId(2)), ..ReadRequest::default() };
    assert_eq!(shares(&s, retry), [0, 0, 0, 1000]);
    set(&s, 3, Some(0), false);
    assert_eq!(shares(&s, retry), [0, 0, 1000, 0]);
}

#[test]
fn load_weight_and_zone_count() {
    let s = pair("");
    set(&s, 2, Some(0), true);
    set(&s, 3, Some(0), true);
    s.server(ServerId(2)).in_flight.store(10, Ordering::Relaxed);
    let hits = shares(&s, ReadRequest::default());
    assert!(hits[3] > 650, "two draws of three reach the idle one: {hits:?}");
    s.server(ServerId(3)).record_latency(1_000_000);
    s.server(ServerId(2)).record_latency(100);
    assert!(shares(&s, ReadRequest::default())[2] > 650);

    let weights = "{address='r1',weight=10},{address='r2',weight=90}";
    let s = servers("'m1'", weights, "");
    set(&s, 1, Some(0), true);
    set(&s, 2, Some(0), true);
    let hits = shares(&s, ReadRequest::default());
    assert!(hits[1] > 0 && hits[2] > 850, "{hits:?}");

    let zones = "{address='r1',zone='a'},{address='r2',zone='b'}";
    let s = servers("'m1'", zones, "[proxy]\nzone='b'\n");
    set(&s, 1, Some(0), true);
    set(&s, 2, Some(0), true);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 0, 1000, 0]);
    set(&s, 2, Some(0), false);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 1000, 0, 0]);
}

#[test]
fn weight_0_takes_over_only_when_alone() {
    let s = servers("'m1'", "{address='r1',weight=0},'r2'", "");
    set(&s, 1, Some(0), true);
    set(&s, 2, Some(0), true);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 0, 1000, 0]);
    set(&s, 2, Some(0), false);
    assert_eq!(shares(&s, ReadRequest::default()), [0, 1000, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn waiting_reads_are_woken() {
    let s = Arc::new(pair("spill_limit = 1"));
    let request = ReadRequest::default();
    let held = choose_reader(&s.shards()[0], &request);
    let patience = Duration::from_secs(5);
    assert!(timeout(patience, wait_for_reader(&s.shards()[0], &request)).await.is_err());
    let waiter = {
        let s = Arc::clone(&s);
        tokio::spawn(async move { name(&wait_for_reader(&s.shards()[0], &ReadRequest::default()).await) })
    };
    tokio::task::yield_now().await;
    drop(held);
    assert_eq!(waiter.await.unwrap(), "writer, spill");
}

#[tokio::test(start_paused = true)]
async fn writers_are_waited_for_and_distrusted() {
    let s = Arc::new(servers("'m1','m2'", "", ""));
    let shard = &s.shards()[0];
    assert!(timeout(Duration::from_secs(1), shard.wait_for_writer()).await.is_err());
    let waiter = tokio::spawn({
        let s = Arc::clone(&s);
        async move { s.shards()[0].wait_for_writer().await }
    });
    tokio::task::yield_now().await;
    confirm(&s, 1);
    assert_eq!(waiter.await.unwrap(), Some(ServerId(1)));
    let seen_before = Moment::now();
    shard.distrust(ServerId(0));
    assert_eq!(shard.confirmed_writer(), Some(ServerId(1)), "another one was meant");
    shard.distrust(ServerId(1));
    assert_eq!(shard.confirmed_writer(), None);
    shard.confirm(ServerId(1), seen_before, seen_before.plus(HOLDS));
    assert_eq!(shard.confirmed_writer(), None, "an older sight proves nothing");
    tokio::time::advance(Duration::from_millis(2)).await;
    std::thread::sleep(Duration::from_millis(2));
    confirm(&s, 1);
    assert_eq!(shard.confirmed_writer(), Some(ServerId(1)));
}

#[test]
fn confirmations_end_by_themselves() {
    let s = servers("'m1'", "", "");
    let now = Moment::now();
    s.shards()[0].confirm(ServerId(0), now, now.plus(Duration::from_secs(1)));
    assert_eq!(s.shards()[0].confirmed_writer_at(now.plus(Duration::from_millis(990))), Some(ServerId(0)));
    assert_eq!(s.shards()[0].confirmed_writer_at(now.plus(Duration::from_millis(1001))), None);
}
