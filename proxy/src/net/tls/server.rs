//! The certificate that clients see. A reload makes another one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Identity, TlsSetupError, certificates, provider, roots};
use crate::net::{Socket, Stream};

/// Where the certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsFiles {
    pub identity: Identity,
    /// Clients must show a certificate from here.
    pub client_ca: Option<PathBuf>,
}

/// TLS towards clients.
#[derive(Debug)]
pub struct ServerTls(Arc<ServerConfig>);

impl ServerTls {
    /// Reads the files.
    pub fn load(files: &ServerTlsFiles) -> Result<Self, TlsSetupError> {
        build(files).map(Self)
    }

    /// The server's half of the handshake.
    pub async fn accept(&self, socket: Socket) -> io::Result<Stream> {
        let tls = TlsAcceptor::from(Arc::clone(&self.0)).accept(socket).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Server(tls))))
    }
}

fn build(files: &ServerTlsFiles) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let (chain, key) = files.identity.load()?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let store = Arc::new(roots(&certificates(path)?, path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(store, provider())
                .build()
                .map_err(|e| TlsSetupError::ClientCa(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Arc::new(builder.with_single_cert(chain, key)?))
}
