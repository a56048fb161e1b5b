//! Refreshed against desired, property by property. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Change, Shown};
use crate::domain::{
    Properties, PropertyPath, TypeDef,
    substitute::{Substituted, plain},
};

/// Everything that one resource's diff looks at.
pub struct Sides<'a> {
    /// The type, as its server describes it.
    pub kind: &'a TypeDef,
    /// What we want, as it was written.
    pub desired: &'a Properties,
    /// What we want, with what is known put in.
    pub substituted: &'a Substituted,
    /// What we wanted at the last run, as it was written, and what was sent then.
    pub recorded: Option<(&'a Properties, &'a Properties)>,
    /// The properties as they are now.
    pub live: &'a Properties,
    /// Other ways to write them.
    pub other_forms: &'a BTreeMap<String, Vec<Value>>,
    /// Top-level properties whose difference is no change.
    pub ignore: &'a [String],
}

/// The changes that bring `live` to what is wanted; none if it is as wanted.
pub fn diff(sides: &Sides<'_>) -> Vec<Change> {
    let wanted = sides.substituted.value.as_object();
    let mut changes = Vec::new();
    for (name, expression) in wanted.into_iter().flatten() {
        // What was left out with a warning is not there, and nothing would bring it.
        if sides.ignore.contains(name) || sides.kind.limits.without.contains_key(name) {
            continue;
        }
        let before = sides.live.get(name);
        let sensitive = sides.kind.is_sensitive(name) || sides.substituted.is_secret(name);
        let same = if sensitive {
            // A server does not show a secret, so what counts is whether we mean the same one as last time.
            sides.recorded.is_some_and(|(desired, _)| desired.get(name) == sides.desired.get(name))
                && (before.is_some() || sides.kind.is_sensitive(name))
        } else if sides.substituted.is_later(name) {
            false
        } else if before.is_none() && sides.kind.is_unseen(name) {
            // The server cannot show it, so what counts is what was sent.
            sides.recorded.and_then(|(_, sent)| sent.get(name)).is_some_and(|sent| plain(sent) == plain(expression))
        } else {
            let sent = sides.recorded.and_then(|(_, sent)| sent.get(name)).map(plain);
            let unordered = sides.kind.unordered.iter().any(|u| u == name);
            let forms = before.into_iter().chain(sides.other_forms.get(name).into_iter().flatten());
            forms.into_iter().any(|live| equal(&plain(expression), live, sent.as_ref(), unordered))
        };
        if !same {
            changes.push(Change {
                path: PropertyPath::key(name),
                before: before.map_or(Shown::Absent, |v| shown_live(v, sensitive)),
                after: shown(name, expression, sensitive, sides.substituted),
                forces_replace: forces_replace(sides.kind, name),
            });
        }
    }
    for name in dropped(sides) {
        let sensitive = sides.kind.is_sensitive(&name);
        changes.push(Change {
            before: sides.live.get(&name).map_or(Shown::Absent, |v| shown_live(v, sensitive)),
            after: Shown::Absent,
            forces_replace: forces_replace(sides.kind, &name),
            path: PropertyPath::key(name),
        });
    }
    changes
}

/// The changes of a create: everything that is set.
pub fn all_new(kind: &TypeDef, substituted: &Substituted) -> Vec<Change> {
    let wanted = substituted.value.as_object();
    wanted
        .into_iter()
        .flatten()
        .map(|(name, expression)| Change {
            path: PropertyPath::key(name),
            before: Shown::Absent,
            after: shown(name, expression, kind.is_sensitive(name) || substituted.is_secret(name), substituted),
            forces_replace: false,
        })
        .collect()
}

fn forces_replace(kind: &TypeDef, name: &str) -> bool {
    kind.force_replace.iter().any(|f| f == name)
}

/// Properties that we set last time, do not want now, and that are still other than the type's default.
fn dropped(sides: &Sides<'_>) -> Vec<String> {
    let Some((_, sent)) = sides.recorded else { return Vec::new() };
    sent.keys()
        .filter(|name| !sides.desired.contains_key(*name) && !sides.ignore.contains(*name))
        .filter(|name| !sides.kind.limits.without.contains_key(*name))
        .filter(|name| {
            let default = sides.kind.properties.pointer(&format!("/properties/{}/default", pointer(name)));
            match sides.live.get(*name) {
                None | Some(Value::Null) => sides.kind.limits.unreadable.contains(*name),
                Some(live) => default != Some(live),
            }
        })
        .cloned()
        .collect()
}

fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// How a wanted value is shown.
fn shown(name: &str, expression: &Value, sensitive: bool, substituted: &Substituted) -> Shown {
    if sensitive {
        return Shown::Secret;
    }
    if substituted.is_later(name) {
        return Shown::AfterApply(expression.clone());
    }
    let whole = PropertyPath::key(name);
    match substituted.from.iter().find(|(path, _)| *path == whole) {
        Some((_, address)) => Shown::From { address: address.clone(), value: plain(expression) },
        None => Shown::Value(plain(expression)),
    }
}

fn shown_live(value: &Value, sensitive: bool) -> Shown {
    if sensitive { Shown::Secret } else { Shown::Value(value.clone()) }
}

/// Whether a live value is as wanted.
///
/// Servers add members to objects and give numbers back as strings, so an object is as wanted when every wanted member is, and when no
/// member that we sent before and do not want now is left.
pub fn equal(wanted: &Value, live: &Value, sent: Option<&Value>, unordered: bool) -> bool {
    match (wanted, live) {
        (Value::Object(w), Value::Object(l)) => {
            let members = w.iter().all(|(k, v)| match l.get(k) {
                Some(there) => equal(v, there, sent.and_then(|s| s.get(k)), false),
                None => v.is_null(),
            });
            let gone = sent.and_then(Value::as_object).is_none_or(|s| s.keys().all(|k| w.contains_key(k) || !l.contains_key(k)));
            members && gone
        }
        (Value::Array(w), Value::Array(l)) if unordered => {
            w.len() == l.len() && {
                let mut rest: Vec<&Value> = l.iter().collect();
                w.iter().all(|v| match rest.iter().position(|there| equal(v, there, None, false)) {
                    Some(at) => {
                        rest.swap_remove(at);
                        true
                    }
                    None => false,
                })
            }
        }
        (Value::Array(w), Value::Array(l)) => {
            w.len() == l.len() && w.iter().zip(l).enumerate().all(|(i, (a, b))| equal(a, b, sent.and_then(|s| s.get(i)), false))
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Number(n), Value::String(s)) | (Value::String(s), Value::Number(n)) => n.to_string() == *s,
        (Value::Bool(b), Value::String(s)) | (Value::String(s), Value::Bool(b)) => b.to_string() == *s,
        (a, b) => a == b,
    }
}

/// What changed behind our back: recorded against live, for what we set.
pub fn drifted(kind: &TypeDef, sent: &Properties, recorded: &Properties, live: &Properties, ignore: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    // What holds a secret is recorded scrubbed, so it cannot be compared with what the server shows.
    let hidden = |name: &String| kind.is_sensitive(name) || sent.get(name).is_some_and(|v| v.to_string().contains("${secret:"));
    for name in sent.keys().filter(|n| !ignore.contains(*n) && !hidden(n)) {
        let (before, now) = (recorded.get(name), live.get(name));
        let unordered = kind.unordered.iter().any(|u| u == name);
        let same = match (before, now) {
            (Some(a), Some(b)) => equal(a, b, Some(a), unordered),
            (None, None) => true,
            (Some(Value::Null), None) | (None, Some(Value::Null)) => true,
            _ => false,
        };
        if !same {
            let show = |v: Option<&Value>| v.map_or(Shown::Absent, |v| Shown::Value(v.clone()));
            changes.push(Change { path: PropertyPath::key(name), before: show(before), after: show(now), forces_replace: false });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind() -> TypeDef {
        serde_json::from_value(json!({
            "type": "container:run",
            "properties": {"type": "object", "properties": {"image": {}, "restart": {"default": "no"}, "env": {}, "ports": {}, "password": {}}},
            "force_replace": ["image"], "sensitive": ["password"], "unordered": ["ports"]
        }))
        .unwrap()
    }

    fn run(desired: Value, recorded: Option<Value>, live: Value) -> Vec<Change> {
        let desired = desired.as_object().unwrap().clone();
        let recorded = recorded.map(|r| r.as_object().unwrap().clone());
        let live = live.as_object().unwrap().clone();
        let substituted = crate::domain::substitute::substitute::<()>(&Value::Object(desired.clone()), &mut |r| {
            Ok(crate::domain::substitute::Known::Later(r.clone()))
        })
        .unwrap();
        diff(&Sides {
            kind: &kind(),
            desired: &desired,
            substituted: &substituted,
            recorded: recorded.as_ref().map(|r| (r, r)),
            live: &live,
            other_forms: &BTreeMap::from([("image".to_owned(), vec![json!("sha256:a")])]),
            ignore: &[],
        })
    }

    #[test]
    fn another_way_to_write_what_is_there_is_no_change() {
        assert_eq!(run(json!({"image": "sha256:a"}), None, json!({"image": "a"})), vec![]);
        assert_eq!(run(json!({"image": "sha256:b"}), None, json!({"image": "a"})).len(), 1);
    }

    #[test]
    fn what_the_server_adds_is_no_change() {
        assert_eq!(
            run(json!({"image": "a", "env": {"A": "1"}}), None, json!({"image": "a", "env": {"A": "1", "PATH": "/"}, "restart": "no"})),
            vec![]
        );
    }

    #[test]
    fn a_number_that_reads_back_as_text_is_no_change() {
        assert_eq!(run(json!({"ports": [80, 443]}), None, json!({"ports": ["443", "80"]})), vec![]);
    }

    #[test]
    fn a_member_that_we_no_longer_want_is_a_change() {
        let changes = run(json!({"env": {"A": "1"}}), Some(json!({"env": {"A": "1", "B": "2"}})), json!({"env": {"A": "1", "B": "2"}}));
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn a_property_that_we_no_longer_want_is_unset() {
        let changes =
            run(json!({"image": "a"}), Some(json!({"image": "a", "restart": "always"})), json!({"image": "a", "restart": "always"}));
        assert_eq!(changes[0].after, Shown::Absent);
        assert_eq!(
            run(json!({"image": "a"}), Some(json!({"image": "a", "restart": "no"})), json!({"image": "a", "restart": "no"})),
            vec![]
        );
    }

    #[test]
    fn a_forced_replace_and_a_later_value_are_marked() {
        let changes = run(json!({"image": "${docker:image:x.tag}"}), Some(json!({"image": "a"})), json!({"image": "a"}));
        assert!(changes[0].forces_replace);
        assert_eq!(changes[0].after, Shown::AfterApply(json!("${docker:image:x.tag}")));
    }

    #[test]
    fn a_secret_is_no_drift() {
        let map = |v: Value| v.as_object().unwrap().clone();
        let sent = map(json!({"password": "${secret:a}", "env": {"P": "x${secret:b}"}, "image": "a"}));
        let recorded = map(json!({"password": "‹secret›", "env": {"P": "x‹secret b›"}, "image": "a"}));
        let live = map(json!({"password": "p", "env": {"P": "xyz"}, "image": "b"}));
        let changes = drifted(&kind(), &sent, &recorded, &live, &[]);
        assert_eq!(changes.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), ["image"]);
    }

    #[test]
    fn a_secret_is_compared_by_its_name_and_never_shown() {
        let same = json!({"password": "${secret:a}"});
        assert_eq!(run(same.clone(), Some(same.clone()), json!({"password": "****"})), vec![]);
        let changes = run(json!({"password": "${secret:b}"}), Some(same), json!({"password": "****"}));
        assert_eq!((&changes[0].before, &changes[0].after), (&Shown::Secret, &Shown::Secret));
    }
}
