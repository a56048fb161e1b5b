//! The read-only branch: answers to queries, and what is wrong with a deployment. It can propose a request; it changes nothing.
//!
//! Everything is worked out from the record, the journal and what the servers say now; no model is asked. Text of servers is quoted as a
//! guest's: it is shown, searched for names that are already known, and never becomes an argument.

mod estate;

mod look;

mod query;

mod servers;

mod troubleshoot;

mod words;

#[cfg(test)]
pub(crate) mod testing;

pub use crate::answer::{Answer, Evidence, Finding, Proposal, ServerReport, ServerRow, Strength};
pub use query::{overview, query};
pub use servers::{ToolRow, doctor, servers, tools, unlike_its_card};
pub use troubleshoot::{repair::again, troubleshoot};
