//! Lock files, one for each listen address: SO_REUSEPORT would let a second process take half of the clients
//! without a word.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::config::Config;

/// By the group and by others.
const WRITABLE: u32 = 0o022;
/// A link in the file's place is not followed.
const NO_LINK: i32 = libc::O_NOFOLLOW;

/// Held for the life of the process; the kernel gives the locks up when it ends, however it ends.
#[derive(Debug)]
pub struct Locks {
    _files: Vec<File>,
}

/// Why a lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The operator's fault; works once the other process is gone.
    #[error("another pointsman is listening on {address} (it holds {path})")]
    Held { address: String, path: String },
    /// The operator's fault: a right or a directory lacks.
    #[error("the lock file {path} can't be made: {error} (see proxy.state_dir)")]
    Unusable { path: String, error: std::io::Error },
    /// Perhaps an attack.
    #[error(
        "{path} belongs to another user, or others may write there: set proxy.state_dir to a directory of your own"
    )]
    NotOurs { path: String },
}

impl Locks {
    /// Locks all listen addresses, or none.
    pub fn take(config: &Config) -> Result<Self, LockError> {
        let directory = config.proxy.state_directory();
        make(&directory).map_err(|e| unusable(&directory, e))?;
        if config.proxy.state_dir.is_none() {
            check_own(&directory)?;
        }
        let listen = &config.listen;
        let mut addresses: Vec<String> = listen.mysql.iter().map(ToString::to_string).collect();
        addresses.extend(listen.admin.as_ref().map(ToString::to_string));
        addresses.extend(listen.http.as_ref().map(ToString::to_string));
        let files: Result<_, _> = addresses.iter().map(|a| lock(&directory, a)).collect();
        Ok(Self { _files: files? })
    }
}

fn make(directory: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The place that nobody has configured may lie in a directory where all may write: another user could have made it.
fn check_own(directory: &Path) -> Result<(), LockError> {
    let found = std::fs::symlink_metadata(directory).map_err(|e| unusable(directory, e))?;
    let own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & WRITABLE == 0;
    if own { Ok(()) } else { Err(LockError::NotOurs { path: directory.display().to_string() }) }
}

fn unusable(path: &Path, error: std::io::Error) -> LockError {
    LockError::Unusable { path: path.display().to_string(), error }
}

fn lock(directory: &Path, address: &str) -> Result<File, LockError> {
    let name: String = address.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect();
    let path = directory.join(format!("{name}.lock"));
    let open = File::options().create(true).truncate(false).write(true).custom_flags(NO_LINK).open(&path);
    let mut file = open.map_err(|e| unusable(&path, e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(LockError::Held { address: address.to_owned(), path: path.display().to_string() });
        }
        Err(e) => return Err(unusable(&path, e.into())),
    }
    // The number is for people; only the lock itself counts.
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(|e| unusable(&path, e))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_that_others_may_write_to_is_not_trusted() {
        let directory = std::env::temp_dir().join(format!("pointsman-own-test-{}", std::process::id()));
        make(&directory).unwrap();
        assert!(check_own(&directory).is_ok());
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(check_own(&directory), Err(LockError::NotOurs { .. })));
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let directory = std::env::temp_dir().join(format!("pointsman-lock-test-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let first = lock(&directory, "127.0.0.1:6033").unwrap();
        assert!(matches!(lock(&directory, "127.0.0.1:6033"), Err(LockError::Held { .. })));
        assert!(lock(&directory, "unix:/run/x.sock").is_ok());
        std::os::unix::fs::symlink("/etc/hostname", directory.join("127.0.0.1_6034.lock")).unwrap();
        assert!(matches!(lock(&directory, "127.0.0.1:6034"), Err(LockError::Unusable { .. })));
        drop(first);
        assert!(lock(&directory, "127.0.0.1:6033").is_ok());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
