//! MySQL 9: Debian's stable releases have none, so it comes from Debian sid, installed into a directory of its own by
//! debootstrap(8) and run under chroot(1). Nothing of it reaches the machine's own packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::{Mutex, PoisonError};

use crate::error::{Lab, LabError};
use crate::places;

const PACKAGES: &str = "--include=mysql-server-core,mysql-client-core";
const MIRROR: &str = "http://deb.debian.org/debian";

/// The directory that MySQL 9 is installed in; makes it on first use, which takes a minute and the network.
/// `LabError::Unavailable` where the machine can't.
pub fn root() -> Lab<PathBuf> {
    let root = places::cache()?.join("mysql9");
    if !places::is_root() {
        return Err(LabError::Unavailable("MySQL 9 runs under chroot, which needs root".to_owned()));
    }
    // The tests of one run start together; the first installs, the others wait for it.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_installed(&root) {
        install(&root)?;
    }
    drop(installing);
    let dirs = root.join("tmp");
    fs::create_dir_all(&dirs).map_err(LabError::file(&dirs))?;
    Ok(root)
}

fn is_installed(root: &Path) -> bool {
    root.join("usr/sbin/mysqld").exists()
}

/// Installs beside the final place and renames, so that an interrupted run leaves no half of a system.
fn install(root: &Path) -> Lab<()> {
    let unfinished = root.with_extension(format!("new-{}", process::id()));
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", PACKAGES, "sid"]).arg(&unfinished).arg(MIRROR);
    let output = command.output().map_err(|error| LabError::Unavailable(format!("debootstrap: {error}")))?;
    if !output.status.success() || !is_installed(&unfinished) {
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or("it said nothing").to_owned();
        let _half_of_it = fs::remove_dir_all(&unfinished);
        return Err(LabError::Unavailable(format!("MySQL 9 could not be installed by debootstrap: {last}")));
    }
    match fs::rename(&unfinished, root) {
        Ok(()) => Ok(()),
        // Another run was faster: its system is as good.
        Err(_) if is_installed(root) => fs::remove_dir_all(&unfinished).map_err(LabError::file(&unfinished)),
        Err(error) => Err(LabError::File { path: root.to_path_buf(), source: error }),
    }
}
