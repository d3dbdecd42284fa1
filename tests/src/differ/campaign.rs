//! A whole corpus at two addresses: each script directly, the server put back, then through the proxy.

use std::io;
use std::path::{Path, PathBuf};

use super::baseline::Baseline;
use super::compare::{Difference, compare};
use super::connection::Connection;
use super::corpus::{Script, ServerKind};
use super::error::WireError;
use super::profile::Profile;
use super::runner::{Outcome, Runner, Settle};
use super::target::Target;

/// The directory of the corpus.
#[must_use]
pub fn corpus_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every script of the corpus.
pub fn corpus() -> io::Result<Vec<Script>> {
    Script::read_directory(&corpus_directory())
}

/// Two addresses that must answer alike.
pub struct Campaign<'a> {
    pub direct: Target,
    pub proxy: Target,
    /// Where the servers behind either address can be put back to what they were, by an account that may.
    pub admins: Vec<Target>,
    /// Called where one session is about to read what another wrote, and before a server is put back.
    pub settle: &'a Settle<'a>,
}

/// What a campaign found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub steps: usize,
    pub differences: Vec<Difference>,
}

impl Campaign<'_> {
    pub fn kind(&self) -> Result<ServerKind, WireError> {
        let probe = Connection::open(&self.direct, &Profile::MYSQLND_TEXT)?;
        Ok(ServerKind::of_version(&probe.login.server_version))
    }

    /// Runs the scripts as that client. `watch` sees every step of the direct run.
    pub fn run(
        &self,
        profile: Profile,
        scripts: &[Script],
        watch: &mut dyn FnMut(&Outcome),
    ) -> Result<Report, WireError> {
        let kind = self.kind()?;
        let baselines: Vec<_> = self.admins.iter().map(Baseline::capture).collect::<Result<_, _>>()?;
        let mut report = Report::default();
        for script in scripts.iter().filter(|script| script.runs_on(kind)) {
            // Directly there is one server: nothing has to arrive anywhere.
            let direct = Runner::new(&self.direct, profile, kind, files(), &|| ()).run(script);
            self.put_back(&baselines)?;
            let proxied = Runner::new(&self.proxy, profile, kind, files(), self.settle).run(script);
            self.put_back(&baselines)?;
            direct.iter().for_each(&mut *watch);
            report.steps += direct.len();
            report.differences.extend(compare(&direct, &proxied));
        }
        Ok(report)
    }

    fn put_back(&self, baselines: &[Baseline]) -> Result<(), WireError> {
        for (baseline, admin) in baselines.iter().zip(&self.admins) {
            baseline.restore(admin)?;
        }
        (self.settle)();
        Ok(())
    }
}

/// Where LOAD DATA LOCAL finds its files.
fn files() -> PathBuf {
    corpus_directory().join("data")
}
