//! From what is wanted to what became of it: plan, review, the person's word, run; and back to an open plan.

use super::{Conversation, Manner, Next, Reply, Road, act, remember, turn};
use crate::{
    app::App,
    diagnostic::Failure,
    event::Event,
    flow::{self, Decided, Draft, RunOptions, Wanted},
    intent::{Frame, Intent, Provenance, Role, Said, Target, Verb},
    review::{Level, Review},
};

/// The road: plan, review, approval, waves.
pub(super) async fn road(app: &App, talk: &mut Conversation, wanted: Wanted, manner: Manner) -> Result<Road, Failure> {
    let mut wanted = wanted;
    loop {
        let review = flow::plan(app, wanted.clone()).await?;
        talk.about = Some(review.plan.deployment.to_string());
        if review.plan.is_empty() {
            app.human().show(&review, Level::Brief).await;
            talk.pending = None;
            talk.close();
            return Ok(Road::Ended(Reply::Say { text: format!("Nothing to do for {}.", review.plan.deployment) }));
        }
        talk.review = Some(Box::new(review.clone()));
        talk.wanted = Some(Box::new(wanted.clone()));
        let allowed = manner == Manner::Interactive || app.flags().yes;
        if !allowed || app.flags().read_only {
            app.human().show(&review, Level::Brief).await;
            return Ok(Road::Ended(planned(&review)));
        }
        match flow::decide(app, &review).await? {
            Decided::Approved(approved) => {
                let summary = flow::apply(app, *approved, RunOptions::default()).await?;
                talk.pending = None;
                talk.close();
                return Ok(Road::Ended(Reply::Applied { summary: Box::new(summary) }));
            }
            Decided::Declined => {
                let text = format!(
                    "Not applied; nothing was changed. The plan is still open: say what to change, `/apply` shows it again, `never mind` drops it. ({})",
                    review.plan.short()
                );
                return Ok(Road::Ended(Reply::Say { text }));
            }
            Decided::Saved(file) => {
                return Ok(Road::Ended(Reply::Say {
                    text: format!("Saved to {file}; nothing was changed. Apply it with: swell apply {file}"),
                }));
            }
            Decided::Said(words) => return Ok(Road::Said(words)),
            Decided::Edit(pairs) => wanted = edited(app, talk, wanted, pairs).await?,
        }
    }
}

pub(super) fn planned(review: &Review) -> Reply {
    Reply::Planned { digest: review.digest.clone(), plan: review.plan.short(), deployment: review.plan.deployment.clone() }
}

/// `e name=value` in a review: the pattern is bound again. What does not fit is said, and the plan stays as it was.
pub async fn edited(app: &App, talk: &mut Conversation, wanted: Wanted, pairs: Vec<(String, String)>) -> Result<Wanted, Failure> {
    let (Some(pattern), Some(bound)) = (wanted.recipe.pattern.clone(), wanted.bound.clone()) else {
        app.sink().emit(Event::Notice { text: "This plan came from a template file; change the file to change it.".into() });
        return Ok(wanted);
    };
    let mut said = bound.said();
    for (name, value) in &pairs {
        let given = Said { value: flow::typed_value(value), provenance: Provenance::Given };
        if let Some(frame) = &mut talk.pending {
            frame.params.insert(name.clone(), given.clone());
        }
        said.insert(name.clone(), given);
    }
    let problems = match flow::from_pattern(app, &pattern, said, Some(bound.deployment.clone()), wanted.request.clone()).await {
        Ok(Draft::Ready(next)) => return Ok(Wanted { parser: wanted.parser, ..*next }),
        Ok(Draft::Ask(_, diagnostics)) => diagnostics,
        Err(failure) => failure.0,
    };
    problems.into_iter().for_each(|d| app.sink().emit(Event::Warning { diagnostic: Box::new(d) }));
    Ok(wanted)
}

/// A conversation about a plan that a command made.
pub fn about(wanted: &Wanted) -> Conversation {
    let frame = wanted.bound.as_ref().map(|bound| Frame {
        intent: Some(Intent::Deploy),
        verb: Some(Verb::Deploy),
        pattern: wanted.recipe.pattern.clone(),
        target: Target::One(wanted.template.name.to_string()),
        params: bound.said(),
        confidence: 1.0,
        parser: "given".into(),
        ..Frame::default()
    });
    Conversation { pending: frame, about: Some(wanted.template.name.to_string()), ..Conversation::default() }
}

/// Takes what a command wants down the road, as a turn of the conversation: afterwards its plan can be corrected in words.
pub async fn take(app: &App, talk: &mut Conversation, wanted: Wanted, manner: Manner) -> Result<Vec<Reply>, Failure> {
    talk.pending = about(&wanted).pending;
    onwards(app, talk, wanted, manner).await
}

pub(super) async fn onwards(app: &App, talk: &mut Conversation, wanted: Wanted, manner: Manner) -> Result<Vec<Reply>, Failure> {
    match road(app, talk, wanted, manner).await? {
        Road::Ended(reply) => {
            remember(talk, &reply);
            Ok(vec![reply])
        }
        Road::Said(words) => turn(app, talk, &words, manner).await,
    }
}

/// Plans what is open once more, shows it and asks. A conversation that was resumed has its request, and makes the plan from that.
pub async fn reopen(app: &App, talk: &mut Conversation, manner: Manner) -> Result<Vec<Reply>, Failure> {
    if let Some(wanted) = talk.wanted.clone() {
        return onwards(app, talk, *wanted, manner).await;
    }
    let Some(frame) = talk.pending.clone() else { return Ok(vec![Reply::Say { text: "No plan is open.".into() }]) };
    let request = talk.history.iter().rev().find(|t| t.role == Role::User).map(|t| t.text.clone()).unwrap_or_default();
    match act(app, talk, frame, &request).await? {
        Next::Reply(reply) => Ok(vec![reply]),
        Next::Plan(wanted) => onwards(app, talk, *wanted, manner).await,
    }
}
