//! Bindings as an operator makes them: a draft out of what a server offers, and the proof of what holds.
//!
//! A draft calls no tool. A proof changes a real system, so its calls are shown before, and a person agrees to exactly those.

mod draft;

mod left;

mod prove;

mod refine;

pub use draft::{DraftRequest, Drafted, draft};
pub use prove::{Outcome, ProveRequest, prove};

use std::sync::Arc;

use crate::{
    app::App,
    diagnostic::Failure,
    mcp::{AnyServer, Connection},
};

/// The connection to a server that may be used.
fn server<'a>(app: &'a App, name: &str) -> Result<&'a Arc<AnyServer>, Failure> {
    let name = name.parse().map_err(|e: crate::domain::NameError| crate::diagnostic::usage(&e.to_string()))?;
    app.server(&name)?;
    app.connections()
        .iter()
        .find(|s| s.connection().name() == &name)
        .ok_or_else(|| crate::diagnostic::usage(&format!("`{name}` has no connection of its own")))
}

/// What a server offers.
async fn tools(connection: &Connection) -> Result<Vec<crate::mcp::tools::Tool>, Failure> {
    let unreachable = |e| Failure::from(crate::plan::refresh::unreachable(connection.name(), &e));
    connection.tools().await.map(|list| list.tools).map_err(unreachable)
}
