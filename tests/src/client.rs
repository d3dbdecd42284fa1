//! A client of a server or of the proxy that blocks, gives up in time, and answers errors by number.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::error::{Lab, LabError};
use crate::template::{APP, SCHEMA};

/// The longest that any statement of a test may take: longer than every limit of the proxy, so that its error is seen
/// and not ours.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Rows as text, NULL as `None`.
pub type Rows = Vec<Vec<Option<String>>>;

/// How a client logs in.
#[derive(Clone, Debug)]
pub struct Login {
    pub port: u16,
    pub user: String,
    pub password: String,
    pub schema: Option<String>,
    /// CLIENT_FOUND_ROWS, as PDO can ask for.
    pub found_rows: bool,
}

impl Login {
    /// The application at that port, in the laboratory's schema.
    pub fn app(port: u16) -> Self {
        Self::new(port, APP.0, APP.1).schema(SCHEMA)
    }

    /// root at a server of the laboratory.
    pub fn root(port: u16) -> Self {
        Self::new(port, "root", "")
    }

    pub fn new(port: u16, user: &str, password: &str) -> Self {
        Self { port, user: user.to_owned(), password: password.to_owned(), schema: None, found_rows: false }
    }

    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.to_owned());
        self
    }

    #[must_use]
    pub fn found_rows(mut self) -> Self {
        self.found_rows = true;
        self
    }

    /// The same for tests that use mysql_async themselves. The limits are given so that the driver sends no SELECT of
    /// its own after the login, which tests that count statements would see.
    pub fn opts(&self) -> Opts {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(&self.user))
            .pass(Some(&self.password))
            .db_name(self.schema.as_deref())
            .client_found_rows(self.found_rows)
            .prefer_socket(Some(false))
            .max_allowed_packet(Some(128 << 20))
            .wait_timeout(Some(28_800))
            .into()
    }
}

/// A connection. Every call gives up after [`PATIENCE`].
pub struct Client {
    runtime: Runtime,
    /// `None` only after [`Client::vanish`].
    conn: Option<Conn>,
}

impl Client {
    pub fn connect(login: &Login) -> Lab<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(LabError::file("runtime"))?;
        let conn = within(&runtime, "login", Conn::new(login.opts()))?;
        Ok(Self { runtime, conn: Some(conn) })
    }

    /// Runs a statement in the text protocol; the rows of its first result.
    pub fn sql(&mut self, statement: &str) -> Lab<Rows> {
        let (runtime, conn) = self.parts()?;
        within(runtime, statement, conn.query::<Row, _>(statement)).map(as_text)
    }

    /// Runs a statement as prepared statement (binary protocol); the rows of its first result.
    pub fn prepared(&mut self, statement: &str, parameters: impl Into<Params>) -> Lab<Rows> {
        let parameters = parameters.into();
        let (runtime, conn) = self.parts()?;
        within(runtime, statement, conn.exec::<Row, _, _>(statement, parameters)).map(as_text)
    }

    /// The first column of the first row; "NULL" for NULL and for no row at all.
    pub fn value(&mut self, statement: &str) -> Lab<String> {
        let cell = self.sql(statement)?.into_iter().next().and_then(|row| row.into_iter().next());
        Ok(cell.flatten().unwrap_or_else(|| "NULL".to_owned()))
    }

    /// The first column of all rows.
    pub fn column(&mut self, statement: &str) -> Lab<Vec<String>> {
        let rows = self.sql(statement)?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// What the OK packet of the last statement said: rows changed, insert id, number of warnings.
    pub fn last_ok(&self) -> (u64, Option<u64>, u16) {
        let Some(conn) = &self.conn else { return (0, None, 0) };
        (conn.affected_rows(), conn.last_insert_id(), conn.get_warnings())
    }

    /// The connection id that the greeting told.
    pub fn id(&self) -> u32 {
        self.conn.as_ref().map_or(0, Conn::id)
    }

    /// COM_PING.
    pub fn ping(&mut self) -> Lab<()> {
        let (runtime, conn) = self.parts()?;
        within(runtime, "COM_PING", conn.ping())
    }

    /// COM_RESET_CONNECTION; answers whether the server took it.
    pub fn reset(&mut self) -> Lab<bool> {
        let (runtime, conn) = self.parts()?;
        within(runtime, "COM_RESET_CONNECTION", conn.reset())
    }

    /// COM_CHANGE_USER.
    pub fn change_user(&mut self, login: &Login) -> Lab<()> {
        let opts = mysql_async::ChangeUserOpts::new()
            .with_user(Some(login.user.clone()))
            .with_pass(Some(login.password.clone()))
            .with_db_name(login.schema.clone());
        let (runtime, conn) = self.parts()?;
        within(runtime, "COM_CHANGE_USER", conn.change_user(opts))
    }

    /// Sends a statement and then closes the socket without reading its answer, as a killed client does.
    pub fn send_and_vanish(mut self, statement: &str) -> Lab<()> {
        const ON_ITS_WAY: Duration = Duration::from_millis(300);
        let (runtime, conn) = self.parts()?;
        runtime.block_on(async {
            let _no_answer_is_expected = timeout(ON_ITS_WAY, conn.query_drop(statement)).await;
        });
        self.vanish();
        Ok(())
    }

    /// Closes the socket without COM_QUIT.
    pub fn vanish(&mut self) {
        if let Some(conn) = self.conn.take() {
            // Outside of its runtime the driver can say no goodbye: it only closes the socket.
            drop(conn);
        }
    }

    fn parts(&mut self) -> Lab<(&Runtime, &mut Conn)> {
        let gone = || LabError::Connection("this client has vanished".to_owned());
        Ok((&self.runtime, self.conn.as_mut().ok_or_else(gone)?))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        const GOODBYE: Duration = Duration::from_secs(1);
        if let Some(conn) = self.conn.take() {
            self.runtime.block_on(async {
                let _server_may_be_gone = timeout(GOODBYE, conn.disconnect()).await;
            });
        }
    }
}

fn within<T>(runtime: &Runtime, what: &str, work: impl Future<Output = mysql_async::Result<T>>) -> Lab<T> {
    let in_time = runtime.block_on(async { timeout(PATIENCE, work).await });
    let too_late = |_elapsed| LabError::Timeout { what: what.to_owned(), seconds: PATIENCE.as_secs() };
    Ok(in_time.map_err(too_late)??)
}

fn as_text(rows: Vec<Row>) -> Rows {
    rows.into_iter().map(|row| row.unwrap_raw().into_iter().map(|value| value.and_then(cell)).collect()).collect()
}

fn cell(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}
