//! What is different between two looks at a resource, and between the first look and what is recorded. Pure.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    domain::{DeploymentName, TypeDef, text::clean_line},
    event::{Seen, Sight},
    mcp::{Health, Live, Status},
    plan::{
        Change, Drift, OutputChange, Shown,
        refresh::drift_of,
        uses::{Of, Uses},
    },
    store::Recorded,
};

/// After so many looks in a row that each found another value, an output that nobody uses is no longer told.
const RESTLESS: u32 = 3;

/// One watched resource: what is recorded, and what was seen last.
#[derive(Debug)]
pub struct Subject {
    /// In which deployment.
    pub deployment: DeploymentName,
    /// What is recorded.
    pub recorded: Recorded,
    /// Its type, once its server told it.
    pub kind: Option<TypeDef>,
    /// None before the first look.
    seen: Option<Option<Live>>,
    /// What is not as recorded.
    pub drift: Option<Drift>,
    /// For each output: in how many looks in a row it was another one.
    restless: HashMap<String, u32>,
    /// Why it cannot be read.
    unread: Option<String>,
}

impl Subject {
    /// A resource that was not looked at yet.
    pub fn new(deployment: DeploymentName, recorded: Recorded) -> Self {
        Self { deployment, recorded, kind: None, seen: None, drift: None, restless: HashMap::new(), unread: None }
    }

    /// Takes over what was seen of the same resource against an older record.
    pub fn go_on(&mut self, before: Subject) {
        self.kind = before.kind;
        self.unread = before.unread;
        self.restless = before.restless;
        self.seen = before.seen;
    }

    fn sight(&self, what: Seen, well: bool, text: String) -> Sight {
        let address = &self.recorded.address;
        Sight {
            deployment: Some(self.deployment.clone()),
            server: Some(address.server.clone()),
            address: Some(address.clone()),
            ..Sight::new(what, well, text)
        }
    }

    /// It could not be read. Said once for each reason.
    pub fn not_read(&mut self, reason: &str) -> Option<Sight> {
        let reason = clean_line(reason, 300);
        if self.unread.as_ref() == Some(&reason) {
            return None;
        }
        let sight = self.sight(Seen::Reading, false, format!("it cannot be read: {reason}"));
        self.unread = Some(reason);
        Some(sight)
    }

    /// Takes a new look, and says what is different.
    pub fn look(&mut self, live: Option<Live>, uses: &Uses) -> Vec<Sight> {
        let mut all = Vec::new();
        if self.unread.take().is_some() {
            all.push(self.sight(Seen::Reading, true, "it can be read again".to_owned()));
        }
        let before = self.seen.take();
        let drift = match (&live, &self.kind) {
            (None, _) => Some(Drift::gone(&self.recorded.address)),
            (Some(live), Some(kind)) => {
                drift_of(&self.deployment, kind, &self.recorded, live, &self.recorded.lifecycle.ignore_changes, uses)
            }
            (Some(_), None) => None,
        };
        match (&before, &live) {
            (None | Some(Some(_)), None) => {
                let mut sight = self.sight(Seen::Gone, false, "it is gone from the server".to_owned());
                (sight.dependants, sight.further) = uses.of_all(&self.deployment, &self.recorded.address);
                all.push(sight);
            }
            (Some(None), None) => {}
            (Some(None), Some(live)) => {
                all.push(self.sight(Seen::Back, true, "it is there again".to_owned()));
                self.first(live, drift.as_ref(), &mut all);
            }
            (None, Some(live)) => self.first(live, drift.as_ref(), &mut all),
            (Some(Some(old)), Some(live)) => self.next(old, live, drift.as_ref(), uses, &mut all),
        }
        self.drift = drift;
        self.seen = Some(live);
        all
    }

    /// The first look: what is not as recorded, and what is not well.
    fn first(&self, live: &Live, drift: Option<&Drift>, all: &mut Vec<Sight>) {
        if live.status != Status::Ready {
            all.push(self.status(None, live));
        }
        if live.health == Health::Unhealthy {
            all.push(self.health(None, live));
        }
        all.extend(drift.into_iter().flat_map(|d| &d.changes).map(|c| self.drifted(c)));
        all.extend(drift.into_iter().flat_map(|d| &d.outputs).map(|o| self.output(o, "recorded")));
    }

    fn next(&mut self, old: &Live, live: &Live, drift: Option<&Drift>, uses: &Uses, all: &mut Vec<Sight>) {
        if old.status != live.status {
            all.push(self.status(Some(old.status), live));
        }
        // Not knowing is no news; that it is known now is, if it is bad.
        let known = |h: Health| h != Health::Unknown;
        if old.health != live.health && (live.health == Health::Unhealthy || known(old.health) && known(live.health)) {
            all.push(self.health(Some(old.health), live));
        }
        let none = Vec::new();
        let (was, is) = (self.drift.as_ref().map_or(&none, |d| &d.changes), drift.map_or(&none, |d| &d.changes));
        all.extend(is.iter().filter(|c| !was.contains(c)).map(|c| self.drifted(c)));
        for healed in was.iter().filter(|c| !is.iter().any(|now| now.path == c.path)) {
            let mut sight = self.sight(Seen::Drift, true, format!("{} is as recorded again", healed.path));
            sight.path = Some(healed.path.clone());
            sight.after = value(&healed.before);
            all.push(sight);
        }
        let outputs = uses.between_looks(&self.deployment, &self.recorded, (old, live), Of::All);
        self.restless.retain(|path, _| outputs.iter().any(|o| o.path.to_string() == *path));
        for change in outputs {
            let times = self.restless.entry(change.path.to_string()).or_default();
            *times += 1;
            let times = *times;
            match times {
                _ if !change.dependants.is_empty() => all.push(self.output(&change, "seen last")),
                0..RESTLESS => all.push(self.output(&change, "seen last")),
                RESTLESS => {
                    let mut sight = self.output(&change, "seen last");
                    sight.text.push_str("; it is another one at every look and nobody uses it, so it is not told any more");
                    all.push(sight);
                }
                _ => {}
            }
        }
    }

    fn status(&self, before: Option<Status>, live: &Live) -> Sight {
        let well = live.status == Status::Ready;
        let mut sight = self.sight(Seen::Status, well, String::new());
        (sight.before, sight.after) = (before.map(json), Some(json(live.status)));
        sight.text = format!("{}{}", arrow(sight.before.as_ref(), sight.after.as_ref()), because(live, well));
        sight
    }

    fn health(&self, before: Option<Health>, live: &Live) -> Sight {
        let well = live.health == Health::Healthy;
        let mut sight = self.sight(Seen::Health, well, String::new());
        (sight.before, sight.after) = (before.map(json), Some(json(live.health)));
        sight.text = format!("{}{}", arrow(sight.before.as_ref(), sight.after.as_ref()), because(live, well));
        sight
    }

    fn drifted(&self, change: &Change) -> Sight {
        let mut sight = self.sight(Seen::Drift, false, String::new());
        sight.path = Some(change.path.clone());
        (sight.before, sight.after) = (value(&change.before), value(&change.after));
        sight.text = format!("{} {}", change.path, arrow(sight.before.as_ref(), sight.after.as_ref()));
        sight
    }

    fn output(&self, change: &OutputChange, against: &str) -> Sight {
        let mut sight = self.sight(Seen::Output, false, String::new());
        sight.path = Some(change.path.clone());
        (sight.before, sight.after) = (value(&change.before), value(&change.after));
        let recorded = if against == "recorded" { " (recorded, now)" } else { "" };
        sight.text = format!("{} {}{recorded}", change.path, arrow(sight.before.as_ref(), sight.after.as_ref()));
        (sight.dependants, sight.further) = (change.dependants.clone(), change.further.clone());
        sight
    }
}

fn because(live: &Live, well: bool) -> String {
    match &live.reason {
        Some(reason) if !well => format!(": \"{}\"", clean_line(reason, 300)),
        _ => String::new(),
    }
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn value(shown: &Shown) -> Option<Value> {
    match shown {
        Shown::Absent => None,
        Shown::Value(v) | Shown::AfterApply(v) | Shown::From { value: v, .. } => Some(v.clone()),
        Shown::Secret => Some(Value::String("‹secret›".to_owned())),
    }
}

fn arrow(before: Option<&Value>, after: Option<&Value>) -> String {
    let text = |v: Option<&Value>| match v {
        None => "(none)".to_owned(),
        Some(Value::String(s)) => clean_line(s, 120),
        Some(other) => clean_line(&other.to_string(), 120),
    };
    match before {
        None if matches!(after, Some(Value::String(_))) => format!("is {}", text(after)),
        _ => format!("{} -> {}", text(before), text(after)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject() -> Subject {
        let record = json!({
            "address": "docker:container:run:db", "id": "c1", "desired": {"image": "a"}, "sent": {"image": "a"}, "properties": {"image": "a"},
            "outputs": {"ip": "10.0.0.2", "uptime": 1}, "target": "t",
        });
        let mut subject = Subject::new("shop".parse().unwrap(), serde_json::from_value(record).unwrap());
        let kind = json!({"type": "container:run", "properties": {"type": "object", "properties": {"image": {}}}});
        subject.kind = Some(serde_json::from_value(kind).unwrap());
        subject
    }

    fn live(changes: Value) -> Option<Live> {
        let mut all = json!({
            "id": "c1", "type": "container:run", "name": "db", "status": "ready", "health": "healthy",
            "properties": {"image": "a"}, "outputs": {"ip": "10.0.0.2", "uptime": 1},
        });
        for (key, value) in changes.as_object().unwrap() {
            all[key] = value.clone();
        }
        Some(serde_json::from_value(all).unwrap())
    }

    fn words(sights: &[Sight]) -> Vec<String> {
        sights.iter().map(|s| format!("{}{}: {}", if s.well { "+" } else { "-" }, s.what.word(), s.text)).collect()
    }

    #[test]
    fn a_look_that_finds_all_as_recorded_says_nothing() {
        let uses = Uses::default();
        let mut s = subject();
        assert_eq!(words(&s.look(live(json!({})), &uses)), Vec::<String>::new());
        assert_eq!(words(&s.look(live(json!({})), &uses)), Vec::<String>::new());
        assert_eq!(s.drift, None);
    }

    #[test]
    fn each_kind_of_change_is_told_once_and_when_it_is_over() {
        let uses = Uses::default();
        let mut s = subject();
        s.look(live(json!({})), &uses);
        let bad = live(json!({"health": "unhealthy", "reason": "exit 137\u{1b}[2J", "properties": {"image": "b"}}));
        assert_eq!(words(&s.look(bad.clone(), &uses)), ["-health: healthy -> unhealthy: \"exit 137\"", "-drift: image a -> b"]);
        assert_eq!(words(&s.look(bad, &uses)), Vec::<String>::new());
        assert_eq!(words(&s.look(live(json!({})), &uses)), ["+health: unhealthy -> healthy", "+drift: image is as recorded again"]);
        assert_eq!(words(&s.look(None, &uses)), ["-gone: it is gone from the server"]);
        assert_eq!(words(&s.look(None, &uses)), Vec::<String>::new());
        assert!(s.drift.as_ref().unwrap().gone);
        let starting = live(json!({"status": "pending", "reason": "pulling"}));
        assert_eq!(words(&s.look(starting, &uses)), ["+back: it is there again", "-status: is pending: \"pulling\""]);
    }

    #[test]
    fn an_output_that_never_rests_is_told_three_times() {
        let uses = Uses::default();
        let mut s = subject();
        s.look(live(json!({})), &uses);
        let told: Vec<usize> = (2..8).map(|n| s.look(live(json!({"outputs": {"ip": "10.0.0.2", "uptime": n}})), &uses).len()).collect();
        assert_eq!(told, [1, 1, 1, 0, 0, 0]);
        // After it has rested it is news again.
        s.look(live(json!({"outputs": {"ip": "10.0.0.2", "uptime": 7}})), &uses);
        assert_eq!(words(&s.look(live(json!({"outputs": {"ip": "10.0.0.2", "uptime": 9}})), &uses)), ["-output: uptime 7 -> 9"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_once_for_each_reason() {
        let mut s = subject();
        assert!(s.not_read("denied").is_some());
        assert!(s.not_read("denied").is_none());
        assert!(s.not_read("another").is_some());
        assert_eq!(words(&s.look(live(json!({})), &Uses::default())), ["+reading: it can be read again"]);
    }
}
