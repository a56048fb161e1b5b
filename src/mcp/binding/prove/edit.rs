//! Changes a binding file in place: one member at a time, and everything else, comments too, stays as it was written.

use serde_json::Value;

use crate::{
    mcp::binding::draft::put,
    yaml::{self, Node},
};

/// Sets the member at `path`; where there was none, it is added at the end of the map around it.
pub fn set(text: &str, path: &[&str], value: &Value) -> String {
    change(text, path, Some(value)).unwrap_or_else(|| text.to_owned())
}

/// Takes the member at `path` away, if it is there.
pub fn remove(text: &str, path: &[&str]) -> String {
    change(text, path, None).unwrap_or_else(|| text.to_owned())
}

/// The line (from 1) on which the member at `path` stands, or the nearest one around it.
pub fn line_of(text: &str, path: &[&str]) -> usize {
    let Ok(root) = yaml::parse("binding", text) else { return 1 };
    let (mut node, mut at) = (&root, 0);
    for key in path {
        let Some(entry) = node.entries().iter().find(|e| e.key == *key) else { break };
        at = entry.key_span.offset;
        node = &entry.value;
    }
    text[..at].matches('\n').count() + 1
}

/// Puts these comments at the head of a type, in the place of former ones that begin with one of `kinds`.
pub fn comments(text: &str, kind: &str, kinds: &[&str], lines: &[String]) -> String {
    let Some(block) = Block::of(text, &["types", kind]) else { return text.to_owned() };
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out: String = all[..=block.first].concat();
    for line in lines {
        out.push_str(&format!("{:indent$}# {line}\n", "", indent = block.indent + 2));
    }
    for line in &all[block.first + 1..block.end] {
        let old = line.trim_start().strip_prefix("# ").is_some_and(|c| kinds.iter().any(|k| c.starts_with(k)));
        if !old || indent_of(line) != block.indent + 2 {
            out.push_str(line);
        }
    }
    out + &all[block.end..].concat()
}

/// The lines of one member, when it is written as a block.
struct Block {
    /// The line of its key, from 0.
    first: usize,
    /// The first line behind it.
    end: usize,
    /// How far the key is indented.
    indent: usize,
}

impl Block {
    /// Finds the member; `None` if it is not there or stands within `{…}`.
    fn of(text: &str, path: &[&str]) -> Option<Self> {
        let root = yaml::parse("binding", text).ok()?;
        let mut node: &Node = &root;
        let mut key = None;
        for step in path {
            let at = node.span.offset;
            if key.is_some() && text[at..].starts_with('{') {
                return None;
            }
            let entry = node.entries().iter().find(|e| e.key == *step)?;
            key = Some(entry.key_span.offset);
            node = &entry.value;
        }
        let at = key?;
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        let indent = text[start..].len() - text[start..].trim_start_matches(' ').len();
        // A quoted key begins with its quote.
        if !text[start..at].trim_matches([' ', '"', '\'']).is_empty() {
            return None;
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let first = text[..start].matches('\n').count();
        let mut end = first + 1;
        for (n, line) in lines.iter().enumerate().skip(first + 1) {
            let (blank, comment) = (line.trim().is_empty(), line.trim_start().starts_with('#'));
            let deeper = indent_of(line) > indent || (indent_of(line) == indent && line.trim_start().starts_with("- "));
            match (blank, deeper) {
                (false, true) => end = n + 1,
                (false, false) if !comment => break,
                _ => {}
            }
        }
        Some(Self { first, end, indent })
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn change(text: &str, path: &[&str], value: Option<&Value>) -> Option<String> {
    let (last, above) = path.split_last()?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    if let Some(block) = Block::of(text, path) {
        let mut written = String::new();
        if let Some(value) = value {
            put(&mut written, block.indent, last, value);
        }
        return Some(lines[..block.first].concat() + &written + &lines[block.end..].concat());
    }
    let root = yaml::parse("binding", text).ok()?;
    let around = above.iter().try_fold(&root, |node, key| node.get(key));
    match around {
        Some(node) => {
            let mut whole = node.to_json();
            let map = whole.as_object_mut()?;
            let was = map.contains_key(*last);
            let Some(value) = value else {
                // It stands within `{…}`: the map around it is written anew.
                map.shift_remove(*last)?;
                return Some(set(text, above, &whole));
            };
            if was || map.is_empty() || text[node.span.offset..].starts_with('{') || above.is_empty() {
                map.insert((*last).to_owned(), value.clone());
                return if above.is_empty() { appended(text, last, value) } else { Some(set(text, above, &whole)) };
            }
            let block = Block::of(text, above)?;
            let indent = lines[block.first + 1..block.end].iter().find(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
            let mut written = String::new();
            put(&mut written, indent.map_or(block.indent + 2, |l| indent_of(l)), last, value);
            Some(lines[..block.end].concat() + &written + &lines[block.end..].concat())
        }
        None => {
            let value = value?;
            Some(set(text, above, &Value::Object([((*last).to_owned(), value.clone())].into_iter().collect())))
        }
    }
}

fn appended(text: &str, key: &str, value: &Value) -> Option<String> {
    let mut out = text.to_owned();
    if !out.ends_with('\n') {
        out.push('\n');
    }
    put(&mut out, 0, key, value);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "\
# head
types:
  # about a
  a:
    # status: drafted
    read:
      tool: get   # why
      arguments: {id: 1}

    create: {tool: make, id: x}
  \"b:c\":
    read: {tool: other}
# foot
";

    #[test]
    fn one_member_changes_and_nothing_else() {
        let text = set(FILE, &["types", "a", "read", "result"], &json!(["json", {"path": "x"}]));
        assert_eq!(text, FILE.replace("{id: 1}\n", "{id: 1}\n      result: [\"json\",{\"path\":\"x\"}]\n"));
        let text = set(&text, &["types", "a", "read", "result"], &json!(["yaml"]));
        assert_eq!(text, FILE.replace("{id: 1}\n", "{id: 1}\n      result: [yaml]\n"));
        assert_eq!(remove(&text, &["types", "a", "read", "result"]), FILE);
        let text = set(FILE, &["types", "a", "create", "id"], &json!("y"));
        assert_eq!(text, FILE.replace("    create: {tool: make, id: x}\n", "    create:\n      tool: make\n      id: \"y\"\n"));
        let text = set(FILE, &["types", "b:c", "read", "items"], &json!("{{ result }}"));
        assert!(text.contains("  \"b:c\":\n    read:\n      tool: other\n      items: \"{{ result }}\"\n# foot\n"), "{text}");
        let text = set(FILE, &["types", "a", "object", "outputs", "ip"], &json!("{{ item.ip }}"));
        assert!(
            text.contains("    create: {tool: make, id: x}\n    object:\n      outputs:\n        ip: \"{{ item.ip }}\"\n  \"b:c\":"),
            "{text}"
        );
        assert_eq!(set(FILE, &["title"], &json!("t")), format!("{FILE}title: t\n"));
    }

    #[test]
    fn comments_of_a_kind_are_exchanged() {
        let text = comments(FILE, "a", &["status:", "holds:"], &["status: proven".into(), "holds: all".into()]);
        assert_eq!(text, FILE.replace("    # status: drafted\n", "    # status: proven\n    # holds: all\n"));
        assert_eq!(comments(&text, "a", &["status:", "holds:"], &["status: proven".into(), "holds: all".into()]), text);
    }

    #[test]
    fn places_are_lines() {
        assert_eq!(line_of(FILE, &["types", "a", "read", "tool"]), 7);
        assert_eq!(line_of(FILE, &["types", "a", "read", "nothing"]), 6);
    }
}
