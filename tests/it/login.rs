//! Logging in: who is let in, who isn't, and with which of MySQL's error codes.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pointsman_tests::{Client, GroupPlan, Kind, Lab, LabError, Login, Proxy};

use crate::shared::place;

/// ER_ACCESS_DENIED_ERROR and ER_BAD_DB_ERROR of MySQL's "Server Error Message Reference".
const DENIED: Option<u16> = Some(1045);
const UNKNOWN_SCHEMA: Option<u16> = Some(1049);

fn refusal(login: &Login) -> Option<u16> {
    match Client::connect(login) {
        Ok(_) => panic!("{login:?} was let in"),
        Err(error) => error.code(),
    }
}

#[test]
fn the_right_password_is_let_in() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    assert_eq!(client.value("SELECT 1")?, "1");
    assert_eq!(client.value("SELECT DATABASE()")?, place.schema);
    client.ping()
}

#[test]
fn a_login_without_schema_gets_the_default_schema() -> Lab<()> {
    let place = place()?;
    let mut client = Client::connect(&Login::new(place.proxy.port, "app", "app"))?;
    assert_eq!(client.value("SELECT DATABASE()")?, "shop");
    Ok(())
}

#[test]
fn wrong_passwords_and_unknown_users_get_1045() -> Lab<()> {
    let place = place()?;
    let port = place.proxy.port;
    assert_eq!(refusal(&Login::new(port, "app", "wrong")), DENIED);
    assert_eq!(refusal(&Login::new(port, "app", "")), DENIED);
    assert_eq!(refusal(&Login::new(port, "nobody", "app")), DENIED);
    assert_eq!(refusal(&Login::new(port, "", "")), DENIED);
    Ok(())
}

#[test]
fn an_account_of_the_servers_that_the_proxy_does_not_list_is_denied() -> Lab<()> {
    let place = place()?;
    assert_eq!(refusal(&Login::root(place.proxy.port)), DENIED);
    Ok(())
}

#[test]
fn an_unknown_schema_gets_1049_and_the_wrong_password_goes_first() -> Lab<()> {
    let place = place()?;
    let port = place.proxy.port;
    assert_eq!(refusal(&Login::new(port, "app", "app").schema("no_such_schema")), UNKNOWN_SCHEMA);
    assert_eq!(refusal(&Login::new(port, "app", "wrong").schema("no_such_schema")), DENIED);
    Ok(())
}

#[test]
fn use_of_an_unknown_schema_is_1049_and_the_session_keeps_its_own() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    assert_eq!(client.sql("USE no_such_schema").unwrap_err().code(), UNKNOWN_SCHEMA);
    assert_eq!(client.value("SELECT DATABASE()")?, place.schema);
    client.sql("USE shop")?;
    assert_eq!(client.value("SELECT DATABASE()")?, "shop");
    Ok(())
}

#[test]
fn change_user_starts_a_new_session_and_a_wrong_password_ends_it() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    client.sql("SET @kept = 1, SESSION sql_mode = 'ANSI'")?;
    client.change_user(&place.login().schema("shop"))?;
    assert_eq!(client.value("SELECT @kept")?, "NULL");
    assert_eq!(client.value("SELECT DATABASE()")?, "shop");
    assert_eq!(client.value("SELECT @@sql_mode LIKE '%ANSI_QUOTES%'")?, "0");
    let wrong = Login::new(place.proxy.port, "app", "wrong");
    assert_eq!(client.change_user(&wrong).unwrap_err().code(), DENIED);
    Ok(())
}

#[test]
fn reset_connection_forgets_the_session() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    client.sql("SET @kept = 1")?;
    client.sql("CREATE TEMPORARY TABLE t (a INT)")?;
    assert!(client.reset()?, "COM_RESET_CONNECTION is taken");
    assert_eq!(client.value("SELECT @kept")?, "NULL");
    // ER_NO_SUCH_TABLE
    assert_eq!(client.sql("SELECT * FROM t").unwrap_err().code(), Some(1146));
    Ok(())
}

#[test]
fn a_user_known_by_hash_logs_in_and_reaches_the_servers() -> Lab<()> {
    let place = place()?;
    // SELECT PASSWORD('app'): enough for mysql_native_password on both sides.
    let hash = place.group.writer().value("SELECT PASSWORD('app')")?;
    let group = place.group;
    group.sql("CREATE USER IF NOT EXISTS hashed@'%' IDENTIFIED BY 'app'")?;
    group.sql("GRANT SELECT ON *.* TO hashed@'%'")?;
    group.wait_for_sync()?;
    let proxy = Proxy::of(group).more(&format!("[[user]]\nname = \"hashed\"\npassword = \"{hash}\"")).start()?;
    let mut client = Client::connect(&Login::new(proxy.port, "hashed", "app").schema("shop"))?;
    assert_eq!(client.value("SELECT 1")?, "1");
    assert!(client.value("SELECT CURRENT_USER()")?.starts_with("hashed@"));
    assert_eq!(refusal(&Login::new(proxy.port, "hashed", "wrong")), DENIED);
    Ok(())
}

#[test]
fn the_connection_id_is_the_one_of_the_greeting() -> Lab<()> {
    let place = place()?;
    let mut client = place.client()?;
    assert_eq!(client.value("SELECT CONNECTION_ID()")?, client.id().to_string());
    Ok(())
}

#[test]
fn the_password_never_reaches_the_log() -> Lab<()> {
    let place = place()?;
    assert_eq!(refusal(&Login::new(place.proxy.port, "app", "hush-hush-hush")), DENIED);
    assert!(!place.proxy.log().contains("hush-hush-hush"));
    assert!(!place.proxy.log().contains("secret"), "the backend's password is in the log");
    Ok(())
}

#[test]
fn an_address_whose_logins_fail_is_answered_later_then_blocked_and_others_are_not() -> Lab<()> {
    // ER_HOST_IS_BLOCKED
    const BLOCKED: Option<u16> = Some(1129);
    const FREE: u32 = 5;
    const FAILURES: usize = 100;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()?;
    let proxy = Proxy::of(&group).unix_socket().start()?;
    let wrong = Login::new(proxy.port, "app", "wrong");
    for _ in 0..FREE {
        assert_eq!(refusal(&wrong), DENIED);
    }
    let start = Instant::now();
    assert_eq!((refusal(&wrong), refusal(&wrong)), (DENIED, DENIED));
    assert!(start.elapsed() >= Duration::from_millis(300), "two more were answered after {:?}", start.elapsed());
    // One that gets in ends the count.
    proxy.client()?.ping()?;
    thread::scope(|scope| {
        let guesses: Vec<_> = (0..FAILURES).map(|_| scope.spawn(|| refusal(&wrong))).collect();
        for guess in guesses {
            assert!(matches!(guess.join(), Ok(Some(1045 | 1129))), "a wrong password got in");
        }
    });
    assert_eq!(refusal(&proxy.login()), BLOCKED, "the right password from there");
    let socket = proxy.socket().display().to_string();
    let arguments = ["-uapp", "-papp", "-S", &socket, "-N", "-e", "SELECT 40 + 2"];
    let output = Command::new("mariadb").args(arguments).output().map_err(LabError::file("mariadb"))?;
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "42", "who comes from elsewhere gets in");
    Ok(())
}
