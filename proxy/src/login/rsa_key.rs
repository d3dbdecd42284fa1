//! The proxy's RSA key for caching_sha2_password without TLS: from a file, or made when first needed.

use std::path::Path;
use std::sync::Arc;

use pointsman_protocol::auth::rand_core::OsRng;
use pointsman_protocol::auth::{KeyError, RsaServerKey};
use tokio::sync::OnceCell;

/// Where the key comes from. Making one takes up to seconds, so that happens on a blocking thread; clients
/// that need it meanwhile wait within their login deadline.
#[derive(Debug, Default)]
pub struct RsaKeySource {
    key: Arc<OnceCell<Arc<RsaServerKey>>>,
}

impl RsaKeySource {
    /// A key that is made when first asked for; ask at start to have it ready.
    #[must_use]
    pub fn generated() -> Self {
        Self::default()
    }

    /// A PKCS#1 or PKCS#8 private key in PEM; proxies behind one address should share one.
    pub fn from_pem_file(path: &Path) -> Result<Self, KeyError> {
        let pem = std::fs::read_to_string(path).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        Ok(Self { key: Arc::new(OnceCell::new_with(Some(Arc::new(RsaServerKey::from_pem(&pem)?)))) })
    }

    /// The key; `None` if it could not be made, which is logged and tried again next time.
    pub async fn get(&self) -> Option<Arc<RsaServerKey>> {
        if let Some(key) = self.key.get() {
            return Some(Arc::clone(key));
        }
        // A task of its own, which ends with the key: clients that leave meanwhile must not make the next one
        // start again.
        let cell = Arc::clone(&self.key);
        let made = tokio::spawn(async move { cell.get_or_try_init(make).await.cloned() });
        match made.await.map_err(|e| e.to_string()).and_then(|key| key) {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::error!(%error, "no RSA key for caching_sha2_password");
                None
            }
        }
    }
}

async fn make() -> Result<Arc<RsaServerKey>, String> {
    let key = tokio::task::spawn_blocking(|| RsaServerKey::generate(&mut OsRng)).await;
    key.map_err(|e| e.to_string())?.map(Arc::new).map_err(|e| e.to_string())
}
