//! The integration tests: one program, real servers, the real proxy.

mod applications;
mod differential;
mod drivers;
mod lab;
