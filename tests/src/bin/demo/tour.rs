//! The tour: one statement of each class, and on which server it ran.

use pointsman_tests::{Client, Group, Lab, LabError, Proxy, trace};

/// How often a class of statements is run, so that balancing can be seen.
const TIMES: usize = 4;

/// A class of statements: `before` and `after` frame the one that is looked for, which carries the marker `{mark}`.
struct Class {
    title: &'static str,
    before: &'static [&'static str],
    statement: &'static str,
    after: &'static [&'static str],
    expected: Expected,
}

/// Where the documentation says that a class goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Replicas, or the standby.
    Readers,
    /// Replicas, except where the page has just written and no replica is known to have it yet.
    MostlyReaders,
    Writer,
    /// Wherever the data is known to be fresh.
    Any,
}

const fn class(title: &'static str, statement: &'static str, expected: Expected) -> Class {
    Class { title, before: &[], statement, after: &[], expected }
}

const CLASSES: &[Class] = &[
    class("SELECT", "SELECT name FROM goods WHERE id = 1 /* {mark} */", Expected::Readers),
    class(
        "SELECT with join and sum",
        "SELECT SUM(o.price) FROM orders o JOIN goods g ON g.id = o.goods_id /* {mark} */",
        Expected::Readers,
    ),
    class("INSERT", "INSERT INTO guest_book (guest, words) VALUES ('Tour', '{mark}')", Expected::Writer),
    Class {
        before: &["INSERT INTO guest_book (guest, words) VALUES ('Tour', 'hello')"],
        ..class("SELECT after own write", "SELECT MAX(id) FROM guest_book /* {mark} */", Expected::Any)
    },
    class("UPDATE", "UPDATE goods SET stock = stock + 1 WHERE id = 4 /* {mark} */", Expected::Writer),
    class("SELECT ... FOR UPDATE", "SELECT stock FROM goods WHERE id = 1 FOR UPDATE /* {mark} */", Expected::Writer),
    Class {
        before: &["BEGIN"],
        after: &["COMMIT"],
        ..class("SELECT inside BEGIN", "SELECT stock FROM goods WHERE id = 1 /* {mark} */", Expected::Writer)
    },
    Class {
        before: &["START TRANSACTION READ ONLY"],
        after: &["COMMIT"],
        ..class("SELECT in a READ ONLY one", "SELECT stock FROM goods WHERE id = 1 /* {mark} */", Expected::Readers)
    },
    class("SELECT GET_LOCK()", "SELECT GET_LOCK('{mark}', 1), RELEASE_LOCK('{mark}')", Expected::Writer),
    class("SELECT @@variable", "SELECT @@read_only, '{mark}'", Expected::Writer),
    class("SHOW", "SHOW TABLES LIKE '{mark}'", Expected::Writer),
    class(
        "information_schema",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '{mark}'",
        Expected::Writer,
    ),
    class("CREATE TABLE", "CREATE TABLE IF NOT EXISTS notes (id INT PRIMARY KEY) COMMENT '{mark}'", Expected::Writer),
    class("hint role=writer", "/* pointsman: role=writer */ SELECT COUNT(*) FROM goods /* {mark} */", Expected::Writer),
    class("not understood", "HELP '{mark}'", Expected::Writer),
];

/// What the PHP pages marked their statements with.
const PAGE: &[(&str, &str, Expected)] = &[
    ("PHP, PDO: goods", "page-goods", Expected::MostlyReaders),
    ("PHP, mysqli: guest book", "page-book", Expected::MostlyReaders),
    ("PHP, mysqli: sign (prepared)", "page-sign", Expected::Writer),
    ("PHP, mysqli: own entry", "page-own-entry", Expected::Any),
    ("PHP, PDO: lock the stock", "page-lock-stock", Expected::Writer),
    ("PHP, PDO: book the order", "page-order", Expected::Writer),
];

/// Runs and prints all classes; an error when one went where it must not.
pub fn run(group: &Group, proxy: &Proxy) -> Lab<()> {
    println!("   {:<30} ran on", "statement");
    let mut wrong = vec![];
    for (title, marker, expected) in PAGE {
        show(group, title, marker, *expected, &mut wrong)?;
    }
    for class in CLASSES {
        let marker = trace::marker();
        group.wait_for_sync()?;
        for _ in 0..TIMES {
            let mut client = proxy.client()?;
            run_class(&mut client, class, &marker)?;
        }
        show(group, class.title, &marker, class.expected, &mut wrong)?;
    }
    let marker = trace::marker();
    let mut client = proxy.client()?;
    for _ in 0..TIMES {
        client.prepared(&format!("SELECT name FROM goods WHERE id = ? /* {marker} */"), (1,))?;
    }
    show(group, "prepared SELECT", &marker, Expected::Readers, &mut wrong)?;
    if wrong.is_empty() {
        return Ok(());
    }
    Err(LabError::Connection(format!("these did not go where they belong: {}", wrong.join(", "))))
}

fn run_class(client: &mut Client, class: &Class, marker: &str) -> Lab<()> {
    let marked = class.statement.replace("{mark}", marker);
    for statement in class.before.iter().copied().chain([marked.as_str()]).chain(class.after.iter().copied()) {
        client.sql(statement)?;
    }
    Ok(())
}

/// "writer", "standby" or "replica", from the server's id.
pub fn role(group: &Group, id: u32) -> &'static str {
    if id == group.writer().id {
        "writer"
    } else if group.masters().iter().any(|master| master.id == id) {
        "standby"
    } else {
        "replica"
    }
}

fn show(group: &Group, title: &str, marker: &str, expected: Expected, wrong: &mut Vec<String>) -> Lab<()> {
    let mut places = vec![];
    let mut writer_had = 0;
    for server in group.servers() {
        let times = trace::times_run(server, marker)?;
        if server.id == group.writer().id {
            writer_had = times;
        }
        if times > 0 {
            places.push(format!("{} {} ({times}x)", role(group, server.id), server.id));
        }
    }
    println!("   {title:<30} {}", places.join(", "));
    let only_writer = writer_had > 0 && places.len() == 1;
    let is_right = match expected {
        Expected::Writer => only_writer,
        Expected::Readers => writer_had == 0 && !places.is_empty(),
        Expected::MostlyReaders => !places.is_empty() && !only_writer,
        Expected::Any => !places.is_empty(),
    };
    if !is_right {
        wrong.push(title.to_owned());
    }
    Ok(())
}
