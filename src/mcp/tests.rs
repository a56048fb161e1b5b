//! On the wire: what happens when servers do not behave.

mod calls;
mod connecting;
mod http;
mod native;
mod process;
mod sampling;
mod tasks;
mod watching;
