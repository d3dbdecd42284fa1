//! `differ`: runs the corpus at two addresses and prints where the second answers differently.
//!
//! `differ DIRECT_PORT PROXY_PORT [--host H] [--user U] [--password P] [--admin U:P] [--profile NAME] [FILE.sql ...]`
//! Exit code 1 if anything differs.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pointsman_tests::differ::{Baseline, Connection, Profile, Runner, Script, ServerKind, Target, compare};

struct Arguments {
    direct: Target,
    proxy: Target,
    admin: Target,
    profiles: Vec<Profile>,
    files: Vec<PathBuf>,
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
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--host" => host = value()?,
            "--user" => user = value()?,
            "--password" => password = value()?,
            "--admin" => admin = Some(value()?),
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
    Ok(Arguments { proxy: target.at(proxy), direct: target, admin, profiles, files })
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<usize, String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let scripts = if arguments.files.is_empty() {
        Script::read_directory(&corpus)
    } else {
        arguments.files.iter().map(|path| Script::read(path)).collect()
    };
    let scripts = scripts.map_err(|error| error.to_string())?;
    let data = corpus.join("data");
    let fail = |error: pointsman_tests::differ::WireError| error.to_string();
    let probe = Connection::open(&arguments.direct, &Profile::MYSQLND_TEXT).map_err(fail)?;
    let kind = ServerKind::of_version(&probe.login.server_version);
    let direct = Baseline::capture(&arguments.admin).map_err(fail)?;
    let mut total = 0;
    for profile in &arguments.profiles {
        let (mut statements, mut differing) = (0, 0);
        for script in scripts.iter().filter(|script| script.runs_on(kind)) {
            let go = |target: &Target| Runner::new(target, *profile, kind, data.clone(), &|| ()).run(script);
            let first = go(&arguments.direct);
            direct.restore(&arguments.admin).map_err(fail)?;
            let second = go(&arguments.proxy);
            direct.restore(&arguments.admin.at(arguments.proxy.port)).map_err(fail)?;
            direct.restore(&arguments.admin).map_err(fail)?;
            statements += first.len();
            for difference in compare(&first, &second) {
                differing += 1;
                writeln!(out, "{difference}").map_err(|error| error.to_string())?;
            }
        }
        writeln!(out, "{}: {statements} steps, {differing} differ", profile.name).map_err(|error| error.to_string())?;
        total += differing;
    }
    Ok(total)
}
