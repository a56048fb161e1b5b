//! State: the journal, snapshots folded from it, plans, locks and sessions, in SQLite.
//!
//! The journal speaks first: an entry before each mutating call and one after. A snapshot is a fold of a deployment's entries, never
//! written by anything else. Only this module and its children may name the database crate. It sits above `plan` and does not know it:
//! plans are bytes and a digest here.

pub mod record;

pub use record::*;
