//! Disaster recovery: a runbook that moves services between two regions is either set up (deploy) or run (modify, failover).

use serde_json::Map;

use super::assemble::{Scene, as_target};
use super::catalog::Compiled;
use super::slots::{self, Mode, Slots};
use super::targets::Tier;
use crate::intent::{Frame, Holds, Intent, Provenance, Said, Verb};

impl Scene<'_> {
    /// Disaster-recovery words, or "fail over".
    pub(super) fn is_recovery(&self) -> bool {
        let Some(c) = self.parser.recovery() else { return false };
        let chosen = self.chosen.index.is_some_and(|i| self.parser.catalog[i].name() == c.name()) && self.chosen.evidence > 0.9;
        let failover = self.r.marks.any("failover")
            && self.chosen.index.is_none_or(|i| self.parser.catalog[i].name() == c.name() || self.target.tier >= Tier::Noun);
        chosen || failover
    }

    /// A disaster-recovery plan is made (deploy) or run (modify, failover).
    pub(super) fn recovery(&mut self) -> Frame {
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
    pub(super) fn source_from_context(&self, c: &Compiled, slots: &mut Slots) {
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
}
