//! The frame that waits: the next turn fills what was asked, or changes what was said.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::assemble::{Scene, as_target, flat, flat_said};
use super::catalog::Compiled;
use super::slots::{self, Mode, Slots};
use super::targets::Tier;
use super::{dialogue, names, questions, verbs};
use crate::intent::{Frame, Holds, Intent, Target};

impl Scene<'_> {
    /// Edits the frame that waits, if this turn is about it. `None`: it is a request of its own.
    pub(super) fn edit(&mut self, pending: &Frame, intent: Option<Intent>, problem: bool) -> Option<Frame> {
        let opens = |classes: &[&str]| self.heads.iter().any(|h| classes.contains(&h.class));
        // "why two replicas?" asks about what waits and changes nothing.
        if opens(&["cause"]) || opens(&["wh", "aux"]) && self.r.text.trim_end().ends_with('?') && self.r.marks.at("can_you", 0).is_none() {
            return None;
        }
        let answers = !pending.missing.is_empty()
            && self.r.tokens.len() <= 8
            && !self.r.text.trim_end().ends_with('?')
            && !opens(&["wh", "aux", "show", "cause"])
            // "can we do min 3?" is a wish in the form of a question.
            || self.r.marks.at("can_you", 0).is_some() && !opens(&["wh", "show", "cause"]);
        if matches!(intent, Some(Intent::Query)) && self.margin > 0.3 && !answers
            || problem && intent == Some(Intent::Troubleshoot) && self.target.tier >= Tier::Part
        {
            return None;
        }
        if pending.missing.iter().any(|m| m == "part")
            && let Target::One(name) = &pending.target
            && let Some(d) = self.known(name)
            && let Some(address) = super::change::resource(&self.r, d)
        {
            return Some(Frame { part: Some(address), missing: Vec::new(), question: None, confidence: 0.8, ..pending.clone() });
        }
        let pattern = pending.pattern.as_deref().and_then(|p| self.parser.pattern(p));
        let makes = verbs::has(&self.heads, &["make"]);
        let other_pattern = self.chosen.index.is_some_and(|i| Some(self.parser.catalog[i].name()) != pending.pattern.as_deref())
            && self.chosen.evidence > 1.0;
        if pending.intent == Some(Intent::Deploy) {
            let names_another = self.target.tier >= Tier::Name && !pending.missing.iter().any(|m| m == "services");
            if names_another && pattern.is_none_or(|c| !c.entry.runbook) || makes && other_pattern && self.chosen.evidence > 1.3 {
                return None;
            }
            let Some(c) = pattern else {
                // Nothing fitted so far; perhaps now.
                return None;
            };
            return self.edit_deploy(pending, c);
        }
        let named = self.target.tier >= Tier::Part && as_target(&self.target.names) != pending.target;
        if pending.intent != Some(Intent::Modify) || makes && other_pattern {
            return None;
        }
        if pending.missing.iter().any(|m| m == "target")
            && self.target.tier >= Tier::Noun
            && !self.target.unclear
            && self.target.names.len() == 1
            && self.r.tokens.len() <= 8
        {
            let mut frame =
                Frame { target: as_target(&self.target.names), question: None, missing: Vec::new(), confidence: 0.8, ..pending.clone() };
            if let Some(d) = self.target.names.first().and_then(|n| self.known(n))
                && let Some(c) = d.pattern.as_deref().and_then(|p| self.parser.pattern(p))
            {
                rename_count(&mut frame, c);
            }
            return Some(frame);
        }
        // "Which one?" - "all of them": the question stays.
        if pending.missing.iter().any(|m| m == "target") && self.target.all && self.heads.is_empty() {
            return Some(Frame { target: Target::One("all".to_owned()), question: None, confidence: 0.6, ..pending.clone() });
        }
        // "wait, I meant the other one": the same request for another target.
        // The "no" of "no, the other one" refuses what was understood, and turns nothing off.
        let refusal = |at: usize| at == 0 && matches!(self.r.low(0), "not" | "no" | "nicht" | "non");
        let acts = self.heads.iter().filter(|h| !refusal(h.at)).any(|h| {
            matches!(
                h.class,
                "destroy" | "scale" | "restart" | "stop" | "start" | "upgrade" | "rollback" | "make" | "failover" | "enable" | "disable"
            )
        });
        let corrected = self.r.marks.any("correction") || matches!(self.r.low(0), "not" | "no" | "nicht" | "non");
        if named && corrected && !acts && !self.target.unclear && !self.r.tokens.iter().any(|t| t.number().is_some()) {
            let mut frame = Frame { target: as_target(&self.target.names), confidence: 0.75, ..pending.clone() };
            if let Some(c) = self.target.one().and_then(|n| self.known(n)).and_then(|d| self.parser.pattern(d.pattern.as_deref()?)) {
                rename_count(&mut frame, c);
            }
            return Some(frame);
        }
        if named {
            return None;
        }
        self.edit_modify(pending)
    }

    pub(super) fn edit_deploy(&mut self, pending: &Frame, c: &Compiled) -> Option<Frame> {
        let before = flat_said(&pending.params);
        let current: Map<String, Value> = before.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect();
        let mut slots = slots::read(&self.r, c, Mode::Change, &current);
        if let Some(p) = c.holding(Holds::Name)
            && let Some(name) = names::name(&self.r, None)
        {
            slots.put(p.name(), name);
        }
        if let (Some(min), Some(max), Some(n)) = (c.holding(Holds::Min), c.holding(Holds::Max), slots.values.shift_remove("instances")) {
            // "five is stingy, make that ten": the bound that was five.
            let complained = (0..self.r.tokens.len()).filter(|i| self.r.in_complaint(*i)).find_map(|i| self.r.tokens[i].number());
            let is = |name: &str| complained.is_some() && current.get(name).and_then(Value::as_i64) == complained;
            if !is(max.name()) || is(min.name()) {
                slots.put(min.name(), n.clone());
            }
            if !is(min.name()) || is(max.name()) {
                slots.put(max.name(), n);
            }
        }
        // Numbers of the first description are read as in a new request ("1 to 3", "two replicas").
        if slots.values.is_empty() {
            slots = slots::read(&self.r, c, Mode::Make, &Map::new());
        }
        // "From which region?" - "eu-west-1"
        if let Some(asked) = pending.missing.iter().find(|m| c.param(m).is_some_and(|p| p.holds() == Holds::Region))
            && !slots.values.contains_key(asked)
            && self.r.tokens.len() <= 3
            && let Some(other) = c
                .params
                .iter()
                .find(|p| p.holds() == Holds::Region && slots.values.contains_key(p.name()) && current.contains_key(p.name()))
            && let Some(said) = slots.values.shift_remove(other.name())
        {
            slots.put(asked, said);
        }
        let had = slots.values.len();
        // "a database", asked for the sites of something else: another request.
        let other = self.chosen.evidence > 1.0 && self.chosen.index.is_some_and(|i| self.parser.catalog[i].name() != c.name());
        if had == 0 && other {
            return None;
        }
        if had == 0
            && let Some((name, said)) = dialogue::bare_answer(&self.r, c, &pending.missing)
        {
            slots.put(&name, said);
        }
        if slots.values.is_empty() {
            return None;
        }
        let mut values = before;
        for (name, said) in &slots.values {
            values.insert(name.clone(), said.clone());
            // Switching something off drops what was said about it.
            if let Some((head, "enabled")) = name.rsplit_once('.')
                && said.value == false
            {
                values.retain(|k, _| k == name || !k.starts_with(&format!("{head}.")));
            }
        }
        let slots = Slots { values, ..slots };
        let frame = Frame { missing: Vec::new(), question: None, params: IndexMap::new(), ..pending.clone() };
        Some(self.finish(frame, c, slots))
    }

    pub(super) fn edit_modify(&mut self, pending: &Frame) -> Option<Frame> {
        let name = match &pending.target {
            Target::One(name) => Some(name.clone()),
            Target::Many(names) => names.first().cloned(),
            Target::None => None,
        };
        let d = name.as_deref().and_then(|n| self.known(n)).cloned();
        let c = pending
            .pattern
            .as_deref()
            .or(d.as_ref().and_then(|d| d.pattern.as_deref()))
            .and_then(|p| self.parser.pattern(p))
            .or_else(|| self.likely_pattern())?;
        let before = flat_said(&pending.params);
        let mut current = d.map(|d| flat(&d.params)).unwrap_or_default();
        current.extend(before.iter().map(|(k, v)| (k.clone(), v.value.clone())));
        let mut slots = slots::read(&self.r, c, Mode::Change, &current);
        // "To which version?" - "16"
        if self.r.tokens.len() <= 4
            && let Some((name, said)) = dialogue::bare_answer(&self.r, c, &pending.missing)
        {
            slots.values.clear();
            slots.invalid.clear();
            slots.put(&name, said);
        }
        // A different action on the same thing is a request of its own.
        let acts = self
            .heads
            .iter()
            .any(|h| ["destroy", "rollback", "restart", "stop", "start", "backup", "restore", "failover"].contains(&h.class));
        if slots.values.is_empty() || acts && !slots.values.is_empty() && pending.params.is_empty() {
            return None;
        }
        let mut values = before;
        if slots.values.contains_key("instances") {
            values.retain(|k, _| k != "minInstances" && k != "maxInstances");
        }
        values.extend(slots.values.clone());
        let slots = Slots { values, ..slots };
        let mut frame = Frame { missing: Vec::new(), question: None, params: IndexMap::new(), ..pending.clone() };
        if c.entry.runbook {
            return Some(self.finish(frame, c, slots));
        }
        if frame.target == Target::None {
            questions::target(&mut frame, self.world.deployments.iter().map(|d| d.name.clone()).take(8).collect(), None);
        }
        self.check(&mut frame, c, &slots);
        frame.confidence = self.confidence(Some((&frame, &slots)));
        frame.params = slots::nest(slots.values);
        Some(frame)
    }
}

/// A count said before its target was known gets the name that the target's pattern has for it.
fn rename_count(frame: &mut Frame, c: &Compiled) {
    if c.has_bounds() {
        return;
    }
    if let Some(p) = c.params.iter().find(|p| p.holds() == Holds::Count)
        && let Some(said) = frame.params.shift_remove("instances")
    {
        frame.params.insert(p.name().to_owned(), said);
    }
}
