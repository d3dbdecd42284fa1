//! What is logged when the program has a bug that panics: where, and nothing else. A panic's own message may quote
//! what it was working on, which may be a statement's literal or a row.

use std::panic::PanicHookInfo;
use std::thread;

use tracing::error;

/// For all threads, from now on.
pub fn report_by_place() {
    std::panic::set_hook(Box::new(report));
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place =
        panic.location().map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    error!(thread, "panicked at {place}; this is a bug, and its message is withheld because it may hold data");
}
