//! The only test binary; each room is a module.

mod repl;

mod support;
