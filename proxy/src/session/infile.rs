//! LOAD DATA LOCAL INFILE: the client's file streams through to the server, frame by frame, never held whole.

use super::client::{ClientSide, DataFill};
use super::relay::RelayError;
use super::watch::{Heard, Hope};
use crate::backend::conn::{BackendConn, BackendError, Readiness};
use crate::core::Core;
use pointsman_protocol::ProtocolError;
use pointsman_protocol::frame::{HEADER_LEN, Header};
use pointsman_protocol::response::ResponseReader;
use std::io;

/// Forwards the client's packets up to and with the empty one that ends the file. The connection counts as broken
/// meanwhile: a server that waits for a file which does not come is told so by closing, as by a client of its own.
pub async fn forward(
    client: &mut ClientSide,
    conn: &mut BackendConn,
    core: &Core,
    reader: &mut ResponseReader,
) -> Result<(), RelayError> {
    let mut buf = client.buf.take().unwrap_or_else(|| core.buffers.take());
    // Frames are numbered as the client saw the request; the server counts without what the relay put in.
    let shift = reader.shift();
    let mut body_left = 0;
    let mut ended = false;
    conn.readiness = Readiness::Broken;
    while !ended {
        let (whole, next) = number_frames(buf.filled_mut(), shift, &mut body_left, &mut ended);
        if let Some(sequence) = next {
            reader.resume_after_client(sequence);
        }
        if whole > 0 {
            let sent = client.heed_server(&conn.server, Hope::AsWriter, conn.io.write_all(&buf.filled()[..whole]));
            let sent = sent.await.map_err(given_up)?;
            sent.map_err(server_gone)?;
            buf.consume(whole);
        }
        if !ended {
            // A server that speaks before the end of the file has given up: its net_read_timeout, or a KILL of its own.
            let filled = client.fill(&mut buf, HEADER_LEN, || !conn.io.has_pending_input()).await;
            match filled.map_err(RelayError::Client)? {
                DataFill::Bytes(_) => {}
                DataFill::Heard(heard) => return Err(given_up(heard)),
                DataFill::Unwanted => return Err(server_gone(io::ErrorKind::ConnectionAborted.into())),
            }
        }
    }
    conn.readiness = Readiness::Busy;
    client.finish(buf, 0);
    Ok(())
}

fn given_up(heard: Heard) -> RelayError {
    match heard {
        Heard::Killed => RelayError::Killed,
        Heard::ClientGone | Heard::Interrupted => RelayError::Client(io::ErrorKind::UnexpectedEof.into()),
        Heard::ServerGone => server_gone(io::ErrorKind::TimedOut.into()),
    }
}

/// The client is in the middle of its file and reads no error: its connection ends, as the server's has.
fn server_gone(error: io::Error) -> RelayError {
    RelayError::Server { error: BackendError::Io(error), sent: true, boundary: None }
}

/// Renumbers the frame headers in `bytes`. Gives how many bytes may go out (a torn header stays) and the number
/// that follows the last frame seen.
fn number_frames(bytes: &mut [u8], shift: u8, body_left: &mut usize, ended: &mut bool) -> (usize, Option<u8>) {
    let mut at = 0;
    let mut next = None;
    loop {
        let body = (*body_left).min(bytes.len() - at);
        at += body;
        *body_left -= body;
        if *ended || *body_left > 0 {
            return (at, next);
        }
        let Some(header) = Header::read(&bytes[at..]) else { return (at, next) };
        next = Some(header.sequence.wrapping_add(1));
        bytes[at + 3] = header.sequence.wrapping_sub(shift);
        at += HEADER_LEN;
        *body_left = header.length;
        *ended = header.length == 0;
    }
}

impl From<ProtocolError> for RelayError {
    fn from(error: ProtocolError) -> Self {
        Self::Server { error: error.into(), sent: true, boundary: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_torn_anywhere_are_renumbered_and_the_empty_one_ends_the_file() {
        let file = [5, 0, 0, 3, b'a', b'b', b'c', b'd', b'e', 1, 0, 0, 4, b'f', 0, 0, 0, 5];
        let expected = [5, 0, 0, 2, b'a', b'b', b'c', b'd', b'e', 1, 0, 0, 3, b'f', 0, 0, 0, 4];
        for cut in 1..file.len() {
            let (mut sent, mut left, mut ended) = (Vec::new(), 0, false);
            let mut pending = Vec::new();
            let mut last = None;
            for part in [&file[..cut], &file[cut..]] {
                pending.extend_from_slice(part);
                let (n, next) = number_frames(&mut pending, 1, &mut left, &mut ended);
                last = next.or(last);
                sent.extend(pending.drain(..n));
            }
            assert_eq!(sent, expected, "cut at {cut}");
            assert!(ended);
            assert_eq!(last, Some(6));
        }
    }
}
