//! The PHP site of the demo, served by PHP's built-in server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pointsman_tests::keeper::Keeper;
use pointsman_tests::{Lab, LabError, http, places, ports, waiting};

/// The port that is tried first.
const USUAL_PORT: u16 = 8080;
const START_LIMIT: Duration = Duration::from_secs(15);
/// How often the page is loaded: enough that both replicas get some of its reads.
const VISITS: usize = 8;

/// The site, gone when dropped.
pub struct Site {
    pub port: u16,
    log: PathBuf,
    _keeper: Keeper,
}

impl Site {
    /// Serves `demo/` with the database at `database_port`.
    pub fn start(database_port: u16) -> Lab<Self> {
        let port = ports::free_or(USUAL_PORT);
        let dir = places::fresh_dir("site")?;
        let log = dir.join("php.log");
        let mut command = Command::new("php");
        command.args(["-S", &ports::local(port).to_string(), "-t"]).arg(places::repository().join("demo"));
        command.env("SHOP_PORT", database_port.to_string());
        let keeper = Keeper::start("php", &command, &log, Some(&dir))?;
        waiting::until("PHP's built-in server answers", START_LIMIT, || {
            std::net::TcpStream::connect(ports::local(port)).is_ok()
        })?;
        Ok(Self { port, log, _keeper: keeper })
    }

    /// What a visitor does: looks around, signs the guest book, buys something.
    pub fn visit(&self) -> Lab<()> {
        for _ in 0..VISITS {
            self.page(http::get(self.port, "/"), "Signal box shop")?;
        }
        let signed = http::post(self.port, "/", "do=sign&guest=Demo&words=All+signals+clear");
        self.page(signed, "Signed by Demo")?;
        let bought = http::post(self.port, "/", "do=buy&goods=2&buyer=Demo");
        self.page(bought, "is booked")
    }

    fn page(&self, answer: Option<http::Answer>, expected: &str) -> Lab<()> {
        if answer.as_ref().is_some_and(|answer| answer.status == 200 && answer.body.contains(expected)) {
            return Ok(());
        }
        let body = answer.map(|answer| answer.body).unwrap_or_default();
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Err(LabError::Died { what: format!("the PHP page (expected \"{expected}\")"), log: format!("{body}\n{log}") })
    }
}
