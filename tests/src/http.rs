//! Just enough of HTTP/1.0 (RFC 1945) to ask the proxy for its health and to visit the demo's pages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::ports;

/// How long connecting and reading may each take.
const LIMIT: Duration = Duration::from_secs(20);

/// The status code and body of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// GET; `None` when nobody answers.
pub fn get(port: u16, path: &str) -> Option<Answer> {
    request(port, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
}

/// POST of a form (`a=1&b=2`).
pub fn post(port: u16, path: &str, form: &str) -> Option<Answer> {
    let length = form.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    request(port, &format!("{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"))
}

fn request(port: u16, text: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&ports::local(port), LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
