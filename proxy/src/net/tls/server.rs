//! The certificate that clients see; it reloads without a restart.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Identity, TlsSetupError, certificates, provider, roots};
use crate::net::{Socket, Stream};

/// Where the certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTlsFiles {
    pub identity: Identity,
    /// Clients that show a certificate must have it from here; showing none is allowed.
    pub client_ca: Option<PathBuf>,
}

/// TLS towards clients.
#[derive(Debug)]
pub struct ServerTls {
    files: ServerTlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl ServerTls {
    pub fn load(files: ServerTlsFiles) -> Result<Self, TlsSetupError> {
        let config = build(&files)?;
        Ok(Self { files, current: ArcSwap::new(config) })
    }

    /// Reads the files again, for new connections. On an error the old certificate stays.
    pub fn reload(&self) -> Result<(), TlsSetupError> {
        self.current.store(build(&self.files)?);
        Ok(())
    }

    /// The server's half of the handshake.
    pub async fn accept(&self, socket: Socket) -> io::Result<Stream> {
        let tls = TlsAcceptor::from(self.current.load_full()).accept(socket).await?;
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
                .allow_unauthenticated()
                .build()
                .map_err(|e| TlsSetupError::ClientCa(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Arc::new(builder.with_single_cert(chain, key)?))
}
