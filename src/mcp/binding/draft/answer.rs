//! What an output schema promises about an answer: where the thing stands in it, and which members it has.

use serde_json::{Map, Value};

use super::{arguments::same, words::split};

/// How deep an answer is searched.
const MAX_DEPTH: usize = 3;

/// Where a thing stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The way to it from the result; empty if the result is it.
    pub path: Vec<String>,
    /// It stands in a list.
    pub listed: bool,
    /// Its members.
    pub members: Vec<(String, Value)>,
}

impl Answer {
    /// The member that means the same as a name.
    pub fn member(&self, name: &str, noun: &[String]) -> Option<&str> {
        let exact = self.members.iter().find(|(m, _)| m == name);
        exact.or_else(|| self.members.iter().find(|(m, _)| same(m, name, noun))).map(|(m, _)| m.as_str())
    }
}

/// Finds the thing called `noun`, of which `known` are members, in an output schema.
pub fn answer(schema: &Value, noun: &[String], known: &[String]) -> Option<Answer> {
    let mut found = Vec::new();
    search(schema, &mut Vec::new(), 0, &mut |path, listed, members| {
        let hits = known.iter().filter(|k| members.keys().any(|m| same(m, k, noun))).count();
        let named = path.last().is_some_and(|p| same(p, &noun.join("_"), &[]));
        if hits > 0 || (named && listed) {
            let members = members.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            found.push((hits, named, Answer { path: path.to_vec(), listed, members }));
        }
    });
    found.into_iter().min_by_key(|(hits, named, a)| (std::cmp::Reverse(*hits), !*named, a.path.len())).map(|(_, _, a)| a)
}

/// What an output schema promises to stand at a place; `None` if it knows no such place.
pub fn at(schema: &Value, place: &[String]) -> Option<Answer> {
    let found = place.iter().try_fold(schema, |schema, step| schema["properties"].get(step))?;
    let listed = found["items"].is_object() || found["type"] == "array";
    let members = if listed { &found["items"]["properties"] } else { &found["properties"] };
    let members = members.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Some(Answer { path: place.to_vec(), listed, members })
}

/// Takes a way, whether a list stands there, and the members of what stands there.
type Visit<'v> = dyn FnMut(&[String], bool, &Map<String, Value>) + 'v;

fn search(schema: &Value, path: &mut Vec<String>, depth: usize, visit: &mut Visit<'_>) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(members) = schema["items"]["properties"].as_object() {
        visit(path, true, members);
        return;
    }
    let Some(members) = schema["properties"].as_object() else { return };
    visit(path, false, members);
    for (name, inner) in members {
        path.push(name.clone());
        search(inner, path, depth + 1, visit);
        path.pop();
    }
}

/// `item.name`, or `item['a-b']` where the member is no plain word.
pub fn access(of: &str, member: &str) -> String {
    let plain = member.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && member.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&member);
    match plain {
        true => format!("{of}.{member}"),
        false => format!("{of}[{}]", literal(member)),
    }
}

/// The same for a way of several members and numbers.
pub fn access_path<'p>(of: &str, path: impl IntoIterator<Item = &'p str>) -> String {
    path.into_iter().fold(of.to_owned(), |at, step| match step.parse::<usize>() {
        Ok(n) => format!("{at}[{n}]"),
        Err(_) => access(&at, step),
    })
}

/// Words of the expression language that cannot stand behind a dot.
const RESERVED: [&str; 12] = ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "None"];

/// A text constant of the expression language.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `item.name or item.user_name`: the first that there is.
pub fn guesses(of: &str, names: &[String]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for name in names.iter().filter(|n| !split(n).is_empty()) {
        let one = access(of, name);
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_thing_is_found_in_lists_and_wrappers() {
        let noun = ["entity".to_owned()];
        let schema = json!({"properties": {
            "relations": {"type": "array", "items": {"properties": {"from": {}, "to": {}}}},
            "entities": {"type": "array", "items": {"properties": {"name": {}, "entityType": {}}}},
        }});
        let found = answer(&schema, &noun, &["name".into(), "entityType".into()]).unwrap();
        assert_eq!((found.path, found.listed), (vec!["entities".to_owned()], true));
        let wrapped = json!({"properties": {"result": {"properties": {"user_name": {}, "arn": {}}}}});
        let found = answer(&wrapped, &["user".to_owned()], &["name".into()]).unwrap();
        assert_eq!((found.path.as_slice(), found.member("name", &["user".to_owned()])), (&["result".to_owned()][..], Some("user_name")));
        assert!(answer(&json!({"properties": {"result": {"type": "string"}}}), &noun, &["name".into()]).is_none());
    }

    #[test]
    fn odd_members_are_reached() {
        assert_eq!(access("item", "a-b"), "item['a-b']");
        assert_eq!(access_path("result", ["data", "0", "it's"]), "result.data[0]['it\\'s']");
        assert_eq!(guesses("item", &["id".into(), "id".into(), "uuid".into()]), "item.id or item.uuid");
    }
}
