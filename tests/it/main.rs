//! The integration tests: one program, real servers, the real proxy.

mod failures;
mod lab;
mod limits;
mod login;
mod routing;
mod sessions;
mod shared;
mod tidy;
mod transactions;
