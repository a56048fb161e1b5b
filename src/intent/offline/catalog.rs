//! The catalogue, prepared for reading: each pattern's words, and for each parameter the words that name it and the values it can take.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::lexicon::Lexicon;
use super::text::phrase_key;
use crate::intent::{CatalogEntry, CatalogParameter, Holds};

/// Word classes whose members mean the same thing wherever a parameter is named by one of them.
const ALIKE: [&str; 7] =
    ["alike_replica", "alike_instance", "alike_device", "alike_site", "alike_backup", "alike_encryption", "alike_monitoring"];

/// One pattern, prepared.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    /// As given.
    pub entry: CatalogEntry,
    /// Folded words that point to the pattern.
    pub words: HashSet<String>,
    /// Its parameters.
    pub params: Vec<Param>,
}

/// One parameter, prepared.
#[derive(Debug, Clone)]
pub(super) struct Param {
    /// As given.
    pub spec: CatalogParameter,
    /// Folded phrases that name it.
    pub words: HashSet<String>,
    /// Folded phrase of a value → the value.
    pub terms: HashMap<String, String>,
    /// Folded words that switch it on by themselves ("encrypted").
    pub on: HashSet<String>,
    /// Values outside the enumeration are taken when named outright.
    pub open: bool,
    /// Smallest acceptable number.
    pub minimum: Option<i64>,
    /// Largest acceptable number.
    pub maximum: Option<i64>,
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `dbReplicas` → `db replicas`.
fn split_camel(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out.replace(['.', '_', '-'], " ")
}

impl Param {
    fn new(spec: &CatalogParameter, lexicon: &Lexicon) -> Self {
        let mut words: HashSet<String> = spec.words.iter().map(|w| phrase_key(w)).collect();
        if !spec.name.contains('.') {
            words.insert(phrase_key(&spec.name));
            words.insert(phrase_key(&split_camel(&spec.name)));
        }
        // A pattern says `replicas`; people say copies, Replikate, réplicas.
        for class in ALIKE {
            if words.iter().any(|w| lexicon.is(class, w)) {
                words.extend(lexicon.phrases_of(class));
            }
        }
        let mut terms = HashMap::new();
        let mut open = false;
        // A list's members are described by `items`; a choice by the schema itself.
        for schema in [Some(&spec.schema), spec.schema.get("items")].into_iter().flatten() {
            open |= schema.get("x-open").and_then(Value::as_bool).unwrap_or(false);
            for value in strings(schema.get("enum")) {
                terms.insert(phrase_key(&value), value.clone());
                for synonym in strings(schema.get("x-synonyms").and_then(|s| s.get(&value))) {
                    terms.insert(phrase_key(&synonym), value.clone());
                }
            }
        }
        let number = |key: &str| spec.schema.get(key).and_then(Value::as_i64);
        Self {
            on: strings(spec.schema.get("x-on")).iter().map(|w| phrase_key(w)).collect(),
            minimum: number("minimum"),
            maximum: number("maximum"),
            spec: spec.clone(),
            words,
            terms,
            open,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it holds.
    pub fn holds(&self) -> Holds {
        self.spec.holds
    }

    /// Whether `none` is one of its values.
    pub fn may_be_none(&self) -> bool {
        self.terms.contains_key("none")
    }

    /// Whether a phrase names it, in the singular or the plural.
    pub fn named_by(&self, phrase: &str) -> bool {
        self.words.contains(phrase)
            || phrase.strip_suffix(['s', 'n']).is_some_and(|p| self.words.contains(p))
            || (phrase.len() > 3 && !phrase.ends_with('s') && self.words.contains(&format!("{phrase}s")))
    }
}

impl Compiled {
    /// Prepares an entry.
    pub fn new(entry: &CatalogEntry, lexicon: &Lexicon) -> Self {
        Self {
            words: entry.words.iter().chain([&entry.name]).map(|w| phrase_key(w)).collect(),
            params: entry.parameters.iter().map(|p| Param::new(p, lexicon)).collect(),
            entry: entry.clone(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// The first parameter that holds this.
    pub fn holding(&self, holds: Holds) -> Option<&Param> {
        self.params.iter().find(|p| p.holds() == holds)
    }

    /// A parameter by name.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name() == name)
    }

    /// Whether it scales between two bounds.
    pub fn has_bounds(&self) -> bool {
        self.holding(Holds::Min).is_some() && self.holding(Holds::Max).is_some()
    }

    /// Every folded single word of the entry, for typo repair and to tell known words from names.
    pub fn vocabulary(&self) -> HashSet<String> {
        let mut out = HashSet::new();
        let phrases = self.words.iter().chain(self.params.iter().flat_map(|p| p.words.iter().chain(p.terms.keys()).chain(p.on.iter())));
        for phrase in phrases {
            out.extend(phrase.split(' ').map(str::to_owned));
        }
        out
    }
}
