//! How the proxy reaches the servers, and who it is there.

use std::path::PathBuf;
use std::time::Duration;

use super::form::{BackendForm, BackendTlsMode, Compression};
use super::problem::Problems;
use super::secret::{self, Secret};

/// Section `[backend]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// As whom the proxy itself logs in.
    pub user: String,
    pub password: Secret,
    pub tls: BackendTls,
    pub compression: Compression,
    pub connect_timeout: Duration,
    /// None leaves it to the kernel.
    pub tcp_user_timeout: Option<Duration>,
}

/// TLS towards the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendTls {
    pub mode: BackendTlsMode,
    /// Present when the mode verifies.
    pub ca: Option<PathBuf>,
    pub identity: Option<TlsIdentity>,
}

/// The proxy's own certificate and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Checks the section.
pub fn check(form: BackendForm, problems: &mut Problems) -> Option<Backend> {
    let tls = check_tls(&form, problems);
    let password = match (&form.password, &form.password_file) {
        (Some(_), Some(_)) => {
            problems.add("backend.password_file", "can't stand beside backend.password");
            None
        }
        (Some(password), None) => problems.take("backend.password", secret::resolve(password)),
        (None, Some(file)) => problems.take("backend.password_file", secret::from_file(file.as_ref())),
        (None, None) => {
            problems.add("backend.password", "is missing (or backend.password_file)");
            None
        }
    };
    Some(Backend {
        user: form.user,
        password: password?,
        tls: tls?,
        compression: form.compression,
        connect_timeout: Duration::from_millis(form.connect_timeout_ms),
        tcp_user_timeout: (form.tcp_user_timeout_ms > 0).then(|| Duration::from_millis(form.tcp_user_timeout_ms)),
    })
}

fn check_tls(form: &BackendForm, problems: &mut Problems) -> Option<BackendTls> {
    let verifies = form.tls >= BackendTlsMode::VerifyCa;
    if verifies && form.tls_ca.is_none() {
        problems.add("backend.tls_ca", "is needed to verify the servers' certificates");
        return None;
    }
    let identity = match (&form.tls_cert, &form.tls_key) {
        (Some(cert), Some(key)) => Some(TlsIdentity { cert: cert.into(), key: key.into() }),
        (None, None) => None,
        _ => {
            problems.add("backend.tls_cert", "and backend.tls_key are needed together");
            return None;
        }
    };
    Some(BackendTls { mode: form.tls, ca: form.tls_ca.as_ref().map(PathBuf::from), identity })
}
