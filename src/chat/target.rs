//! Which deployment a change is for: the one that was named, or that was spoken of; a question when it names several.

use crate::{
    app::App,
    diagnostic::Failure,
    flow,
    intent::{AskReason, Frame, Question, Target},
    store::{Gone, Snapshot},
};

use super::Conversation;

/// Words for everything there is, as parsers give them.
const ALL: [&str; 4] = ["all", "everything", "every", "*"];

/// What a change is for.
pub(super) enum Meant {
    /// This deployment.
    One(Box<Snapshot>),
    /// Several: a plan belongs to one, so the person chooses.
    Several(Question),
}

/// Finds the deployment that a change is for. More than one is never taken at once, whatever the words say.
pub(super) async fn target(app: &App, talk: &Conversation, frame: &Frame) -> Result<Meant, Failure> {
    let name = match &frame.target {
        Target::One(name) if ALL.contains(&name.to_lowercase().as_str()) && !is_deployed(app, name).await? => {
            let all = app.store().deployments(Gone::Hidden).await?;
            match all.as_slice() {
                [] | [_] => None,
                several => return Ok(several_of(several.iter().map(|d| d.name.to_string()).collect())),
            }
        }
        Target::One(name) => Some(name.clone()),
        Target::Many(many) => return Ok(several_of(many.clone())),
        Target::None => talk.about.clone(),
    };
    let name = flow::which(app, name.as_deref()).await?;
    match app.store().latest(&name).await? {
        Some(snapshot) => Ok(Meant::One(Box::new(snapshot))),
        None => Err(flow::no_deployment(app, name.as_str()).await),
    }
}

async fn is_deployed(app: &App, name: &str) -> Result<bool, Failure> {
    Ok(app.store().deployments(Gone::Hidden).await?.iter().any(|d| d.name.as_str() == name))
}

fn several_of(names: Vec<String>) -> Meant {
    Meant::Several(Question {
        text: format!("That is for {} deployments, and a plan belongs to one. Which one first?", names.len()),
        about: vec!["target".into()],
        choices: names,
        reason: AskReason::AmbiguousTarget,
    })
}
