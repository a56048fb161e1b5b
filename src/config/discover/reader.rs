//! A file of another client as a tree with places: every complaint names file, line and column, and never quotes a value.

use std::collections::{BTreeMap, BTreeSet};

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{Object, ObjectProp, Value},
    common::Ranged,
};

use super::{Place, Surroundings};
use crate::{config::origin::Layer, diagnostic::Diagnostic, domain::text::clean_line};

/// Reads one file.
pub(super) struct Reader<'t> {
    place: &'t Place,
    text: &'t str,
    /// What was wrong so far.
    pub(super) problems: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(place: &'t Place, text: &'t str) -> Self {
        // Editors on Windows like to begin a file with a mark.
        Self { place, text: text.strip_prefix('\u{feff}').unwrap_or(text), problems: Vec::new() }
    }

    pub(super) fn layer(&self) -> Layer {
        self.place.layer
    }

    pub(super) fn file(&self) -> String {
        self.place.path.display().to_string()
    }

    /// Line and column of a byte, from 1.
    pub(super) fn at(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = self.text[..offset].rfind('\n').map_or(0, |n| n + 1);
        (self.text[..start].matches('\n').count() + 1, self.text[start..offset].chars().count() + 1)
    }

    /// Notes a problem. The line itself is not shown: it may hold a secret.
    pub(super) fn complain(&mut self, offset: usize, detail: String) {
        let (line, column) = self.at(offset);
        self.problems.push(
            Diagnostic::warning("discover::file", "A file of another client cannot be read as it stands")
                .fact("from", self.place.layer.title())
                .fact("where", format!("{}:{line}:{column}", clean_line(&self.file(), 400)))
                .detail(detail)
                .state("What is wrong is left out; everything else is read."),
        );
    }

    /// The outermost object. An empty file is no problem: clients make such files.
    pub(super) fn parse(&mut self, comments: bool) -> Option<Object<'t>> {
        let text: &'t str = self.text;
        if text.trim().is_empty() {
            return None;
        }
        let options = ParseOptions {
            allow_comments: comments,
            allow_trailing_commas: comments,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        match jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options) {
            Ok(parsed) => match parsed.value {
                Some(Value::Object(object)) => Some(object),
                Some(other) => {
                    self.complain(other.start(), "The file is no JSON object.".into());
                    None
                }
                None => None,
            },
            Err(e) => {
                self.complain(e.range().start, format!("It is no JSON: {}.", clean_line(&e.kind().to_string(), 200)));
                None
            }
        }
    }

    /// The tables of servers that count here.
    pub(super) fn tables<'o>(&mut self, root: &'o Object<'t>, layer: Layer, key: &str, s: &Surroundings<'_>) -> Vec<&'o Object<'t>> {
        let holder = if layer == Layer::ClaudeCodeLocal { self.project(root, s) } else { Some(root) };
        holder.and_then(|o| self.object(o, key)).into_iter().collect()
    }

    /// What Claude Code keeps about the folder we work in.
    fn project<'o>(&mut self, root: &'o Object<'t>, s: &Surroundings<'_>) -> Option<&'o Object<'t>> {
        let projects = self.object(root, "projects")?;
        let same = |p: &&ObjectProp<'t>| std::path::Path::new(p.name.as_str()) == s.folder;
        projects.properties.iter().rev().find(same)?.value.as_object()
    }

    /// Names in the lists `keys`, wherever the client keeps them.
    pub(super) fn names(&mut self, root: &Object<'t>, keys: &[&str], s: &Surroundings<'_>) -> BTreeSet<String> {
        if keys.is_empty() {
            return BTreeSet::new();
        }
        let Some(project) = self.project(root, s) else { return BTreeSet::new() };
        let mut all = BTreeSet::new();
        for key in keys {
            let list = project.get_array(key).into_iter().flat_map(|a| &a.elements);
            all.extend(list.filter_map(|v| Some(v.as_string_lit()?.value.to_string())));
        }
        all
    }

    /// A property that must be an object if it is there.
    pub(super) fn object<'o>(&mut self, of: &'o Object<'t>, key: &str) -> Option<&'o Object<'t>> {
        let found = last(of, key)?;
        match &found.value {
            Value::Object(object) => Some(object),
            Value::NullKeyword(_) => None,
            other => {
                self.complain(other.start(), format!("`{key}` is no object."));
                None
            }
        }
    }
}

/// The last property of a name: what every client takes when a name stands twice.
pub(super) fn last<'o, 't>(of: &'o Object<'t>, key: &str) -> Option<&'o ObjectProp<'t>> {
    of.properties.iter().rev().find(|p| p.name.as_str() == key)
}

/// A text, a list of texts or a map of texts that an entry may hold. The error says where and what.
pub(super) type Read<T> = Result<Option<T>, (usize, String)>;

pub(super) fn text(of: &Object<'_>, key: &str) -> Read<String> {
    match last(of, key).map(|p| &p.value) {
        None | Some(Value::NullKeyword(_)) => Ok(None),
        Some(Value::StringLit(s)) => Ok(Some(s.value.to_string())),
        Some(other) => Err((other.start(), format!("`{key}` is no text"))),
    }
}

pub(super) fn boolean(of: &Object<'_>, key: &str) -> Read<bool> {
    match last(of, key).map(|p| &p.value) {
        None | Some(Value::NullKeyword(_)) => Ok(None),
        Some(Value::BooleanLit(b)) => Ok(Some(b.value)),
        Some(other) => Err((other.start(), format!("`{key}` is neither true nor false"))),
    }
}

pub(super) fn texts(of: &Object<'_>, key: &str) -> Read<Vec<String>> {
    match last(of, key).map(|p| &p.value) {
        None | Some(Value::NullKeyword(_)) => Ok(None),
        Some(Value::Array(list)) => list
            .elements
            .iter()
            .map(|v| {
                v.as_string_lit()
                    .map(|s| s.value.to_string())
                    .ok_or_else(|| (v.start(), format!("`{key}` holds something that is no text")))
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err((other.start(), format!("`{key}` is no list of texts"))),
    }
}

pub(super) fn map(of: &Object<'_>, key: &str) -> Read<BTreeMap<String, String>> {
    let object = match last(of, key).map(|p| &p.value) {
        None | Some(Value::NullKeyword(_)) => return Ok(None),
        Some(Value::Object(object)) => object,
        Some(other) => return Err((other.start(), format!("`{key}` is no object of texts"))),
    };
    let mut all = BTreeMap::new();
    for property in &object.properties {
        let name = property.name.as_str();
        let value = match &property.value {
            Value::StringLit(s) => s.value.to_string(),
            // Clients hand numbers and booleans on as they are written.
            Value::NumberLit(n) => n.value.to_string(),
            Value::BooleanLit(b) => b.value.to_string(),
            // Some clients write null for a variable that is not to be set.
            Value::NullKeyword(_) => continue,
            other => return Err((other.start(), format!("`{key}.{}` is no text", clean_line(name, 60)))),
        };
        all.insert(name.to_owned(), value);
    }
    Ok(Some(all))
}
