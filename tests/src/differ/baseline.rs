//! Puts a server back to what it was before a run: schemas, accounts, global variables, prepared XA branches.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes::Reader;
use super::connection::Connection;
use super::corpus::ServerKind;
use super::error::WireError;
use super::profile::Profile;
use super::reply::Event;
use super::target::Target;

/// What a server has that a script may add to or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    schemas: BTreeSet<String>,
    accounts: BTreeSet<String>,
    globals: BTreeMap<String, Option<String>>,
}

const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata";
const ACCOUNTS: &str = "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user";
const GLOBALS: &str = "SHOW GLOBAL VARIABLES";

/// Variables that change by themselves, or that a SET of their former value would not bring back.
const NEVER_SET: [&str; 5] = ["gtid_", "timestamp", "server_", "innodb_", "rand_seed"];

impl Baseline {
    pub fn capture(admin: &Target) -> Result<Self, WireError> {
        let mut connection = Connection::open(admin, &Profile::MYSQLND_TEXT)?;
        Self::read(&mut connection)
    }

    fn read(connection: &mut Connection) -> Result<Self, WireError> {
        let names =
            |rows: Vec<Vec<Option<String>>>| rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        Ok(Self {
            schemas: names(select(connection, SCHEMAS)?),
            accounts: names(select(connection, ACCOUNTS)?),
            globals: select(connection, GLOBALS)?
                .into_iter()
                .filter_map(|mut row| Some((row.first_mut()?.take()?, row.get_mut(1)?.take())))
                .collect(),
        })
    }

    /// Undoes everything that was added or changed since [`Self::capture`].
    pub fn restore(&self, admin: &Target) -> Result<(), WireError> {
        let mut connection = Connection::open(admin, &Profile::MYSQLND_TEXT)?;
        let kind = ServerKind::of_version(&connection.login.server_version);
        roll_back_xa(&mut connection)?;
        let now = Self::read(&mut connection)?;
        for schema in now.schemas.difference(&self.schemas) {
            connection.query(format!("DROP DATABASE `{}`", schema.replace('`', "``")).as_bytes())?;
        }
        for account in now.accounts.difference(&self.accounts) {
            // On MariaDB a role is a user without a host, which DROP USER does not know.
            let role = account.strip_suffix("@''").filter(|_| kind == ServerKind::MariaDb);
            let statement = role.map_or_else(|| format!("DROP USER {account}"), |role| format!("DROP ROLE {role}"));
            connection.query(statement.as_bytes())?;
        }
        for (name, value) in &self.globals {
            if now.globals.get(name) != Some(value) && !NEVER_SET.iter().any(|prefix| name.starts_with(prefix)) {
                connection.query(set_global(name, value.as_deref()).as_bytes())?;
            }
        }
        connection.quit();
        Ok(())
    }
}

fn set_global(name: &str, value: Option<&str>) -> String {
    match value {
        Some(number) if number.parse::<f64>().is_ok() => format!("SET GLOBAL {name} = {number}"),
        Some(text) => format!("SET GLOBAL {name} = '{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        None => format!("SET GLOBAL {name} = DEFAULT"),
    }
}

fn roll_back_xa(connection: &mut Connection) -> Result<(), WireError> {
    for row in select(connection, "XA RECOVER")? {
        let column = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
        let data = column(3);
        let global_length = column(1).parse().unwrap_or(0).min(data.len());
        let (global, branch) = data.split_at(global_length);
        connection.query(format!("XA ROLLBACK '{global}','{branch}',{}", column(0)).as_bytes())?;
    }
    Ok(())
}

/// The rows of a query; an error of the server's gives none (what it names may not exist on this kind).
fn select(connection: &mut Connection, query: &str) -> Result<Vec<Vec<Option<String>>>, WireError> {
    let events = connection.query(query.as_bytes())?;
    events.iter().filter_map(|event| if let Event::Row(bytes) = event { Some(values(bytes)) } else { None }).collect()
}

fn values(row: &[u8]) -> Result<Vec<Option<String>>, WireError> {
    let mut reader = Reader(row);
    let mut values = Vec::new();
    while !reader.0.is_empty() {
        values.push(reader.value("row")?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    }
    Ok(values)
}
