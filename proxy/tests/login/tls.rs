//! Certificates on both sides: names, reload, client certificates.

use std::path::PathBuf;
use std::sync::Arc;

use pointsman_proxy::net::tls::{BackendTls, Identity, ServerTls, ServerTlsFiles, TlsMode};
use pointsman_proxy::net::{Socket, Stream};
use tokio::net::{TcpListener, TcpStream};

use super::certificates::certificates;
use super::mariadb::scratch;

/// Both halves of a handshake, and a byte each way: with TLS 1.3 a client hears only then that its
/// certificate was refused.
async fn shake(server: &Arc<ServerTls>, client: &BackendTls) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let theirs = async {
        let Ok(mut stream) = server.accept(Socket::from(accepted)).await else { return };
        let mut byte = [0];
        if stream.read(&mut byte).await.is_ok_and(|n| n == 1) {
            let _ = stream.write_all(&byte).await;
        }
    };
    let ours = async {
        let Ok(mut stream) = client.connect(Socket::from(tcp), "127.0.0.1").await else { return false };
        assert!(matches!(stream, Stream::Tls(_)) && stream.is_secure());
        let sent = stream.write_all(b"x").await;
        sent.is_ok() && matches!(stream.read(&mut [0; 8]).await, Ok(1))
    };
    tokio::join!(theirs, ours).1
}

fn client(mode: TlsMode, ca: &PathBuf) -> BackendTls {
    BackendTls::load(mode, Some(ca), None).unwrap()
}

#[tokio::test]
async fn names_count_only_where_asked_and_certificates_reload() {
    let (files, dir) = (certificates(), scratch("reload"));
    let certificate = dir.join("current.pem");
    std::fs::copy(&files.named, &certificate).unwrap();
    let identity = Identity { certificate: certificate.clone(), key: files.key.clone() };
    let server_files = ServerTlsFiles { identity, client_ca: None };
    let server = Arc::new(ServerTls::load(&server_files).unwrap());
    assert!(shake(&server, &client(TlsMode::VerifyIdentity, &files.ca)).await);
    assert!(shake(&server, &client(TlsMode::VerifyCa, &files.ca)).await);
    assert!(!shake(&server, &client(TlsMode::VerifyCa, &files.other_ca)).await);
    assert!(shake(&server, &client(TlsMode::VerifyCa, &files.named)).await, "the certificate itself is listed");

    std::fs::copy(&files.plain, &certificate).unwrap();
    assert!(shake(&server, &client(TlsMode::VerifyIdentity, &files.ca)).await, "not reloaded yet");
    let server = Arc::new(ServerTls::load(&server_files).unwrap());
    assert!(!shake(&server, &client(TlsMode::VerifyIdentity, &files.ca)).await);
    assert!(shake(&server, &client(TlsMode::VerifyCa, &files.ca)).await);

    std::fs::write(&certificate, "nothing").unwrap();
    assert!(ServerTls::load(&server_files).is_err());
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn client_certificates_are_checked() {
    let files = certificates();
    let identity = Identity { certificate: files.named.clone(), key: files.key.clone() };
    let server = ServerTlsFiles { identity: identity.clone(), client_ca: Some(files.ca.clone()) };
    let server = Arc::new(ServerTls::load(&server).unwrap());
    let with = |identity: &Identity| BackendTls::load(TlsMode::Required, None, Some(identity)).unwrap();
    assert!(shake(&server, &with(&identity)).await);
    assert!(!shake(&server, &client(TlsMode::Required, &files.ca)).await, "one is needed");
    let stranger = Identity { certificate: files.other_ca.clone(), key: files.other_ca_key.clone() };
    assert!(!shake(&server, &with(&stranger)).await);
}

#[tokio::test]
async fn an_end_without_goodbye_is_an_end() {
    let files = certificates();
    let identity = Identity { certificate: files.named.clone(), key: files.key.clone() };
    let server = ServerTls::load(&ServerTlsFiles { identity, client_ca: None }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let tls = client(TlsMode::Required, &files.ca);
    let (theirs, ours) =
        tokio::join!(server.accept(Socket::from(accepted)), tls.connect(Socket::from(tcp), "localhost"));
    let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
    let mut buf = [0; 100];
    // Session tickets left unread would make the kernel send a reset.
    theirs.write_all(b"x").await.unwrap();
    assert_eq!(ours.read(&mut buf).await.unwrap(), 1);
    ours.write_all(b"last words").await.unwrap();
    drop(ours);
    assert_eq!(theirs.read(&mut buf).await.unwrap(), 10);
    assert_eq!(theirs.read(&mut buf).await.unwrap(), 0);
}
