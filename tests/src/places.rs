//! Where the laboratory keeps its files: a cache that outlives runs, and a directory for each server that does not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use crate::error::{Lab, LabError};

/// Names the cache directory, for machines where several checkouts share one.
pub const CACHE_VARIABLE: &str = "POINTSMAN_LAB_CACHE";

/// Makes the names of directories of one process differ.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cache: `.cache` in the repository (ignored by git) unless `POINTSMAN_LAB_CACHE` names another.
pub fn cache() -> Lab<PathBuf> {
    let cache = env::var_os(CACHE_VARIABLE).map_or_else(|| repository().join(".cache"), PathBuf::from);
    fs::create_dir_all(&cache).map_err(LabError::file(&cache))?;
    Ok(cache)
}

/// A new empty directory in the system's directory for temporary files; whoever asks for it has it removed.
pub fn fresh_dir(purpose: &str) -> Lab<PathBuf> {
    fresh_dir_in(&env::temp_dir(), purpose)
}

/// A new empty directory in `parent`.
pub fn fresh_dir_in(parent: &Path, purpose: &str) -> Lab<PathBuf> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = parent.join(format!("pointsman-{purpose}-{}-{number}", process::id()));
    // A killed process of the same number may have left one, if its keeper was killed as well.
    let _nothing_there = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(LabError::file(&dir))?;
    Ok(dir)
}

/// Whether this process may chroot and switch users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
