//! What is wrong with a deployment, as strongly as the evidence allows, and what would put it right.
//!
//! Evidence first: the journal (J), what the servers say of each resource now (L), of themselves (H), and their logs and events (S). Then
//! the causes among what is in trouble. Then the repair: a plan, worked out and offered, never approved here.

mod case;

mod causes;

mod journal;

pub(super) mod repair;

mod symptom;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    answer::{Answer, Evidence, Finding, Strength},
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName},
    intent::Frame,
};

use self::{
    case::{Case, State},
    symptom::{BLIND, Symptom, symptom},
};

use super::{
    estate::{Estate, Meant},
    words::{count, list, tokens},
};

/// What was seen and what follows from it, over all deployments of one answer.
#[derive(Default)]
struct Board {
    evidence: Vec<Evidence>,
    findings: Vec<Finding>,
    live: usize,
    health: usize,
    told: usize,
}

impl Board {
    fn journal(&mut self, entry: i64, source: String, text: String) -> String {
        self.put(format!("J{entry}"), source, text)
    }

    fn live(&mut self, source: String, text: String) -> String {
        self.live += 1;
        self.put(format!("L{}", self.live), source, text)
    }

    fn health(&mut self, source: String, text: String) -> String {
        self.health += 1;
        self.put(format!("H{}", self.health), source, text)
    }

    fn told(&mut self, source: String, text: String) -> String {
        self.told += 1;
        self.put(format!("S{}", self.told), source, text)
    }

    fn put(&mut self, id: String, source: String, text: String) -> String {
        self.evidence.push(Evidence { id: id.clone(), source, text });
        id
    }

    fn find(&mut self, strength: Strength, text: String, evidence: Vec<String>) {
        self.findings.push(Finding { text, strength, evidence });
    }
}

/// Finds out what is wrong. `text` is the request as it was said; it is only searched for names and symptoms that are known.
pub async fn troubleshoot(app: &App, frame: &Frame, text: &str) -> Result<Answer, Failure> {
    let estate = Estate::load(app).await?;
    if estate.all.is_empty() {
        return Ok(Answer {
            headline: "Nothing is deployed, so there is nothing of Swell's that could be wrong.".into(),
            lines: vec![
                "The journal has no deployment that is still there. What was done before: swell history".into(),
                "How the servers themselves are: swell servers doctor".into(),
            ],
            data: json!({"state": "nothing-deployed", "checked": []}),
            ..Answer::default()
        });
    }
    let symptom = symptom(&tokens(text));
    match estate.meant(app, frame, text) {
        Meant::Nothing { word, near } => {
            let mut answer = super::query::not_there(&estate, &word, &near);
            let all = checked(app, &estate, &names(&estate)).await?;
            let unwell: Vec<&DeploymentName> = all.iter().filter(|c| c.state == State::Unwell).map(|c| &c.name).collect();
            answer.lines.push(match unwell.as_slice() {
                [] => "Of what is deployed, nothing is in trouble.".into(),
                some => format!("In trouble {}: {}.", if some.len() == 1 { "is" } else { "are" }, list(some, 6)),
            });
            Ok(answer)
        }
        Meant::Deployments(names) => several(app, &estate, &names, symptom).await,
        Meant::Resources { found, by_name, .. } => {
            let mut names: Vec<DeploymentName> = found.iter().map(|(d, _)| d.clone()).collect();
            names.dedup();
            let focus: BTreeSet<Address> = found.into_iter().map(|(_, a)| a).collect();
            match names.as_slice() {
                [one] => focused(app, &estate, one, &focus, by_name, symptom).await,
                _ => several(app, &estate, &names, symptom).await,
            }
        }
        Meant::Everything => several(app, &estate, &names(&estate), symptom).await,
    }
}

fn names(estate: &Estate) -> Vec<DeploymentName> {
    estate.names().into_iter().cloned().collect()
}

async fn checked<'a>(app: &'a App, estate: &Estate, names: &[DeploymentName]) -> Result<Vec<Case<'a>>, Failure> {
    let open = names.iter().filter_map(|n| estate.get(n)).map(|(summary, snapshot)| Case::open(app, summary, snapshot.clone()));
    futures::future::join_all(open).await.into_iter().collect()
}

/// Checks these deployments; the troubled ones are explained, and the first of them is offered its repair.
async fn several(app: &App, estate: &Estate, names: &[DeploymentName], symptom: Option<Symptom>) -> Result<Answer, Failure> {
    let cases = checked(app, estate, names).await?;
    let bad: Vec<&Case<'_>> = cases.iter().filter(|c| c.state != State::Well).collect();
    let mut board = Board::default();
    let mut answer = match (cases.as_slice(), bad.as_slice()) {
        ([one], _) => one.explain(&mut board, symptom, None).await?,
        (_, []) => well(app, &cases, symptom, &mut board).await,
        (_, [one]) => {
            let mut answer = one.explain(&mut board, symptom, None).await?;
            let others: Vec<&DeploymentName> = cases.iter().filter(|c| c.name != one.name).map(|c| &c.name).collect();
            answer.lines.insert(0, format!("Checked as well, and nothing found: {}.", list(&others, 8)));
            answer
        }
        (_, many) => {
            let mut answer = Answer::default();
            for (n, case) in many.iter().enumerate() {
                let part = case.explain(&mut board, symptom, None).await?;
                answer.lines.push(part.headline);
                match (n, part.proposal) {
                    (_, Some(proposal)) if answer.proposal.is_none() => answer.proposal = Some(proposal),
                    (_, Some(proposal)) => answer.lines.push(format!("  {} {}", proposal.text, proposal.command)),
                    (_, None) => answer.lines.extend(part.lines.into_iter().map(|l| format!("  {l}"))),
                }
            }
            let bad: Vec<&DeploymentName> = many.iter().map(|c| &c.name).collect();
            answer.headline = format!("{} of {} deployments are not well: {}.", bad.len(), cases.len(), list(&bad, 6));
            answer
        }
    };
    board.findings.sort_by_key(|f| f.strength);
    answer.data = json!({
        "state": if bad.is_empty() { "well" } else { "unwell" },
        "checked": cases.iter().map(Case::data).collect::<Vec<_>>(),
        "symptom": symptom.map(|s| s.name),
    });
    answer.evidence = board.evidence;
    answer.findings = board.findings;
    Ok(answer)
}

/// One resource or a few of them, within their deployment.
async fn focused(
    app: &App,
    estate: &Estate,
    name: &DeploymentName,
    focus: &BTreeSet<Address>,
    by_name: bool,
    symptom: Option<Symptom>,
) -> Result<Answer, Failure> {
    let cases = checked(app, estate, std::slice::from_ref(name)).await?;
    let Some(case) = cases.first() else { return Ok(Answer::default()) };
    let mut board = Board::default();
    let mut answer = case.explain(&mut board, symptom, Some(focus)).await?;
    if by_name && case.state != State::Well && !case.is_touched(focus) {
        let well: Vec<&Address> = focus.iter().collect();
        answer.headline = format!("Nothing wrong was found with {}. {}", list(&well, 3), answer.headline);
    }
    board.findings.sort_by_key(|f| f.strength);
    answer.data = json!({
        "state": if case.state == State::Well { "well" } else { "unwell" }, "about": focus, "checked": [case.data()],
        "symptom": symptom.map(|s| s.name),
    });
    answer.evidence = board.evidence;
    answer.findings = board.findings;
    Ok(answer)
}

/// Nothing is wrong with any of several.
async fn well(app: &App, cases: &[Case<'_>], symptom: Option<Symptom>, board: &mut Board) -> Answer {
    let mut lines = Vec::new();
    for case in cases {
        lines.push(case.what_was_checked());
        if let Some(s) = symptom {
            case.search(app, board, s).await;
        }
    }
    lines.push("What Swell did not deploy was not looked at: swell query \"SELECT address FROM live\"".into());
    let names: Vec<&DeploymentName> = cases.iter().map(|c| &c.name).collect();
    let headline = match symptom {
        Some(s) if board.findings.is_empty() => {
            lines.push(BLIND.to_owned());
            format!(
                "Nothing that explains \"{}\" was found in any of {}: {}.",
                s.name,
                count(cases.len(), "deployment", "deployments"),
                list(&names, 6)
            )
        }
        Some(s) => format!("Some logs speak of \"{}\"; otherwise nothing wrong was found with {}.", s.name, list(&names, 6)),
        None => format!("Nothing wrong was found with any of {}: {}.", count(cases.len(), "deployment", "deployments"), list(&names, 6)),
    };
    Answer { headline, lines, ..Answer::default() }
}
