//! A template's file becomes a [`Template`]: shape, names, variables, references. What the servers say about types is for `check`.
//!
//! All problems of a file are reported together, each with its line and column.

use indexmap::{IndexMap, map::Entry};
use serde_json::Value;

use super::{
    Origin, Span, Template, bounded,
    file::{MAX_FILE, too_large},
    node::{self, Key, Node, Tree},
    reader::{Reader, short},
    variables::Variables,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    domain::{
        Address, DeploymentName, Existing, Lifecycle, Properties, PropertyPath, Reference, Resource, Scope, Segment, Wait, name::nearest,
        reference,
    },
};

/// The longest that a step may wait for its resource.
const MAX_WAIT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// What came of reading a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The template, unless there are errors.
    pub template: Option<Template>,
    /// Errors and warnings, in the order of the file.
    pub problems: Vec<Diagnostic>,
}

/// Reads a template and drops the warnings; [`read`] keeps them. `vars` are the values of `--var`.
pub fn parse(file: &str, text: &str, vars: &IndexMap<String, Value>) -> Result<Template, Vec<Diagnostic>> {
    let Reading { template, problems } = read(file, text, vars);
    template.ok_or(problems)
}

/// Reads a template of YAML or JSON. `file` is its name as the person wrote it; `vars` are the values of `--var`.
pub fn read(file: &str, text: &str, vars: &IndexMap<String, Value>) -> Reading {
    if text.len() > MAX_FILE {
        return Reading { template: None, problems: vec![too_large(file)] };
    }
    let root = match node::read(file, text) {
        Ok(root) => root,
        Err(problem) => return Reading { template: None, problems: vec![*problem] },
    };
    let mut reader = Reader { file, text, problems: Vec::new(), variables: Variables::default(), declared: Vec::new() };
    let mut origin = Origin { file: file.to_owned(), text: text.into(), ..Origin::default() };
    let [name, variables, resources, outputs] = match &root.tree {
        // A bare list is the list of resources.
        Tree::List(_) => [None, None, Some(&root), None],
        _ => {
            let entries = reader.map(&root, "A template").unwrap_or_default();
            let found = reader.fields(entries, "The template", ["name", "variables", "resources", "outputs"]);
            if found[2].is_none() && matches!(root.tree, Tree::Map(_)) {
                reader.missing(&root, "The template", "resources");
            }
            found
        }
    };
    set_variables(&mut reader, variables, vars, &mut origin);
    let name = match name.filter(|n| n.tree != Tree::Null) {
        Some(node) => {
            origin.outside.insert(PropertyPath::key("name"), node.span);
            reader.name(node, "The name of the deployment")
        }
        None => name_of(file),
    };
    let resources = resources.and_then(|node| reader.list(node, "`resources`")).unwrap_or_default();
    let resources = all_resources(&mut reader, resources, &mut origin);
    let outputs = outputs.map_or_else(Default::default, |node| all_outputs(&mut reader, node, &mut origin));
    unused(&mut reader, vars);

    let Reader { problems, variables, .. } = reader;
    let failed = problems.iter().any(|p| p.severity == Severity::Error);
    let template = name.filter(|_| !failed).map(|name| Template { name, variables: variables.into_values(), resources, outputs, origin });
    Reading { template, problems: bounded(problems) }
}

/// The name of a deployment whose file does not say it: the file's stem.
fn name_of(file: &str) -> Option<DeploymentName> {
    let stem = std::path::Path::new(file).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let word: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(128).collect();
    let word = word.trim_start_matches(['-', '_']).trim_end_matches('-');
    // Only letters, digits, `-` and `_` are left, so a word that is not empty is a name.
    DeploymentName::new(word).or_else(|_| DeploymentName::new("deployment")).ok()
}

/// Reads `variables:` in order; what `--var` says wins.
fn set_variables(reader: &mut Reader<'_>, node: Option<&Node>, vars: &IndexMap<String, Value>, origin: &mut Origin) {
    for (name, value) in vars {
        if !is_variable(name) {
            let detail = format!("`{}` cannot be the name of a variable: only letters, digits, `-` and `_` are allowed.", short(name));
            let problem = Diagnostic::error("template::bad-name", "A name is not valid").detail(detail).state("Nothing was planned.");
            reader.problems.push(problem);
            continue;
        }
        let broken = strings(value).into_iter().find_map(|text| reference::parse(text).err().map(|e| e.reason));
        let reason = broken.or_else(|| Reader::forbidden(value).map(|r| format!("`{r}` is not allowed in it")));
        match reason {
            Some(reason) => reader.problems.push(
                Diagnostic::error("template::variable-reference", "A variable holds a reference")
                    .detail(format!("`--var {name}=…` cannot be used: {reason}. A variable may refer to secrets only."))
                    .state("Nothing was planned.")
                    .hint("Write `$${` for a literal `${`."),
            ),
            None => reader.variables.set(name, value.clone()),
        }
    }
    let Some(node) = node.filter(|n| n.tree != Tree::Null) else { return };
    let entries = reader.map(node, "`variables`").unwrap_or_default();
    reader.declared = entries.iter().map(|(key, _)| key.text.clone()).collect();
    let mut seen: IndexMap<&str, &Key> = IndexMap::new();
    for (key, node) in entries {
        let path = PropertyPath::key("variables").child(&key.text);
        if seen.insert(&key.text, key).is_some() {
            let problem = Diagnostic::error("template::duplicate-key", "A key stands twice")
                .detail(format!("The variable `{}` is set twice. Which of the two is meant cannot be told.", short(&key.text)));
            reader.report(key.span, "again", problem);
            continue;
        }
        if !is_variable(&key.text) {
            let detail = format!("`{}` cannot be the name of a variable.", short(&key.text));
            let problem = Diagnostic::error("template::bad-name", "A name is not valid").detail(detail);
            reader.report(key.span, "only letters, digits, `-` and `_` are allowed", problem);
            continue;
        }
        if reader.variables.contains(&key.text) {
            origin.outside.insert(path, node.span);
            continue;
        }
        let value = reader.value(node, &path, &mut |path, span| {
            origin.outside.insert(path.clone(), span);
        });
        let value = value.filter(|value| match Reader::forbidden(value) {
            Some(found) => {
                let problem = Diagnostic::error("template::variable-reference", "A variable holds a reference").detail(format!(
                    "The variable `{}` refers to `{found}`. A variable may refer to secrets and to variables before it, because \
                     it is put in place before anything is planned.",
                    short(&key.text)
                ));
                reader.report(node.span, "a reference to a resource", problem);
                false
            }
            None => true,
        });
        // One that is broken is set all the same, so that its uses are not reported as well.
        reader.variables.set(&key.text, value.unwrap_or(Value::Null));
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Reports what `--var` sets and nothing uses: an error if something like it is used, else a warning.
fn unused(reader: &mut Reader<'_>, vars: &IndexMap<String, Value>) {
    let declared = &reader.declared;
    let known: Vec<&str> = reader.variables.used().iter().chain(declared).map(String::as_str).filter(|n| !vars.contains_key(*n)).collect();
    let mut found = Vec::new();
    for name in vars.keys().filter(|n| !reader.variables.used().contains(*n) && !declared.contains(*n) && is_variable(n)) {
        found.push(match nearest(name, known.iter().copied()) {
            Some(near) => Diagnostic::error("template::unknown-variable", "The template has no such variable")
                .detail(format!("`--var {name}=…` sets a variable that the template does not use."))
                .state("Nothing was planned.")
                .hint(format!("Did you mean `--var {near}=…`?")),
            None => Diagnostic::warning("template::unused-variable", "A variable is not used")
                .detail(format!("`--var {name}=…` sets a variable that the template does not use.")),
        });
    }
    reader.problems.extend(found);
}

/// Reads the resources and refuses an address that stands twice.
fn all_resources(reader: &mut Reader<'_>, nodes: &[Node], origin: &mut Origin) -> Vec<Resource> {
    let mut read: IndexMap<Address, Resource> = IndexMap::with_capacity(nodes.len());
    let mut spans = Vec::new();
    for node in nodes {
        spans.clear();
        let Some(resource) = one_resource(reader, node, &mut spans) else { continue };
        let here = spans.iter().find(|(path, _): &&(PropertyPath, Span)| path.0.is_empty()).map_or(node.span, |(_, span)| *span);
        match read.entry(resource.address.clone()) {
            Entry::Occupied(_) => {
                let first = origin.spans.get(&(resource.address.clone(), PropertyPath::default())).copied().unwrap_or_default();
                let line = reader.text[..first.offset.min(reader.text.len())].matches('\n').count() + 1;
                let problem = Diagnostic::error("template::duplicate-address", "An address stands twice")
                    .address(&resource.address)
                    .detail(format!("The template declares `{}` here and on line {line}. An address names one resource.", resource.address))
                    .hint("Give one of them another name.");
                reader.report(here, "declared again", problem);
            }
            Entry::Vacant(slot) => {
                origin.spans.extend(spans.drain(..).map(|(path, span)| ((resource.address.clone(), path), span)));
                slot.insert(resource);
            }
        }
    }
    read.into_values().collect()
}

/// Reads one resource. `spans` is told where its pieces stand; the empty path is its name.
fn one_resource(reader: &mut Reader<'_>, node: &Node, spans: &mut Vec<(PropertyPath, Span)>) -> Option<Resource> {
    let entries = reader.map(node, "A resource")?;
    let keys = ["server", "type", "name", "properties", "depends_on", "lifecycle", "wait", "existing"];
    let [server, kind, name, properties, depends_on, lifecycle, wait, existing] = reader.fields(entries, "The resource", keys);
    for (key, field) in [("server", server), ("type", kind), ("name", name)] {
        match field {
            Some(field) => spans.push((PropertyPath::key(key), field.span)),
            None if key == "server" => reader.missing_server(node, kind),
            None => reader.missing(node, "The resource", key),
        }
    }
    spans.push((PropertyPath::default(), name.map_or(node.span, |n| n.span)));
    // Everything is read even if the address is not whole, so that all is reported.
    let server = server.and_then(|n| reader.name(n, "The server of a resource"));
    let kind = kind.and_then(|n| reader.name(n, "The type of a resource"));
    let name = name.and_then(|n| reader.name(n, "The name of a resource"));
    let given = |field: Option<&'_ Node>| field.filter(|n| n.tree != Tree::Null).cloned();
    let properties = given(properties).map_or(Some(Properties::new()), |node| {
        reader.map(&node, "`properties`")?;
        match reader.value(&node, &PropertyPath::key("properties"), &mut |path, span| spans.push((path.clone(), span)))? {
            Value::Object(map) => Some(map),
            _ => None,
        }
    });
    let depends_on = given(depends_on).map(|node| dependencies(reader, &node, spans)).unwrap_or_default();
    let lifecycle = given(lifecycle).map(|node| read_lifecycle(reader, &node, spans)).unwrap_or_default();
    let wait = given(wait).and_then(|node| read_wait(reader, &node, spans));
    let existing = given(existing).and_then(|node| {
        spans.push((PropertyPath::key("existing"), node.span));
        reader.flag(&node, "`existing`")
    });
    Some(Resource {
        address: Address::new(server?, kind?, name?),
        properties: properties?,
        depends_on,
        lifecycle,
        wait,
        existing: if existing == Some(true) { Existing::ReadOnly } else { Existing::Managed },
    })
}

/// Reads `depends_on`: addresses, or references to them.
fn dependencies(reader: &mut Reader<'_>, node: &Node, spans: &mut Vec<(PropertyPath, Span)>) -> Vec<Address> {
    let path = PropertyPath::key("depends_on");
    let mut found = Vec::new();
    for item in reader.list(node, "`depends_on`").unwrap_or_default() {
        if let Tree::Text(text) = &item.tree
            && let Ok([Segment::Reference(Reference::Output { scope: Scope::Here, address, .. })]) = reference::parse(text).as_deref()
        {
            spans.push((path.item(found.len()), item.span));
            found.push(address.clone());
        } else if let Some(address) = reader.name(item, "A dependency") {
            spans.push((path.item(found.len()), item.span));
            found.push(address);
        }
    }
    found
}

/// Reads `lifecycle`.
fn read_lifecycle(reader: &mut Reader<'_>, node: &Node, spans: &mut Vec<(PropertyPath, Span)>) -> Lifecycle {
    let path = PropertyPath::key("lifecycle");
    let entries = reader.map(node, "`lifecycle`").unwrap_or_default();
    let keys = ["prevent_destroy", "create_before_destroy", "ignore_changes"];
    let fields = reader.fields(entries, "`lifecycle`", keys);
    for (key, field) in keys.iter().zip(fields) {
        spans.extend(field.map(|f| (path.child(key), f.span)));
    }
    let [prevent, before, ignore] = fields;
    let prevent_destroy = prevent.and_then(|n| reader.flag(n, "`prevent_destroy`")).unwrap_or_default();
    let create_before_destroy = before.and_then(|n| reader.flag(n, "`create_before_destroy`")).unwrap_or_default();
    let mut ignore_changes = Vec::new();
    for item in ignore.and_then(|n| reader.list(n, "`ignore_changes`")).unwrap_or_default() {
        if let Some(name) = reader.text(item, "A property to ignore") {
            spans.push((path.child("ignore_changes").item(ignore_changes.len()), item.span));
            ignore_changes.push(name);
        }
    }
    Lifecycle { prevent_destroy, create_before_destroy, ignore_changes }
}

/// Reads `wait`.
fn read_wait(reader: &mut Reader<'_>, node: &Node, spans: &mut Vec<(PropertyPath, Span)>) -> Option<Wait> {
    spans.push((PropertyPath::key("wait"), node.span));
    if !matches!(node.tree, Tree::Map(_)) {
        return reader.wrong(node, "`wait`", "a map such as `{ timeout: 5m }`");
    }
    let entries = reader.map(node, "`wait`")?;
    let [timeout] = reader.fields(entries, "`wait`", ["timeout"]);
    let Some(timeout) = timeout else {
        reader.missing(node, "`wait`", "timeout");
        return None;
    };
    spans.push((PropertyPath::key("wait").child("timeout"), timeout.span));
    let length = match &timeout.tree {
        Tree::Number(n) => n.as_f64().and_then(|n| std::time::Duration::try_from_secs_f64(n).ok()),
        _ => {
            let text = reader.text(timeout, "`timeout`")?;
            text.parse::<jiff::SignedDuration>().ok().and_then(|d| std::time::Duration::try_from(d).ok())
        }
    };
    match length.filter(|d| !d.is_zero() && *d <= MAX_WAIT) {
        Some(timeout) => Some(Wait { timeout }),
        None => {
            let problem = Diagnostic::error("template::bad-duration", "A time cannot be read")
                .detail("`timeout` must be a time of at most 7 days, such as `90s`, `5m` or `1h 30m`. A plain number means seconds.");
            reader.report(timeout.span, "not such a time", problem);
            None
        }
    }
}

/// Reads `outputs`.
fn all_outputs(reader: &mut Reader<'_>, node: &Node, origin: &mut Origin) -> IndexMap<String, Value> {
    if node.tree == Tree::Null || reader.map(node, "`outputs`").is_none() {
        return IndexMap::new();
    }
    match reader.value(node, &PropertyPath::key("outputs"), &mut |path, span| {
        origin.outside.insert(path.clone(), span);
    }) {
        Some(Value::Object(map)) => map.into_iter().collect(),
        _ => IndexMap::new(),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
pub(super) mod tests;
