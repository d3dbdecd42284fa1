//! Prepared statements of the binary protocol: what PREPARE is told, and long data.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pointsman_tests::differ::connection::StatementId;
use pointsman_tests::differ::parameters::Parameter;
use pointsman_tests::differ::reply::{ErrPacket, Event};
use pointsman_tests::differ::{Connection, Profile, Target};
use pointsman_tests::template::{APP, SCHEMA};
use pointsman_tests::{Group, GroupPlan, Kind, Lab, Proxy, waiting};

/// Longer than `session.metadata_cache_ms` and any tick.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

fn one_server() -> Lab<Group> {
    GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).start()
}

fn open(port: u16, profile: &Profile) -> Connection {
    let target = Target::new("127.0.0.1", port, APP.0, APP.1).with_schema(SCHEMA);
    Connection::open(&target, profile).expect("a login")
}

fn raw(proxy: &Proxy) -> Connection {
    open(proxy.port, &Profile::MYSQLND_TEXT)
}

fn prepare(client: &mut Connection, text: &str) -> (StatementId, Vec<Event>) {
    let (id, reply) = client.prepare(text.as_bytes());
    let events = reply.expect("a reply to PREPARE");
    (id.unwrap_or_else(|| panic!("{text}: {events:?}")), events)
}

fn execute(client: &mut Connection, id: StatementId, parameters: &[Parameter]) -> Vec<Event> {
    client.execute(id, parameters, false, &|_| None).expect("a reply to EXECUTE")
}

fn error(events: &[Event]) -> Option<&ErrPacket> {
    events.iter().find_map(|e| if let Event::Err(error) = e { Some(error) } else { None })
}

fn columns(events: &[Event]) -> u16 {
    let told = events.iter().find_map(|e| if let Event::Prepared { columns, .. } = e { Some(*columns) } else { None });
    told.expect("an answer to PREPARE")
}

#[test]
fn what_was_prepared_lately_is_told_again_without_a_server() -> Lab<()> {
    const CLIENTS: u64 = 60;
    let group = one_server()?;
    group.sql(&format!("CREATE TABLE {SCHEMA}.item (id INT, name VARCHAR(20))"))?;
    let proxy = Proxy::of(&group).more("[session]\nmetadata_cache_ms = 60000").start()?;
    let before = group.writer().counter("Com_stmt_prepare")?;
    for profile in [Profile::MYSQLND_TEXT, Profile::LIBMYSQLCLIENT_TEXT] {
        let mut direct = open(group.writer().port, &profile);
        let (_, expected) = prepare(&mut direct, "SELECT id, name, ? FROM item WHERE id = ?");
        for _ in 0..CLIENTS / 2 {
            let mut client = open(proxy.port, &profile);
            let (id, told) = prepare(&mut client, "SELECT id, name, ? FROM item WHERE id = ?");
            assert_eq!(told, expected);
            let rows = execute(&mut client, id, &[Parameter::Int(7), Parameter::Int(1)]);
            assert_eq!(error(&rows), None);
            client.close_statement(id).expect("a connection");
            client.quit();
        }
    }
    let asked = group.writer().counter("Com_stmt_prepare")? - before;
    assert!(asked < CLIENTS / 2, "{asked} statements prepared for {CLIENTS} clients");
    Ok(())
}

#[test]
fn ddl_through_the_proxy_is_in_the_next_answer() -> Lab<()> {
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(1).start()?;
    let proxy = Proxy::of(&group).more("[session]\nmetadata_cache_ms = 60000").start()?;
    let (mut one, mut other) = (raw(&proxy), raw(&proxy));
    one.query(b"CREATE TABLE grows (a INT)").expect("a reply");
    for round in 1..20 {
        let (_, told) = prepare(&mut one, "SELECT * FROM grows");
        assert_eq!(columns(&told), round, "for the session that changed the table");
        // Reads from a replica that may be behind; what it is told must not be told to the first session.
        other.query(b"SELECT 1").expect("a reply");
        let _of_the_replica = other.prepare(b"SELECT * FROM grows");
        one.query(format!("ALTER TABLE grows ADD c{round} INT").as_bytes()).expect("a reply");
    }
    one.query(b"DROP TABLE grows").expect("a reply");
    // ER_NO_SUCH_TABLE
    let (_, gone) = one.prepare(b"SELECT * FROM grows");
    assert_eq!(error(&gone.expect("a reply")).map(|e| e.code), Some(1146));
    Ok(())
}

#[test]
fn ddl_from_elsewhere_is_noticed_after_a_while() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = raw(&proxy);
    group.sql(&format!("CREATE TABLE {SCHEMA}.elsewhere (a INT)"))?;
    assert_eq!(columns(&prepare(&mut client, "SELECT * FROM elsewhere").1), 1);
    group.sql(&format!("ALTER TABLE {SCHEMA}.elsewhere ADD b INT"))?;
    waiting::until("the new column is told", NOTICED_WITHIN, || {
        columns(&prepare(&mut client, "SELECT * FROM elsewhere").1) == 2
    })
}

#[test]
fn a_change_of_columns_is_flagged_as_the_server_does() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let run = |port: u16, table: &str, profile: &Profile| {
        let mut client = open(port, profile);
        let ok = |client: &mut Connection, text: String| {
            assert_eq!(error(&client.query(text.as_bytes()).expect("a reply")), None, "{text}");
        };
        ok(&mut client, format!("CREATE TABLE {table} (a INT)"));
        ok(&mut client, format!("INSERT INTO {table} VALUES (1)"));
        let (id, _) = prepare(&mut client, &format!("SELECT x.* FROM {table} x WHERE a = ?"));
        let before = execute(&mut client, id, &[Parameter::Int(1)]);
        ok(&mut client, format!("ALTER TABLE {table} ADD b INT"));
        let first = execute(&mut client, id, &[Parameter::Int(1)]);
        let second = execute(&mut client, id, &[Parameter::Int(1)]);
        ok(&mut client, format!("DROP TABLE {table}"));
        [before, first, second]
    };
    for profile in [Profile::MYSQLND_TEXT, Profile::LIBMYSQLCLIENT_TEXT] {
        let direct = run(group.writer().port, "altered", &profile);
        assert_eq!(run(proxy.port, "altered", &profile), direct);
    }
    Ok(())
}

#[test]
fn long_data_beyond_memory_arrives_whole() -> Lab<()> {
    const LENGTH: usize = 24 * 1024 * 1024;
    let group = GroupPlan::new(Kind::MariaDb).masters(1).replicas(0).extra("--max-allowed-packet=64M").start()?;
    let proxy = Proxy::of(&group).start()?;
    let (mut client, mut direct) = (raw(&proxy), open(group.writer().port, &Profile::MYSQLND_TEXT));
    let value = |seed: usize| (0..LENGTH).map(|i| ((i * seed) >> 7) as u8).collect::<Vec<u8>>();
    let parameters =
        [Parameter::Long(value(31)), Parameter::Int(3), Parameter::Long(vec![]), Parameter::Long(value(7))];
    let before = proxy.resident_kib();
    let text = "SELECT MD5(?), ?, LENGTH(?), MD5(?)";
    let (id, _) = prepare(&mut client, text);
    let (direct_id, _) = prepare(&mut direct, text);
    for _ in 0..3 {
        let through = execute(&mut client, id, &parameters);
        assert_eq!(error(&through), None);
        assert_eq!(through, execute(&mut direct, direct_id, &parameters));
    }
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 3 * LENGTH as u64 / 1024, "{grown} KiB more for {LENGTH} bytes twice");
    assert_eq!(files_in(proxy.config().parent().expect("its directory")), 0, "spool files with names");
    Ok(())
}

fn files_in(directory: &Path) -> usize {
    let files = fs::read_dir(directory).expect("the state directory");
    files.filter_map(Result::ok).filter(|f| f.file_name().to_string_lossy().starts_with("long-data")).count()
}

#[test]
fn too_much_long_data_is_an_error_of_the_execution_alone() -> Lab<()> {
    let group = one_server()?;
    let limits = "[session]\nmax_long_data = 2000000\nmax_spool = 1000000";
    let proxy = Proxy::of(&group).more(limits).start()?;
    let mut client = raw(&proxy);
    let (id, _) = prepare(&mut client, "SELECT LENGTH(?)");
    for (length, code) in [(2_000_001, Some(1301)), (1_500_000, Some(1021)), (900_000, None)] {
        let events = execute(&mut client, id, &[Parameter::Long(vec![b'x'; length])]);
        assert_eq!(error(&events).map(|e| e.code), code, "{length} bytes");
    }
    Ok(())
}

#[test]
fn long_data_that_has_no_place_is_a_clear_error() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let mut client = raw(&proxy);
    let (id, _) = prepare(&mut client, "SELECT LENGTH(?)");
    // Without its directory the proxy can make no file.
    let state = proxy.config().parent().expect("its directory").to_path_buf();
    let aside = state.with_extension("aside");
    fs::rename(&state, &aside).expect("the directory can be moved");
    let events = execute(&mut client, id, &[Parameter::Long(vec![b'x'; 1_000_000])]);
    fs::rename(&aside, &state).expect("and back");
    let error = error(&events).expect("an error");
    assert_eq!(error.code, 3);
    assert!(error.message.contains("state_dir"), "{}", error.message);
    let events = execute(&mut client, id, &[Parameter::Long(vec![b'x'; 1_000_000])]);
    assert!(!events.iter().any(|e| matches!(e, Event::Err(_))), "{events:?}");
    Ok(())
}

/// COM_STMT_SEND_LONG_DATA and COM_STMT_EXECUTE with bodies of the test's own.
fn send_piece(client: &mut Connection, id: StatementId, parameter: u16) {
    let body = [&id.0.to_le_bytes()[..], &parameter.to_le_bytes(), b"piece"].concat();
    client.send_raw(0x18, &body).expect("a connection");
}

#[test]
fn long_data_for_a_parameter_that_is_not_there_breaks_nobody_elses_statement() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let run = |port: u16| {
        let mut client = open(port, &Profile::MYSQLND_TEXT);
        let (id, _) = prepare(&mut client, "SELECT 1 + ?");
        let mut events = vec![execute(&mut client, id, &[Parameter::Int(1)])];
        send_piece(&mut client, id, 7);
        events.push(execute(&mut client, id, &[Parameter::Int(2)]));
        events.push(execute(&mut client, id, &[Parameter::Int(3)]));
        client.reset_statement(id).expect("a reply");
        events.push(execute(&mut client, id, &[Parameter::Int(4)]));
        client.quit();
        let mut next = open(port, &Profile::MYSQLND_TEXT);
        let (id, _) = prepare(&mut next, "SELECT 1 + ?");
        events.push(execute(&mut next, id, &[Parameter::Int(5)]));
        events
    };
    assert_eq!(run(proxy.port), run(group.writer().port));
    Ok(())
}

#[test]
fn a_malformed_execution_is_an_error_and_the_session_lives() -> Lab<()> {
    let group = one_server()?;
    let proxy = Proxy::of(&group).start()?;
    let run = |port: u16| {
        let mut client = open(port, &Profile::MYSQLND_TEXT);
        let (id, _) = prepare(&mut client, "SELECT ?, ?");
        let head = [&id.0.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat();
        // All NULL without the flag that types follow; types cut short; a value cut short.
        let tails: [&[u8]; 3] = [&[3], &[0, 1, 3], &[0, 1, 3, 0, 3, 0, 1, 0]];
        let mut answers: Vec<_> = tails
            .iter()
            .map(|tail| {
                let events = client.raw_command(0x17, &[&head[..], tail].concat()).expect("a reply");
                error(&events).map(|e| e.code)
            })
            .collect();
        answers.push(error(&client.query(b"SELECT 1").expect("a reply")).map(|e| e.code));
        answers
    };
    assert_eq!(run(proxy.port), run(group.writer().port));
    Ok(())
}
