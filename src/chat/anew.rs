//! "Restart", "stop", "start", "back up" and "restore" in words. Swell makes what is wanted be there, so a restart is a resource made anew,
//! and a start is a plan that brings back what is gone or has failed. For the rest it says what can be done instead.

use indexmap::IndexMap;

use crate::{
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName},
    flow::{self, Draft},
    inspect,
    intent::{AskReason, Frame, Question, Verb},
    store::{Recipe, Snapshot},
};

use super::{Conversation, Next, Reply, say};

/// Segments of the types that run something, and so can be restarted.
const RUNS: [&str; 12] =
    ["container", "containers", "run", "deployment", "statefulset", "daemonset", "pod", "instance", "function", "vm", "machine", "task"];
/// How many resources are offered.
const OFFERED: usize = 9;

/// One of these verbs, for a deployment.
pub(super) async fn act(
    app: &App,
    talk: &mut Conversation,
    frame: Frame,
    verb: Verb,
    snapshot: &Snapshot,
    request: String,
) -> Result<Next, Failure> {
    let name = &snapshot.deployment;
    match verb {
        Verb::Restart => restart(app, talk, frame, snapshot, request).await,
        Verb::Start => match inspect::again(app, name).await? {
            Some((wanted, _)) => {
                talk.pending = Some(frame);
                Ok(Next::Plan(Box::new(wanted)))
            }
            None => Ok(say(format!("What was wanted of {name} is not in the record, so there is nothing to start. Nothing was changed."))),
        },
        Verb::Backup => Ok(say(backup(name, &snapshot.recipe))),
        Verb::Restore => Ok(say(format!(
            "Swell brings back what {name} is made of, not the data in it: no server offers a restore. Nothing was changed.\n\
             What it was made of before: `roll back {name}`; which snapshots there are: `swell history {name}`. Data comes back with the tools of what holds it."
        ))),
        _ => Ok(say(format!(
            "A deployment is there or it is not; no server offers to stop it and keep it. Nothing was changed.\n\
             With less of it: `scale {name} to 1`. Without it: `destroy {name}`, whose plan says first what would be lost."
        ))),
    }
}

/// Makes one resource anew, or asks which.
async fn restart(app: &App, talk: &mut Conversation, frame: Frame, snapshot: &Snapshot, request: String) -> Result<Next, Failure> {
    let fits = candidates(snapshot, frame.part.as_deref());
    let [one] = fits.as_slice() else {
        let question = Question {
            text: format!("A restart makes one resource anew. Which of {}?", snapshot.deployment),
            about: vec!["part".into()],
            choices: fits.iter().take(OFFERED).map(|a| a.to_string()).collect(),
            reason: AskReason::Ambiguous,
        };
        talk.pending = Some(Frame { missing: question.about.clone(), question: Some(question.clone()), ..frame });
        return Ok(Next::Reply(Reply::Ask { question }));
    };
    let address = (*one).clone();
    match flow::from_deployment(app, snapshot, IndexMap::new(), request).await? {
        Draft::Ready(mut wanted) => {
            wanted.parser = Some(frame.parser.clone());
            wanted.replace.insert(address);
            talk.pending = Some(frame);
            Ok(Next::Plan(wanted))
        }
        Draft::Ask(_, diagnostics) => Err(diagnostics.into()),
    }
}

/// The resources that a part names; without one, those that run something, or else all.
fn candidates<'s>(snapshot: &'s Snapshot, part: Option<&str>) -> Vec<&'s Address> {
    let all: Vec<&Address> = snapshot.resources.keys().collect();
    if let Some(part) = part {
        if let Some(one) = all.iter().find(|a| a.to_string() == part || a.name.as_str() == part) {
            return vec![one];
        }
        let words: Vec<String> = part.to_lowercase().split_whitespace().map(|w| w.trim_end_matches('s').to_owned()).collect();
        let named =
            |a: &Address| words.iter().any(|w| !matches!(w.as_str(), "the" | "tier" | "server") && a.name.as_str().contains(w.as_str()));
        let fits: Vec<&Address> = all.iter().copied().filter(|a| runs(a) && named(a)).collect();
        if !fits.is_empty() {
            return fits;
        }
    }
    let running: Vec<&Address> = all.iter().copied().filter(|a| runs(a)).collect();
    if running.is_empty() { all } else { running }
}

fn runs(address: &Address) -> bool {
    address.kind.as_str().split(':').any(|segment| RUNS.contains(&segment))
}

/// What is there about backups, since none is made on demand.
fn backup(name: &DeploymentName, recipe: &Recipe) -> String {
    let settings: Vec<String> = recipe
        .parameters
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| key.starts_with("backup") && !value.is_object() && !value.is_null())
        .map(|(key, value)| format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    let has = match (recipe.pattern.is_some(), settings.is_empty()) {
        (true, false) => format!("{name} has {}; `set backup.schedule=hourly` and its like change that by a plan.", settings.join(" · ")),
        _ => format!("{name} has no backup setting."),
    };
    format!("No server offers a backup on demand, and Swell makes none by itself. Nothing was changed.\n{has}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_type_one_sees_whether_it_runs() {
        for (address, expected) in [
            ("docker:container:run:blog-web-1", true),
            ("kubernetes:apps:deployment:shop", true),
            ("aws:ec2:instance:bastion", true),
            ("docker:network:blog", false),
            ("opnsense:firewall:rule:blog-https", false),
        ] {
            assert_eq!(runs(&address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn what_there_is_about_backups_is_said() {
        let blog = "blog".parse().unwrap();
        assert!(backup(&blog, &Recipe::default()).contains("blog has no backup setting."));
        let parameters = json!({"backup.enabled": true, "backup.schedule": "daily", "domain": "a.example.org"});
        let recipe = Recipe { pattern: Some("wordpress-ha".into()), parameters, ..Recipe::default() };
        assert!(backup(&blog, &recipe).contains("blog has backup.enabled=true · backup.schedule=daily;"));
    }
}
