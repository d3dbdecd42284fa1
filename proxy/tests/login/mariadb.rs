//! A MariaDB server of this test run's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::certificates::certificates;

pub struct Server {
    child: Child,
    pub port: u16,
    pub socket: PathBuf,
    dir: PathBuf,
}

/// An empty directory that the server's user may enter.
pub fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("pointsman-login-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub fn start() -> Self {
        let dir = scratch("mariadb");
        let data = dir.join("data");
        // In the system's, another server that starts would remove this one's tables as left behind.
        let tmp = dir.join("tmp");
        std::fs::create_dir_all(&tmp).unwrap();
        let tmp = format!("--tmpdir={}", tmp.display());
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = format!("--user={}", String::from_utf8(user).unwrap().trim());
        let installed = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--force",
                &user,
                &tmp,
            ])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let (port, socket, tls) = (free_port(), dir.join("s.sock"), certificates());
        let child = Command::new("mariadbd")
            .args(["--no-defaults", &user, &tmp, "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M"])
            .args(["--plugin-load-add=auth_ed25519", "--plugin-maturity=unknown"])
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--ssl-ca={}", tls.ca.display()))
            .arg(format!("--ssl-cert={}", tls.plain.display()))
            .arg(format!("--ssl-key={}", tls.key.display()))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { child, port, socket, dir };
        server.wait();
        server
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.socket.exists() || !self.sql("SELECT 1") {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "MariaDB doesn't start: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs statements as root.
    pub fn sql(&self, text: &str) -> bool {
        let socket = format!("--socket={}", self.socket.display());
        let run = Command::new("mariadb").args(["--no-defaults", "-uroot", &socket, "-e", text]).output();
        run.unwrap().status.success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all::<&Path>(&self.dir);
    }
}
