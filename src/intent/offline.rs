//! The offline parser: a request in, a frame out, in well under a millisecond, without a network, a clock or chance.
//!
//! It reads in one direction: `guard` cuts out what must not get in, `text`/`numbers`/`spelling` make tokens, `targets` finds which
//! deployments are meant, `decide` says what is wanted, `slots` reads the values that the chosen pattern takes, and `assemble` builds
//! the frame and what has to be asked. All it knows of patterns comes from the catalogue it was made with.

use std::collections::{HashMap, HashSet};

use crate::intent::{CatalogEntry, Frame, Role, Turn, World};

mod answer;
mod assemble;
mod bounds;
mod catalog;
mod change;
mod choices;
mod confidence;
mod counts;
mod decide;
mod dialogue;
mod edit;
mod facet;
mod faults;
mod guard;
mod lexicon;
mod model;
mod names;
mod numbers;
mod pick;
mod places;
mod questions;
mod reading;
mod recovery;
mod slots;
mod spelling;
mod targets;
mod text;
mod things;
mod times;
mod verbs;

use catalog::Compiled;
use lexicon::Lexicon;
use model::{Features, Model};
use reading::Reading;
use spelling::Speller;
use text::Kind;

/// A parser that needs no model. Made once from the catalogue; every call is independent and gives the same frame for the same input.
#[derive(Debug)]
pub struct OfflineParser {
    catalog: Vec<Compiled>,
    lexicon: Lexicon,
    speller: Speller,
    intents: Model,
    patterns: Model,
}

/// The general training phrases, by label.
fn phrases() -> HashMap<String, Vec<String>> {
    serde_saphyr::from_str(include_str!("offline/phrases.yaml")).unwrap_or_default()
}

/// Word classes whose words a typo may have been meant for.
const REPAIRED: [&str; 18] = [
    "make", "destroy", "scale", "upgrade", "rollback", "failover", "restart", "backup", "restore", "problem", "infra", "foreign", "daily",
    "weekly", "hourly", "min", "max", "show",
];

impl OfflineParser {
    /// Prepares a catalogue and trains the classifiers on its examples.
    pub fn new(catalog: &[CatalogEntry]) -> Self {
        let mut lexicon = Lexicon::load();
        let catalog: Vec<Compiled> = catalog.iter().map(|entry| Compiled::new(entry, &lexicon)).collect();
        let vocabulary: Vec<HashSet<String>> = catalog.iter().map(Compiled::vocabulary).collect();
        let classes = lexicon.words_of(&REPAIRED);
        let speller = Speller::new(vocabulary.iter().flatten().map(String::as_str).chain(classes.iter().map(String::as_str)));
        lexicon.words.extend(vocabulary.into_iter().flatten().filter(|w| w.len() > 1));
        let mut parser = Self { catalog, lexicon, speller, intents: Model::default(), patterns: Model::default() };
        parser.train();
        parser
    }

    fn train(&mut self) {
        let phrases = phrases();
        let mut intents = Vec::new();
        let mut patterns = Vec::new();
        let mut labels: Vec<String> = self.catalog.iter().map(|c| c.name().to_owned()).collect();
        let unmatched = labels.len();
        labels.push("unmatched".to_owned());
        for (index, c) in self.catalog.iter().enumerate() {
            for example in c.entry.examples.iter().chain([&c.entry.title]) {
                let features = self.sample(example);
                intents.push((features.clone(), 0));
                patterns.push((features, index));
            }
        }
        for (label, texts) in ["unmatched", "query", "modify", "troubleshoot", "out_of_scope"]
            .iter()
            .enumerate()
            .filter_map(|(i, l)| phrases.get(*l).map(|t| (i, t)))
        {
            for example in texts {
                let features = self.sample(example);
                if label == 0 {
                    patterns.push((features.clone(), unmatched));
                }
                intents.push((features, label));
            }
        }
        self.intents = Model::train(decide::CLASSES.iter().map(|c| (*c).to_owned()).collect(), &intents);
        self.patterns = Model::train(labels, &patterns);
    }

    fn sample(&self, text: &str) -> Features {
        let tokens = numbers::read(text::tokenize(text));
        let reading = Reading::new(text, tokens, &self.lexicon);
        features(&reading, &[])
    }

    /// Reads a request. The world may hold existing deployments, earlier turns, and the frame that waits for an answer.
    pub fn parse(&self, text: &str, world: &World) -> Frame {
        let mut frame = match &world.pending {
            Some(pending) => self.next_turn(text, world, Some(pending)),
            None => {
                let (pending, spoken) = self.replay(&world.history, world);
                let world = World { history: spoken, ..world.clone() };
                self.next_turn(text, &world, pending.as_ref())
            }
        };
        frame.parser = "offline".to_owned();
        frame
    }

    /// Parses the person's earlier turns, to know which frame waits for an answer now.
    fn replay(&self, history: &[Turn], world: &World) -> (Option<Frame>, Vec<Turn>) {
        let mut pending: Option<Frame> = None;
        for (i, turn) in history.iter().enumerate() {
            match turn.role {
                Role::User => {
                    let before = World { deployments: world.deployments.clone(), history: history[..i].to_vec(), pending: None };
                    let frame = self.next_turn(&turn.text, &before, pending.as_ref());
                    if frame.verb == Some(crate::intent::Verb::Cancel) {
                        pending = None;
                    } else if dialogue::can_wait(&frame) {
                        pending = Some(frame);
                    }
                }
                Role::Assistant if dialogue::was_applied(&turn.text) => pending = None,
                Role::Assistant => {}
            }
        }
        (pending, history.to_vec())
    }

    /// Takes a cleaned text apart.
    fn read<'a>(&'a self, clean: &'a guard::Clean, world: &World) -> Reading<'a> {
        let mut tokens = numbers::read(text::tokenize(&clean.text));
        let exempt: HashSet<String> = world
            .deployments
            .iter()
            .flat_map(|d| {
                text::phrase_key(&d.name.replace('_', "-")).split(' ').map(str::to_owned).chain([text::fold(&d.name)]).collect::<Vec<_>>()
            })
            .chain(world.deployments.iter().flat_map(|d| d.params.values().flat_map(words_of_value)))
            .chain(tokens.iter().filter(|t| t.kind == Kind::Domain).flat_map(|t| t.low.split('.').map(str::to_owned).collect::<Vec<_>>()))
            .collect();
        self.speller.repair(&mut tokens, &self.lexicon, &exempt);
        Reading::new(&clean.text, tokens, &self.lexicon)
    }
}

fn words_of_value(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(s) => text::phrase_key(s).split(' ').map(str::to_owned).collect(),
        serde_json::Value::Array(list) => list.iter().flat_map(words_of_value).collect(),
        _ => Vec::new(),
    }
}

/// The classifier's view of a request: names, numbers and domains are masked, so that it learns sentences and not names.
fn features(r: &Reading<'_>, names: &[(usize, usize)]) -> Features {
    let mut words = Vec::with_capacity(r.tokens.len());
    for (i, token) in r.tokens.iter().enumerate() {
        if names.iter().any(|(s, e)| (*s..*e).contains(&i)) {
            if names.iter().any(|(s, _)| *s == i) {
                words.push("<dep>".to_owned());
            }
            continue;
        }
        match &token.kind {
            Kind::Word if matches!(token.raw.as_str(), "DEP" | "NAME") => words.push("<dep>".to_owned()),
            Kind::Word if token.raw == "NUM" => words.push("<num>".to_owned()),
            Kind::Word if token.raw == "DOMAIN" => words.push("<domain>".to_owned()),
            Kind::Word if token.raw == "REGION" || places::region_at(r, i).is_some_and(|(_, e)| e == i + 1) => {
                words.push("<region>".to_owned())
            }
            Kind::Word => words.push(token.low.clone()),
            Kind::Number(_) | Kind::Decimal => words.push("<num>".to_owned()),
            Kind::Domain => words.push("<domain>".to_owned()),
            Kind::Cron => words.push("<cron>".to_owned()),
            Kind::Punct('?') => words.push("?".to_owned()),
            Kind::Punct(_) | Kind::Foreign => {}
        }
    }
    model::features(&words)
}

#[cfg(test)]
mod attacks;

#[cfg(test)]
mod tests;
