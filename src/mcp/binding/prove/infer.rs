//! What an answer shows about how it is to be read, beside what the binding says.

use serde_json::{Map, Value, json};

use super::{
    Scratch,
    ways::{Way, alike, form, holds, line_pattern, listed, name_in, places, prose_pattern, walk, ways},
};
use crate::{
    domain::Properties,
    mcp::{
        binding::{
            TypeBinding,
            draft::{access, access_path, bare, same},
        },
        reply::Reply,
    },
};

/// What separates the parts of an id that has several.
const JOINT: char = '|';

/// The most outputs that are taken over from an answer.
const MAX_OUTPUTS: usize = 20;

/// Words by which a server says that there is no such thing, and that there is one already.
pub(super) const ABSENT: [&str; 14] = [
    "not found",
    "does not exist",
    "doesn't exist",
    "do not exist",
    "no such",
    "nosuch",
    "notfound",
    "cannot find",
    "could not find",
    "couldn't find",
    "not exist",
    "unknown",
    "no longer",
    "404",
];
pub(super) const PRESENT: [&str; 7] = ["already exists", "already in use", "already", "duplicate", "exists", "conflict", "409"];

/// What is looked for in an answer.
pub(super) struct Wanted<'a> {
    /// The name.
    pub name: &'a str,
    /// The id.
    pub id: &'a str,
    /// What was sent last.
    pub sent: &'a Properties,
    /// The type as it is bound now.
    pub bound: &'a TypeBinding,
}

/// How one is read, as an answer shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted {
    /// `read.result`.
    pub result: Value,
    /// `read.items`; none if the answer is about the one.
    pub items: Option<String>,
    /// `object.id`.
    pub id: String,
    /// `object.name`.
    pub name: String,
    /// `object.properties` of those that were sent and are shown.
    pub properties: Vec<(String, String)>,
    /// Those that were sent and are not shown.
    pub unseen: Vec<String>,
    /// The element that was found.
    pub item: Value,
}

/// Whether an answer is about the scratch object at all.
pub(super) fn mentions(reply: &Reply, scratch: &Scratch, id: Option<&str>) -> bool {
    let structured = reply.structured.as_ref().map(Value::to_string).unwrap_or_default();
    let has = |text: &str| !text.is_empty() && (reply.text.contains(text) || structured.contains(text));
    has(scratch.name.as_str())
        || id.is_some_and(|i| i.len() > 3 && has(i))
        || scratch.first.values().chain(scratch.second.values()).filter_map(Value::as_str).any(|t| t.len() > 5 && has(t))
}

/// Reads an answer about the scratch object in the way that shows the most of what was sent.
pub(super) fn fit(reply: &Reply, wanted: &Wanted) -> Option<Fitted> {
    let must_list =
        wanted.bound.read.items.is_some() && wanted.bound.read.call.arguments.value(&Default::default()).ok().flatten() == Some(json!({}));
    let parts: Vec<&str> = wanted.id.split(JOINT).collect();
    let shown = |item: &Value| {
        let name = usize::from(name_in(item, wanted.name, "item").is_some());
        let ids = parts.iter().filter(|p| holds(item, &json!(p))).count();
        name * 2 + ids + wanted.sent.values().filter(|v| distinct(v) && holds(item, v)).count()
    };
    let mut best: Option<(usize, Way, Option<String>, Value)> = None;
    for way in ways(reply) {
        let whole = shown(&way.value);
        if whole == 0 {
            continue;
        }
        let element = listed(&way.value, &shown);
        // One of many in a list; or the answer itself, which may hold lists of its own.
        let (items, item) = match element {
            Some(l) if l.item.is_object() && shown(&l.item) >= whole.min(2) || must_list => (Some(l.items), l.item),
            _ => (None, way.value.clone()),
        };
        let score = shown(&item);
        if best.as_ref().is_none_or(|(s, ..)| score > *s) {
            best = Some((score, way, items, item));
        }
    }
    let (steps, items, item) = match best {
        Some((_, way, None, item)) => {
            let (path, item) = inmost(item, &shown);
            let mut steps = way.steps.as_array().cloned().unwrap_or_default();
            if !path.is_empty() {
                steps.push(json!({ "path": path.join(".") }));
            }
            (Value::Array(steps), None, item)
        }
        Some((_, way, items, item)) => (way.steps, items, item),
        None => {
            let text = reply.text.as_str();
            let whole = wanted.sent.values().any(|v| v.as_str().is_some_and(|v| v == text && !v.is_empty()));
            if whole {
                (json!(["text"]), None, json!(text))
            } else {
                let pattern = line_pattern(text, wanted.name)?;
                (json!([{ "regex_all": pattern }]), Some("result".to_owned()), json!({"name": wanted.name}))
            }
        }
    };
    Some(fitted(steps, items, item, wanted, &parts))
}

/// Reads an answer that shows nothing of what was sent: that there is one is all that it says.
pub(super) fn bare_presence(reply: &Reply, wanted: &Wanted) -> Fitted {
    let parts: Vec<&str> = wanted.id.split(JOINT).collect();
    let result = if reply.json().is_some() { json!(["json"]) } else { json!(["text"]) };
    fitted(result, None, Value::Null, wanted, &parts)
}

/// The innermost object that has all that the whole has: what stands around it is the server's wrapping.
fn inmost(mut item: Value, shown: &dyn Fn(&Value) -> usize) -> (Vec<String>, Value) {
    let (mut path, all) = (Vec::new(), shown(&item));
    loop {
        let members = item.as_object().into_iter().flatten();
        let inner = members.filter(|(k, v)| v.is_object() && !k.contains('.')).find(|(_, v)| shown(v) == all);
        let Some((key, value)) = inner.map(|(k, v)| (k.clone(), v.clone())) else { return (path, item) };
        // A property may be an object itself: then it is not the whole.
        if item.as_object().is_some_and(|m| m.values().filter(|v| !v.is_object()).any(|v| shown(v) > 0)) {
            return (path, item);
        }
        path.push(key);
        item = value;
    }
}

fn fitted(result: Value, items: Option<String>, item: Value, wanted: &Wanted, parts: &[&str]) -> Fitted {
    let name = name_in(&item, wanted.name, "item");
    let several = parts.len() > 1;
    let of_id = |n: usize| if several { format!("(id | split('{JOINT}'))[{n}]") } else { "id".to_owned() };
    let piece = |(n, part): (usize, &&str)| {
        let known = match () {
            () if **part == *wanted.name => name.clone().or_else(|| Some(if items.is_some() { of_id(n) } else { "name".to_owned() })),
            () => best_place(&item, &json!(part), wanted.sent),
        };
        format!("{{{{ {} }}}}", known.unwrap_or_else(|| of_id(n)))
    };
    let id = parts.iter().enumerate().map(piece).collect::<Vec<_>>().join(&JOINT.to_string());
    let (mut properties, mut unseen) = (Vec::new(), Vec::new());
    for (property, sent) in wanted.sent.iter().filter(|(p, _)| !wanted.bound.def.is_sensitive(p)) {
        // What is a part of the id is known without looking.
        let part = parts.iter().position(|p| sent.as_str() == Some(*p) || *p == sent.to_string());
        match (places(&item, sent, property).first(), part) {
            (Some(leaf), _) => {
                let read = leaf.path.iter().try_fold(&item, |v, step| v.get(step).or_else(|| v.get(step.parse::<usize>().ok()?)));
                properties.push((property.clone(), form(sent, read.unwrap_or(sent), &leaf.expression("item"))));
            }
            (None, Some(n)) => properties.push((property.clone(), form(sent, &json!(parts[n]), &of_id(n)))),
            (None, None) => unseen.push(property.clone()),
        }
    }
    Fitted {
        result,
        id,
        name: name.map_or_else(|| "{{ name }}".to_owned(), |n| format!("{{{{ {n} }}}}")),
        items: items.map(|i| format!("{{{{ {i} }}}}")),
        properties,
        unseen,
        item,
    }
}

/// The place of a part of the id, called like an id if several hold it; a place that holds a property's value too is taken last.
fn best_place(item: &Value, part: &Value, sent: &Properties) -> Option<String> {
    let mut all = places(item, part, "id");
    let is_property = |name: &str| sent.keys().any(|p| bare(p) == bare(name));
    all.sort_by_key(|l| {
        let last = l.path.last().map_or("", String::as_str);
        (!["id", "uuid", "uid", "arn", "url", "name", "key"].iter().any(|e| bare(last).ends_with(e)), is_property(last), l.path.len())
    });
    all.first().map(|l| l.expression("item"))
}

/// Whether a value says anything when it is found: `true` and `1` stand everywhere.
pub(super) fn distinct(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > 2,
        Value::Number(n) => n.as_i64().is_none_or(|n| n.abs() > 20),
        Value::Array(items) => items.iter().any(distinct),
        Value::Object(map) => map.values().any(distinct),
        _ => false,
    }
}

/// Values of an answer that may be the id of what was made, the likeliest first, each with how to read it.
pub(super) fn id_candidates(reply: &Reply, argument: &str, noun: &[String]) -> Vec<(String, Value, String)> {
    let mut all: Vec<(usize, String, Value, String)> = Vec::new();
    for way in ways(reply) {
        walk(&way.value, &mut |path, value| {
            // Words with spaces are a sentence that looks like a member.
            let Some(last) = path.last().filter(|l| !l.contains(char::is_whitespace)) else { return };
            let text = match value {
                Value::String(text) if !text.is_empty() && text.len() < 300 && !text.contains(char::is_whitespace) => text.clone(),
                Value::Number(n) => n.to_string(),
                _ => return,
            };
            let ending = |e: &&str| bare(last).ends_with(*e);
            let rank = match () {
                () if bare(last) == bare(argument) => 0,
                () if same(last, argument, noun) => 1,
                () if ["id", "uuid", "uid", "arn", "url", "key"].iter().any(|e| ending(&e)) => 2,
                () => return,
            };
            all.push((rank * 10 + path.len(), text, way.steps.clone(), access_path("result", path.iter().map(String::as_str))));
        });
    }
    all.sort_by_key(|(rank, ..)| *rank);
    let mut out: Vec<(String, Value, String)> = Vec::new();
    for (_, id, steps, expression) in all {
        if !out.iter().any(|(i, ..)| *i == id) {
            out.push((id, steps, expression));
        }
    }
    if out.is_empty() && !reply.text.trim_start().starts_with(['{', '[']) {
        let tokens = reply.text.split(|c: char| c.is_whitespace() || "'\"`,;()[]".contains(c)).map(|t| t.trim_end_matches(['.', ':']));
        let likely = tokens.filter(|t| t.len() > 1 && t.chars().any(|c| c.is_ascii_digit()) || t.starts_with("arn:"));
        for token in likely.take(8) {
            if let Some(pattern) = prose_pattern(&reply.text, token) {
                out.push((token.to_owned(), json!([{ "regex": pattern }]), "result.id".to_owned()));
            }
        }
    }
    out
}

/// How an id that is known stands in an answer.
pub(super) fn id_place(reply: &Reply, id: &str) -> Option<(Value, String)> {
    for way in ways(reply).into_iter().filter(|w| w.steps != json!(["yaml"])) {
        let found = best_place(&way.value, &json!(id), &Properties::new());
        if let Some(place) = found {
            return Some((way.steps, place.replacen("item", "result", 1)));
        }
    }
    prose_pattern(&reply.text, id).map(|p| (json!([{ "regex": p }]), "result.id".to_owned()))
}

/// What an answer shows besides what was sent: top-level values that are the same in two reads.
pub(super) fn outputs(item: &Value, again: &Value, known: &dyn Fn(&str) -> bool) -> Vec<(String, Value, String)> {
    let Some(members) = item.as_object() else { return Vec::new() };
    let kind = |v: &Value| match v {
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("boolean"),
        Value::Number(n) if n.is_i64() || n.is_u64() => Some("integer"),
        Value::Number(_) => Some("number"),
        _ => None,
    };
    let steady = members.iter().filter(|(k, v)| again.get(k.as_str()) == Some(v) && !known(k));
    steady
        .filter_map(|(k, v)| Some((k.clone(), json!({"type": kind(v)?}), format!("{{{{ {} }}}}", access("item", k)))))
        .take(MAX_OUTPUTS)
        .collect()
}

/// A pattern for the words of a no: what servers usually say, or else these words without what is only about this object.
pub(super) fn words(said: &str, usual: &[&str], about: &[&str]) -> String {
    let low = said.to_lowercase();
    if let Some(phrase) = usual.iter().find(|p| low.contains(**p)) {
        return format!("(?i){}", regex::escape(phrase));
    }
    let line = said.trim().lines().next().unwrap_or_default();
    let mut pattern = format!(r"^\s*{}", regex::escape(&line.chars().take(120).collect::<String>()));
    for one in about.iter().filter(|a| a.len() > 2) {
        pattern = pattern.replace(&regex::escape(one), ".*");
    }
    pattern
}

/// How a no that calls itself a success is told from a success: by a member that only the no has, or by its first words.
pub(super) fn success(no: &Reply, yes: Option<&Reply>) -> Option<String> {
    let members = |r: &Reply| r.json().and_then(|v| v.as_object().cloned()).unwrap_or_default();
    let (bad, good) = (members(no), yes.map(members).unwrap_or_default());
    let unset = |v: Option<&Value>| v.is_none_or(|v| v.is_null() || *v == json!(false) || *v == json!("") || *v == json!([]));
    for key in ["error", "errors", "Error", "errorMessage", "error_message", "error_code"] {
        if bad.get(key).is_some_and(|v| !unset(Some(v))) && unset(good.get(key)) {
            return Some(format!("not {}", access("result", key)));
        }
    }
    for key in ["success", "ok", "succeeded"] {
        if bad.get(key) == Some(&json!(false)) && good.get(key) != Some(&json!(false)) {
            return Some(format!("{} != false", access("result", key)));
        }
    }
    if let (Some(was), Some(is)) = (bad.get("status"), good.get("status"))
        && was != is
        && is.is_string()
    {
        return Some(format!("result.status == '{}'", is.as_str().unwrap_or_default()));
    }
    let first = regex::Regex::new(r"(?i)^\s*(error|failed|failure|fatal|exception|traceback|invalid|cannot|could not|unable)\b").ok()?;
    let said = first.captures(&no.text)?[1].to_lowercase();
    let innocent = yes.is_none_or(|y| !first.is_match(&y.text));
    innocent.then(|| format!("not (text | matches('(?i)^\\\\s*{said}'))"))
}

/// A map of expressions as the file holds it.
pub(super) fn map_of(all: &[(String, String)]) -> Value {
    Value::Object(all.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>())
}

/// Which of the properties that were sent an object shows as they were sent.
pub(super) fn differing(sent: &Properties, shown: &Properties, bound: &TypeBinding) -> Vec<String> {
    let readable = |p: &&String| !bound.def.is_unseen(p) && !bound.def.is_sensitive(p);
    let same_form = |a: &Value, b: &Value| std::mem::discriminant(a) == std::mem::discriminant(b);
    let differs = |p: &&String| shown.get(*p).is_none_or(|s| !(alike(&sent[*p], s) && same_form(&sent[*p], s)));
    sent.keys().filter(readable).filter(differs).cloned().collect()
}
