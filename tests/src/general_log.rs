//! The general query log of both kinds of server, read back: MySQL manual, "The General Query Log".

use std::collections::HashSet;

/// One line of the log, with the further lines of a statement that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    thread: u64,
    command: String,
    text: String,
}

/// The statements in `log` that clients ran, as text or prepared. What a replica applies is in the log as well, when it
/// was replicated as a statement (DDL); its threads are told by having never connected.
pub fn client_statements(log: &str) -> Vec<String> {
    let mut clients = HashSet::new();
    let mut statements = vec![];
    for server_run in log.split("started with:\n") {
        // Thread numbers begin anew when the server is restarted.
        clients.clear();
        for entry in entries(server_run) {
            match entry.command.as_str() {
                "Connect" => drop(clients.insert(entry.thread)),
                "Query" | "Execute" if clients.contains(&entry.thread) => statements.push(entry.text),
                _ => {}
            }
        }
    }
    statements
}

fn entries(log: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = vec![];
    for line in log.lines() {
        match entry(line) {
            Some(entry) => all.push(entry),
            None => {
                if let Some(last) = all.last_mut() {
                    last.text.push('\n');
                    last.text.push_str(line);
                }
            }
        }
    }
    all
}

/// Columns are parted by tabs: the time (which MariaDB leaves out when it is that of the line before), then number and
/// command in one column, then the text.
fn entry(line: &str) -> Option<Entry> {
    let mut rest = line;
    // At most two columns of time stand in front.
    for _ in 0..3 {
        let (column, after) = rest.split_once('\t')?;
        if let Some((thread, command)) = column.trim_start().split_once(' ') {
            if let Ok(thread) = thread.parse() {
                // MariaDB's dates are digits as well, but what follows them is a time, not a word.
                if command.starts_with(|first: char| first.is_ascii_uppercase()) {
                    return Some(Entry { thread, command: command.trim().to_owned(), text: after.to_owned() });
                }
            }
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB: &str = "mariadbd, Version: 10.11 (Debian). started with:\nTcp port: 1  Unix socket: s\n\
        Time\t\t    Id Command\tArgument\n261123  6:09:10\t     8 Connect Out\treplication@127.0.0.1:1\n\
        \t\t     9 Query\tCREATE TABLE u (a INT)\n\t\t    11 Connect\tapp@127.0.0.1 on shop using TCP/IP\n\
        \t\t    11 Prepare\tSELECT ?\n\t\t    11 Execute\tSELECT 1\n\
        261123  6:09:11\t    11 Query\tSELECT 1 /* two\nlines */\n";

    #[test]
    fn clients_of_mariadb_are_told_from_replication() {
        assert_eq!(client_statements(MARIADB), ["SELECT 1", "SELECT 1 /* two\nlines */"]);
    }

    #[test]
    fn thread_numbers_begin_anew_with_each_start() {
        let log =
            "started with:\nTime\n\t\t 5 Connect\ta@b\n\t\t 5 Query\tone\nstarted with:\nTime\n\t\t 5 Query\ttwo\n";
        assert_eq!(client_statements(log), ["one"]);
    }

    #[test]
    fn times_of_mysql_are_skipped() {
        let log = "2026-11-23T06:09:16.4Z\t   19 Connect\tapp@127.0.0.1 on shop using TCP/IP\n\
                   2026-11-23T06:09:16.5Z\t   19 Query\tSELECT 'a\tb'\n\
                   2026-11-23T06:09:16.5Z\t   14 Query\tCREATE TABLE u (a INT)\n";
        assert_eq!(client_statements(log), ["SELECT 'a\tb'"]);
    }
}
