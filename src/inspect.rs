//! The read-only branch: answers to queries, and what is wrong with a deployment. It can propose a request; it changes nothing.

pub use crate::answer::{Answer, Evidence, Finding, Proposal, ServerReport, ServerRow, Strength};
use crate::{app::App, diagnostic::Failure, intent::Frame};

/// Answers a query.
pub async fn query(_app: &App, _frame: &Frame) -> Result<Answer, Failure> {
    Ok(Answer::default())
}

/// Finds out what is wrong.
pub async fn troubleshoot(_app: &App, _frame: &Frame) -> Result<Answer, Failure> {
    Ok(Answer::default())
}
