//! Round trips in any pieces, frame numbers, and frames that lie.

use proptest::prelude::*;

use super::*;
use crate::error::ProtocolError;
use crate::frame::put_packet;

const BOTH: [Algorithm; 2] = [Algorithm::Zlib, Algorithm::Zstd(3)];

/// Feeds `wire` in pieces of `step` bytes into outputs of `room` bytes.
fn read_all(reader: &mut Reader, wire: &[u8], step: usize, room: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut plain = vec![];
    let mut buf = vec![0; room];
    for piece in wire.chunks(step) {
        let mut at = 0;
        loop {
            let done = reader.read(&piece[at..], &mut buf)?;
            at += done.taken;
            plain.extend_from_slice(&buf[..done.given]);
            if done.given == 0 && at == piece.len() {
                break;
            }
        }
    }
    Ok(plain)
}

fn numbers(wire: &[u8]) -> Vec<u8> {
    let (mut at, mut out) = (0, vec![]);
    while at < wire.len() {
        out.push(wire[at + 3]);
        at += HEADER_LEN + u32::from_le_bytes([wire[at], wire[at + 1], wire[at + 2], 0]) as usize;
    }
    out
}

proptest! {
    #[test]
    fn round_trips(pieces in proptest::collection::vec((any::<u8>(), 0..3000usize), 1..8), step in 1..500usize,
        room in 1..500usize, zstd: bool) {
        let algorithm = BOTH[usize::from(zstd)];
        let (mut writer, mut reader) = (Writer::new(algorithm, Side::Server), Reader::new(algorithm));
        let (mut wire, mut plain) = (vec![], vec![]);
        for (byte, len) in pieces {
            let piece: Vec<u8> = (0..len).map(|i| byte.wrapping_mul((i / 7) as u8)).collect();
            writer.write(&piece, &mut wire);
            plain.extend_from_slice(&piece);
        }
        prop_assert_eq!(read_all(&mut reader, &wire, step, room), Ok(plain));
        prop_assert!(!reader.is_inside_frame());
    }

    #[test]
    fn arbitrary_bytes_never_panic_nor_loop(bytes: Vec<u8>, header: [u8; 4], zstd: bool, room in 1..100usize) {
        let algorithm = BOTH[usize::from(zstd)];
        let _ = read_all(&mut Reader::new(algorithm), &bytes, 64, room);
        let framed = [&[bytes.len() as u8, 0, 0, header[0], header[1], header[2] & 1, 0], &bytes[..]].concat();
        let _ = read_all(&mut Reader::new(algorithm), &framed, 64, room);
    }
}

#[test]
fn commands_begin_frames_numbered_zero() {
    let mut writer = Writer::new(Algorithm::Zlib, Side::Client);
    let (mut plain, mut wire) = (vec![], vec![]);
    put_packet(&mut plain, 0, b"\x03SET a");
    put_packet(&mut plain, 0, &[b'x'; 200_000]);
    put_packet(&mut plain, 0, b"\x01");
    writer.write(&plain, &mut wire);
    assert_eq!(numbers(&wire), [0, 0, 1, 2, 3, 0]);
    wire.clear();
    writer.follow(6);
    plain.clear();
    put_packet(&mut plain, 7, b"data of LOAD DATA LOCAL");
    writer.write(&plain, &mut wire);
    assert_eq!(numbers(&wire), [7]);
}

#[test]
fn servers_go_on_counting() {
    let mut writer = Writer::new(Algorithm::Zlib, Side::Server);
    let (mut plain, mut wire) = (vec![], vec![]);
    put_packet(&mut plain, 1, b"row");
    writer.follow(0);
    writer.write(&plain, &mut wire);
    writer.write(&plain, &mut wire);
    assert_eq!(numbers(&wire), [1, 2]);
}

#[test]
fn frames_that_lie_about_their_length_are_refused() {
    for algorithm in BOTH {
        let mut wire = vec![];
        Writer::new(algorithm, Side::Server).write(&[b'a'; 1000], &mut wire);
        assert!(wire.len() < 100, "it is compressed");
        for lie in [999u32, 1001, 10] {
            let mut wire = wire.clone();
            wire[4..7].copy_from_slice(&lie.to_le_bytes()[..3]);
            assert!(read_all(&mut Reader::new(algorithm), &wire, 64, 4096).is_err(), "{algorithm:?} {lie}");
        }
        let mut short = wire.clone();
        short[0] -= 3;
        assert!(read_all(&mut Reader::new(algorithm), &short[..short.len() - 3], 64, 4096).is_err());
    }
}
