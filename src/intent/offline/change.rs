//! A change of something that exists: which action, on which deployment, with which values, and what it still has to be told.

use serde_json::{Map, Value};

use super::assemble::{Scene, as_target, flat};
use super::catalog::Compiled;
use super::reading::Reading;
use super::slots::{self, Mode, Slots};
use super::targets::{self, Tier};
use super::text::Kind;
use super::{questions, things, verbs};
use crate::intent::{Frame, Holds, Intent, KnownDeployment, Target, Verb};

impl Scene<'_> {
    /// Where a change or a fault goes when no deployment was named: the one that was spoken of, or the only one there is.
    pub(super) fn fall_back(&mut self, alone: bool) {
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
    pub(super) fn modify(&mut self) -> Frame {
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
        // "are backups on?" "turn them off": the switch that was spoken of.
        let verb = match self.spoken_switch(c, verb) {
            Some((name, said)) => {
                slots.put(&name, said);
                Verb::Update
            }
            None => verb,
        };
        let part = part(&self.r, c, &deployment);
        let verb = if slots.values.is_empty() && remakes(&self.r, part.as_deref()) { Verb::Restart } else { verb };
        if !matches!(verb, Verb::Scale | Verb::Update | Verb::Upgrade) {
            let used = std::mem::take(&mut slots.used);
            slots = Slots { used, ..Slots::default() };
        }
        if verb == Verb::Rollback
            && let Some((revision, s, e)) = revision(&self.r)
        {
            slots.put("revision", self.r.said(revision, s, e));
        }
        let mut frame = Frame { intent: Some(Intent::Modify), verb: Some(verb), part, ..Frame::default() };
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
                if let Some(name) = things::named_thing(&self.r) {
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

    /// The switch that the last turn of the person was about, when this one turns "it" on or off.
    fn spoken_switch(&self, c: &Compiled, verb: Verb) -> Option<(String, crate::intent::Said)> {
        let on = match verb {
            Verb::Stop => false,
            Verb::Start => true,
            _ => return None,
        };
        let last = self.world.history.iter().rev().find(|t| t.role == crate::intent::Role::User)?;
        let turned = self.r.tokens.iter().position(|t| matches!(t.low.as_str(), "off" | "on" | "aus" | "an"))?;
        if self.target.spans.iter().any(|(s, e)| e > s) || !self.r.marks.any("pronoun") {
            return None;
        }
        let words = super::text::phrase_key(&last.text);
        let p = c.params.iter().find(|p| p.holds() == Holds::Switch && words.split(' ').any(|w| p.named_by(w.trim_matches('?'))))?;
        Some((p.name().to_owned(), self.r.said(on, turned, turned + 1)))
    }

    /// Whether a change would change nothing and nothing was told to be changed: then the words state or ask something.
    pub(super) fn tells_nothing_to_do(&self, frame: &Frame) -> bool {
        let told = self.heads.iter().any(|h| !matches!(h.class, "wh" | "aux" | "show" | "cause"));
        frame.verb == Some(Verb::Update)
            && frame.params.is_empty()
            && self.world.history.is_empty()
            && frame.missing.iter().all(|m| m != "target")
            && self.target.tier >= Tier::Part
            && self.r.tokens.len() > 3
            && !told
    }

    /// The words read as a statement or a question instead.
    pub(super) fn told(&mut self) -> Frame {
        // "cpu usage of the shop over the weekend": what one looks up, and nothing that is said of it.
        let looked_up = (0..2).any(|i| self.r.marks.covers("needs_target", i))
            && !self.r.quoted_fault
            && !self.r.marks.any("cause")
            && super::faults::faults(&self.r) == 0;
        let asks =
            looked_up || self.r.text.trim_end().ends_with('?') || self.heads.iter().any(|h| matches!(h.class, "wh" | "aux" | "show"));
        let mut frame = if asks { self.query() } else { self.troubleshoot() };
        frame.confidence = frame.confidence.min(0.6);
        frame
    }

    /// One bound that was said, against the other that is there.
    pub(super) fn check_against(&self, frame: &mut Frame, c: &Compiled, slots: &Slots, current: &Map<String, Value>) {
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

    /// A switch or a choice that other patterns have and this one has not ("add monitoring" to a blog).
    fn foreign_setting(&self, c: &Compiled) -> Option<String> {
        let settings = |p: &&super::catalog::Param| matches!(p.holds(), Holds::Switch | Holds::Choice) && !p.name().contains('.');
        let all: Vec<_> = self.parser.catalog.iter().flat_map(|c| &c.params).filter(settings).collect();
        let windows = self.r.windows();
        let found = windows
            .iter()
            .find(|(_, _, key)| all.iter().any(|p| p.named_by(key)) && !c.params.iter().any(|p| p.named_by(key)) && !c.words.contains(key));
        found.map(|(start, end, _)| self.r.words(*start, *end))
    }

    /// What a change needs to be told.
    pub(super) fn ask_change(&self, frame: &mut Frame, c: &Compiled, slots: &Slots) {
        let bare = slots.values.is_empty() && slots.unresolved.is_empty() && matches!(frame.verb, Some(Verb::Scale | Verb::Update));
        if bare && let Some(setting) = self.foreign_setting(c) {
            let choices = c.params.iter().filter(|p| p.holds() != Holds::Other).map(|p| p.name().to_owned()).take(12).collect();
            return questions::unknown_setting(frame, c.name(), &setting, choices);
        }
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
    pub(super) fn named_parameter(&self, c: &Compiled) -> Option<String> {
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
    pub(super) fn likely_pattern(&self) -> Option<&Compiled> {
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
}

/// "recreate blog-web-2", "replace blog-web-2": one resource is made anew.
fn remakes(r: &Reading<'_>, part: Option<&str>) -> bool {
    const WORDS: [&str; 9] = ["replace", "recreate", "rebuild", "remake", "renew", "redeploy", "respawn", "recycle", "reprovision"];
    part.is_some_and(|p| p.contains(':')) && r.tokens.iter().any(|t| WORDS.contains(&t.low.replace('-', "").as_str()))
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

/// The resource of a deployment that the words name.
pub(super) fn resource(r: &Reading<'_>, d: &KnownDeployment) -> Option<String> {
    let named = |address: &&String| {
        let name = address.rsplit(':').next().unwrap_or(address);
        name.len() > 2 && d.name != name && r.tokens.iter().any(|t| t.kind == Kind::Word && targets::names_resource(address, &t.low))
    };
    d.resources.iter().find(named).cloned()
}

/// The part of the target that was named: one of its resources, or the noun of a count ("web tier").
fn part(r: &Reading<'_>, c: &Compiled, deployment: &Option<KnownDeployment>) -> Option<String> {
    if let Some(address) = deployment.as_ref().and_then(|d| resource(r, d)) {
        return Some(address);
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
