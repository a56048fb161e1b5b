//! A pattern file's text → [`Pattern`], with everything that is wrong with it at once.

use std::sync::Arc;

use crate::{
    diagnostic::Diagnostic,
    domain::{ParameterName, PatternName},
    intent::Holds,
};

use super::{
    Check, Generate, Note, OutputRule, Parameter, Pattern, PatternFile, Requirement, ResourceRule, TestCase, lint,
    reader::{Reader, upper},
    schema,
    yaml::{self, Entry, Kind, Node},
};

const PATTERN_KEYS: [&str; 17] = [
    "name",
    "version",
    "title",
    "description",
    "runbook",
    "words",
    "examples",
    "requires",
    "scale",
    "parameters",
    "deployment",
    "checks",
    "locals",
    "notes",
    "resources",
    "outputs",
    "tests",
];
const RESOURCE_KEYS: [&str; 12] =
    ["when", "for_each", "as", "server", "type", "name", "properties", "depends_on", "lifecycle", "wait", "existing", "comment"];
const TEST_KEYS: [&str; 13] = [
    "name",
    "parameters",
    "servers",
    "existing",
    "cannot",
    "deployment",
    "waves",
    "resources",
    "contains",
    "lacks",
    "properties",
    "notes",
    "refuses",
];

/// Reads a pattern and lints it. Warnings come with the pattern; any error refuses it.
pub fn parse(file: &str, text: &str) -> Result<(Pattern, Vec<Diagnostic>), Vec<Diagnostic>> {
    read(file, text, Some(lint::lint))
}

/// Reads a pattern that is known to be well: the shipped ones, which a test lints, so that no start of Swell pays for it.
pub(super) fn parse_trusted(file: &str, text: &str) -> Result<(Pattern, Vec<Diagnostic>), Vec<Diagnostic>> {
    read(file, text, None)
}

fn read(file: &str, text: &str, lint: Option<fn(&mut Reader<'_>, &Pattern)>) -> Result<(Pattern, Vec<Diagnostic>), Vec<Diagnostic>> {
    let root = yaml::parse(file, text).map_err(|d| vec![*d])?;
    let file = PatternFile { name: file.to_owned(), text: Arc::from(text) };
    let mut reader = Reader::new(&file);
    let pattern = read_pattern(&mut reader, &root);
    if let (Some(pattern), Some(lint)) = (&pattern, lint) {
        lint(&mut reader, pattern);
    }
    let problems = reader.problems;
    match pattern {
        Some(pattern) if problems.iter().all(|p| p.severity == crate::diagnostic::Severity::Warning) => Ok((pattern, problems)),
        _ => Err(problems),
    }
}

fn read_pattern(r: &mut Reader<'_>, root: &Node) -> Option<Pattern> {
    r.map(root, "a pattern", &PATTERN_KEYS);
    for key in ["name", "title", "resources"] {
        if root.get(key).is_none() && matches!(root.kind, Kind::Map(_)) {
            r.error("pattern::shape", "The pattern has the wrong shape", root.span, "in this file", format!("A pattern needs `{key}`."));
        }
    }
    let name: Option<PatternName> = root.get("name").and_then(|n| r.name(n, "`name`"));
    let text = |r: &mut Reader<'_>, key: &str| root.get(key).and_then(|n| r.text(n, &format!("`{key}`"))).unwrap_or_default();
    let texts = |r: &mut Reader<'_>, key: &str| root.get(key).map(|n| r.texts(n, &format!("`{key}`"))).unwrap_or_default();
    Some(Pattern {
        version: root.get("version").and_then(|n| r.count(n, "`version`")).unwrap_or(1),
        title: text(r, "title"),
        description: text(r, "description").trim().to_owned(),
        runbook: root.get("runbook").is_some_and(|n| r.boolean(n, "`runbook`")),
        words: texts(r, "words"),
        examples: texts(r, "examples"),
        requires: root.get("requires").map(|n| requires(r, n)).unwrap_or_default(),
        scale: root.get("scale").map(|n| scale(r, n)).unwrap_or_default(),
        parameters: root.get("parameters").map(|n| parameters(r, n, "")).unwrap_or_default(),
        deployment: root.get("deployment").cloned(),
        checks: each(r, root, "checks", check),
        locals: root
            .get("locals")
            .map(|n| r.any_map(n, "`locals`").iter().map(|e| (e.key.clone(), e.value.clone())).collect())
            .unwrap_or_default(),
        notes: each(r, root, "notes", note),
        resources: each(r, root, "resources", resource),
        outputs: root.get("outputs").map(|n| outputs(r, n)).unwrap_or_default(),
        tests: each(r, root, "tests", test_case),
        file: r.file.clone(),
        name: name?,
    })
}

/// Reads every element of a list with `read`; an element that cannot be read has been reported and is left out.
fn each<T>(r: &mut Reader<'_>, root: &Node, key: &str, read: fn(&mut Reader<'_>, &Node) -> Option<T>) -> Vec<T> {
    let Some(node) = root.get(key) else { return Vec::new() };
    r.list(node, &format!("`{key}`")).iter().filter_map(|item| read(r, item)).collect()
}

fn requires(r: &mut Reader<'_>, node: &Node) -> Vec<Requirement> {
    let mut out = Vec::new();
    for item in r.list(node, "`requires`") {
        let any = match &item.kind {
            Kind::List(_) => r.texts(item, "an entry of `requires`"),
            _ => r.text(item, "an entry of `requires`").into_iter().collect(),
        };
        for what in &any {
            if let Err(why) = super::Available::default().has(what) {
                r.error("pattern::name", "A name is not allowed", item.span, "this name", format!("{}.", upper(&why)));
            }
        }
        if !any.is_empty() {
            out.push(Requirement { any });
        }
    }
    out
}

fn scale(r: &mut Reader<'_>, node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::List(items) if items.len() != 2 => {
            r.shape(node, "`scale` must be one parameter, or the lower and the upper one");
            Vec::new()
        }
        Kind::List(_) => r.texts(node, "`scale`"),
        _ => r.text(node, "`scale`").into_iter().collect(),
    }
}

fn parameters(r: &mut Reader<'_>, node: &Node, prefix: &str) -> Vec<Parameter> {
    let entries = r.any_map(node, "`parameters`");
    entries.iter().filter_map(|entry| parameter(r, entry, prefix)).collect()
}

fn parameter(r: &mut Reader<'_>, entry: &Entry, prefix: &str) -> Option<Parameter> {
    if let Err(error) = ParameterName::new(entry.key.as_str()) {
        r.error("pattern::name", "A name is not allowed", entry.key_span, "this name", format!("{}.", upper(&error.to_string())));
        return None;
    }
    let node = &entry.value;
    let name = format!("{prefix}{}", entry.key);
    for member in r.any_map(node, &format!("the parameter `{name}`")) {
        let key = member.key.as_str();
        if !schema::OWN_KEYS.contains(&key) && !schema::KEYWORDS.contains(&key) && !key.starts_with("x-") {
            let known = schema::OWN_KEYS.iter().chain(&schema::KEYWORDS).copied();
            r.unknown_key(member, "a parameter", known);
        }
    }
    let text = |r: &mut Reader<'_>, key: &str| node.get(key).and_then(|n| r.text(n, &format!("`{key}`"))).unwrap_or_default();
    let holds = match node.get("holds") {
        Some(n) => match serde_json::from_value::<Holds>(n.to_json()) {
            Ok(holds) => holds,
            Err(_) => {
                r.shape(n, "`holds` must be one of name, domain, count, min, max, choice, choices, switch, version, region, sites, services, schedule, retention, other");
                Holds::Other
            }
        },
        None => Holds::Other,
    };
    let generate = match node.get("generate") {
        Some(n) if n.text() == Some("password") => Some(Generate::Password),
        Some(n) => {
            r.shape(n, "`generate` must be `password`");
            None
        }
        None => None,
    };
    let is_object = node.get("type").and_then(Node::text) == Some("object");
    let members = match node.get("properties") {
        Some(n) if is_object && prefix.is_empty() => parameters(r, n, &format!("{name}.")),
        _ => Vec::new(),
    };
    Some(Parameter {
        schema: schema::of(node),
        ask: text(r, "ask"),
        words: node.get("words").map(|n| r.texts(n, "`words`")).unwrap_or_default(),
        holds,
        required: match node.get("required") {
            Some(n) if !matches!(n.kind, Kind::List(_)) => r.boolean(n, "`required`"),
            _ => false,
        },
        secret: node.get("secret").is_some_and(|n| r.boolean(n, "`secret`")),
        generate,
        default: node.get("default").cloned(),
        because: text(r, "because"),
        members,
        span: entry.key_span,
        name,
    })
}

fn check(r: &mut Reader<'_>, node: &Node) -> Option<Check> {
    r.map(node, "a check", &["when", "that", "message", "about"]);
    let (Some(that), Some(message)) = (node.get("that"), node.get("message")) else {
        r.shape(node, "a check needs `that` and `message`");
        return None;
    };
    Some(Check {
        when: node.get("when").cloned(),
        that: that.clone(),
        message: message.clone(),
        about: node.get("about").map(|n| r.texts(n, "`about`")).unwrap_or_default(),
    })
}

fn note(r: &mut Reader<'_>, node: &Node) -> Option<Note> {
    if let Kind::Text(_) = node.kind {
        return Some(Note { when: None, text: node.clone() });
    }
    r.map(node, "a note", &["when", "text"]);
    let Some(text) = node.get("text") else {
        r.shape(node, "a note needs `text`");
        return None;
    };
    Some(Note { when: node.get("when").cloned(), text: text.clone() })
}

fn resource(r: &mut Reader<'_>, node: &Node) -> Option<ResourceRule> {
    r.map(node, "a resource", &RESOURCE_KEYS);
    for key in ["server", "type", "name"] {
        if node.get(key).is_none() && matches!(node.kind, Kind::Map(_)) {
            r.shape(node, &format!("a resource needs `{key}`"));
        }
    }
    let server = node.get("server").and_then(|n| r.name(n, "`server`"));
    let kind = node.get("type").and_then(|n| r.name(n, "`type`"));
    if let Some(properties) = node.get("properties") {
        r.any_map(properties, "`properties`");
    }
    if let Some(depends_on) = node.get("depends_on") {
        r.list(depends_on, "`depends_on`");
    }
    Some(ResourceRule {
        when: node.get("when").cloned(),
        for_each: node.get("for_each").cloned(),
        item: node.get("as").and_then(|n| r.text(n, "`as`")).unwrap_or_else(|| "item".into()),
        server: server?,
        kind: kind?,
        name: node.get("name")?.clone(),
        properties: node.get("properties").cloned(),
        depends_on: node.get("depends_on").cloned(),
        lifecycle: node.get("lifecycle").cloned(),
        wait: node.get("wait").cloned(),
        existing: node.get("existing").is_some_and(|n| r.boolean(n, "`existing`")),
        span: node.span,
    })
}

fn outputs(r: &mut Reader<'_>, node: &Node) -> Vec<OutputRule> {
    let entries = r.any_map(node, "`outputs`");
    let mut out = Vec::new();
    for entry in entries {
        let rule = match (&entry.value.kind, entry.value.get("value")) {
            (Kind::Map(_), Some(value)) => {
                r.map(&entry.value, "an output", &["when", "value"]);
                OutputRule { name: entry.key.clone(), when: entry.value.get("when").cloned(), value: value.clone() }
            }
            _ => OutputRule { name: entry.key.clone(), when: None, value: entry.value.clone() },
        };
        out.push(rule);
    }
    out
}

fn test_case(r: &mut Reader<'_>, node: &Node) -> Option<TestCase> {
    r.map(node, "a test", &TEST_KEYS);
    let texts = |r: &mut Reader<'_>, key: &str| node.get(key).map(|n| r.texts(n, &format!("`{key}`"))).unwrap_or_default();
    let object = |r: &mut Reader<'_>, key: &str| match node.get(key) {
        Some(n) => r.any_map(n, &format!("`{key}`")).iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
        None => serde_json::Map::new(),
    };
    let servers = node.get("servers").map(|n| {
        let items = r.list(n, "`servers`");
        items.iter().filter_map(|item| r.name(item, "a server")).collect()
    });
    let existing = node.get("existing").map(|n| {
        let items = r.list(n, "`existing`");
        items.iter().filter_map(|item| r.name(item, "an address")).collect()
    });
    let waves = node.get("waves").map(|n| {
        let items = r.list(n, "`waves`");
        items.iter().map(|wave| r.texts(wave, "a wave")).collect()
    });
    Some(TestCase {
        name: node.get("name").and_then(|n| r.text(n, "`name`")).unwrap_or_else(|| "unnamed".into()),
        parameters: object(r, "parameters"),
        servers,
        existing: existing.unwrap_or_default(),
        cannot: texts(r, "cannot"),
        deployment: node.get("deployment").and_then(|n| r.text(n, "`deployment`")),
        waves,
        resources: node.get("resources").and_then(|n| r.count(n, "`resources`")),
        contains: texts(r, "contains"),
        lacks: texts(r, "lacks"),
        properties: object(r, "properties").into_iter().collect(),
        notes: texts(r, "notes"),
        refuses: texts(r, "refuses"),
        span: node.span,
    })
}
