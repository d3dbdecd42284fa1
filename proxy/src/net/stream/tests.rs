//! Streams of every kind carry what is written, in both directions.

use std::time::Duration;

use pointsman_protocol::compress::Algorithm;
use pointsman_protocol::frame::put_packet;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::net::Packets;

async fn tcp_pair() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (Stream::Plain(Socket::from(client)), Stream::Plain(Socket::from(server)))
}

async fn compressed_pair(algorithm: Algorithm) -> (Stream, Stream) {
    let (client, server) = tcp_pair().await;
    let mut server = Stream::Compressed(Box::new(Compressed::server(server, algorithm)));
    let mut client = client;
    // The final OK crosses as it is.
    let mut ok = vec![];
    put_packet(&mut ok, 2, b"\0\0\0\x02\0\0\0");
    server.write_all(&ok).await.unwrap();
    assert_eq!(read_some(&mut client, ok.len()).await, ok);
    (Stream::Compressed(Box::new(Compressed::client(client, algorithm))), server)
}

async fn read_some(stream: &mut Stream, len: usize) -> Vec<u8> {
    let mut all = vec![];
    let mut buf = [0; 1000];
    while all.len() < len {
        match stream.read(&mut buf).await.unwrap() {
            0 => break,
            n => all.extend_from_slice(&buf[..n]),
        }
    }
    all
}

fn packet(number: u8, len: usize) -> Vec<u8> {
    let mut wire = vec![];
    put_packet(&mut wire, number, &vec![b'q'; len]);
    wire
}

/// As a session sends a reply of two parts.
async fn write_two(stream: &mut Stream, mut a: &[u8], mut b: &[u8]) -> io::Result<()> {
    let joined = stream.joined(a, b);
    if let Some(joined) = &joined {
        (a, b) = (joined, &[]);
    }
    poll_fn(|cx| stream.poll_write_two(cx, &mut a, &mut b)).await
}

async fn crosses(mut a: Stream, mut b: Stream) {
    for len in [0, 1, 60, 5000, 300_000] {
        let (head, body) = (packet(0, len), packet(0, len / 2));
        let expected = [&head[..], &body].concat();
        let (sent, got) = tokio::join!(write_two(&mut a, &head, &body), read_some(&mut b, expected.len()));
        sent.unwrap();
        assert_eq!(got, expected);
        let expected = [packet(1, len), packet(2, len)].concat();
        let (sent, got) = tokio::join!(b.write_all(&expected), read_some(&mut a, expected.len()));
        sent.unwrap();
        assert_eq!(got, expected);
    }
    a.shutdown().await;
    assert_eq!(b.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test]
async fn plain_and_compressed_streams_carry_everything() {
    let (a, b) = tcp_pair().await;
    crosses(a, b).await;
    for algorithm in [Algorithm::Zlib, Algorithm::Zstd(5)] {
        let (a, b) = compressed_pair(algorithm).await;
        crosses(a, b).await;
    }
}

#[tokio::test]
async fn an_end_inside_a_compressed_frame_is_an_error() {
    let (mut client, server) = tcp_pair().await;
    client.write_all(&[100, 0, 0, 0, 0, 0, 0, b'x']).await.unwrap();
    client.shutdown().await;
    let mut server = Stream::Compressed(Box::new(Compressed::server(server, Algorithm::Zlib)));
    let mut buf = [0; 10];
    assert_eq!(server.read(&mut buf).await.unwrap(), 1);
    assert_eq!(server.read(&mut buf).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_parked_stream_goes_on_in_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (mut client, parked) = first.block_on(async {
        let (client, server) = tcp_pair().await;
        (client, server.into_parked().unwrap())
    });
    first.block_on(client.write_all(b"hello")).unwrap();
    let other_core = std::thread::spawn(move || {
        second.block_on(async {
            let mut server = parked.unpark().unwrap();
            assert_eq!(read_some(&mut server, 5).await, b"hello");
            assert!(server.peer().is_some() && !server.is_secure());
            server.write_all(b"world").await.unwrap();
        });
    });
    assert_eq!(first.block_on(read_some(&mut client, 5)), b"world");
    other_core.join().unwrap();
}

#[tokio::test]
async fn unix_streams_are_secure_and_compressed_ones_stay() {
    let (a, b) = UnixStream::pair().unwrap();
    let a = Stream::Plain(Socket::from(a));
    assert!(a.is_secure() && a.peer().is_none());
    let mut parked = a.into_parked().unwrap().unpark().unwrap();
    drop(b);
    let read = tokio::time::timeout(Duration::from_secs(1), parked.read(&mut [0; 1])).await;
    assert_eq!(read.unwrap().unwrap(), 0);
    let compressed = Stream::Compressed(Box::new(Compressed::client(parked, Algorithm::Zlib)));
    assert!(compressed.is_secure());
    assert!(compressed.into_parked().is_err());
}

#[tokio::test]
async fn what_came_behind_a_packet_of_a_login_stays_to_be_read() {
    let (mut client, mut server) = tcp_pair().await;
    let long = packet(2, 5000);
    let all = [packet(0, 10), packet(1, 0), long.clone(), b"TLS begins".to_vec()].concat();
    let mut packets = Packets::new(&mut server, 0);
    let (sent, first) = tokio::join!(client.write_all(&all), packets.read());
    sent.unwrap();
    assert_eq!(first.unwrap(), [b'q'; 10]);
    assert_eq!(packets.read().await.unwrap(), b"");
    assert_eq!(packets.read().await.unwrap(), long[4..]);
    assert_eq!(packets.sequence, 3);
    assert_eq!(read_some(&mut server, 10).await, b"TLS begins");
    client.shutdown().await;
    assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
}

#[tokio::test]
async fn bytes_that_were_given_back_come_first_and_keep_a_connection_where_it_is() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"third").await.unwrap();
    server.unread(b"second");
    server.unread(b"first");
    server.unread(b"");
    assert!(server.has_pending_input() && !server.has_peer_closed());
    let mut server = server.into_parked().unwrap_err();
    assert_eq!(read_some(&mut server, 16).await, b"firstsecondthird");
    assert!(!server.has_pending_input());
    assert!(server.into_parked().is_ok());
}

#[tokio::test]
async fn a_client_that_speaks_before_it_is_spoken_to_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Stream::Plain(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into());
    client.write_all(b"early").await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let mut server = Stream::Plain(Socket::accepted(server));
    assert_eq!(read_some(&mut server, 5).await, b"early");
    client.write_all(b"later").await.unwrap();
    assert_eq!(read_some(&mut server, 5).await, b"later");
}
