//! Certificates made by openssl: one with no subjectAltName, as MySQL makes them, and one with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub struct Certificates {
    pub ca: PathBuf,
    pub other_ca: PathBuf,
    pub plain: PathBuf,
    pub named: PathBuf,
    pub key: PathBuf,
    pub other_ca_key: PathBuf,
}

fn openssl(dir: &Path, arguments: &str) {
    let out = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
}

/// The certificates of this test run.
pub fn certificates() -> &'static Certificates {
    static ONCE: OnceLock<Certificates> = OnceLock::new();
    ONCE.get_or_init(|| {
        // In the target directory and overwritten by each run: a static is never dropped, so nothing cleans up.
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("login-certificates");
        std::fs::create_dir_all(&dir).unwrap();
        for ca in ["ca", "other"] {
            openssl(
                &dir,
                &format!("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"),
            );
        }
        openssl(&dir, "req -new -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr");
        std::fs::write(dir.join("plain.ext"), "basicConstraints=CA:FALSE\n").unwrap();
        std::fs::write(dir.join("named.ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        for kind in ["plain", "named"] {
            openssl(
                &dir,
                &format!(
                    "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {kind}.ext -out {kind}.pem"
                ),
            );
        }
        openssl(&dir, "rsa -in server.key -out server.key");
        Certificates {
            ca: dir.join("ca.pem"),
            other_ca: dir.join("other.pem"),
            plain: dir.join("plain.pem"),
            named: dir.join("named.pem"),
            key: dir.join("server.key"),
            other_ca_key: dir.join("other.key"),
        }
    })
}
