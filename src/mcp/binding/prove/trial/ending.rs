//! The last stages of a trial: make a second one, take both away, and see what "there is none" looks like.

use serde_json::json;

use super::{Not, PAUSE, Trial, Which, infer};
use crate::{
    domain::text::clean_line,
    mcp::{
        CallError, Refusal,
        binding::{Verb, draft::same, prove::Level},
        reply::Reply,
    },
};

impl Trial<'_> {
    /// What a second create does.
    pub(super) async fn make_again(&mut self) -> Result<(), Not> {
        let first = self.scratch.first.clone();
        // Where the update was not tried, the second create brings the other values: then it is seen whether it changes anything.
        let other = if self.now == first { self.scratch.second.clone() } else { first };
        let id = self.id.clone().unwrap_or_default();
        let again = match self.verb(Which::Create, &other).await {
            Ok(done) => done,
            Err(Not::Refused { words, class, reply }) => {
                if infer::PRESENT.iter().any(|p| words.to_lowercase().contains(p)) {
                    self.rule(&words, Refusal::Exists);
                }
                let how = if reply.is_some() && class != Refusal::Exists { "calls itself a success" } else { "is an error" };
                self.holds(&["create"], format!("a second create is refused ({how}): {}", clean_line(&words, 120)));
                return Ok(());
            }
            Err(Not::Unsent(_)) => return Ok(()),
            Err(stop) => return Err(stop),
        };
        if let Some(new) = again.id.filter(|n| *n != id) {
            self.holds(&["create"], "a second create makes another one without a word: Swell looks first");
            return self.remove_double(new).await;
        }
        match self.seen(Some(&id)).await {
            Ok(Some(live)) => {
                let binding = self.server.binding().clone();
                let bound = self.bound(&binding)?;
                let same = other == self.now;
                let taken = infer::differing(&other, &live.properties, bound).is_empty();
                if !same && taken {
                    self.now = other;
                    self.holds(&["create"], "a second create changes the one that is there");
                } else {
                    let refused = again.reply.as_ref().and_then(|r| infer::success(r, self.yes.as_ref()));
                    if let (Some(predicate), Some(reply)) = (refused, &again.reply) {
                        let words = reply.text.clone();
                        self.write(&[(&["create", "success"], Some(json!(predicate)))]);
                        self.rule(&words, Refusal::Exists);
                        self.note(
                            Level::Written,
                            &["create"],
                            format!("a second create is refused and calls itself a success; it is told by `{predicate}`"),
                        );
                    } else {
                        self.holds(
                            &["create"],
                            if same { "a second create gives the same one" } else { "a second create changes nothing and says nothing" },
                        );
                    }
                }
            }
            Ok(None) => self.fails(&["create"], "after a second create the first one is gone"),
            Err(CallError::Refused { message, .. }) => {
                self.fails(
                    &["create"],
                    format!("a second create makes another one that cannot be told from the first: {}", clean_line(&message, 160)),
                );
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// A second one came of a second create: it goes first.
    async fn remove_double(&mut self, double: String) -> Result<(), Not> {
        self.doubles.push(double.clone());
        let first = self.id.replace(double.clone());
        self.watch.there(&self.left()).map_err(Not::Unsent)?;
        let gone = self.verb(Which::Delete, &Default::default()).await;
        let there = matches!(self.seen(Some(&double)).await, Ok(Some(_)));
        if gone.is_ok() && !there {
            self.watch.gone(&self.left());
            self.doubles.clear();
        }
        self.id = first;
        // What could not be taken away now is tried again when the trial has found out how.
        match gone {
            Err(Not::Stopped) => Err(Not::Stopped),
            _ => Ok(()),
        }
    }

    /// Whether it goes, and what the server says when it is gone.
    pub(super) async fn take_away(&mut self, absent: Option<Result<Reply, CallError>>) -> Result<(), Not> {
        let binding = self.server.binding().clone();
        let Some(id) = self.id.clone() else { return Ok(()) };
        if !matches!(self.bound(&binding)?.delete, Verb::Calls { .. }) {
            self.holds(&["delete"], "the server cannot take it away: a destroy is refused, and this scratch object stays");
            if let Some(answer) = absent {
                self.settle_absent(answer, &id, true).await;
            }
            return Ok(());
        }
        let mut said = None;
        match self.verb(Which::Delete, &Default::default()).await {
            Ok(done) => said = done.reply,
            Err(Not::Refused { words, .. }) => {
                if !self.other_key(&id).await? {
                    self.fails(&["delete"], format!("the server refused to take it away: {}", clean_line(&words, 300)));
                    return Ok(());
                }
            }
            Err(other) => return Err(other),
        }
        let (deadline, mut pause) = (tokio::time::Instant::now() + self.patience, PAUSE);
        while tokio::time::Instant::now() < deadline && matches!(self.seen(Some(&id)).await, Ok(Some(_))) {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        if matches!(self.seen(Some(&id)).await, Ok(Some(_))) {
            if let Some(predicate) = said.as_ref().and_then(|r| infer::success(r, None)) {
                self.write(&[(&["delete", "success"], Some(json!(predicate)))]);
                self.note(Level::Written, &["delete"], format!("a delete that failed calls itself a success; it is told by `{predicate}`"));
            }
            if !self.other_key(&id).await? {
                let words = said.as_ref().map_or_else(String::new, |r| format!(": {}", clean_line(&r.text, 160)));
                self.fails(&["delete"], format!("delete says that it was done, and it is still there{words}"));
                return Ok(());
            }
        }
        self.holds(&["delete"], "it is gone after delete");
        if let Some(answer) = self.read_raw(Some(&id)).await {
            self.settle_absent(answer, &id, false).await;
        }
        match self.verb(Which::Delete, &Default::default()).await {
            Ok(_) => self.holds(&["delete"], "a second delete says that it was done: its word counts for nothing"),
            Err(Not::Refused { words, .. }) => {
                self.rule(&words, Refusal::NotFound);
                self.holds(&["delete"], "a second delete is refused");
            }
            Err(Not::Unsent(_)) => {}
            Err(stop) => return Err(stop),
        }
        Ok(())
    }

    /// Deletes by another key of the same object; whether that worked.
    async fn other_key(&mut self, id: &str) -> Result<bool, Not> {
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let Ok(Some(seen)) = self.server.look(bound, &self.key(Some(id))).await else { return Ok(false) };
        let arguments = self.at(&["delete", "arguments"]).and_then(|v| v.as_object().cloned()).unwrap_or_default();
        let keyed: Vec<&String> = arguments.iter().filter(|(_, v)| v.to_string().contains("{{")).map(|(k, _)| k).collect();
        let [argument] = keyed.as_slice() else { return Ok(false) };
        let mut others = vec!["{{ name }}".to_owned(), "{{ id }}".to_owned()];
        let members = seen.item.as_object().into_iter().flatten().filter(|(_, v)| v.is_string() || v.is_number());
        let mut members: Vec<&String> = members.map(|(k, _)| k).collect();
        members.sort_by_key(|m| !same(m, argument, &[]));
        others.extend(members.into_iter().take(4).map(|m| format!("{{{{ {} }}}}", crate::mcp::binding::draft::access("live", m))));
        let written = arguments[argument.as_str()].clone();
        let is_list = written.is_array();
        for other in others {
            let value = if is_list { json!([other]) } else { json!(other) };
            if value == written || !self.write(&[(&["delete", "arguments", argument], Some(value))]) {
                continue;
            }
            let sent = self.verb(Which::Delete, &Default::default()).await;
            if let Err(Not::Stopped) = sent {
                return Err(Not::Stopped);
            }
            if sent.is_ok() && !matches!(self.seen(Some(id)).await, Ok(Some(_))) {
                self.note(
                    Level::Written,
                    &["delete", "arguments"],
                    format!("it is deleted by `{other}`, not by `{}`", written.to_string().trim_matches('"')),
                );
                return Ok(true);
            }
        }
        self.write(&[(&["delete", "arguments", argument], Some(written))]);
        Ok(false)
    }

    /// How the server says that there is none, so that it is told from a failure.
    async fn settle_absent(&mut self, answer: Result<Reply, CallError>, id: &str, before: bool) {
        let (words, reply) = match answer {
            Err(CallError::Refused { message, class, .. }) => {
                self.rule(&message, Refusal::NotFound);
                let _ = class;
                (message, None)
            }
            Ok(reply) => (reply.text.clone(), Some(reply)),
            Err(_) => return,
        };
        if before {
            return;
        }
        if let Ok(None) = self.seen(Some(id)).await {
            let how = if reply.is_some() { "an empty answer" } else { "an error" };
            self.holds(&["read"], format!("that there is none is {how}"));
            return;
        }
        let Some(reply) = reply else {
            self.fails(&["read"], format!("that there is none is not told from a failure: {}", clean_line(&words, 160)));
            return;
        };
        // An answer that calls itself a success: by a member, by its words, or by what it lacks.
        let object = self.at(&["object", "id"]).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let lacking = object.trim().trim_start_matches("{{").trim_end_matches("}}").trim().to_owned();
        let by_words = (!reply.text.trim().is_empty() && reply.json().is_none_or(|v| v.is_string())).then(|| {
            let pattern = infer::words(&words, &infer::ABSENT, &[self.scratch.name.as_str(), id]);
            // Only at the beginning: what one contains may say such things too.
            let pattern = pattern.strip_prefix("(?i)").map_or(pattern.clone(), |phrase| format!("(?is)^.{{0,120}}?{phrase}"));
            format!("not (text | matches('{}'))", pattern.replace('\\', "\\\\").replace('\'', "\\'"))
        });
        let by_member = infer::success(&reply, self.last_read.as_ref());
        let at = self.rule(&words, Refusal::NotFound);
        if let Ok(None) = self.seen(Some(id)).await {
            self.note(Level::Written, at, "that there is none calls itself a success, and is told by its words");
            return;
        }
        for (at, value) in [
            (["read", "success"], by_member.clone()),
            (["read", "success"], by_words),
            (["read", "only"], lacking.starts_with("item").then_some(lacking)),
        ] {
            let Some(value) = value else { continue };
            let was = self.at(&at);
            self.write(&[(&at, Some(json!(value)))]);
            if let Ok(None) = self.seen(Some(id)).await {
                self.note(Level::Written, &at, format!("that there is none calls itself a success; it is told by `{value}`"));
                return;
            }
            self.write(&[(&at, was)]);
        }
        self.fails(&["read"], format!("that there is none is not told from a success: {}", clean_line(&words, 160)));
    }
}
