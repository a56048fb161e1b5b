//! Answers to questions, each from the record, the journal and what the servers say now. One function for each kind of question.

mod backups;

mod configuration;

mod endpoints;

mod help;

mod history;

mod logs;

mod status;

#[cfg(test)]
mod tests;

pub use status::overview;

pub(super) use logs::{evidence_of, runs_something};

use serde_json::json;

use crate::{
    answer::Answer,
    app::App,
    diagnostic::Failure,
    domain::DeploymentName,
    intent::{Facet, Frame, Target},
    store::Snapshot,
};

use super::{
    estate::{Estate, Meant, region},
    words::{count, list, tokens},
};

/// A question and what it is held against.
struct Question<'a> {
    app: &'a App,
    estate: Estate,
    /// The words of the request.
    words: Vec<String>,
    /// What it is about.
    meant: Meant,
    /// The deployments that were named.
    named: Vec<DeploymentName>,
}

impl Question<'_> {
    /// The deployments that the question is about: those of what was named, else all.
    fn scope(&self) -> Vec<DeploymentName> {
        match &self.meant {
            Meant::Deployments(names) => names.clone(),
            Meant::Resources { found, .. } => {
                let mut names: Vec<DeploymentName> = found.iter().map(|(d, _)| d.clone()).collect();
                names.dedup();
                names
            }
            _ if !self.named.is_empty() => self.named.clone(),
            _ => self.estate.names().into_iter().cloned().collect(),
        }
    }

    /// Their snapshots.
    fn snapshots(&self) -> Vec<&Snapshot> {
        self.scope().iter().filter_map(|n| self.estate.get(n)?.1.as_ref()).collect()
    }
}

/// Answers a query. `text` is the request as it was said; it is only searched for names that are known.
pub async fn query(app: &App, frame: &Frame, text: &str) -> Result<Answer, Failure> {
    let estate = Estate::load(app).await?;
    let facet = frame.facet.unwrap_or(Facet::Other);
    let words = tokens(text);
    let known = |w: &str| estate.names().into_iter().find(|n| n.as_str().eq_ignore_ascii_case(w)).cloned();
    let named = match &frame.target {
        Target::None => Vec::new(),
        Target::One(name) => known(name).into_iter().collect(),
        Target::Many(names) => names.iter().filter_map(|n| known(n)).collect(),
    };
    match facet {
        Facet::Help => return Ok(help::help(app, &words)),
        Facet::Servers => return Ok(help::servers(app).await),
        _ => {}
    }
    let meant = estate.meant(app, frame, text);
    if let Meant::Nothing { word, near } = &meant {
        return Ok(not_there(&estate, word, near));
    }
    let question = Question { app, estate, words, meant, named };
    if question.estate.all.is_empty() {
        return Ok(nothing_deployed(facet));
    }
    if let Some(place) = question.words.iter().find(|w| region(w)).cloned() {
        return Ok(status::in_region(&question, &place));
    }
    // "the load balancer" speaks of no load.
    let load = question.words.iter().filter(|w| w.as_str() == "load").count() == 1 && super::words::says(&question.words, "load balancer");
    let other = ["cpu", "memory", "ram", "traffic", "requests", "connections", "usage", "latency", "metrics", "bandwidth", "disk"];
    let facet = match facet {
        Facet::Metrics if load && !question.words.iter().any(|w| other.contains(&w.as_str())) => Facet::Status,
        facet => facet,
    };
    match facet {
        Facet::Configuration => configuration::configuration(&question).await,
        Facet::Endpoints => Ok(endpoints::endpoints(&question)),
        Facet::History => history::history(&question).await,
        Facet::Drift => status::drift(&question).await,
        Facet::Logs => logs::logs(&question).await,
        Facet::Backups => Ok(backups::backups(&question)),
        Facet::Metrics => metrics(&question).await,
        Facet::Cost => Ok(cost(&question)),
        Facet::Status | Facet::Impact | Facet::Help | Facet::Servers | Facet::Other => status::status(&question).await,
    }
}

fn nothing_deployed(facet: Facet) -> Answer {
    let mut answer = Answer {
        headline: "Nothing is deployed.".into(),
        lines: vec!["Say what you want, such as: deploy WordPress with HA on blog.example.org. The patterns: swell patterns list".into()],
        data: json!({"deployments": []}),
        ..Answer::default()
    };
    if facet == Facet::History {
        answer.lines.insert(0, "Deployments that are gone are in the history too: swell history".into());
    }
    answer
}

/// Says that something is not there, with the nearest names.
pub(super) fn not_there(estate: &Estate, word: &str, near: &[String]) -> Answer {
    let mut lines = Vec::new();
    if !near.is_empty() {
        lines.push(format!("Did you mean {}?", near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")));
    }
    let names = estate.names();
    lines.push(if names.is_empty() { "Nothing is deployed.".into() } else { format!("Deployed: {}.", list(&names, 12)) });
    lines.push("Something that Swell did not deploy may still be on a server: swell query \"SELECT address FROM live\"".into());
    Answer {
        headline: format!("No deployment or resource is called `{word}`."),
        lines,
        data: json!({"not_found": word, "near": near, "deployments": names}),
        ..Answer::default()
    }
}

/// Load, memory and traffic: not measured.
async fn metrics(q: &Question<'_>) -> Result<Answer, Failure> {
    let status = status::status(q).await?;
    let mut lines = vec![
        "Swell asks servers whether a resource works, not how much it does: no CPU, memory, traffic, latency or disk usage is read."
            .to_owned(),
    ];
    let monitors: Vec<String> = q
        .snapshots()
        .iter()
        .flat_map(|s| s.resources.values())
        .filter(|r| {
            let text = r.address.to_string().to_lowercase();
            ["monitor", "grafana", "prometheus", "cloudwatch", "alarm", "metrics"].iter().any(|w| text.contains(w))
        })
        .map(|r| r.address.to_string())
        .collect();
    if !monitors.is_empty() {
        lines.push(format!("Deployed for that: {}.", list(&monitors, 6)));
    }
    lines.push(format!("What is known: {}", status.headline));
    lines.push("A server may have tools for it: swell servers tools NAME".into());
    Ok(Answer {
        headline: "That is not measured by Swell.".into(),
        lines,
        data: json!({"measured": false, "monitoring": monitors, "status": status.data}),
        ..Answer::default()
    })
}

/// Money: not measured; what costs is listed.
fn cost(q: &Question<'_>) -> Answer {
    let mut kinds: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    q.snapshots().iter().flat_map(|s| s.resources.keys()).for_each(|a| *kinds.entry(format!("{}:{}", a.server, a.kind)).or_default() += 1);
    let cells: Vec<Vec<String>> = kinds.iter().map(|(k, n)| vec![k.clone(), n.to_string()]).collect();
    let total: usize = kinds.values().sum();
    let mut lines =
        vec![format!("Prices are in no server's answers. What is there to be paid for: {}.", count(total, "resource", "resources"))];
    lines.extend(super::words::rows(&cells));
    lines.push("Sizes and counts of one deployment: swell show NAME. For the price, ask the cloud's own billing.".into());
    Answer {
        headline: "Swell does not know what anything costs.".into(),
        lines,
        data: json!({"measured": false, "resources": kinds}),
        ..Answer::default()
    }
}
