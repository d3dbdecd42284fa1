//! Rights at the servers: accounts that the proxy lets in and a server doesn't, where it is said who is at fault, and what
//! a server refuses to an account.

use pointsman_tests::{Client, GroupPlan, Kind, Lab, LabError, Login, Proxy};

/// At the server with another password, and not at all. MySQL goes through a login with one plugin or another for a
/// name that it does not know, so there are several.
const CHANGED: &str = "changed";
const MISSING: [&str; 6] = ["missing_1", "missing_2", "missing_3", "missing_4", "missing_5", "missing_6"];

/// ER_ACCESS_DENIED_ERROR.
const DENIED: Option<u16> = Some(1045);

fn a_refusal_at_the_server_says_whose_fault_it_is(kind: Kind) -> Lab<()> {
    let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { return Ok(()) };
    group.sql(&format!("CREATE USER {CHANGED}@'%' IDENTIFIED BY 'new'"))?;
    let names: Vec<&str> = MISSING.iter().copied().chain([CHANGED]).collect();
    let users = names.iter().map(|name| format!("[[user]]\nname = \"{name}\"\npassword = \"old\"\n"));
    let waits = "[monitor]\nno_writer_wait_ms = 500\n[pool]\nwait_timeout_ms = 500";
    let proxy = Proxy::of(&group).more(&users.collect::<String>()).more(waits).start()?;
    let server = group.writer().address();
    for name in names {
        let login = Login::new(proxy.port, name, "old");
        let in_a_statement = Client::connect(&login)?.sql("SELECT 1").map(drop);
        let at_the_door = Client::connect(&login.clone().schema("shop")).map(drop);
        for refused in [in_a_statement, at_the_door].map(|end| end.expect_err("the server knows no such account")) {
            assert_is_refusal(&refused, &[&server, name, "the login at the proxy was right", "nothing was executed"]);
        }
    }
    let mut known = proxy.client()?;
    assert_eq!(known.value("SELECT 1")?, "1");
    group.writer().kill9();
    let dead = Client::connect(&Login::new(proxy.port, CHANGED, "old"))?.sql("SELECT 1").expect_err("nobody answers");
    assert_ne!(dead.code(), DENIED, "{dead}");
    Ok(())
}

fn assert_is_refusal(refused: &LabError, parts: &[&str]) {
    assert_eq!(refused.code(), DENIED, "{refused}");
    let text = refused.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "no \"{part}\" in: {text}"));
}

#[test]
fn a_refusal_at_a_server_says_whose_fault_it_is() -> Lab<()> {
    a_refusal_at_the_server_says_whose_fault_it_is(Kind::MariaDb)
}

#[test]
fn a_refusal_at_a_server_says_whose_fault_it_is_on_mysql9() -> Lab<()> {
    a_refusal_at_the_server_says_whose_fault_it_is(Kind::MySql9)
}

/// Servers say it themselves: the application has no right to any of it. (The corpus runs with all rights, and must not run these.)
#[test]
fn what_would_end_a_server_is_refused_as_directly() -> Lab<()> {
    for kind in [Kind::MariaDb, Kind::MySql9] {
        let Some(group) = GroupPlan::new(kind).masters(1).replicas(0).start_or_skip()? else { continue };
        let proxy = Proxy::of(&group).start()?;
        let of_its_kind: &[&str] = match kind {
            Kind::MariaDb => &["SHUTDOWN WAIT FOR ALL SLAVES", "STOP SLAVE"],
            Kind::MySql9 => &[
                "RESTART",
                "STOP REPLICA",
                "ALTER INSTANCE DISABLE INNODB REDO_LOG",
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '10.0.0.1'",
            ],
        };
        let (mut direct, mut through) = (Client::connect(&Login::app(group.writer().port))?, proxy.client()?);
        for statement in ["SHUTDOWN"].iter().chain(of_its_kind) {
            let refusal = |client: &mut Client| client.sql(statement).expect_err(statement).to_string();
            assert_eq!(refusal(&mut through), refusal(&mut direct), "{statement}");
        }
        assert_eq!(through.value("SELECT 1")?, "1");
    }
    Ok(())
}
