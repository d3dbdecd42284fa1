//! Rows of SHOW ALL SLAVES STATUS (MariaDB) and SHOW REPLICA STATUS (MySQL) as [`Channel`]s.

use mysql_async::{Row, Value};

use super::sight::{Channel, Receiver};

/// One row.
#[must_use]
pub fn channel(row: &Row) -> Channel {
    from_columns(|name| text(row, name))
}

/// Columns are found by their old or their new name.
fn from_columns(lookup: impl Fn(&str) -> Option<String>) -> Channel {
    let column = |names: [&str; 2]| names.iter().find_map(|n| lookup(n));
    let receiver = match column(["Slave_IO_Running", "Replica_IO_Running"]).as_deref() {
        Some("Yes") => Receiver::Connected,
        // "Preparing" is MariaDB's word for the moment before.
        Some("Connecting" | "Preparing") => Receiver::Connecting,
        _ => Receiver::Stopped,
    };
    let number = |names| column(names).and_then(|t| t.parse::<u64>().ok());
    let error = |names| number(names).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let applier_error = error(["Last_SQL_Errno", "Last_SQL_Errno"]);
    let source = number(["Master_Server_Id", "Source_Server_Id"]).and_then(|id| u32::try_from(id).ok());
    Channel {
        receiver,
        applier_runs: column(["Slave_SQL_Running", "Replica_SQL_Running"]).as_deref() == Some("Yes"),
        // 0 until the first connection.
        source_server_id: source.filter(|id| *id != 0),
        seconds_behind: number(["Seconds_Behind_Master", "Seconds_Behind_Source"]),
        error: if applier_error != 0 { applier_error } else { error(["Last_IO_Errno", "Last_IO_Errno"]) },
    }
}

fn text(row: &Row, name: &str) -> Option<String> {
    let index = row.columns_ref().iter().position(|c| c.name_str() == name)?;
    match row.as_ref(index)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(n) => Some(n.to_string()),
        Value::UInt(n) => Some(n.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Channel {
        from_columns(|name| cells.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn reads_the_words_of_both_families() {
        let mariadb = row(&[
            ("Slave_IO_Running", "Yes"),
            ("Slave_SQL_Running", "No"),
            ("Last_SQL_Errno", "1062"),
            ("Last_IO_Errno", "0"),
            ("Master_Server_Id", "7"),
        ]);
        assert_eq!(
            mariadb,
            Channel {
                receiver: Receiver::Connected,
                applier_runs: false,
                source_server_id: Some(7),
                seconds_behind: None,
                error: 1062,
            }
        );
        let mysql = row(&[
            ("Replica_IO_Running", "Connecting"),
            ("Replica_SQL_Running", "Yes"),
            ("Seconds_Behind_Source", "12"),
            ("Last_SQL_Errno", "0"),
            ("Last_IO_Errno", "2003"),
            ("Source_Server_Id", "0"),
        ]);
        assert_eq!(
            mysql,
            Channel {
                receiver: Receiver::Connecting,
                applier_runs: true,
                source_server_id: None,
                seconds_behind: Some(12),
                error: 2003,
            }
        );
        let silent = row(&[]);
        assert_eq!((silent.receiver, silent.applier_runs), (Receiver::Stopped, false));
    }
}
