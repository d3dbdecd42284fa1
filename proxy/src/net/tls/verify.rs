//! Certificate checks that ignore names: MySQL's auto-made certificates have no subjectAltName, and rustls's
//! own verifier refuses such.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whose certificates are believed.
#[derive(Debug)]
enum Trust {
    /// Anybody's who has the key.
    Anyone,
    /// Those that come from the CA, or are themselves in the CA file.
    Listed { roots: RootCertStore, trusted: Vec<CertificateDer<'static>> },
}

/// Checks a server's certificate without regard to its name.
#[derive(Debug)]
pub(super) struct Nameless {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

impl Nameless {
    /// Believes any certificate whose key the server has.
    pub(super) fn anyone(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, trust: Trust::Anyone }
    }

    /// Believes certificates that `roots` signed, and `trusted` ones.
    pub(super) fn listed(
        provider: Arc<CryptoProvider>,
        roots: RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { provider, trust: Trust::Listed { roots, trusted } }
    }
}

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Trust::Listed { roots, trusted } = &self.trust {
            // A self-signed server certificate that is listed itself; as a chain it would be refused.
            if !trusted.iter().any(|known| known.as_ref() == end_entity.as_ref()) {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                let algorithms = self.provider.signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
