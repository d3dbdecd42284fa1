//! `differ`: runs the corpus at two addresses and prints where the second answers differently.
//!
//! `differ DIRECT_PORT PROXY_PORT [--host H] [--user U] [--password P] [--admin U:P] [--profile NAME]
//! [--show] [--one-server] [FILE.sql ...]`
//! `--one-server`: both ports lead to the same server, as with a proxy, so that one is put back between the runs.
//! Exit code 1 if anything differs.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use pointsman_tests::differ::{Campaign, Outcome, Profile, Script, Target, campaign, summary};

struct Arguments {
    direct: Target,
    proxy: Target,
    admin: Target,
    profiles: Vec<Profile>,
    files: Vec<PathBuf>,
    /// Print what every step gave in the first run.
    show: bool,
    one_server: bool,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    match parse(env::args().skip(1)).and_then(|arguments| run(&arguments, &mut out)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            // Nothing is left to tell if stdout is gone.
            let _ = writeln!(out, "differ: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut ports = Vec::new();
    let (mut host, mut user, mut password, mut admin) =
        ("127.0.0.1".to_owned(), "root".to_owned(), String::new(), None);
    let (mut profiles, mut files) = (Vec::new(), Vec::new());
    let (mut show, mut one_server) = (false, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--host" => host = value()?,
            "--user" => user = value()?,
            "--password" => password = value()?,
            "--admin" => admin = Some(value()?),
            "--show" => show = true,
            "--one-server" => one_server = true,
            "--profile" => {
                let name = value()?;
                profiles.push(Profile::named(&name).ok_or(format!("no profile {name}"))?);
            }
            file if file.ends_with(".sql") => files.push(PathBuf::from(file)),
            port => ports.push(port.parse().map_err(|_| format!("what is {port}?"))?),
        }
    }
    let [direct, proxy] = ports[..] else { return Err("two ports are needed".to_owned()) };
    let target = Target::new(&host, direct, &user, &password);
    let admin = match admin.as_deref().map(|pair| pair.split_once(':').unwrap_or((pair, ""))) {
        Some((user, password)) => Target::new(&host, direct, user, password),
        None => target.clone(),
    };
    if profiles.is_empty() {
        profiles.extend(Profile::ALL);
    }
    Ok(Arguments { proxy: target.at(proxy), direct: target, admin, profiles, files, show, one_server })
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<usize, String> {
    let scripts = if arguments.files.is_empty() {
        campaign::corpus()
    } else {
        arguments.files.iter().map(|path| Script::read(path)).collect()
    };
    let scripts = scripts.map_err(|error| error.to_string())?;
    let mut admins = vec![arguments.admin.clone()];
    if !arguments.one_server {
        admins.push(arguments.admin.at(arguments.proxy.port));
    }
    let campaign =
        Campaign { direct: arguments.direct.clone(), proxy: arguments.proxy.clone(), admins, settle: &|| () };
    let mut total = 0;
    for profile in &arguments.profiles {
        let mut seen = String::new();
        let mut watch = |outcome: &Outcome| {
            if arguments.show {
                seen.push_str(&summary(outcome));
                seen.push('\n');
            }
        };
        let report = campaign.run(*profile, &scripts, &mut watch).map_err(|error| error.to_string())?;
        let differences: String = report.differences.iter().map(|difference| format!("{difference}\n")).collect();
        let count = report.differences.len();
        writeln!(out, "{seen}{differences}{}: {} steps, {count} differ", profile.name, report.steps)
            .map_err(|error| error.to_string())?;
        total += count;
    }
    Ok(total)
}
