//! What stands above the first prompt: what this is, what it works with, what needs attention, and something to type. No server is
//! started for it.

use crate::{
    app::{App, ParserKind},
    diagnostic::Failure,
    store::{DeploymentSummary, Gone},
};

use super::session::Earlier;

/// The lines, plain.
pub async fn greeting(app: &App, earlier: Option<&Earlier>) -> Result<Vec<(Tone, String)>, Failure> {
    let deployments = app.store().deployments(Gone::Hidden).await?;
    let mut lines =
        vec![(Tone::Title, format!("Swell {} · you see every plan first, and nothing runs without your yes", env!("CARGO_PKG_VERSION")))];
    lines.extend(servers(app).into_iter().map(|text| (Tone::Plain, text)));
    lines.push((Tone::Plain, format!("parser   {} · {}", parser(app), deployed(&deployments))));
    if app.flags().read_only {
        lines.push((Tone::Warn, "this session only reads (`--read-only`)".into()));
    }
    lines.extend(deployments.iter().filter_map(attention).map(|text| (Tone::Warn, text)));
    if let Some(earlier) = earlier {
        lines.push((Tone::Dim, format!("last time: {}; /continue goes on with it", earlier.what)));
    }
    let example = match deployments.first() {
        None => "deploy WordPress with HA on blog.example.org".to_owned(),
        Some(_) => "what is running?".to_owned(),
    };
    lines.push((Tone::Dim, format!("try      {example}   (/help says more)")));
    Ok(lines)
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The first line.
    Title,
    /// Facts.
    Plain,
    /// Needs attention.
    Warn,
    /// Help.
    Dim,
}

fn servers(app: &App) -> Vec<String> {
    let names = |simulated: bool| -> Vec<&str> {
        app.config().servers.iter().filter(|(_, s)| s.sandbox.is_some() == simulated).map(|(n, _)| n.as_str()).collect()
    };
    let (real, simulated) = (names(false), names(true));
    let mut lines = Vec::new();
    if !real.is_empty() {
        lines.push(format!("servers  {}", real.join(" ")));
    }
    if !simulated.is_empty() {
        lines.push(format!("servers  {} · simulated, nothing real is touched", simulated.join(" ")));
    }
    if lines.is_empty() {
        lines.push("servers  none: see `swell doctor`".into());
    }
    lines
}

/// The name of the parser that answers.
pub fn parser(app: &App) -> String {
    match &app.config().model {
        Some(model) if app.chosen() != Some(ParserKind::Offline) => format!("{} at {}", model.model, model.base_url),
        _ => "offline".into(),
    }
}

fn deployed(all: &[DeploymentSummary]) -> String {
    match all {
        [] => "nothing deployed".into(),
        [one] => format!("1 deployment: {}", one.name),
        many if many.len() <= 4 => {
            format!("{} deployments: {}", many.len(), many.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(" "))
        }
        many => format!("{} deployments", many.len()),
    }
}

/// What has to be settled before a deployment can be trusted.
fn attention(one: &DeploymentSummary) -> Option<String> {
    if one.interrupted {
        return Some(format!("{} has an interrupted run: /resume {}", one.name, one.name));
    }
    (one.unsettled > 0).then(|| {
        let calls = if one.unsettled == 1 { "1 call".to_owned() } else { format!("{} calls", one.unsettled) };
        format!("{} has {calls} whose outcome is unknown: /resume {}", one.name, one.name)
    })
}
