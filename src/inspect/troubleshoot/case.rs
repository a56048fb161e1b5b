//! One deployment under examination: what is known of it, and the explanation with findings, evidence and repair.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Strength},
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName, Outcome, ServerName},
    mcp::Health,
    store::{DeploymentSummary, Recorded, Snapshot},
};

use super::{
    super::{
        look::{Condition, Look, Seen, look},
        query::{evidence_of, runs_something},
        words::{change, count, form, guest, list, names},
    },
    Board,
    causes::{Cause, Troubled, causes},
    journal::{Bad, Trail, trail},
    repair::repair,
    symptom::{BLIND, Symptom, speaks_of_memory},
};

/// Causes whose server is asked for logs.
const ASKED: usize = 3;
/// Lines of each.
const TOLD: usize = 4;
/// Resources whose logs are searched for a symptom.
const SEARCHED: usize = 12;
/// Lines of evidence that a symptom may bring.
const HITS: usize = 6;

/// Whether anything is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was found.
    Well,
    /// Something is.
    Unwell,
    /// A server did not answer, so nobody can tell.
    Dark,
}

/// One deployment and all that was read about it.
pub(super) struct Case<'a> {
    app: &'a App,
    pub(super) name: DeploymentName,
    pub(super) state: State,
    look: Option<Look>,
    trail: Trail,
    /// Servers that are not well, with their words; an error where there was no answer.
    servers: BTreeMap<ServerName, Result<String, String>>,
}

/// Parts of a headline and of the answer below it, as they are found.
#[derive(Default)]
struct Story {
    headlines: Vec<String>,
    lines: Vec<String>,
    /// What a repair shall put right.
    trouble: BTreeSet<Address>,
}

impl<'a> Case<'a> {
    /// Reads everything.
    pub(super) async fn open(app: &'a App, summary: &DeploymentSummary, snapshot: Option<Snapshot>) -> Result<Self, Failure> {
        let trail = trail(app, &summary.name, summary.last_run.as_ref(), summary.interrupted).await?;
        let look = match snapshot {
            Some(s) => Some(look(app, s).await),
            None => None,
        };
        let mut wanted: BTreeSet<ServerName> = look.iter().flat_map(|l| l.servers()).cloned().collect();
        wanted.extend(trail.bad.iter().map(|b| b.address.server.clone()));
        let asked = join_all(wanted.into_iter().map(|name| async move {
            let Some(server) = app.servers().get(&name) else { return Some((name, Err("no server of this name is registered".into()))) };
            match server.health().await {
                Ok(h) if h.health == Health::Unhealthy => Some((name, Ok(guest(app, &h.message, 300)))),
                Ok(_) => None,
                Err(e) => Some((name, Err(guest(app, e.message(), 300)))),
            }
        }))
        .await;
        let mut servers: BTreeMap<ServerName, Result<String, String>> = asked.into_iter().flatten().collect();
        for (name, why) in look.iter().flat_map(|l| &l.unreachable) {
            servers.entry(name.clone()).or_insert_with(|| Err(why.clone()));
        }
        let unwell = look.as_ref().is_some_and(|l| l.troubled().next().is_some() || l.drifted().next().is_some())
            || !trail.bad.is_empty()
            || trail.cut.is_some()
            || servers.values().any(Result::is_ok);
        let dark = !servers.is_empty() || look.as_ref().is_some_and(|l| l.seen.values().any(|s| s.condition.is_dark()));
        let state = match (unwell, dark) {
            (true, _) => State::Unwell,
            (false, true) => State::Dark,
            (false, false) => State::Well,
        };
        Ok(Self { app, name: summary.name.clone(), state, look, trail, servers })
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.look.iter().flat_map(|l| l.seen.values())
    }

    /// Whether anything is wrong with one of these.
    pub(super) fn is_touched(&self, focus: &BTreeSet<Address>) -> bool {
        let bad = |s: &&Seen| s.condition.is_trouble() || s.condition.is_dark() || !s.changes.is_empty();
        self.seen().filter(bad).any(|s| focus.contains(&s.recorded.address)) || self.trail.bad.iter().any(|b| focus.contains(&b.address))
    }

    /// The case as data.
    pub(super) fn data(&self) -> Value {
        json!({
            "deployment": self.name,
            "state": match self.state { State::Well => "well", State::Unwell => "unwell", State::Dark => "not-known" },
            "health": self.look.as_ref().map(Look::tally),
            "unreachable": self.servers.iter().filter(|(_, r)| r.is_err()).map(|(s, _)| s).collect::<Vec<_>>(),
            "open_entries": self.trail.bad.iter().map(|b| b.entry).collect::<Vec<_>>(),
        })
    }

    /// One line that says what was looked at.
    pub(super) fn what_was_checked(&self) -> String {
        let total = self.seen().count();
        let servers: Vec<&ServerName> = self.look.iter().flat_map(|l| l.servers()).collect();
        let quiet = self.seen().filter(|s| s.condition == Condition::Ready).count();
        let mut text = format!(
            "Checked of {}: the journal (no call failed or is open), {} live and against the record, and the health of {}.",
            self.name,
            count(total, "resource", "resources"),
            list(&servers, 6)
        );
        if quiet > 0 {
            text.push_str(&format!(" Of {quiet} the servers say that they are there, and not whether they work."));
        }
        text
    }

    /// Says what is wrong. With a focus, only what has to do with it is explained.
    pub(super) async fn explain(
        &self,
        board: &mut Board,
        symptom: Option<Symptom>,
        focus: Option<&BTreeSet<Address>>,
    ) -> Result<Answer, Failure> {
        let mut story = Story::default();
        self.servers_story(board, &mut story);
        let live = self.live_evidence(board, focus);
        self.causes_story(board, &mut story, &live, focus).await;
        self.journal_story(board, &mut story, &live);
        self.drift_story(board, &mut story, &live, self.relevant(focus).as_ref());
        if let Some(s) = symptom {
            self.search(self.app, board, s).await;
        }
        let mut answer = Answer::default();
        if self.state == State::Well {
            answer.lines.push(self.what_was_checked());
            answer.headline = match symptom {
                Some(s) if board.findings.is_empty() => {
                    answer.lines.push(BLIND.to_owned());
                    format!("Nothing that explains \"{}\" was found in {}.", s.name, self.name)
                }
                Some(s) => format!("Logs of {} speak of \"{}\"; otherwise nothing wrong was found with it.", self.name, s.name),
                None => format!("Nothing wrong was found with {}.", self.name),
            };
            if self.trail.going_on {
                answer.lines.push("A run on it is going on now; ask again when it has ended.".into());
            }
            return Ok(answer);
        }
        answer.headline = format!("{}: {}.", self.name, story.headlines.join("; "));
        answer.lines = story.lines;
        if let Some(s) = symptom {
            answer.lines.push(format!("Whether this is why \"{}\" was seen is not in the evidence. {BLIND}", s.name));
        }
        self.repair_story(&mut answer, &story.trouble).await;
        Ok(answer)
    }

    fn servers_story(&self, board: &mut Board, story: &mut Story) {
        for (server, health) in &self.servers {
            let held = self.seen().filter(|s| s.recorded.address.server == *server).count();
            match health {
                Ok(words) => {
                    let id = board.health(server.to_string(), format!("{server} says of itself: unhealthy, \"{words}\""));
                    board.find(Strength::Certain, format!("{server} says that it is not well itself: \"{words}\"."), vec![id]);
                    story.headlines.push(format!("{server} says that it is not well"));
                }
                Err(why) => {
                    let id = board.health(server.to_string(), format!("no answer: {why}"));
                    let text = format!("{server} does not answer, so how {} on it are is not known.", count(held, "resource", "resources"));
                    board.find(Strength::Certain, text, vec![id]);
                    story
                        .headlines
                        .push(format!("{server} does not answer, so the state of {} is not known", count(held, "resource", "resources")));
                }
            }
            story.lines.push(format!("Next: swell servers doctor {server}"));
        }
    }

    /// What the servers say now of each resource in trouble. Gives the ids.
    fn live_evidence(&self, board: &mut Board, focus: Option<&BTreeSet<Address>>) -> BTreeMap<Address, String> {
        let mut ids = BTreeMap::new();
        let bad = |s: &&Seen| s.condition.is_trouble() || !s.changes.is_empty() || s.condition == Condition::Unread;
        let wanted = self.relevant(focus);
        for s in self.seen().filter(bad).filter(|s| wanted.as_ref().is_none_or(|w| w.contains(&s.recorded.address))) {
            let address = &s.recorded.address;
            let server = &address.server;
            let mut parts = Vec::new();
            match (&s.condition, s.reason.is_empty()) {
                (Condition::Gone, _) => parts.push(format!("{server} has none of this name")),
                (Condition::Unhealthy | Condition::Failed | Condition::Unread, false) => {
                    parts.push(format!("{}, {server} says: \"{}\"", s.condition.word(), s.reason));
                }
                (Condition::Unhealthy | Condition::Failed | Condition::Unread, true) => {
                    parts.push(format!("{}, and {server} does not say why", s.condition.word()));
                }
                _ => {}
            }
            parts.extend(s.changes.iter().map(|c| format!("recorded and live differ, {}", change(self.app, c))));
            ids.insert(address.clone(), board.live(address.to_string(), parts.join("; ")));
        }
        ids
    }

    /// With a focus that is in trouble: it, and what it leads back to. None where everything counts.
    fn relevant(&self, focus: Option<&BTreeSet<Address>>) -> Option<BTreeSet<Address>> {
        let focus = focus.filter(|f| self.is_touched(f))?;
        let look = self.look.as_ref()?;
        let mut wanted = focus.clone();
        for cause in causes(&troubled(look)) {
            if cause.named.iter().chain(&cause.needing).any(|a| focus.contains(*a)) {
                wanted.insert(cause.root.clone());
            }
        }
        Some(wanted)
    }

    async fn causes_story(
        &self,
        board: &mut Board,
        story: &mut Story,
        live: &BTreeMap<Address, String>,
        focus: Option<&BTreeSet<Address>>,
    ) {
        let Some(look) = &self.look else { return };
        let mut found = causes(&troubled(look));
        if let Some(focus) = focus {
            let about = |c: &Cause<'_>| focus.contains(c.root) || c.named.iter().chain(&c.needing).any(|a| focus.contains(*a));
            if found.iter().any(about) {
                found.retain(about);
            }
            for cause in found.iter_mut().filter(|c| !focus.contains(c.root)) {
                cause.named.retain(|a| focus.contains(*a));
                cause.needing.retain(|a| focus.contains(*a));
            }
        }
        for (n, cause) in found.iter().enumerate() {
            let Some(seen) = look.seen.get(cause.root) else { continue };
            story.trouble.insert(cause.root.clone());
            let mut evidence: Vec<String> = live.get(cause.root).cloned().into_iter().collect();
            evidence.extend(self.trail.bad.iter().filter(|b| b.address == *cause.root).map(|b| format!("J{}", b.entry)));
            let told = if n < ASKED && seen.condition != Condition::Gone { self.told(board, &seen.recorded).await } else { Vec::new() };
            board.find(Strength::Certain, is_how(seen), evidence.clone());
            self.memory_finding(board, seen, &evidence, &told);
            self.suffering(board, cause, live);
            if !seen.changes.is_empty() {
                let text = format!("{} differs from what Swell recorded, which may be why it does not work.", cause.root);
                board.find(Strength::Possible, text, evidence);
            }
        }
        let roots: Vec<&Address> = found.iter().map(|c| c.root).collect();
        let short = names(&roots);
        let suffering: BTreeSet<&Address> = found.iter().flat_map(|c| c.named.iter().chain(&c.needing).copied()).collect();
        let how = |c: &Cause<'_>| match look.seen.get(c.root).map(|s| &s.condition) {
            Some(Condition::Gone) => "is gone",
            Some(Condition::Failed) => "has failed",
            _ => "is unhealthy",
        };
        let mut parts: Vec<String> = found.iter().zip(&short).take(3).map(|(c, name)| format!("{name} {}", how(c))).collect();
        if found.len() > 3 {
            parts.push(format!("{} more are in trouble", found.len() - 3));
        }
        if let (false, Some(last)) = (suffering.is_empty(), parts.last_mut()) {
            let n = suffering.len();
            last.push_str(&format!(
                ", and {} that {} back to it {} not work",
                count(n, "resource", "resources"),
                form(n, "leads", "lead"),
                form(n, "does", "do")
            ));
        }
        story.headlines.extend(parts);
    }

    /// What the server tells of a resource, put on the board. Gives ids and texts.
    async fn told(&self, board: &mut Board, r: &Recorded) -> Vec<(String, String)> {
        match evidence_of(self.app, r).await {
            // The newest lines tell why; a description only says again what is known live.
            Ok(mut all) => {
                all.retain(|e| !e.source.ends_with(", describe"));
                let from = all.len().saturating_sub(TOLD);
                all.drain(..from);
                all.into_iter().map(|e| (board.told(e.source, e.text.clone()), e.text)).collect()
            }
            Err(why) => {
                board.told(r.address.to_string(), format!("its evidence could not be read: {why}"));
                Vec::new()
            }
        }
    }

    /// A process that was killed: for want of memory only where the evidence says so.
    fn memory_finding(&self, board: &mut Board, seen: &Seen, evidence: &[String], told: &[(String, String)]) {
        let address = &seen.recorded.address;
        let spoken: Vec<String> = told.iter().filter(|(_, text)| speaks_of_memory(text)).map(|(id, _)| id.clone()).collect();
        if speaks_of_memory(&seen.reason) || !spoken.is_empty() {
            let ids = evidence.iter().cloned().chain(spoken).collect();
            board.find(Strength::Likely, format!("{address} ran out of memory: the evidence speaks of it."), ids);
        } else if super::super::words::mentions(&seen.reason, "137") {
            let text = format!(
                "{address} may have been killed for want of memory, by hand or by its host: code 137 is SIGKILL, and nothing that was seen says whose."
            );
            board.find(Strength::Possible, text, evidence.to_vec());
        }
    }

    /// The resources that lead back to a cause.
    fn suffering(&self, board: &mut Board, cause: &Cause<'_>, live: &BTreeMap<Address, String>) {
        let root = cause.root;
        let ids = |all: &[&Address]| -> Vec<String> { all.iter().copied().chain([root]).filter_map(|a| live.get(a).cloned()).collect() };
        if !cause.named.is_empty() {
            let text = format!(
                "{} {} not work because of {}: the servers' words lead there.",
                list(&names(&cause.named), 6),
                form(cause.named.len(), "does", "do"),
                root.name
            );
            board.find(Strength::Likely, text, ids(&cause.named));
        }
        if !cause.needing.is_empty() {
            let text = format!("{} may not work because of {}: it was deployed to need it.", list(&names(&cause.needing), 6), root.name);
            board.find(Strength::Possible, text, ids(&cause.needing));
        }
    }

    /// Searches what servers tell of what runs something for a symptom.
    pub(super) async fn search(&self, app: &App, board: &mut Board, symptom: Symptom) {
        let wanted: Vec<&Recorded> =
            self.seen().filter(|s| !s.condition.is_dark()).map(|s| &s.recorded).filter(|r| runs_something(r)).take(SEARCHED).collect();
        let told = join_all(wanted.iter().map(|r| evidence_of(app, r))).await;
        let mut hits = 0;
        for (r, told) in wanted.iter().zip(told) {
            let mut ids = Vec::new();
            for e in told.unwrap_or_default().into_iter().filter(|e| symptom.is_in(&e.text)) {
                if hits < HITS {
                    hits += 1;
                    ids.push(board.told(e.source, e.text));
                }
            }
            if !ids.is_empty() {
                let text = format!("What {} tells of {} speaks of \"{}\".", r.address.server, r.address, symptom.name);
                board.find(Strength::Possible, text, ids);
            }
        }
    }

    async fn repair_story(&self, answer: &mut Answer, trouble: &BTreeSet<Address>) {
        if self.trail.going_on {
            answer.lines.push("A run on it is going on now; ask again when it has ended.".into());
            return;
        }
        if self.servers.values().any(Result::is_err) {
            answer.lines.push("No plan is made while a server does not answer.".into());
            return;
        }
        if trouble.is_empty() && self.trail.cut.is_none() {
            return;
        }
        let repair = repair(self.app, &self.name, trouble).await;
        answer.lines.extend(repair.lines);
        answer.proposal = repair.proposal;
        let stubborn: Vec<&Bad> = self
            .trail
            .bad
            .iter()
            .filter(|b| !b.may_pass() && b.outcome == Outcome::Failed && repair.touches.contains(&b.address))
            .collect();
        if let (Some(proposal), [first, ..]) = (&mut answer.proposal, stubborn.as_slice()) {
            proposal.text.push_str(&format!(
                " The cause must be changed first: with everything as it is, {} is likely to refuse {} again.",
                first.address.server, first.address.name
            ));
        }
        if answer.proposal.is_none() {
            let roots: Vec<&Address> = trouble.iter().collect();
            if let Some(first) = names(&roots).first() {
                answer.lines.push(format!("Next: swell -p \"show the logs of {first}\""));
            }
        }
    }
}

fn troubled(look: &Look) -> Vec<Troubled<'_>> {
    look.troubled().map(|s| Troubled { address: &s.recorded.address, needs: &s.recorded.depends_on, reason: &s.reason }).collect()
}

/// `docker:container:run:db is dead`, with the server's words.
fn is_how(s: &Seen) -> String {
    let address = &s.recorded.address;
    let server = &address.server;
    match (&s.condition, s.reason.is_empty()) {
        (Condition::Gone, _) => format!("{address} is gone: {server} has none of this name, and Swell did not delete it."),
        (c, true) => format!("{address}: {server} says that it is {}, and not why.", c.word()),
        (Condition::Failed, false) => format!("{address} has failed; {server} says: \"{}\".", s.reason),
        (_, false) => format!("{address} is unhealthy; {server} says: \"{}\".", s.reason),
    }
}
