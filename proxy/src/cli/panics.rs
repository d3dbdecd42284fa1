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
    error!(thread = thread.name().unwrap_or("unnamed"), "{}", describe(panic));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let place =
        panic.location().map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    format!("panicked at {place}; this is a bug, and its message is withheld because it may hold data")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_no_data() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&said);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| hear.lock().unwrap().push(describe(panic))));
        let caught = std::panic::catch_unwind(|| panic!("row of {}", "Alice"));
        std::panic::set_hook(before);
        assert!(caught.is_err());
        let said = said.lock().unwrap().join("\n");
        assert!(said.contains("panicked at ") && said.contains("panics.rs:"), "{said}");
        assert!(!said.contains("Alice"), "{said}");
    }
}
