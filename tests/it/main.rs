//! The integration tests: one program, real servers, the real proxy.

mod applications;
mod command_line;
mod conformance;
mod defaults;
mod differential;
mod doors;
mod drivers;
mod failures;
mod kill;
mod lab;
mod limits;
mod load;
mod login;
mod mysql9;
mod packaging;
mod prepared;
mod process;
mod reading;
mod routing;
mod schemas;
mod sessions;
mod settings;
mod shared;
mod statements;
mod tidy;
mod transactions;
