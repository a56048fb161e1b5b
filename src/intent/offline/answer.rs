//! The read-only half: questions and faults. They carry a facet and a target, and never a value.

use super::assemble::{Scene, as_target};
use super::slots::Slots;
use super::targets::Tier;
use super::text::Kind;
use super::{facet, questions, things};
use crate::intent::{Facet, Frame, Intent, Target};

impl Scene<'_> {
    /// A question.
    pub(super) fn query(&mut self) -> Frame {
        let facet = facet::of(&self.r);
        let mut frame = Frame { intent: Some(Intent::Query), facet: Some(facet), ..Frame::default() };
        let weak = self.target.tier > Tier::None && self.target.tier < Tier::Part;
        let definite = self.target.at.iter().any(|(s, _)| {
            (s.saturating_sub(2)..*s).any(|i| self.r.is_filler(i) || matches!(self.r.low(i), "this" | "that"))
                && !(s.saturating_sub(3)..*s)
                    .any(|i| ["many", "which", "any", "all", "other", "what", "no", "every"].contains(&self.r.low(i)))
        });
        let help = facet == Facet::Help;
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
    pub(super) fn troubleshoot(&mut self) -> Frame {
        let mut frame = Frame { intent: Some(Intent::Troubleshoot), facet: Some(facet::of(&self.r)), ..Frame::default() };
        let thing = if self.target.is_empty() { things::named_thing(&self.r) } else { None };
        let identifier = thing.as_deref().is_some_and(|t| t.contains('-'));
        if !identifier {
            self.fall_back(true);
        }
        if self.target.unclear {
            questions::target(&mut frame, self.target.names.clone(), None);
        } else if self.target.all && self.world.deployments.len() > 1 {
            questions::target(&mut frame, self.world.deployments.iter().map(|d| d.name.clone()).take(8).collect(), None);
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
}
