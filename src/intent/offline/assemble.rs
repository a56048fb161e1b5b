//! The frame: what was decided, with its target, its values, and what has to be asked.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::catalog::Compiled;
use super::confidence::{self, Evidence};
use super::decide::{self, Chosen};
use super::dialogue::{self, Turn};
use super::reading::Reading;
use super::slots::{self, Mode, Slots};
use super::targets::{self, Resolved, Tier};
use super::text::Kind;
use super::verbs::{self, Head};
use super::{OfflineParser, facet, features, guard, questions};
use crate::intent::{Frame, Holds, Intent, KnownDeployment, Provenance, Said, Target, Verb, World};

/// Everything that the builders of a frame look at.
struct Scene<'a> {
    parser: &'a OfflineParser,
    world: &'a World,
    r: Reading<'a>,
    heads: Vec<Head>,
    target: Resolved,
    chosen: Chosen,
    margin: f64,
}

/// `backup: {enabled: true}` → `backup.enabled: true`; `backup: true` → `backup.enabled: true`.
fn flat(params: &Map<String, Value>) -> Map<String, Value> {
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

fn flat_said(params: &IndexMap<String, Said>) -> IndexMap<String, Said> {
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
    fn pattern(&self, name: &str) -> Option<&Compiled> {
        self.catalog.iter().find(|c| c.name() == name)
    }

    /// The runbook that moves services between two regions.
    fn recovery(&self) -> Option<&Compiled> {
        self.catalog.iter().find(|c| c.entry.runbook && c.params.iter().filter(|p| p.holds() == Holds::Region).count() > 1)
    }

    /// Reads one turn, given the frame that waits.
    pub(super) fn next_turn(&self, text: &str, world: &World, pending: Option<&Frame>) -> Frame {
        let mut clean = guard::clean(text);
        let also = split_off(&mut clean.text);
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
            _ => {}
        }
        let target = targets::resolve(&r, world, &self.catalog);
        let heads = verbs::heads(&r);
        let f = features(&r, &target.spans);
        let chosen = decide::pattern(&r, &self.catalog, &self.patterns, &f);
        let decision = decide::intent(&r, &heads, &target, &self.intents, &f, &chosen, spoken);
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
            Some(Intent::Deploy | Intent::Modify) => scene.modify(),
            Some(Intent::Query) => scene.query(),
            Some(Intent::Troubleshoot) => scene.troubleshoot(),
            None if continues
                && !decide::chatter(&scene.r)
                && !scene.r.marks.any("mundane")
                && scene.r.tokens.iter().any(|t| t.number().is_some()) =>
            {
                scene.modify()
            }
            None => Frame { out_of_scope: true, confidence: scene.confidence(None), ..Frame::default() },
        }
    }
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
            if at > 6 && actions.iter().any(|a| rest.starts_with(a)) {
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
    decide::faults(&q) > 0
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
            || heads.iter().any(|h| {
                ["destroy", "scale", "make", "update", "disable", "rollback", "failover", "stop", "restart", "upgrade", "restore", "enable"]
                    .contains(&h.class)
                    && h.end < q.tokens.len()
                    && decide::faults(&q) == 0
            })
    })
}

impl Scene<'_> {
    fn confidence(&self, frame: Option<(&Frame, &Slots)>) -> f64 {
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

    fn known(&self, name: &str) -> Option<&KnownDeployment> {
        self.world.deployments.iter().find(|d| d.name == name)
    }

    /// Disaster-recovery words, or "fail over".
    fn is_recovery(&self) -> bool {
        let Some(c) = self.parser.recovery() else { return false };
        let chosen = self.chosen.index.is_some_and(|i| self.parser.catalog[i].name() == c.name()) && self.chosen.evidence > 0.9;
        let failover = self.r.marks.any("failover")
            && (!self.r.marks.any("wordpress") || self.target.tier >= Tier::Part)
            && self.chosen.index.is_none_or(|i| self.parser.catalog[i].name() == c.name() || self.target.tier >= Tier::Noun);
        chosen || failover
    }

    /// A disaster-recovery plan is made (deploy) or run (modify, failover).
    fn recovery(&mut self) -> Frame {
        let Some(c) = self.parser.recovery() else { return self.deploy() };
        let runs = self.r.marks.spans("failover").iter().any(|s| {
            let noun = matches!(self.r.low(s.end), "runbook" | "plan" | "setup" | "procedure" | "strategy" | "site" | "playbook")
                && s.end - s.start < 3
                || ["a", "an", "our", "une", "un", "eine", "einen", "una", "prepare", "define", "plan", "draft"]
                    .contains(&self.r.before(s.start, 1));
            !noun
        }) || self.r.marks.spans("runbook").iter().any(|s| {
            let head = self.heads.iter().any(|h| h.at == s.start);
            head && !matches!(self.r.low(s.end), "a" | "an" | "eine" | "einen" | "une" | "un" | "una")
        });
        let made = self
            .heads
            .first()
            .is_some_and(|h| matches!(h.class, "make" | "want") && !self.r.marks.spans("runbook").iter().any(|s| s.start == h.at))
            && !self.heads.iter().any(|h| h.class == "failover");
        let runs = runs && !made;
        for (s, e) in &self.target.spans {
            self.r.shut[*s..*e].iter_mut().for_each(|x| *x = true);
        }
        let mut slots = slots::read(&self.r, c, Mode::Make, &Map::new());
        let services = c.holding(Holds::Services).map(|p| p.name().to_owned());
        if let Some(name) = &services
            && self.target.tier >= Tier::Noun
            && !self.target.unclear
            && !self.target.names.is_empty()
            && (self.target.tier >= Tier::Part || runs && self.target.names.len() == 1)
        {
            let (s, e) = self.target.at.first().copied().unwrap_or((0, self.r.tokens.len()));
            slots.put(name, self.r.said(self.target.names.clone(), s, e));
        }
        if let Some(name) = &services
            && self.target.all
            && !slots.values.contains_key(name)
        {
            slots.put(name, self.r.said(vec!["all".to_owned()], 0, self.r.tokens.len()));
        }
        self.source_from_context(c, &mut slots);
        let mut frame = Frame {
            intent: Some(if runs { Intent::Modify } else { Intent::Deploy }),
            pattern: Some(c.name().to_owned()),
            verb: Some(if runs { Verb::Failover } else { Verb::Deploy }),
            ..Frame::default()
        };
        if runs {
            frame.target = as_target(&self.target.names);
        }
        self.finish(frame, c, slots)
    }

    /// Where services run is known; nobody has to say it.
    fn source_from_context(&self, c: &Compiled, slots: &mut Slots) {
        let regions: Vec<_> = c.params.iter().filter(|p| p.holds() == Holds::Region).collect();
        let [source, _] = regions.as_slice() else { return };
        if slots.values.contains_key(source.name()) {
            return;
        }
        let names = &self.target.names;
        let mut of: Vec<String> = self
            .world
            .deployments
            .iter()
            .filter(|d| names.is_empty() || names.contains(&d.name))
            .filter_map(|d| d.region.clone())
            .collect();
        of.sort();
        of.dedup();
        if let [region] = of.as_slice() {
            let what =
                if let [one] = names.as_slice() { format!("{one} runs in {region}") } else { format!("everything runs in {region}") };
            slots.put(source.name(), Said { value: region.clone().into(), provenance: Provenance::Context { what } });
        }
    }

    /// Nests the values, asks for what is missing, looks for conflicts.
    fn finish(&self, mut frame: Frame, c: &Compiled, slots: Slots) -> Frame {
        let missing: Vec<String> =
            c.params.iter().filter(|p| p.spec.required && !slots.values.contains_key(p.name())).map(|p| p.name().to_owned()).collect();
        questions::missing(&mut frame, Some(c), missing);
        self.check(&mut frame, c, &slots);
        frame.confidence = self.confidence(Some((&frame, &slots)));
        frame.params = slots::nest(slots.values);
        frame
    }

    fn check(&self, frame: &mut Frame, c: &Compiled, slots: &Slots) {
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
    fn deploy(&mut self) -> Frame {
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
            if let Some(name) = slots::name(&self.r, None) {
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
        if let Some(name) = slots::name(&self.r, Some(c)) {
            frame.target = one_value(&name);
        }
        if c.entry.runbook {
            self.source_from_context(c, &mut slots);
        }
        self.finish(frame, c, slots)
    }

    /// "like X": what X has, where the sentence says nothing else. "the same broker as X" copies the broker only.
    fn copy(&self, c: &Compiled, d: &KnownDeployment, part: bool, slots: &mut Slots) {
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

    /// Where a change or a fault goes when no deployment was named: the one that was spoken of, or the only one there is.
    fn fall_back(&mut self, alone: bool) {
        if self.target.tier >= Tier::Noun && !self.target.unclear && !self.target.names.is_empty() || self.target.all {
            return;
        }
        if self.target.tier >= Tier::Part {
            return;
        }
        if let Some(name) = targets::last_spoken(self.world, &self.parser.lexicon, &self.parser.catalog) {
            let fits = self.target.names.is_empty() || self.target.names.contains(&name);
            if fits {
                self.target.names = vec![name];
                self.target.unclear = false;
                self.target.tier = Tier::Part;
                return;
            }
        }
        if alone
            && self.target.names.is_empty()
            && let [only] = self.world.deployments.as_slice()
        {
            self.target.names = vec![only.name.clone()];
            self.target.tier = Tier::Noun;
        }
    }

    /// A change of something that exists.
    fn modify(&mut self) -> Frame {
        let thing = if self.target.is_empty() {
            self.r
                .tokens
                .iter()
                .enumerate()
                .find(|(i, t)| {
                    t.kind == Kind::Word
                        && t.low.contains('-')
                        && t.low.len() > 3
                        && self.r.is_unknown(*i)
                        && super::places::region_at(&self.r, *i).is_none()
                })
                .map(|(i, t)| (i, t.low.clone()))
        } else {
            None
        };
        if thing.is_none() {
            self.fall_back(true);
        }
        for (s, e) in &self.target.spans {
            self.r.shut[*s..*e].iter_mut().for_each(|x| *x = true);
        }
        let deployment = self.target.names.first().and_then(|n| self.known(n)).cloned();
        let same = self
            .target
            .names
            .iter()
            .filter_map(|n| self.known(n))
            .all(|d| d.pattern == deployment.as_ref().and_then(|x| x.pattern.clone()));
        let pattern = deployment
            .as_ref()
            .filter(|_| same)
            .and_then(|d| d.pattern.as_deref())
            .and_then(|p| self.parser.pattern(p))
            .or_else(|| self.likely_pattern());
        let Some(c) = pattern else { return Frame { intent: Some(Intent::Modify), ..Frame::default() } };
        let current = deployment.as_ref().filter(|_| !self.target.unclear).map(|d| flat(&d.params)).unwrap_or_default();
        let mut slots = slots::read(&self.r, c, Mode::Change, &current);
        if let Some(d) = self.target.like.first().and_then(|n| self.known(n)).cloned() {
            self.copy(c, &d, true, &mut slots);
        }
        let verb = verbs::of_modify(&self.r, &self.heads, &slots, &self.target);
        if verb == Verb::Failover && self.parser.recovery().is_some() {
            return self.recovery();
        }
        if !matches!(verb, Verb::Scale | Verb::Update | Verb::Upgrade) {
            let used = std::mem::take(&mut slots.used);
            slots = Slots { used, ..Slots::default() };
        }
        if verb == Verb::Rollback
            && let Some((revision, s, e)) = revision(&self.r)
        {
            slots.put("revision", self.r.said(revision, s, e));
        }
        let mut frame = Frame { intent: Some(Intent::Modify), verb: Some(verb), part: part(&self.r, c, &deployment), ..Frame::default() };
        frame.target = if self.target.all {
            Target::One("all".to_owned())
        } else if self.target.unclear {
            Target::None
        } else {
            as_target(&self.target.names)
        };
        match &thing {
            Some((_, name)) if self.world.deployments.is_empty() => frame.target = Target::One(name.clone()),
            None if self.world.deployments.is_empty() && self.target.is_empty() && !self.r.marks.any("pronoun") => {
                if let Some(name) = targets::named_thing(&self.r) {
                    frame.target = Target::One(name);
                }
            }
            _ => {}
        }
        if frame.target == Target::None {
            let choices = if self.target.names.is_empty() {
                self.world.deployments.iter().map(|d| d.name.clone()).take(8).collect()
            } else {
                self.target.names.clone()
            };
            questions::target(&mut frame, choices, thing.as_ref().map(|t| t.1.as_str()));
        } else {
            self.ask_change(&mut frame, c, &slots);
        }
        self.check(&mut frame, c, &slots);
        self.check_against(&mut frame, c, &slots, &current);
        frame.confidence = self.confidence(Some((&frame, &slots)));
        frame.params = slots::nest(slots.values);
        frame
    }

    /// One bound that was said, against the other that is there.
    fn check_against(&self, frame: &mut Frame, c: &Compiled, slots: &Slots, current: &Map<String, Value>) {
        let (Some(min), Some(max)) = (c.holding(Holds::Min), c.holding(Holds::Max)) else { return };
        let said = |name: &str| slots.values.get(name).and_then(|s| s.value.as_i64());
        let now = |name: &str| current.get(name).and_then(Value::as_i64);
        let both = match (said(min.name()), said(max.name())) {
            (Some(low), None) => now(max.name()).map(|high| (low, high)),
            (None, Some(high)) => now(min.name()).map(|low| (low, high)),
            _ => None,
        };
        if let Some((low, high)) = both
            && low > high
            && frame.question.is_none()
        {
            questions::conflict(frame, (min.name(), low), (max.name(), high));
        }
    }

    /// What a change needs to be told.
    fn ask_change(&self, frame: &mut Frame, c: &Compiled, slots: &Slots) {
        let missing = match frame.verb {
            Some(Verb::Scale) if slots.values.is_empty() => {
                let named = slots.unresolved.first().cloned();
                let main = if c.has_bounds() {
                    Some("instances".to_owned())
                } else {
                    c.params.iter().find(|p| p.holds() == Holds::Count).map(|p| p.name().to_owned())
                };
                named.or(main).or_else(|| Some("instances".to_owned()))
            }
            Some(Verb::Upgrade) if slots.values.is_empty() => Some("version".to_owned()),
            Some(Verb::Update) if slots.values.is_empty() => Some(self.named_parameter(c).unwrap_or_else(|| "params".to_owned())),
            _ => None,
        };
        if let Some(name) = missing {
            questions::missing(frame, Some(c), vec![name]);
        }
    }

    /// The parameter that "change the domain of X" names without a value.
    fn named_parameter(&self, c: &Compiled) -> Option<String> {
        let windows = self.r.windows();
        c.params
            .iter()
            .find(|p| {
                matches!(p.holds(), Holds::Domain | Holds::Choice | Holds::Version | Holds::Schedule | Holds::Retention)
                    && windows.iter().any(|(_, _, k)| p.named_by(k))
            })
            .map(|p| p.name().to_owned())
    }

    /// The pattern that a change without a known target most likely is about.
    fn likely_pattern(&self) -> Option<&Compiled> {
        let catalog = &self.parser.catalog;
        let chosen = self.chosen.index.filter(|i| self.chosen.evidence > 0.6 && !catalog[*i].entry.runbook).map(|i| &catalog[i]);
        let replica = self.r.tokens.iter().any(|t| matches!(t.low.as_str(), "replica" | "replicas" | "replikas" | "replik"));
        let replicated =
            || catalog.iter().find(|c| !c.has_bounds() && c.params.iter().any(|p| p.holds() == Holds::Count && p.named_by("replicas")));
        let switchable = || {
            catalog.iter().find(|c| {
                c.params.iter().any(|p| p.holds() == Holds::Switch && (0..self.r.tokens.len()).any(|i| p.named_by(self.r.low(i))))
            })
        };
        chosen
            .or_else(|| if replica { replicated() } else { None })
            .or_else(switchable)
            .or_else(|| catalog.iter().find(|c| c.has_bounds()))
            .or(catalog.first())
    }

    /// A question.
    fn query(&mut self) -> Frame {
        let facet = facet::of(&self.r);
        let mut frame = Frame { intent: Some(Intent::Query), facet: Some(facet), ..Frame::default() };
        let weak = self.target.tier > Tier::None && self.target.tier < Tier::Part;
        let definite = self.target.at.iter().any(|(s, _)| {
            (s.saturating_sub(2)..*s).any(|i| self.r.is_filler(i) || matches!(self.r.low(i), "this" | "that"))
                && !(s.saturating_sub(3)..*s)
                    .any(|i| ["many", "which", "any", "all", "other", "what", "no", "every"].contains(&self.r.low(i)))
        });
        let help = facet == super::super::Facet::Help;
        if weak
            && (!definite
                || help
                || self.target.at.iter().any(|(_, e)| matches!(self.r.low(*e), "pattern" | "patterns" | "runbook" | "template")))
        {
            self.target.names.clear();
            self.target.unclear = false;
            self.target.tier = Tier::None;
        }
        let refers = self.r.marks.any("pronoun")
            || self.r.tokens.len() < 7 && facet::needs_target(facet, &self.r)
            || facet::needs_target(facet, &self.r);
        let general = facet::is_general(&self.r);
        if self.target.names.is_empty() && (refers || !general && !help && !self.world.history.is_empty()) {
            self.fall_back(facet::needs_target(facet, &self.r));
        }
        if !self.target.unclear {
            frame.target = as_target(&self.target.names);
        }
        let ask = !self.world.deployments.is_empty()
            && frame.target == Target::None
            && !self.target.all
            && (self.target.unclear || facet::needs_target(facet, &self.r));
        if ask && !self.r.marks.any("hypothetical") {
            let choices = if self.target.names.is_empty() {
                self.world.deployments.iter().map(|d| d.name.clone()).take(8).collect()
            } else {
                self.target.names.clone()
            };
            questions::target(&mut frame, choices, None);
        }
        if self.world.deployments.is_empty() && !help {
            let id = (0..self.r.tokens.len()).find(|i| {
                self.r.tokens[*i].kind == Kind::Word
                    && self.r.low(*i).contains('-')
                    && self.r.is_unknown(*i)
                    && super::places::region_at(&self.r, *i).is_none()
            });
            if let Some(i) = id {
                frame.target = Target::One(self.r.low(i).to_owned());
            }
        }
        frame.confidence = self.confidence(Some((&frame, &Slots { used: vec![true; self.r.tokens.len()], ..Slots::default() })));
        frame
    }

    /// A fault.
    fn troubleshoot(&mut self) -> Frame {
        let mut frame = Frame { intent: Some(Intent::Troubleshoot), facet: Some(facet::of(&self.r)), ..Frame::default() };
        let thing = if self.target.is_empty() { targets::named_thing(&self.r) } else { None };
        let identifier = thing.as_deref().is_some_and(|t| t.contains('-'));
        if !identifier {
            self.fall_back(true);
        }
        if self.target.unclear {
            questions::target(&mut frame, self.target.names.clone(), None);
        } else if !self.target.names.is_empty() {
            frame.target = as_target(&self.target.names);
        } else if let Some(thing) = thing.filter(|_| identifier || self.world.deployments.is_empty()) {
            frame.target = Target::One(thing);
        } else if !self.world.deployments.is_empty() && !self.target.all {
            questions::target(&mut frame, self.world.deployments.iter().map(|d| d.name.clone()).take(8).collect(), None);
        }
        frame.confidence = self.confidence(Some((&frame, &Slots { used: vec![true; self.r.tokens.len()], ..Slots::default() })));
        frame
    }

    /// Edits the frame that waits, if this turn is about it. `None`: it is a request of its own.
    fn edit(&mut self, pending: &Frame, intent: Option<Intent>, problem: bool) -> Option<Frame> {
        if matches!(intent, Some(Intent::Query)) && self.margin > 0.3
            || problem && intent == Some(Intent::Troubleshoot) && self.target.tier >= Tier::Part
        {
            return None;
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
        if named {
            return None;
        }
        self.edit_modify(pending)
    }

    fn edit_deploy(&mut self, pending: &Frame, c: &Compiled) -> Option<Frame> {
        let before = flat_said(&pending.params);
        let current: Map<String, Value> = before.iter().map(|(k, v)| (k.clone(), v.value.clone())).collect();
        let mut slots = slots::read(&self.r, c, Mode::Change, &current);
        if let Some(p) = c.holding(Holds::Name)
            && let Some(name) = slots::name(&self.r, None)
        {
            slots.put(p.name(), name);
        }
        if let (Some(min), Some(max), Some(n)) = (c.holding(Holds::Min), c.holding(Holds::Max), slots.values.shift_remove("instances")) {
            slots.put(min.name(), n.clone());
            slots.put(max.name(), n);
        }
        // Numbers of the first description are read as in a new request ("1 to 3", "two replicas").
        if slots.values.is_empty() {
            slots = slots::read(&self.r, c, Mode::Make, &Map::new());
        }
        let had = slots.values.len();
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

    fn edit_modify(&mut self, pending: &Frame) -> Option<Frame> {
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
        let slots = slots::read(&self.r, c, Mode::Change, &current);
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

fn as_target(names: &[String]) -> Target {
    match names {
        [] => Target::None,
        [one] => Target::One(one.clone()),
        many => Target::Many(many.to_vec()),
    }
}

fn one_value(said: &Said) -> Target {
    said.value.as_str().map_or(Target::None, |s| Target::One(s.to_owned()))
}

/// "revision 31", "snapshot 3", "version 4", "#12".
fn revision(r: &Reading<'_>) -> Option<(String, usize, usize)> {
    (0..r.tokens.len()).find_map(|i| {
        if r.shut[i] || !matches!(r.tokens[i].kind, Kind::Number(_) | Kind::Decimal) {
            return None;
        }
        let before = r.before(i, 1);
        let named = [
            "revision",
            "snapshot",
            "version",
            "v",
            "rev",
            "release",
            "number",
            "to",
            "auf",
            "a",
            "state",
            "deployment",
            "no",
            "revisions",
            "generation",
            "build",
            "instantanea",
            "instantane",
        ]
        .contains(&before)
            || i > 0 && r.tokens[i - 1].is_punct('#');
        let unit = ["days", "day", "hours", "hour", "minutes", "weeks", "instances", "replicas", "pm", "am"].contains(&r.low(i + 1));
        (named && !unit).then(|| (r.tokens[i].low.clone(), i, i + 1))
    })
}

/// The part of the target that was named: one of its resources, or the noun of a count ("web tier").
fn part(r: &Reading<'_>, c: &Compiled, deployment: &Option<KnownDeployment>) -> Option<String> {
    let resources = deployment.iter().flat_map(|d| d.resources.iter());
    for resource in resources {
        let name = resource.rsplit(':').next().unwrap_or(resource);
        if name.len() > 2
            && r.tokens.iter().any(|t| t.kind == Kind::Word && t.low == name.to_lowercase())
            && deployment.as_ref().is_none_or(|d| d.name != name)
        {
            return Some(resource.clone());
        }
    }
    let parts = [
        "web tier",
        "db tier",
        "database tier",
        "web servers",
        "app servers",
        "frontend",
        "frontends",
        "backend",
        "backends",
        "load balancer",
        "cache",
        "broker",
        "database",
    ];
    let windows = r.windows();
    windows.iter().find(|(_, _, key)| parts.contains(&key.as_str()) && !c.words.contains(key)).map(|(s, e, _)| r.words(*s, *e))
}
