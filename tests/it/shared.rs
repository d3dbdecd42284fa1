//! One group and one proxy for all tests that break neither: starting four servers for each of them would take most of
//! the run's time. Each test works in a schema of its own.

use std::sync::OnceLock;

use pointsman_tests::{Client, Group, Lab, LabError, Login, Proxy, trace};

/// The shared servers. They live as long as the test program; their keepers end them with it.
struct Shared {
    group: Group,
    proxy: Proxy,
}

/// What a test gets: the shared servers and a schema that no other test uses.
pub struct Place {
    pub group: &'static Group,
    pub proxy: &'static Proxy,
    pub schema: String,
}

/// A place with an empty schema.
pub fn place() -> Lab<Place> {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| start().map_err(|error| error.to_string()));
    let shared = shared.as_ref().map_err(|error| LabError::Connection(error.clone()))?;
    let schema = trace::marker();
    shared.group.sql_everywhere(&format!("CREATE DATABASE {schema}"))?;
    Ok(Place { group: &shared.group, proxy: &shared.proxy, schema })
}

fn start() -> Lab<Shared> {
    let group = Group::start()?;
    let proxy = Proxy::of(&group).start()?;
    // Tests of sessions make sense wherever reads go; those of routing fail by themselves and say more.
    if let Err(error) = trace::wait_for_readers(&proxy, &group, &group.readers()) {
        eprintln!("the shared proxy: {error}");
    }
    Ok(Shared { group, proxy })
}

impl Place {
    /// How the application logs in to this place's schema through the proxy.
    pub fn login(&self) -> Login {
        self.proxy.login().schema(&self.schema)
    }

    /// A new connection through the proxy, in this place's schema.
    pub fn client(&self) -> Lab<Client> {
        Client::connect(&self.login())
    }

    /// A new connection past the proxy, to the writer, in this place's schema.
    pub fn direct(&self) -> Lab<Client> {
        Client::connect(&Login::app(self.group.writer().port).schema(&self.schema))
    }

    /// Runs a statement at the writer and waits until all servers have it.
    pub fn everywhere(&self, statement: &str) -> Lab<()> {
        self.direct()?.sql(statement)?;
        self.group.wait_for_sync()
    }

    /// Runs `statement`, in which `{mark}` stands for a marker, and answers which servers ran it.
    pub fn who_runs(&self, client: &mut Client, statement: &str) -> Lab<Vec<u32>> {
        let marker = trace::marker();
        client.sql(&statement.replace("{mark}", &marker))?;
        trace::who_ran(self.group, &marker)
    }

    /// The id of the writer, as `who_runs` answers it.
    pub fn writer(&self) -> Vec<u32> {
        vec![self.group.writer().id]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _servers_are_gone_soon = self.group.sql(&format!("DROP DATABASE IF EXISTS {}", self.schema));
        if !std::thread::panicking() {
            let panics = self.proxy.panics();
            assert!(panics.is_empty(), "pointsman panicked (in this test or in one beside it): {panics:?}");
        }
    }
}

/// Asserts that the proxy answers a statement as the server itself does: the same rows.
pub fn same_answer(place: &Place, statements: &[&str]) -> Lab<()> {
    let (mut direct, mut through) = (place.direct()?, place.client()?);
    for statement in statements {
        let (expected, got) = (direct.sql(statement), through.sql(statement));
        match (expected, got) {
            (Ok(expected), Ok(got)) => assert_eq!(got, expected, "rows of {statement}"),
            (Err(expected), Err(got)) => assert_eq!(got.code(), expected.code(), "error of {statement}"),
            (expected, got) => panic!("{statement}: directly {expected:?}, through the proxy {got:?}"),
        }
    }
    Ok(())
}
