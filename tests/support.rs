//! What tests of the whole program share.

pub mod env;
pub mod pty;
