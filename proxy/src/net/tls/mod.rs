//! TLS on both sides, with rustls and ring.

mod client;
mod server;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore};

pub use client::{BackendTls, TlsMode};
pub use server::{ServerTls, ServerTlsFiles};

/// What is wrong with TLS files; their owner has to look. A retry helps only after they changed.
#[derive(Debug, Error)]
pub enum TlsSetupError {
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("TLS: {0}")]
    Config(#[from] rustls::Error),
    #[error("TLS: {0}")]
    ClientCa(String),
    #[error("tls mode {0:?} needs a CA file")]
    NoCa(TlsMode),
}

/// Certificate chain and private key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

type Loaded = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Identity {
    fn load(&self) -> Result<Loaded, TlsSetupError> {
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| unreadable(&self.key, e))?;
        Ok((certificates(&self.certificate)?, key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(certificates) if certificates.is_empty() => Err(unreadable(path, "holds no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(unreadable(path, e)),
    }
}

fn roots(certificates: &[CertificateDer<'static>], path: &Path) -> Result<RootCertStore, TlsSetupError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.clone()).map_err(|e| unreadable(path, e))?;
    }
    Ok(store)
}

fn unreadable(path: &Path, reason: impl ToString) -> TlsSetupError {
    TlsSetupError::File { path: path.to_owned(), reason: reason.to_string() }
}
