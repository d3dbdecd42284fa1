//! Real clients at our server half.

use std::process::Command;

use pointsman_protocol::auth::Plugin;

use super::echo::Echo;

/// Runs a program; gives whether it worked and what it said.
async fn run(program: &'static str, arguments: Vec<String>) -> (bool, String) {
    let run = move || Command::new(program).args(&arguments).output().unwrap();
    let out = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn cli(port: u16, user: &str, password: &str, more: &[&str]) -> (bool, String) {
    let mut arguments = vec!["--no-defaults".to_owned(), "-h127.0.0.1".into(), format!("-P{port}")];
    arguments.extend([format!("-u{user}"), format!("-p{password}"), "-e".into(), "DO 1; DO 2".into()]);
    arguments.extend(more.iter().map(|s| (*s).to_owned()));
    run("mariadb", arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mariadb_client() {
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        let echo = Echo::start(plugin, true).await;
        let tls: &[&str] = &["--ssl", "--skip-ssl-verify-server-cert"];
        for more in [&[][..], tls, &["--compress"], &["--ssl", "--compress"]] {
            for user in ["clear", "native", "sha2"] {
                let (ok, said) = cli(echo.port, user, "password", more).await;
                // Without TLS the client gets the proxy's key by itself.
                assert!(ok, "{plugin:?} {user} {more:?}: {said}");
                let (ok, said) = cli(echo.port, user, "wrong", more).await;
                assert!(!ok && said.contains("ERROR 1045 (28000): Access denied for user"), "{user} {more:?}: {said}");
                assert!(said.contains("(using password: YES)"));
                echo.shared.throttle.succeeded([127, 0, 0, 1].into());
            }
            let (ok, said) = cli(echo.port, "empty", "", more).await;
            assert!(ok, "{said}");
        }
        for default in ["mysql_native_password", "caching_sha2_password", "client_ed25519"] {
            for user in ["clear", "native", "sha2"] {
                let (ok, said) = cli(echo.port, user, "password", &["--default-auth", default]).await;
                assert!(ok, "{plugin:?} {default} {user}: {said}");
            }
        }
        let (ok, said) = cli(echo.port, "tls", "password", &["--skip-ssl"]).await;
        assert!(!ok && said.contains("ERROR 3159"), "{said}");
        let (ok, said) = cli(echo.port, "tls", "password", &["--ssl"]).await;
        assert!(ok, "{said}");
    }
}

/// MySQL 9's client has no mysql_native_password, and asks for a server's key only when told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mysql9_client() {
    let root = match pointsman_tests::mysql9::root() {
        Err(pointsman_tests::LabError::Unavailable(why)) => return pointsman_tests::skipped(&why),
        root => root.unwrap().display().to_string(),
    };
    let mysql = async |port: u16, user: &str, password: &str, more: &[&str]| {
        let mut arguments = vec![root.clone(), "mysql".to_owned()];
        arguments.extend(["--no-defaults".into(), "-h127.0.0.1".into(), format!("-P{port}"), format!("-u{user}")]);
        arguments.extend([format!("-p{password}"), "-e".into(), "DO 1; DO 2".into()]);
        arguments.extend(more.iter().map(|s| (*s).to_owned()));
        run("chroot", arguments).await
    };
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        let echo = Echo::start(plugin, true).await;
        for user in ["clear", "sha2"] {
            for more in [
                &["--ssl-mode=REQUIRED"][..],
                &["--ssl-mode=DISABLED", "--get-server-public-key"],
                &["--ssl-mode=REQUIRED", "--compression-algorithms=zlib"],
                &["--ssl-mode=DISABLED", "--get-server-public-key", "--compression-algorithms=zstd"],
            ] {
                let (ok, said) = mysql(echo.port, user, "password", more).await;
                assert!(ok, "{plugin:?} {user} {more:?}: {said}");
                let (ok, said) = mysql(echo.port, user, "wrong", more).await;
                assert!(!ok && said.contains("ERROR 1045 (28000)"), "{plugin:?} {user} {more:?}: {said}");
                echo.shared.throttle.succeeded([127, 0, 0, 1].into());
            }
        }
    }
}

const PHP: &str = r#"
mysqli_report(MYSQLI_REPORT_OFF);
[$port, $user, $password, $flags] = [(int)$argv[1], $argv[2], $argv[3], (int)$argv[4]];
$m = mysqli_init();
$m->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, false);
if (!$m->real_connect('127.0.0.1', $user, $password, 'shop', $port, null, $flags)) { echo $m->connect_errno, ' ', $m->connect_error; exit(1); }
for ($i = 0; $i < 3; $i++) if (!$m->query('DO ' . str_repeat('1', 100 * $i + 1))) { echo 'query ', $m->error; exit(1); }
if (!$m->change_user('native', 'password', 'shop')) { echo 'change ', $m->error; exit(1); }
if (!$m->query('DO 1')) { echo 'after change ', $m->error; exit(1); }
if ($m->change_user('native', 'wrong', null)) { echo 'changed with a wrong password'; exit(1); }
echo $m->errno;
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn php_mysqli() {
    const COMPRESS: u32 = 32;
    const SSL: u32 = 2048 | 64;
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        let echo = Echo::start(plugin, true).await;
        for flags in [0, COMPRESS, SSL, SSL | COMPRESS] {
            for user in ["clear", "native", "sha2"] {
                let php = |password: &str| {
                    vec![
                        "-r".to_owned(),
                        PHP.into(),
                        echo.port.to_string(),
                        user.into(),
                        password.into(),
                        flags.to_string(),
                    ]
                };
                let (ok, said) = run("php", php("password")).await;
                assert!(ok && said.ends_with("1045"), "{plugin:?} {flags} {user}: {said}");
                let (ok, said) = run("php", php("wrong")).await;
                assert!(!ok && said.contains("1045 Access denied for user"), "{plugin:?} {flags} {user}: {said}");
                echo.shared.throttle.succeeded([127, 0, 0, 1].into());
            }
        }
    }
}

const PYTHON: &str = r#"
import sys, pymysql
port, user, password, tls = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "tls"
ssl = {"check_hostname": False, "verify_mode": "none"} if tls else None
c = pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, ssl=ssl, ssl_disabled=not tls)
c.ping()
c.cursor().execute("DO 1")
c.close()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pymysql() {
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        let echo = Echo::start(plugin, true).await;
        for tls in ["tls", "plain"] {
            for user in ["clear", "native", "sha2"] {
                let python = |password: &str| {
                    vec![
                        "-c".to_owned(),
                        PYTHON.into(),
                        echo.port.to_string(),
                        user.into(),
                        password.into(),
                        tls.into(),
                    ]
                };
                let (ok, said) = run("/usr/bin/python3", python("password")).await;
                assert!(ok, "{plugin:?} {tls} {user}: {said}");
                let (ok, said) = run("/usr/bin/python3", python("wrong")).await;
                assert!(!ok && said.contains("(1045, \"Access denied"), "{plugin:?} {tls} {user}: {said}");
                echo.shared.throttle.succeeded([127, 0, 0, 1].into());
            }
        }
    }
}
