//! One turn of the conversation: a request in words becomes an answer, a question, or a plan that takes the one road.
//!
//! The conversation remembers what a correction needs: earlier turns, and the frame of the plan or question that is open.

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    diagnostic::Failure,
    domain::DeploymentName,
    event::{Event, RunSummary},
    flow::{self, Draft, Wanted},
    inspect,
    intent::{Facet, Frame, Intent, Question, Role, Target, Turn, Verb, World},
    review::{Level, Review},
};

mod anew;

mod modify;

mod open;

mod road;

mod target;

mod world;

#[cfg(test)]
mod tests;

use road::road;
pub use road::{about, edited, reopen, take};
use target::{Meant, target};
pub use world::world;

/// How many earlier turns are kept.
const HISTORY: usize = 40;
/// The most words of a yes.
const AGREES: usize = 4;

/// What is remembered between turns.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// Earlier turns, oldest first.
    pub history: Vec<Turn>,
    /// The frame of the plan that waits for approval, or of the question that waits for an answer.
    pub pending: Option<Frame>,
    /// The plan that was shown last and not applied.
    #[serde(skip)]
    pub review: Option<Box<Review>>,
    /// What that plan is for, to plan it again.
    #[serde(skip)]
    pub wanted: Option<Box<Wanted>>,
    /// How the last request was understood, for `/why`.
    #[serde(default)]
    pub last: Option<Frame>,
    /// The last deployment that was talked about.
    #[serde(default)]
    pub about: Option<String>,
    /// The repair that was offered last; "fix it" plans it.
    #[serde(default)]
    pub proposal: Option<inspect::Proposal>,
}

impl Conversation {
    /// No plan is open any more.
    fn close(&mut self) {
        self.review = None;
        self.wanted = None;
    }

    fn say(&mut self, role: Role, text: impl Into<String>) {
        self.history.push(Turn { role, text: crate::domain::text::clean(&text.into(), 2_000) });
        let extra = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..extra);
    }
}

/// What came of a turn. A face renders it.
#[derive(Debug, Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Words.
    Say {
        /// One or more lines.
        text: String,
    },
    /// Something must be said before a plan can be made.
    Ask {
        /// What.
        question: Question,
    },
    /// An answer to a query or a troubleshoot.
    Answer {
        /// It.
        answer: Box<inspect::Answer>,
    },
    /// A plan that nobody has approved; it was shown.
    Planned {
        /// Its digest.
        digest: String,
        /// Its short name.
        plan: String,
        /// The deployment.
        deployment: DeploymentName,
    },
    /// A run that ended; its summary was said as an event.
    Applied {
        /// How.
        summary: Box<RunSummary>,
    },
}

/// Whether a turn may ask and apply, or only plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Someone is there: reviews are answered, approved plans are applied.
    Interactive,
    /// Plans are shown and kept, never applied.
    PlanOnly,
}

/// Takes one request.
pub async fn turn(app: &App, talk: &mut Conversation, text: &str, manner: Manner) -> Result<Vec<Reply>, Failure> {
    let mut text = text.trim().to_owned();
    let mut replies = Vec::new();
    loop {
        let world = world(app, talk).await?;
        let frame = app.understand(&text, &world).await;
        frame.notes.iter().for_each(|n| app.sink().emit(Event::Notice { text: n.clone() }));
        if let Some(also) = &frame.also {
            let text = format!("One thing at a time; this was not taken yet: \"{also}\". Say it again afterwards.");
            app.sink().emit(Event::Notice { text });
        }
        talk.say(Role::User, crate::llm::scrub::scrub(&text).text);
        talk.last = Some(frame.clone());
        if manner == Manner::PlanOnly
            && let Some(reply) = agreed(talk, &frame, &text)
        {
            remember(talk, &reply);
            replies.push(reply);
            return Ok(replies);
        }
        let next = match act(app, talk, frame, &text).await? {
            Next::Reply(reply) => {
                remember(talk, &reply);
                replies.push(reply);
                return Ok(replies);
            }
            Next::Plan(wanted) => road(app, talk, *wanted, manner).await?,
        };
        match next {
            Road::Ended(reply) => {
                remember(talk, &reply);
                replies.push(reply);
                return Ok(replies);
            }
            Road::Said(words) => text = words,
        }
    }
}

/// A yes in words to the plan that is open, where nobody can approve it: the plan is as it was, so it is not made once more.
fn agreed(talk: &Conversation, frame: &Frame, text: &str) -> Option<Reply> {
    let (review, pending) = (talk.review.as_ref()?, talk.pending.as_ref()?);
    let same = Frame { confidence: pending.confidence, parser: pending.parser.clone(), ..frame.clone() } == *pending;
    (same && text.split_whitespace().count() <= AGREES).then(|| not_here(review))
}

/// Says how an open plan is applied, where no key can be pressed.
pub fn not_here(review: &Review) -> Reply {
    let (plan, name) = (review.plan.short(), &review.plan.deployment);
    Reply::Say {
        text: format!(
            "Plan {plan} for {name} is still open; nothing was changed. No word approves a plan, and there is no terminal here to press a key on.\n\
             Apply it there with `swell --resume-session` and `/apply`, or allow it beforehand, when it is asked for: --yes --max-destroy {}",
            review.plan.destroys()
        ),
    }
}

fn remember(talk: &mut Conversation, reply: &Reply) {
    let words = match reply {
        Reply::Say { text } => text.clone(),
        Reply::Ask { question } => question.text.clone(),
        Reply::Answer { answer } => answer.headline.clone(),
        Reply::Planned { plan, deployment, .. } => format!("Plan {plan} for {deployment} is ready."),
        Reply::Applied { summary } => format!("{}: {} done, {} failed.", summary.deployment, summary.done.len(), summary.failed.len()),
    };
    talk.say(Role::Assistant, words);
}

enum Next {
    Reply(Reply),
    Plan(Box<Wanted>),
}

enum Road {
    Ended(Reply),
    Said(String),
}

fn say(text: impl Into<String>) -> Next {
    Next::Reply(Reply::Say { text: text.into() })
}

/// From what was meant to what is wanted, or to an answer.
async fn act(app: &App, talk: &mut Conversation, frame: Frame, text: &str) -> Result<Next, Failure> {
    if let Some(proposal) = talk.proposal.take() {
        if accepts(text) {
            return repair(app, talk, &proposal).await;
        }
        // Looking closer at something does not withdraw the offer.
        talk.proposal = Some(proposal).filter(|_| frame.intent == Some(Intent::Query));
    }
    let frame = unasked(frame, &world(app, talk).await?);
    if frame.out_of_scope && frame.facet == Some(Facet::Help) {
        return Ok(say(
            "Whenever you are ready: say what you want deployed, changed, shown or explained, such as: deploy WordPress with HA on blog.example.org",
        ));
    }
    if let (true, Some(question)) = (frame.out_of_scope, talk.pending.as_ref().and_then(|p| p.question.clone())) {
        app.sink().emit(Event::Notice { text: "That does not answer the question; `never mind` drops it.".into() });
        return Ok(Next::Reply(Reply::Ask { question }));
    }
    if frame.out_of_scope && agrees(text) {
        return Ok(say(
            "No plan is open, so there is nothing to say yes to. Say what you want first; its plan is shown before anything runs.",
        ));
    }
    if frame.out_of_scope {
        return Ok(say(
            "That is not something Swell does. It deploys, changes, explains and repairs what your MCP servers manage; `/help` shows how.",
        ));
    }
    if frame.verb == Some(Verb::Cancel) {
        let open = talk.pending.is_some() || talk.wanted.is_some();
        talk.pending = None;
        talk.close();
        return Ok(say(if open { "Dropped. Nothing was changed." } else { "No plan was open. Nothing was changed." }));
    }
    if let Some(question) = frame.question.clone() {
        talk.pending = Some(frame);
        return Ok(Next::Reply(Reply::Ask { question }));
    }
    if let Some(review) = &talk.review
        && let Some(answer) = open::answer(review, &frame, &world(app, talk).await?, text)
    {
        return Ok(Next::Reply(Reply::Answer { answer: Box::new(answer) }));
    }
    if let Target::One(name) = &frame.target {
        talk.about = Some(name.clone());
    }
    match frame.intent {
        Some(Intent::Deploy) => deploy(app, talk, frame, text).await,
        Some(Intent::Modify) => modify::modify(app, talk, frame, text).await,
        Some(Intent::Query) if frame.facet == Some(Facet::Impact) => impact(app, &frame, text).await,
        Some(Intent::Query) => Ok(Next::Reply(Reply::Answer { answer: Box::new(inspect::query(app, &frame, text).await?) })),
        Some(Intent::Troubleshoot) => {
            let answer = inspect::troubleshoot(app, &frame, text).await?;
            talk.proposal = answer.proposal.clone();
            if let Some(proposal) = &answer.proposal {
                talk.about = Some(proposal.deployment.clone());
            }
            Ok(Next::Reply(Reply::Answer { answer: Box::new(answer) }))
        }
        None => Ok(say("That was not understood. Say what you want deployed, changed, shown or explained; `/help` shows examples.")),
    }
}

/// Whether these words are nothing but a yes.
fn agrees(text: &str) -> bool {
    const YES: [&str; 8] = ["yes", "ok", "okay", "sure", "approve", "approved", "apply", "go"];
    const BESIDES: [&str; 9] = ["it", "that", "please", "then", "and", "now", "just", "ahead", "y"];
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).peekable();
    words.peek().is_some() && words.all(|w| YES.contains(&w) || BESIDES.contains(&w))
}

/// Whether these words take the repair that was offered. They only open its review; the plan is approved there or not at all.
fn accepts(text: &str) -> bool {
    const FILLERS: [&str; 9] = ["yes", "please", "ok", "okay", "sure", "then", "and", "now", "just"];
    const WORDS: [&str; 14] = [
        "fix it",
        "repair it",
        "do it",
        "do that",
        "mend it",
        "heal it",
        "go ahead",
        "fix that",
        "repair",
        "fix",
        "plan it",
        "fix this",
        "put it right",
        "repair that",
    ];
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let core: Vec<&str> = words.iter().copied().filter(|w| !FILLERS.contains(w)).collect();
    let bare = core.is_empty() && words.iter().any(|w| matches!(*w, "yes" | "ok" | "okay" | "sure"));
    bare || WORDS.contains(&core.join(" ").as_str())
}

/// The repair that was offered, planned again: the same road as any other request.
async fn repair(app: &App, talk: &mut Conversation, proposal: &inspect::Proposal) -> Result<Next, Failure> {
    let name: DeploymentName = proposal.deployment.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
    talk.pending = None;
    match inspect::again(app, &name).await? {
        Some((wanted, _)) => Ok(Next::Plan(Box::new(wanted))),
        None => Ok(say(format!("What was wanted of {name} is not in the record, so there is nothing to plan. Nothing was changed."))),
    }
}

/// "Why is it down?" without a name needs no question: everything it can mean is looked at.
fn unasked(mut frame: Frame, world: &World) -> Frame {
    let about_target = frame.question.as_ref().is_some_and(|q| q.about.iter().any(|a| a == "target"));
    if frame.intent == Some(Intent::Troubleshoot) && about_target && frame.target == Target::None {
        let choices = frame.question.take().map(|q| q.choices).unwrap_or_default();
        frame.missing.retain(|m| m != "target");
        if choices.len() < world.deployments.len() && choices.iter().all(|c| world.deployments.iter().any(|d| d.name == *c)) {
            frame.target = Target::Many(choices);
        }
    }
    frame
}

async fn deploy(app: &App, talk: &mut Conversation, frame: Frame, text: &str) -> Result<Next, Failure> {
    let Some(pattern) = frame.pattern.clone() else {
        let all: Vec<String> = app
            .catalog()
            .iter()
            .filter(|e| !e.pattern.runbook)
            .map(|e| format!("  {:<26} {}", e.pattern.name.as_str(), e.pattern.title))
            .collect();
        return Ok(say(format!(
            "No pattern fits that. There are:\n\n{}\n\nOr write the resources down in a template and say `/plan FILE`.",
            all.join("\n")
        )));
    };
    let named = match &frame.target {
        Target::One(name) => Some(name.clone()),
        _ => name_in_request(text),
    };
    let deployment = named.and_then(|n| n.parse::<DeploymentName>().ok());
    draft(talk, flow::from_pattern(app, &pattern, frame.params.clone(), deployment, text.to_owned()).await?, frame)
}

/// "… as blog", "… call it blog": the deployment's name, when it was said.
fn name_in_request(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words
        .windows(2)
        .position(|w| matches!((w[0].to_lowercase().as_str(), w[1].to_lowercase().as_str()), ("call", "it") | ("name", "it")));
    let after = match at {
        Some(n) => words.get(n + 2),
        None => words.iter().position(|w| w.eq_ignore_ascii_case("as")).filter(|n| n + 2 == words.len()).and_then(|n| words.get(n + 1)),
    };
    after.map(|w| w.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()).filter(|w| !w.is_empty() && !w.contains('.'))
}

/// A draft is planned, or its first question is asked.
fn draft(talk: &mut Conversation, draft: Draft, frame: Frame) -> Result<Next, Failure> {
    let parser = frame.parser.clone();
    talk.pending = Some(frame);
    match draft {
        Draft::Ready(mut wanted) => {
            wanted.parser = Some(parser);
            Ok(Next::Plan(wanted))
        }
        Draft::Ask(questions, diagnostics) => match questions.into_iter().next() {
            Some(question) => {
                if let Some(pending) = &mut talk.pending {
                    pending.missing = question.about.clone();
                    pending.question = Some(question.clone());
                }
                Ok(Next::Reply(Reply::Ask { question }))
            }
            None => {
                talk.pending = None;
                Err(diagnostics.into())
            }
        },
    }
}

/// "What would be deleted if …": the destroy plan, shown and not offered.
async fn impact(app: &App, frame: &Frame, text: &str) -> Result<Next, Failure> {
    let name = match &frame.target {
        Target::One(name) => Some(name.as_str()),
        _ => None,
    };
    let deployment = flow::which(app, name).await?;
    let review = flow::plan(app, flow::nothing(&deployment, text.to_owned())).await?;
    app.human().show(&review, Level::Brief).await;
    Ok(say(format!("That is what destroying {deployment} would do. Nothing was changed, and nothing waits for approval.")))
}
