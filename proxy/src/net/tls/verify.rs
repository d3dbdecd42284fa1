//! Certificate checks beside rustls's own, which refuses certificates without a subjectAltName: MySQL's auto-made ones
//! have none, nor have those that are made as MySQL's manual shows ("Creating SSL Certificates and Keys Using openssl").

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Decode, asn1::PrintableStringRef, asn1::Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;

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

/// Checks that a server's certificate names the host: in its subjectAltName or, where it has none, in its common name,
/// as the MySQL client does (MySQL manual, --ssl-mode=VERIFY_IDENTITY).
#[derive(Debug)]
pub(super) struct Named {
    by_alternative_name: Arc<WebPkiServerVerifier>,
    by_any_name: Nameless,
}

impl Named {
    pub(super) fn new(by_alternative_name: Arc<WebPkiServerVerifier>, by_any_name: Nameless) -> Self {
        Self { by_alternative_name, by_any_name }
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self.by_alternative_name.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if has_common_name(end_entity, &name.to_str()) =>
            {
                self.by_any_name.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_any_name.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_any_name.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_any_name.supported_verify_schemes()
    }
}

/// Whether a certificate without subjectAltName has this common name. No wildcards.
fn has_common_name(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let contents = &certificate.tbs_certificate;
    if !matches!(contents.get::<SubjectAltName>(), Ok(None)) {
        return false;
    }
    let mut common_names = contents.subject.0.iter().flat_map(|set| set.0.iter()).filter(|part| part.oid == CN);
    common_names.any(|part| {
        let utf8 = part.value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().eq_ignore_ascii_case(name));
        let printable =
            part.value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().eq_ignore_ascii_case(name));
        utf8.or(printable).unwrap_or(false)
    })
}
