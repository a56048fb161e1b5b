//! The frame: what was decided, with its target, its values, and what has to be asked.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::catalog::Compiled;
use super::confidence::{self, Evidence};
use super::decide;
use super::dialogue::{self, Turn};
use super::pick::{self, Chosen};
use super::reading::Reading;
use super::slots::{self, Mode, Slots};
use super::targets::{self, Resolved, Tier};
use super::text::Kind;
use super::verbs::{self, Head};
use super::{OfflineParser, faults, features, guard, names, questions};
use crate::intent::{Frame, Holds, Intent, KnownDeployment, Provenance, Said, Target, Verb, World};

/// Everything that the builders of a frame look at.
pub(super) struct Scene<'a> {
    pub(super) parser: &'a OfflineParser,
    pub(super) world: &'a World,
    pub(super) r: Reading<'a>,
    pub(super) heads: Vec<Head>,
    pub(super) target: Resolved,
    pub(super) chosen: Chosen,
    pub(super) margin: f64,
}

/// `backup: {enabled: true}` → `backup.enabled: true`; `backup: true` → `backup.enabled: true`.
pub(super) fn flat(params: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in params {
        match value {
            Value::Object(object) => out.extend(object.iter().map(|(k, v)| (format!("{name}.{k}"), v.clone()))),
            Value::Bool(_) if name == "backup" => {
                out.insert("backup.enabled".to_owned(), value.clone());
            }
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    out
}

pub(super) fn flat_said(params: &IndexMap<String, Said>) -> IndexMap<String, Said> {
    let mut out = IndexMap::new();
    for (name, said) in params {
        match &said.value {
            Value::Object(object) => out.extend(
                object.iter().map(|(k, v)| (format!("{name}.{k}"), Said { value: v.clone(), provenance: said.provenance.clone() })),
            ),
            _ => {
                out.insert(name.clone(), said.clone());
            }
        }
    }
    out
}

impl OfflineParser {
    pub(super) fn pattern(&self, name: &str) -> Option<&Compiled> {
        self.catalog.iter().find(|c| c.name() == name)
    }

    /// The runbook that moves services between two regions.
    pub(super) fn recovery(&self) -> Option<&Compiled> {
        self.catalog.iter().find(|c| c.entry.runbook && c.params.iter().filter(|p| p.holds() == Holds::Region).count() > 1)
    }

    /// Reads one turn, given the frame that waits.
    pub(super) fn next_turn(&self, text: &str, world: &World, pending: Option<&Frame>) -> Frame {
        let mut clean = guard::clean(text);
        for word in [" the hell ", " the heck ", " on earth ", " the fuck ", " the devil ", " zum teufel "] {
            clean.text = clean.text.replace(word, " ");
        }
        let taken_back = take_back(&mut clean.text);
        let also = split_off(&mut clean.text);
        let mut talked: World;
        let mut world = world;
        if let Some(text) = taken_back {
            talked = world.clone();
            talked.history.push(crate::intent::Turn { role: crate::intent::Role::User, text });
            world = &talked;
        }
        let mut r = self.read(&clean, world);
        r.quoted = !clean.quoted.is_empty();
        r.quoted_fault = clean.quoted.iter().any(|q| quotes_fault(self, q));
        let injected = injection(self, &clean, &r);
        let mut frame = self.frame_of(r, world, pending);
        frame.injection = injected;
        if clean.secret {
            frame.notes.push("A secret in the request was left out. Give secrets by name, as `${secret:NAME}`.".to_owned());
        }
        if clean.shell {
            frame.notes.push("Text that looks like a command was left out.".to_owned());
        }
        if !clean.quoted.is_empty() && injected {
            frame.notes.push("The quoted text was not followed; only the person's own words count.".to_owned());
        }
        frame.also = also.or(frame.also);
        frame
    }

    fn frame_of(&self, r: Reading<'_>, world: &World, pending: Option<&Frame>) -> Frame {
        let empty = r.tokens.iter().all(|t| matches!(t.kind, Kind::Punct(_) | Kind::Foreign));
        if empty {
            return Frame { out_of_scope: pending.is_none(), confidence: 0.9, ..pending.cloned().unwrap_or_default() };
        }
        let spoken = !world.history.is_empty() || pending.is_some();
        match dialogue::turn(&r) {
            Turn::Cancel if spoken || r.tokens.len() <= 4 && !r.marks.any("chitchat") => {
                let target = pending.map(dialogue::subject).unwrap_or_default();
                return Frame { verb: Some(Verb::Cancel), target, confidence: 0.93, ..Frame::default() };
            }
            Turn::Confirm => {
                if let Some(pending) = pending {
                    return Frame { confidence: 0.85, ..pending.clone() };
                }
            }
            _ => match pending {
                Some(p) if p.intent == Some(Intent::Deploy) && dialogue::discards(&r) => {
                    return Frame { verb: Some(Verb::Cancel), target: dialogue::subject(p), confidence: 0.85, ..Frame::default() };
                }
                // What has to be said stays asked; what has not gets the pattern's default.
                Some(p) if dialogue::indifferent(&r) => return Frame { confidence: 0.7, ..p.clone() },
                _ => {}
            },
        }
        let target = targets::resolve(&r, world, &self.catalog);
        let heads = verbs::heads(&r);
        let f = features(&r, &target.spans);
        let chosen = pick::pattern(&r, &self.catalog, &self.patterns, &f);
        let values = r.windows().iter().any(|(s, _, key)| {
            !super::choices::is_plain_english(&r, *s, key)
                && self.catalog.iter().flat_map(|c| &c.params).any(|p| p.holds() != Holds::Other && p.terms.contains_key(key))
        });
        let decision = decide::intent(
            &r,
            &heads,
            &target,
            &self.intents,
            &f,
            &chosen,
            decide::Context { spoken, values, bare: world.deployments.is_empty() },
        );
        let mut scene = Scene { parser: self, world, r, heads, target, chosen, margin: decision.margin };
        if let Some(pending) = pending
            && let Some(frame) = scene.edit(pending, decision.intent, decision.problem)
        {
            return frame;
        }
        if scene.is_recovery()
            && decision.intent != Some(Intent::Query)
            && !(decision.problem && decision.intent == Some(Intent::Troubleshoot))
        {
            return scene.recovery();
        }
        // A terse turn after a conversation about a deployment continues it.
        let continues = spoken && scene.target.tier < Tier::Part && decision.intent != Some(Intent::Query);
        match decision.intent {
            Some(Intent::Deploy) if !(continues && scene.chosen.evidence < 0.6 && !verbs::has(&scene.heads, &["make", "want"])) => {
                scene.deploy()
            }
            Some(Intent::Deploy | Intent::Modify) => {
                let frame = scene.modify();
                if scene.tells_nothing_to_do(&frame) { scene.told() } else { frame }
            }
            Some(Intent::Query) => scene.query(),
            Some(Intent::Troubleshoot) => scene.troubleshoot(),
            None if continues
                && !decide::chatter(&scene.r)
                && !scene.r.marks.any("mundane")
                && scene.r.tokens.iter().any(|t| t.number().is_some()) =>
            {
                scene.modify()
            }
            None => {
                // A greeting is no request; whoever greets may want to know what can be said.
                let facet = decide::chatter(&scene.r).then_some(crate::intent::Facet::Help);
                Frame { out_of_scope: true, facet, confidence: scene.confidence(None), ..Frame::default() }
            }
        }
    }
}

/// "delete it. just kidding, show it": only what follows counts. Gives what was taken back, which may still be spoken of.
fn take_back(text: &mut String) -> Option<String> {
    let low = text.to_lowercase();
    if low.len() != text.len() {
        return None;
    }
    for mark in ["just kidding", "only kidding", "kidding", "only joking", "just joking", "jk", "war nur spass", "je rigole", "es broma"] {
        let Some(at) = low.find(mark).filter(|at| *at > 0 && !low.as_bytes()[at - 1].is_ascii_alphanumeric()) else { continue };
        let rest = text[at + mark.len()..].trim_start_matches(|c: char| !c.is_alphanumeric()).to_owned();
        if rest.split_whitespace().count() >= 2 {
            let before = text[..at].to_owned();
            *text = rest;
            return Some(before);
        }
    }
    None
}

/// A second request in the same turn ("..., then scale it") is kept apart and told to the person.
fn split_off(text: &mut String) -> Option<String> {
    let low = text.to_lowercase();
    if low.len() != text.len() {
        return None;
    }
    let actions = [
        "scale",
        "deploy",
        "destroy",
        "delete",
        "restart",
        "show",
        "create",
        "set up",
        "spin",
        "upgrade",
        "roll",
        "stop",
        "start",
        "back up",
        "remove",
        "add",
        "run",
        "list",
        "tell",
        "check",
        "change",
        "update",
        "install",
        "drop",
        "restore",
        "take",
        "skaliere",
        "losche",
        "starte",
        "zeig",
        "supprime",
        "redemarre",
        "montre",
        "elimina",
        "reinicia",
        "muestra",
    ];
    for mark in [
        ", and then ",
        " and then ",
        ", then ",
        "; then ",
        ". then ",
        " und dann ",
        " y luego ",
        " et ensuite ",
        ". after that ",
        ", after that ",
        " and after that ",
        ", afterwards ",
        "; ",
    ] {
        if let Some(at) = low.find(mark) {
            let rest = low[at + mark.len()..].trim_start();
            // "…; start with 2, add 3 sensors": more about the same thing.
            let detail =
                ["start at", "start with", "start from", "starts", "run on", "add monitoring", "add backup", "update dns", "change dns"];
            if at > 6 && actions.iter().any(|a| rest.starts_with(a)) && !detail.iter().any(|d| rest.starts_with(d)) {
                let also = text[at + mark.len()..].trim().replace(super::text::FOREIGN, "");
                text.truncate(at);
                return Some(also);
            }
        }
    }
    None
}

/// Whether a quotation is an error message.
fn quotes_fault(parser: &OfflineParser, quote: &str) -> bool {
    let q = Reading::new(quote, super::numbers::read(super::text::tokenize(quote)), &parser.lexicon);
    faults::faults(&q) > 0
}

/// Whether the words, or words quoted in them, try to get around approval or carry someone else's instructions.
fn injection(parser: &OfflineParser, clean: &guard::Clean, r: &Reading<'_>) -> bool {
    if r.marks.any("bypass") || decide::wants_credentials(r) || clean.shell {
        return true;
    }
    clean.quoted.iter().any(|quote| {
        let tokens = super::numbers::read(super::text::tokenize(&guard::clean(quote).text));
        let q = Reading::new(quote, tokens, &parser.lexicon);
        let heads = verbs::heads(&q);
        q.marks.any("bypass")
            || q.marks.any("destroy") && faults::faults(&q) == 0
            || heads.iter().any(|h| {
                ["destroy", "scale", "make", "update", "disable", "rollback", "failover", "stop", "restart", "upgrade", "restore", "enable"]
                    .contains(&h.class)
                    && h.end < q.tokens.len()
                    && faults::faults(&q) == 0
            })
    })
}

impl Scene<'_> {
    pub(super) fn confidence(&self, frame: Option<(&Frame, &Slots)>) -> f64 {
        let r = &self.r;
        let used = frame.map(|f| &f.1.used);
        let loose_numbers = r.tokens.iter().enumerate().filter(|(i, t)| t.number().is_some() && used.is_some_and(|u| !u[*i])).count();
        let loose_words =
            (0..r.tokens.len()).filter(|i| r.is_unknown(*i) && !self.target.spans.iter().any(|(s, e)| s <= i && i < e)).count();
        let intent = frame.and_then(|f| f.0.intent);
        confidence::of(&Evidence {
            margin: self.margin,
            pattern_margin: if intent == Some(Intent::Deploy) { self.chosen.margin } else { 1.0 },
            loose_numbers,
            loose_words: loose_words.saturating_sub(1),
            asks: frame.is_some_and(|f| f.0.question.is_some()),
            named: self.target.tier >= Tier::Part && self.target.one().is_some(),
            unnamed: intent.is_some()
                && intent != Some(Intent::Deploy)
                && self.target.tier < Tier::Part
                && !self.world.deployments.is_empty(),
        })
    }

    pub(super) fn known(&self, name: &str) -> Option<&KnownDeployment> {
        self.world.deployments.iter().find(|d| d.name == name)
    }

    /// Nests the values, asks for what is missing, looks for conflicts.
    pub(super) fn finish(&self, mut frame: Frame, c: &Compiled, slots: Slots) -> Frame {
        let missing: Vec<String> =
            c.params.iter().filter(|p| p.spec.required && !slots.values.contains_key(p.name())).map(|p| p.name().to_owned()).collect();
        questions::missing(&mut frame, Some(c), missing);
        self.check(&mut frame, c, &slots);
        frame.confidence = self.confidence(Some((&frame, &slots)));
        frame.params = slots::nest(slots.values);
        frame
    }

    pub(super) fn check(&self, frame: &mut Frame, c: &Compiled, slots: &Slots) {
        let number =
            |holds| c.holding(holds).and_then(|p| slots.values.get(p.name()).and_then(|s| s.value.as_i64()).map(|n| (p.name(), n)));
        if frame.question.is_some() {
            return;
        }
        if let (Some(low), Some(high)) = (number(Holds::Min), number(Holds::Max))
            && low.1 > high.1
        {
            return questions::conflict(frame, low, high);
        }
        if let Some((name, value)) = slots.invalid.first() {
            questions::invalid(frame, name, value);
        }
    }

    /// Something new.
    pub(super) fn deploy(&mut self) -> Frame {
        let like = self.target.like.first().and_then(|n| self.known(n)).cloned();
        let part_copy = like.is_some()
            && self.r.tokens.iter().any(|t| matches!(t.low.as_str(), "same" | "gleichen" | "gleiche" | "meme" | "mismo" | "misma"));
        let index = match &like {
            Some(d) if !part_copy || self.chosen.evidence < 0.6 => {
                d.pattern.as_deref().and_then(|p| self.parser.catalog.iter().position(|c| c.name() == p)).or(self.chosen.index)
            }
            _ => self.chosen.index,
        };
        let mut frame = Frame { intent: Some(Intent::Deploy), verb: Some(Verb::Deploy), ..Frame::default() };
        let Some(index) = index else {
            if let Some(name) = names::name(&self.r, None) {
                frame.target = one_value(&name);
            }
            frame.confidence = self.confidence(Some((&frame, &Slots { used: vec![true; self.r.tokens.len()], ..Slots::default() })));
            return frame;
        };
        let c = &self.parser.catalog[index];
        frame.pattern = Some(c.name().to_owned());
        let mut slots = slots::read(&self.r, c, Mode::Make, &Map::new());
        if let Some(d) = &like {
            self.copy(c, d, part_copy, &mut slots);
        }
        if let Some(name) = names::name(&self.r, Some(c)) {
            frame.target = one_value(&name);
        }
        if c.entry.runbook {
            self.source_from_context(c, &mut slots);
        }
        self.finish(frame, c, slots)
    }

    /// "like X": what X has, where the sentence says nothing else. "the same broker as X" copies the broker only.
    pub(super) fn copy(&self, c: &Compiled, d: &KnownDeployment, part: bool, slots: &mut Slots) {
        let current = flat(&d.params);
        let nouns: Vec<&str> = c
            .params
            .iter()
            .filter(|p| {
                (0..self.r.tokens.len()).any(|i| {
                    matches!(self.r.before(i, 1), "same" | "gleichen" | "gleiche" | "meme" | "mismo" | "misma") && p.named_by(self.r.low(i))
                })
            })
            .map(|p| p.name())
            .collect();
        for p in &c.params {
            let unique = matches!(p.holds(), Holds::Domain | Holds::Name);
            let wanted = if part && !nouns.is_empty() { nouns.contains(&p.name()) } else { !unique };
            if let Some(value) = current.get(p.name()).filter(|_| wanted && !slots.values.contains_key(p.name())) {
                slots.put(p.name(), Said { value: value.clone(), provenance: Provenance::Context { what: format!("as in {}", d.name) } });
            }
        }
    }
}

pub(super) fn as_target(names: &[String]) -> Target {
    match names {
        [] => Target::None,
        [one] => Target::One(one.clone()),
        many => Target::Many(many.to_vec()),
    }
}

pub(super) fn one_value(said: &Said) -> Target {
    said.value.as_str().map_or(Target::None, |s| Target::One(s.to_owned()))
}
