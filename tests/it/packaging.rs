//! The image, the compose file and the systemd unit name only what exists: files, ports, hosts, accounts, users.

use std::fs;
use std::process::Command;

use pointsman_tests::{Lab, LabError, places};

fn read(path: &str) -> Lab<String> {
    let path = places::repository().join(path);
    fs::read_to_string(&path).map_err(LabError::file(&path))
}

/// The quoted texts of a line such as `masters = ["a:1", "b:2"]`.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

fn setting<'a>(toml: &'a str, key: &str) -> Vec<&'a str> {
    toml.lines().find(|line| line.starts_with(&format!("{key} = "))).map(quoted).unwrap_or_default()
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or(address)
}

#[test]
fn the_compose_file_mounts_and_names_what_exists() -> Lab<()> {
    let (compose, toml) = (read("docker/compose.yml")?, read("docker/pointsman.toml")?);
    let mounts = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./")?.split(':').next());
    let missing: Vec<&str> = mounts.filter(|file| !places::repository().join("docker").join(file).exists()).collect();
    assert!(missing.is_empty(), "compose.yml mounts what is not there: {missing:?}");
    for server in [setting(&toml, "masters"), setting(&toml, "replicas")].concat() {
        let (host, port) = server.split_once(':').expect("host:port");
        assert!(compose.contains(&format!("\n  {host}:\n")), "no service '{host}'");
        assert_eq!(port, "3306", "the image's port");
        assert!(read("docker/replicate.sh")?.contains(host), "replicate.sh does not know {host}");
    }
    for key in ["mysql", "http"] {
        let port = port(setting(&toml, key)[0]).to_owned();
        assert!(compose.contains(&format!(":{port}:{port}\"")), "{key} port {port} is not published");
    }
    Ok(())
}

#[test]
fn the_accounts_of_the_container_are_those_of_its_configuration() -> Lab<()> {
    let (accounts, toml) = (read("docker/accounts.sql")?, read("docker/pointsman.toml")?);
    let password = |section: &str| {
        let rest = toml.split(section).nth(1).unwrap_or_default();
        setting(rest, "password").first().map(|word| (*word).to_owned()).unwrap_or_default()
    };
    let (backend, app) =
        (setting(&toml, "user")[0], setting(toml.split("[[user]]").nth(1).unwrap_or_default(), "name")[0]);
    for (name, password) in [(backend, password("[backend]")), (app, password("[[user]]"))] {
        let create = format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'");
        assert!(accounts.contains(&create), "accounts.sql lacks: {create}");
    }
    Ok(())
}

#[test]
fn the_image_is_checked_and_configured_where_it_listens() -> Lab<()> {
    let (image, toml, compose) =
        (read("docker/Dockerfile")?, read("docker/pointsman.toml")?, read("docker/compose.yml")?);
    let exposed: Vec<&str> =
        image.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap_or_default().split(' ').collect();
    for key in ["mysql", "admin", "http"] {
        let port = port(setting(&toml, key)[0]);
        assert!(exposed.contains(&port), "{key} port {port} is not exposed: {exposed:?}");
    }
    let http = port(setting(&toml, "http")[0]);
    assert!(image.contains(&format!("http://127.0.0.1:{http}/readyz")), "the health check asks another port");
    let config = "/etc/pointsman/pointsman.toml";
    assert!(image.contains(config) && compose.contains(config), "image and compose file disagree on {config}");
    assert!(image.contains("-p pointsman-proxy --bin pointsman"));
    Ok(())
}

#[test]
fn the_unit_is_valid_and_its_user_is_made() -> Lab<()> {
    let (unit, users) = (read("packaging/pointsman.service")?, read("packaging/pointsman.sysusers")?);
    let user = unit.lines().find_map(|line| line.strip_prefix("User=")).unwrap_or_default();
    assert!(users.contains(&format!("u {user} ")), "nobody makes the user '{user}'");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_default();
    let manual = read("docs/start.md")?;
    for path in start.split(' ').filter(|word| word.starts_with('/')) {
        assert!(manual.contains(path), "docs/start.md does not say what {path} is");
    }
    // The program need not be installed here for the unit to be checked.
    let dir = places::fresh_dir("unit")?;
    let file = dir.join("pointsman.service");
    fs::write(&file, unit.replace("/usr/bin/pointsman", "/bin/true")).map_err(LabError::file(&file))?;
    let verified = Command::new("systemd-analyze").arg("verify").arg(&file).output();
    fs::remove_dir_all(&dir).map_err(LabError::file(&dir))?;
    match verified {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && !said.contains("pointsman.service"), "{said}");
        }
        Err(why) => pointsman_tests::skipped(&format!("systemd-analyze: {why}")),
    }
    Ok(())
}
