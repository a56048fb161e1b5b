//! What the record tells of a case: calls that failed or are open, a run that was cut short, and what differs from it now.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    answer::Strength,
    domain::{Address, Outcome},
};

use super::{
    super::{
        super::{
            look::Seen,
            words::{change, count, form, list, names},
        },
        Board,
        journal::Bad,
    },
    Case, Story,
};

impl Case<'_> {
    pub(super) fn journal_story(&self, board: &mut Board, story: &mut Story, live: &BTreeMap<Address, String>) {
        let in_trouble = |b: &Bad| self.seen().any(|s| s.recorded.address == b.address && s.condition.is_trouble());
        for bad in &self.trail.bad {
            let server = &bad.address.server;
            let tool = bad.tool.as_ref().map(|t| format!(", tool {t}")).unwrap_or_default();
            let source = format!("journal, {}, {} {}{tool}", bad.at, bad.action, bad.address);
            let id = board.journal(bad.entry, source, format!("{}: \"{}\"", bad.outcome, bad.error));
            story.trouble.insert(bad.address.clone());
            if bad.outcome == Outcome::Unknown {
                self.unknown(board, story, bad, id);
                continue;
            }
            // What failed and is there in trouble was told with the live state already.
            if in_trouble(bad) {
                continue;
            }
            let who = if bad.began == 0 { "Swell".to_owned() } else { server.to_string() };
            let text = format!("The last try to {} {} failed; {who} said: \"{}\".", bad.action, bad.address, bad.error);
            let ids = std::iter::once(id.clone()).chain(live.get(&bad.address).cloned()).collect();
            board.find(Strength::Certain, text, ids);
            story.headlines.push(format!("the last try to {} {} failed", bad.action, bad.address.name));
            if !bad.may_pass() {
                story.lines.push(format!(
                    "The same call is likely to get the same answer. Change first what {who} objects to ({id}), in the request or on {server}."
                ));
            }
        }
        if !self.trail.skipped.is_empty() {
            let ids: Vec<String> = self.trail.bad.iter().map(|b| format!("J{}", b.entry)).collect();
            let skipped = &self.trail.skipped;
            let waiting =
                format!("{} of the last run {} not started", count(skipped.len(), "step", "steps"), form(skipped.len(), "was", "were"));
            if !ids.is_empty() {
                let text = format!(
                    "{waiting}, because what {} needed did not end well: {}.",
                    form(skipped.len(), "it", "they"),
                    list(&names(&skipped.iter().collect::<Vec<_>>()), 6)
                );
                board.find(Strength::Certain, text, ids);
                story.headlines.push(waiting);
                story.trouble.extend(skipped.iter().cloned());
            }
        }
        if let Some((entry, at)) = &self.trail.cut {
            let id = board.journal(*entry, format!("journal, {at}"), "the last entry of a run that has no end".into());
            board.find(Strength::Certain, "The last run was cut short.".into(), vec![id]);
            story.headlines.push("the last run was cut short".into());
            story.lines.push(format!("Next: swell resume {}", self.name));
        }
    }

    fn unknown(&self, board: &mut Board, story: &mut Story, bad: &Bad, id: String) {
        let look = self.look.as_ref();
        let now = look.and_then(|l| l.settled.get(&bad.began).or_else(|| l.settled.get(&bad.entry)));
        let mut ids = vec![id];
        let told = match now {
            Some(Some(how)) => {
                ids.push(board.live(bad.address.to_string(), format!("read now: {how}")));
                format!(" Reading it now says: {how}.")
            }
            Some(None) => " Reading cannot tell: ask on the server, then import or forget it.".to_owned(),
            None => String::new(),
        };
        let text = format!("Nobody knows whether the call to {} {} was carried out.{told}", bad.action, bad.address);
        board.find(Strength::Certain, text, ids);
        story.headlines.push(format!("what came of the call to {} {} is unknown", bad.action, bad.address.name));
    }

    pub(super) fn drift_story(
        &self,
        board: &mut Board,
        story: &mut Story,
        live: &BTreeMap<Address, String>,
        only: Option<&BTreeSet<Address>>,
    ) {
        let about = |s: &&Seen| only.is_none_or(|o| o.contains(&s.recorded.address));
        let changed: Vec<&Seen> = self.seen().filter(|s| !s.changes.is_empty()).filter(about).collect();
        for s in &changed {
            let address = &s.recorded.address;
            story.trouble.insert(address.clone());
            let changes: Vec<String> = s.changes.iter().map(|c| change(self.app, c)).collect();
            let text = format!("{address} was changed behind Swell's back: {}.", changes.join(", "));
            board.find(Strength::Certain, text, live.get(address).cloned().into_iter().collect());
        }
        let addresses: Vec<&Address> = changed.iter().map(|s| &s.recorded.address).collect();
        if !addresses.is_empty() {
            story.headlines.push(format!(
                "{} {} changed behind Swell's back",
                list(&names(&addresses), 3),
                form(addresses.len(), "was", "were")
            ));
        }
    }
}
