//! Sights in, facts of the data path out.

use super::super::sight::{Channel, Heartbeat, Receiver, Replication};
use super::*;
use crate::config::Config;
use crate::servers::Servers;

const FILE: &str = "[backend]\nuser='p'\npassword=''\n[[user]]\nname='a'\n[[shard]]\nname='s'\n\
masters=['m1','m2']\nreplicas=['r1']\n";

/// Any moment of the servers' clocks, in microseconds.
const CLOCK: i64 = 1_000_000_000;

struct Watch {
    servers: Servers,
    config: Config,
    board: Board,
}

impl Watch {
    fn new() -> Self {
        let config = Config::parse(FILE).unwrap();
        let servers = Servers::new(&config);
        let board = Board::new(Arc::clone(&servers.shards()[0]));
        Self { servers, config, board }
    }

    fn sees(&mut self, id: u16, read_only: bool, behind_ms: i64, receiver: Receiver) {
        let source_server_id = Some(if id == 0 { 2 } else { 1 });
        let channel = Channel { receiver, applier_runs: true, source_server_id, seconds_behind: Some(0), error: 0 };
        let sight = Sight {
            asked: Moment::now(),
            read_only,
            server_id: u32::from(id) + 1,
            applied: None,
            clock: CLOCK,
            heartbeat: Heartbeat::At(CLOCK - behind_ms * 1000),
            replication: Replication::Channels(vec![channel]),
        };
        let server = Arc::clone(self.servers.server(ServerId(id)));
        self.board.answered(&server, sight, &self.config.monitor);
    }

    fn loses(&mut self, id: u16) {
        let server = Arc::clone(self.servers.server(ServerId(id)));
        self.board.failed(&server, "test", &self.config.monitor);
    }

    fn writer(&self) -> Option<u16> {
        self.servers.shards()[0].confirmed_writer().map(|w| w.0)
    }

    fn readers(&self) -> Vec<u16> {
        self.servers.all().iter().filter(|s| s.takes_reads()).map(|s| s.id.0).collect()
    }
}

#[test]
fn a_healthy_shard() {
    let mut w = Watch::new();
    w.sees(0, false, 10, Receiver::Connected);
    assert_eq!(w.writer(), None, "the partner has not been seen");
    assert!(!w.board.is_complete());
    w.sees(1, true, 30, Receiver::Connected);
    w.sees(2, true, 510, Receiver::Connected);
    assert!(w.board.is_complete());
    assert_eq!((w.writer(), w.readers()), (Some(0), vec![1, 2]));
    assert_eq!(w.servers.server(ServerId(2)).lag(), Lag::Known(Duration::from_millis(500)));
    assert_eq!(w.servers.shards()[0].writer_epoch(), 1);
}

#[test]
fn a_lagging_a_broken_and_a_lost_replica_take_no_reads() {
    for (behind_ms, receiver, lost) in
        [(1100, Receiver::Connected, false), (0, Receiver::Connecting, false), (0, Receiver::Connected, true)]
    {
        let mut w = Watch::new();
        w.sees(0, false, 0, Receiver::Connected);
        w.sees(1, true, 0, Receiver::Connected);
        w.sees(2, true, behind_ms, receiver);
        pause();
        w.sees(0, false, 0, Receiver::Connected);
        w.sees(2, true, behind_ms, receiver);
        if lost {
            w.loses(2);
        }
        assert_eq!(w.readers(), [1], "{behind_ms} {receiver:?} {lost}");
    }
}

/// Sights that must not have been asked at the same moment are this far apart.
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

/// A shard whose writer has died and taken its replicas' source with it.
fn without_writer() -> Watch {
    let mut w = Watch::new();
    w.sees(0, false, 0, Receiver::Connected);
    w.sees(1, true, 0, Receiver::Connected);
    w.sees(2, true, 0, Receiver::Connected);
    pause();
    w.sees(1, true, 0, Receiver::Connecting);
    w.sees(2, true, 0, Receiver::Connecting);
    assert_eq!(w.readers(), [1, 2], "the writer has not failed to answer yet");
    w.loses(0);
    w.sees(1, true, 0, Receiver::Connecting);
    w.sees(2, true, 0, Receiver::Connecting);
    assert_eq!(w.readers(), [1, 2]);
    w
}

#[test]
fn without_a_writer_servers_are_as_fresh_as_the_newest_of_them() {
    let mut w = without_writer();
    w.sees(2, true, 1100, Receiver::Connecting);
    assert_eq!(w.readers(), [1], "the other has a heartbeat of a second later");
    let mut w = without_writer();
    w.sees(1, true, -1100, Receiver::Connected);
    w.sees(2, true, 0, Receiver::Connecting);
    assert_eq!(w.readers(), [1], "the writer lives where the proxy can't see it");
}

#[test]
fn a_replica_without_its_source_lags_once_a_writer_is_seen() {
    for (id, read_only) in [(0, false), (0, true), (1, false)] {
        let mut w = without_writer();
        pause();
        w.sees(id, read_only, 0, Receiver::Stopped);
        w.sees(2, true, 0, Receiver::Connecting);
        assert!(!w.readers().contains(&2), "master {id} is seen, read_only={read_only}");
    }
    let mut w = without_writer();
    pause();
    w.sees(1, true, 0, Receiver::Connecting);
    w.sees(2, true, 0, Receiver::Connecting);
    assert_eq!(w.readers(), [1, 2], "a standby has written nothing");
}

#[test]
fn the_writer_moves_and_the_epoch_with_it() {
    let mut w = Watch::new();
    w.sees(0, false, 0, Receiver::Connected);
    w.sees(1, true, 0, Receiver::Connected);
    w.sees(0, true, 0, Receiver::Connected);
    assert_eq!(w.writer(), None);
    assert_eq!(w.servers.shards()[0].no_writer_reason(), NoWriter::AllReadOnly.explain());
    w.sees(1, false, 0, Receiver::Connected);
    assert_eq!((w.writer(), w.servers.shards()[0].writer_epoch()), (Some(1), 2));
    w.sees(0, false, 0, Receiver::Connected);
    assert_eq!(w.writer(), None, "both are writable");
    w.sees(0, true, 0, Receiver::Connected);
    assert_eq!((w.writer(), w.servers.shards()[0].writer_epoch()), (Some(1), 2), "the same one again");
}

#[test]
fn a_distrusted_writer_needs_new_sights_of_both() {
    let mut w = Watch::new();
    w.sees(0, false, 0, Receiver::Connected);
    w.sees(1, true, 0, Receiver::Connected);
    w.servers.shards()[0].distrust(ServerId(0));
    assert_eq!(w.writer(), None);
    std::thread::sleep(Duration::from_millis(1));
    w.sees(0, false, 0, Receiver::Connected);
    assert_eq!(w.writer(), None, "the partner was seen before the distrust");
    w.sees(1, true, 0, Receiver::Connected);
    assert_eq!(w.writer(), Some(0));
}

#[test]
fn a_heartbeat_that_nobody_renews_measures_nothing() {
    let mut w = Watch::new();
    w.sees(0, false, 5000, Receiver::Connected);
    w.sees(1, true, 5000, Receiver::Connected);
    w.sees(2, true, 9000, Receiver::Connected);
    assert_eq!(w.servers.server(ServerId(2)).lag(), Lag::Known(Duration::ZERO), "by its own status");
}
