//! The ways in which an answer can be read, and where in it a value stands.

use serde_json::{Value, json};

use crate::mcp::{
    binding::{
        decode::{Step, StepKind, decode},
        draft::{access_path, bare},
    },
    reply::Reply,
};

/// How deep JSON within JSON is unwrapped.
const MAX_NESTED: usize = 3;

/// The most leaves that are looked at.
const MAX_LEAVES: usize = 20_000;

/// One way to read an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    /// The steps, as they stand in a file.
    pub steps: Value,
    /// What they give.
    pub value: Value,
}

/// A value in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The way to it.
    pub path: Vec<String>,
}

impl Leaf {
    /// It, as an expression over what `of` stands for.
    pub fn expression(&self, of: &str) -> String {
        access_path(of, self.path.iter().map(String::as_str))
    }
}

/// Every way to read an answer that gives more than its text; the likeliest first.
pub fn ways(reply: &Reply) -> Vec<Way> {
    let mut all = Vec::new();
    if let Some(value) = reply.json() {
        let inner = nested(&value, &mut Vec::new(), 0);
        all.push(Way { steps: json!(["json"]), value });
        for (path, value) in inner {
            all.push(Way { steps: json!([{ "nested": path }]), value });
        }
    }
    // One JSON document beside the structured content, with another shape.
    if reply.structured.is_some()
        && let Ok(value) = serde_json::from_str::<Value>(reply.text.trim())
        && !value.is_string()
    {
        all.push(Way { steps: json!(["text", "json"]), value });
    }
    let mut try_word = |word: &str, kind: StepKind| {
        if let Ok(value) = decode(reply, &[Step { kind, span: Default::default() }])
            && (value.is_object() || value.is_array())
        {
            all.push(Way { steps: json!([word]), value });
        }
    };
    if reply.blocks.len() > 1 {
        try_word("blocks", StepKind::Blocks);
    }
    let text = reply.text.trim_start();
    if text.starts_with(['{', '[', '(']) && reply.json().is_none() {
        try_word("python", StepKind::Python);
    }
    if reply.structured.is_none() && serde_json::from_str::<Value>(text).is_err() {
        if text.lines().next().is_some_and(|l| l.contains("  ") && l.to_uppercase() == l) {
            try_word("table", StepKind::Table);
        }
        try_word("yaml", StepKind::Yaml);
    }
    all
}

/// JSON that stands as text within JSON.
fn nested(value: &Value, path: &mut Vec<String>, depth: usize) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    if depth > MAX_NESTED {
        return all;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        path.push(key.clone());
        match inner {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                if let Ok(parsed) = serde_json::from_str::<Value>(text) {
                    all.push((path.join("."), parsed));
                }
            }
            Value::Object(_) => all.extend(nested(inner, path, depth + 1)),
            _ => {}
        }
        path.pop();
    }
    all
}

/// Whether a value read back is the one that was sent, in whatever form.
pub fn alike(sent: &Value, read: &Value) -> bool {
    match (sent, read) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().all(|x| b.iter().any(|y| alike(x, y))),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, x)| b.get(k).is_some_and(|y| alike(x, y))),
        (Value::Bool(a), Value::String(b)) => ["true", "1", "yes", "on"].contains(&b.to_lowercase().as_str()) == *a && b.len() < 6,
        (Value::Bool(a), Value::Number(b)) => b.as_i64() == Some(i64::from(*a)),
        (Value::Number(a), Value::String(b)) => a.to_string() == *b,
        (Value::String(a), Value::Number(b)) => *a == b.to_string(),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Object(_) | Value::Array(_), Value::String(b)) => serde_json::from_str::<Value>(b).is_ok_and(|b| alike(sent, &b)),
        _ => sent == read,
    }
}

/// An expression that turns what is read into the form that was sent.
pub fn form(sent: &Value, read: &Value, expression: &str) -> String {
    let inner = match (sent, read) {
        (Value::Number(n), Value::String(_)) if n.is_i64() || n.is_u64() => format!("{expression} | int"),
        (Value::Number(_), Value::String(_)) => format!("{expression} | float"),
        (Value::Bool(_), Value::String(_)) => format!("({expression} | lower) in ['true', '1', 'yes', 'on']"),
        (Value::Bool(_), Value::Number(_)) => format!("{expression} == 1"),
        (Value::String(_), Value::Number(_)) => format!("{expression} ~ ''"),
        (Value::Object(_) | Value::Array(_), Value::String(_)) => format!("{expression} | from_json"),
        _ => expression.to_owned(),
    };
    format!("{{{{ {inner} }}}}")
}

/// Calls `visit` with every value and the way to it, outer ones first.
pub fn walk<'v>(value: &'v Value, visit: &mut dyn FnMut(&[String], &'v Value)) {
    fn go<'v>(value: &'v Value, path: &mut Vec<String>, left: &mut usize, visit: &mut dyn FnMut(&[String], &'v Value)) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        visit(path, value);
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    path.push(key.clone());
                    go(inner, path, left, visit);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (n, inner) in items.iter().enumerate() {
                    path.push(n.to_string());
                    go(inner, path, left, visit);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    go(value, &mut Vec::new(), &mut MAX_LEAVES.clone(), visit);
}

/// The places where a value stands; those whose member is called like `name` first, then the shorter ways.
pub fn places(value: &Value, sent: &Value, name: &str) -> Vec<Leaf> {
    let mut all = Vec::new();
    walk(value, &mut |path, found| {
        if alike(sent, found) {
            all.push(Leaf { path: path.to_vec() });
        }
    });
    let wanted = bare(name);
    all.sort_by_key(|l| (l.path.last().map_or("", String::as_str) != name, l.path.last().is_none_or(|p| bare(p) != wanted), l.path.len()));
    all
}

/// A list in an answer, and the element of it that is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The way to the list, as an expression over `result`.
    pub items: String,
    /// The element.
    pub item: Value,
}

/// The list of which an element has most of what `score` counts, and that element; of the same, the outer one.
pub fn listed(value: &Value, score: &dyn Fn(&Value) -> usize) -> Option<Listed> {
    let mut best: Option<(usize, Listed)> = None;
    walk(value, &mut |path, found| {
        for item in found.as_array().into_iter().flatten() {
            // A list of texts within an object is one of its properties.
            let inside = !item.is_object() && best.as_ref().is_some_and(|(_, b)| b.item.is_object());
            let points = if item.is_array() || inside { 0 } else { score(item) };
            if points > best.as_ref().map_or(0, |(p, _)| *p) {
                let items = access_path("result", path.iter().map(String::as_str));
                best = Some((points, Listed { items, item: item.clone() }));
            }
        }
    });
    best.map(|(_, l)| l)
}

/// Whether a value holds another one, anywhere.
pub fn holds(value: &Value, wanted: &Value) -> bool {
    let mut found = false;
    walk(value, &mut |_, v| found |= alike(wanted, v));
    found
}

/// Where a name stands, whole or as the last part of a longer one (`arn:…:name`, `http://…/name`), as an expression over `of`.
pub fn name_in(value: &Value, name: &str, of: &str) -> Option<String> {
    if let Some(leaf) = places(value, &json!(name), "name").first() {
        return Some(leaf.expression(of));
    }
    let mut found = None;
    walk(value, &mut |path, v| {
        let Some(text) = v.as_str().filter(|_| found.is_none()) else { return };
        for joint in ['/', ':'] {
            if text.strip_suffix(name).is_some_and(|before| before.ends_with(joint)) {
                let whole = access_path(of, path.iter().map(String::as_str));
                found = Some(format!("({whole} | split('{joint}') | list | last)"));
            }
        }
    });
    found
}

/// A pattern for the lines of a text in which one stands like `name`: with it the names of all can be read.
pub fn line_pattern(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|l| l.split(|c: char| c.is_whitespace() || "'\"`,;()[]".contains(c)).any(|w| w == name))?;
    let at = line.find(name)?;
    let (before, after) = (&line[..at], &line[at + name.len()..]);
    // What is before a name in prose is part of the pattern; marks and spaces may be others on other lines.
    let before = match before.chars().any(char::is_alphanumeric) {
        true => regex::escape(before),
        false => r"[^\w\n]*".to_owned(),
    };
    let end = match after.chars().next() {
        Some(c @ ('\'' | '"' | '`' | ')' | ']')) => format!(r"(?P<name>[^{c}\n]+){}", regex::escape(&c.to_string())),
        _ => r"(?P<name>[^\s,;]+)".to_owned(),
    };
    Some(format!("(?m)^{before}{end}"))
}

/// A pattern that finds `id` in prose, by the words before it.
pub fn prose_pattern(text: &str, id: &str) -> Option<String> {
    let at = text.find(id)?;
    let before: String = {
        let words: Vec<&str> = text[..at].rsplitn(3, char::is_whitespace).collect();
        let near = words.iter().take(2).rev().copied().collect::<Vec<_>>().join(" ");
        near.split_whitespace().map(regex::escape).collect::<Vec<_>>().join(r"\s+")
    };
    let gap = if text[..at].ends_with(char::is_whitespace) && !before.is_empty() { r"\s+" } else { "" };
    let pattern = format!(r"{before}{gap}(?P<id>[^\s,;'\x22`)\]]+)");
    let regex = regex::Regex::new(&pattern).ok()?;
    let found = regex.captures(text)?;
    (found["id"].trim_end_matches('.') == id).then_some(pattern.replace("]+)", "]*[^\\s,;.'\\x22`)\\]])"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply { structured: None, text: text.to_owned(), blocks: vec![text.to_owned()] }
    }

    #[test]
    fn json_within_json_and_yaml_and_python_are_found() {
        let first = |text: &str| ways(&reply(text)).into_iter().map(|w| w.steps.to_string()).collect::<Vec<_>>();
        assert_eq!(first(r#"{"body": "{\"id\": 7}"}"#), [r#"["json"]"#, r#"[{"nested":"body"}]"#]);
        assert_eq!(first("id: 7\nname: x\n"), [r#"["yaml"]"#]);
        assert_eq!(first("{'id': 7, 'on': True}")[0], r#"["python"]"#);
        assert!(first("NAME   ID\nx   7\n").contains(&r#"["table"]"#.to_owned()));
        assert!(first("Created x.").is_empty());
    }

    #[test]
    fn values_are_found_in_other_forms() {
        let answer = json!({"data": {"tag": "120", "on": "1", "d": {"k": "v"}, "doc": "[1]"}});
        for (sent, at, form_is) in [
            (json!(120), "data.tag", "{{ item.data.tag | int }}"),
            (json!("120"), "data.tag", "{{ item.data.tag }}"),
            (json!(true), "data.on", "{{ (item.data.on | lower) in ['true', '1', 'yes', 'on'] }}"),
            (json!({"k": "v"}), "data.d", "{{ item.data.d }}"),
            (json!([1]), "data.doc", "{{ item.data.doc | from_json }}"),
        ] {
            let places = places(&answer, &sent, at.split('.').next_back().unwrap());
            let read = answer.pointer(&format!("/{}", at.replace('.', "/"))).unwrap();
            assert_eq!(places[0].path.join("."), at);
            assert_eq!(form(&sent, read, &places[0].expression("item")), form_is);
        }
    }

    #[test]
    fn the_list_around_one_is_found() {
        let answer = json!({"result": {"nets": [{"n": "a"}, {"n": "b", "tags": ["b"]}]}});
        let has_b = |i: &Value| usize::from(holds(i, &json!("b")));
        let found = listed(&answer, &has_b).unwrap();
        assert_eq!((found.items.as_str(), found.item["n"].as_str()), ("result.result.nets", Some("b")));
        assert_eq!(listed(&json!(["a", "b"]), &has_b).unwrap().item, json!("b"));
        assert_eq!(name_in(&json!({"arn": "arn:aws:sns:x:b"}), "b", "item").unwrap(), "(item.arn | split(':') | list | last)");
    }

    #[test]
    fn prose_gives_patterns() {
        let list = "* master\n  swell-prove-1\n  dev\n";
        let pattern = line_pattern(list, "swell-prove-1").unwrap();
        let names: Vec<String> = regex::Regex::new(&pattern).unwrap().captures_iter(list).map(|c| c["name"].to_owned()).collect();
        assert_eq!(names, ["master", "swell-prove-1", "dev"]);
        let pattern = prose_pattern("Created network with ID 4f2a-11. Done", "4f2a-11").unwrap();
        let found = regex::Regex::new(&pattern).unwrap();
        assert_eq!(&found.captures("Created network with ID beef-9.").unwrap()["id"], "beef-9");
        assert!(found.captures("No network").is_none());
    }
}
