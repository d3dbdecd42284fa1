//! TLS towards the servers: how much of their certificate is believed.
//!
//! The modes are those of the MySQL client's --ssl-mode (MySQL manual, "Command Options for Encrypted
//! Connections").

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

use super::verify::{Named, Nameless};
use super::{Identity, TlsSetupError, certificates, provider, roots};
use crate::net::{Socket, Stream};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TlsMode {
    Disabled,
    /// TLS where the server offers it. Hides nothing from an active attacker.
    #[default]
    Preferred,
    /// TLS or nothing, whatever the certificate.
    Required,
    /// The certificate must come from the CA; names in it don't matter (MySQL's auto-made ones have none).
    VerifyCa,
    /// And it must name the host: in its subjectAltName or, without one, its common name.
    VerifyIdentity,
}

/// TLS towards one server or many.
#[derive(Clone, Debug)]
pub struct BackendTls {
    mode: TlsMode,
    config: Option<Arc<ClientConfig>>,
}

impl BackendTls {
    /// No TLS at all.
    #[must_use]
    pub fn disabled() -> Self {
        Self { mode: TlsMode::Disabled, config: None }
    }

    /// Reads what the mode needs: a CA file for the verifying modes, a client certificate if there is one.
    pub fn load(mode: TlsMode, ca: Option<&PathBuf>, identity: Option<&Identity>) -> Result<Self, TlsSetupError> {
        if mode == TlsMode::Disabled {
            return Ok(Self::disabled());
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier(mode, ca)?);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.load()?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        Ok(Self { mode, config: Some(Arc::new(config)) })
    }

    #[must_use]
    pub fn mode(&self) -> TlsMode {
        self.mode
    }

    /// Whether a server without TLS is refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !matches!(self.mode, TlsMode::Disabled | TlsMode::Preferred)
    }

    /// Whether TLS is wanted at all.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.config.is_some()
    }

    /// The client's half of the handshake; `host` is the name or address that the configuration has.
    pub async fn connect(&self, socket: Socket, host: &str) -> io::Result<Stream> {
        let config = self.config.clone().ok_or(io::ErrorKind::Unsupported)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(config).connect(name, socket).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(tls))))
    }
}

fn verifier(mode: TlsMode, ca: Option<&PathBuf>) -> Result<Arc<dyn ServerCertVerifier>, TlsSetupError> {
    if !matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity) {
        return Ok(Arc::new(Nameless::anyone(provider())));
    }
    let path = ca.ok_or(TlsSetupError::NoCa(mode))?;
    let trusted = certificates(path)?;
    let store = roots(&trusted, path)?;
    if mode == TlsMode::VerifyCa {
        return Ok(Arc::new(Nameless::listed(provider(), store, trusted)));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store.clone()), provider())
        .build()
        .map_err(|e| TlsSetupError::ClientCa(e.to_string()))?;
    Ok(Arc::new(Named::new(verifier, Nameless::listed(provider(), store, Vec::new()))))
}
