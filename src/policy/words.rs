//! What a rule's expressions can say besides minijinja's own: ports, networks, secrets, published ports, leaves.
//!
//! Everything here is pure and takes any value: what it does not understand is not found, never an error.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use minijinja::{Environment, UndefinedBehavior, Value, value::ValueKind};
use regex::Regex;

use super::LITERAL;

/// How much one evaluation may do.
const FUEL: u64 = 200_000;
/// How many patterns are kept.
const PATTERNS: usize = 100;
/// How many leaves of one resource are looked at.
const LEAVES: usize = 5_000;

/// An environment with all of it.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.add_filter("default", minijinja::filters::default);
    env.add_filter("length", minijinja::filters::length);
    env.add_filter("lower", minijinja::filters::lower);
    env.add_filter("join", minijinja::filters::join);
    env.add_filter("first", minijinja::filters::first);
    env.add_filter("list", minijinja::filters::list);
    env.add_filter("int", minijinja::filters::int);
    env.add_test("defined", minijinja::tests::is_defined);
    env.add_test("undefined", minijinja::tests::is_undefined);
    env.add_test("true", minijinja::tests::is_true);
    env.add_test("false", minijinja::tests::is_false);
    env.add_test("string", minijinja::tests::is_string);
    env.add_test("number", minijinja::tests::is_number);
    env.add_test("startingwith", minijinja::tests::is_startingwith);
    env.add_test("endingwith", minijinja::tests::is_endingwith);
    env.add_test("in", minijinja::tests::is_in);
    env.add_test("world", |v: Value| v.as_str().is_some_and(is_world));
    env.add_test("literal", |v: Value| is_literal(&v));
    env.add_test("secretname", |v: Value| v.as_str().is_some_and(|s| SECRET_NAME.is_match(s) && !NOT_SECRET.is_match(s)));
    let patterns = Patterns::default();
    env.add_test("matching", move |v: Value, pattern: String| v.as_str().is_some_and(|text| patterns.fit(&pattern, text)));
    env.add_filter("leaves", |v: Value| leaves(&v));
    env.add_filter("portname", |v: Value| port_name(&v));
    env.add_filter("opens", |v: Value, ports: Vec<u32>| opens(&v, &ports));
    env.add_filter("published", |v: Value| published(&v));
    // Lenient at any depth, so that a rule need not ask for each level; see the module's own words.
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    env
}

fn is_world(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    matches!(text.as_str(), "any" | "*" | "all" | "internet" | "0.0.0.0" | "::")
        || text.parse::<ipnet::IpNet>().is_ok_and(|n| n.prefix_len() == 0)
}

/// Text or a number that is written as it is, not by reference.
fn is_literal(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Number => true,
        ValueKind::String => value.as_str().is_some_and(|s| {
            let switch = matches!(s.trim().to_ascii_lowercase().as_str(), "" | "true" | "false" | "yes" | "no" | "0" | "1");
            s == LITERAL || !switch && !s.contains("${")
        }),
        _ => false,
    }
}

/// Names of things that hold secrets.
static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(passw(or)?d|passphrase|(^|_)pwd$|secret|token|credential|api_?key|access_?key|private_?key|secret_?key|auth_?key|^key$)")
});

/// Names that look like it and hold a switch, a time, a length, a place or the name of a secret.
static NOT_SECRET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(name|id|arn|ref|file|path|dir|url|uri|endpoint|ttl|expiry|expires|age|length|policy|rotation|days|window|enabled|required|random_root_password|type|count|version|issuer|audience)$|^secret_?(name|ref|key_?ref)|^tls_?secret$|^image_?pull_?secrets?$",
    )
});

#[expect(clippy::expect_used, reason = "the two patterns above are fixed, and the tests use both")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file")
}

/// Patterns that were used already: a rule is held against every resource, and building a pattern costs far more than using it.
#[derive(Default)]
struct Patterns(Mutex<HashMap<String, Option<Regex>>>);

impl Patterns {
    /// Whether a text fits a pattern; none fits one that cannot be built.
    fn fit(&self, pattern: &str, text: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A rule may put its pattern together from what it sees.
        if known.len() >= PATTERNS {
            known.clear();
        }
        let build = || regex::RegexBuilder::new(pattern).size_limit(100_000).build().ok();
        known.entry(pattern.to_owned()).or_insert_with(build).as_ref().is_some_and(|r| r.is_match(text))
    }
}

/// Every scalar of a value: `{path, key, value}`.
fn leaves(value: &Value) -> Value {
    let mut found = Vec::new();
    walk(value, String::new(), String::new(), &mut found);
    Value::from(found)
}

fn walk(value: &Value, path: String, key: String, found: &mut Vec<Value>) {
    if found.len() >= LEAVES {
        return;
    }
    match value.kind() {
        ValueKind::Map => {
            for name in value.try_iter().into_iter().flatten() {
                let inner = value.get_item(&name).unwrap_or_default();
                let name = name.to_string();
                let deeper = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&inner, deeper, name, found);
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for (n, inner) in value.try_iter().into_iter().flatten().enumerate() {
                // `NAME=value` in a list of variables is a name and a value as well.
                let pair = inner.as_str().and_then(|s| s.split_once('=')).map(|(k, v)| (k.to_owned(), Value::from(v)));
                match pair {
                    Some((k, v)) => walk(&v, format!("{path}[{n}]"), k, found),
                    None => walk(&inner, format!("{path}[{n}]"), key.clone(), found),
                }
            }
        }
        _ => found.push(minijinja::context! { path => path, key => key, value => value }),
    }
}

/// The first and the last port of a port, of a range (`8000-8010`), or of a rule with `port` or `fromPort` and `toPort`. None: every port.
fn range(value: &Value) -> Option<(u32, u32)> {
    let number = |v: &Value| v.as_i64().and_then(|n| u32::try_from(n).ok()).or_else(|| v.as_str().and_then(|s| s.trim().parse().ok()));
    match value.kind() {
        ValueKind::Number => number(value).map(|n| (n, n)),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default().trim();
            let split = text.split_once(['-', ':']);
            match (text.to_ascii_lowercase().as_str(), split) {
                ("http", _) => Some((80, 80)),
                ("https", _) => Some((443, 443)),
                ("ssh", _) => Some((22, 22)),
                (_, Some((a, b))) => Some((a.trim().parse().ok()?, b.trim().parse().ok()?)),
                _ => number(value).map(|n| (n, n)),
            }
        }
        ValueKind::Map => {
            let attr = |name: &str| value.get_attr(name).ok().filter(|v| !v.is_undefined() && !v.is_none());
            match (attr("port"), attr("fromPort"), attr("toPort")) {
                (Some(port), _, _) => range(&port),
                (None, Some(a), Some(b)) => Some((number(&a)?, number(&b)?)).filter(|r| *r != (0, 65_535)),
                (None, Some(a), None) | (None, None, Some(a)) => number(&a).map(|n| (n, n)),
                (None, None, None) => None,
            }
        }
        _ => None,
    }
}

/// The text of a port that is neither a number nor a range nor all of them: an alias, or what is known only after the apply.
fn named(value: &Value) -> Option<String> {
    let text = match value.kind() {
        ValueKind::Map => value.get_attr("port").ok()?.as_str()?.trim().to_owned(),
        _ => value.as_str()?.trim().to_owned(),
    };
    let every = matches!(text.to_ascii_lowercase().as_str(), "" | "any" | "all" | "*");
    (!every && range(&Value::from(text.as_str())).is_none()).then_some(text)
}

fn port_name(value: &Value) -> String {
    match (named(value), range(value)) {
        (Some(text), _) => text,
        (None, None) => "every port".into(),
        (None, Some((a, b))) if a == b => a.to_string(),
        (None, Some((a, b))) => format!("{a}-{b}"),
    }
}

/// Whether a port, range or rule opens one of these ports. One that is only named opens none that we know of.
fn opens(value: &Value, ports: &[u32]) -> bool {
    named(value).is_none() && range(value).is_none_or(|(a, b)| ports.iter().any(|p| a <= *p && *p <= b))
}

/// `127.0.0.1:8080:80/tcp` as `{address, host, inside}`; without an address it is published on all of them.
fn published(value: &Value) -> Value {
    let text = value.to_string();
    let text = text.split('/').next().unwrap_or_default();
    let parts: Vec<&str> = text.rsplitn(3, ':').collect();
    let port = |text: Option<&&str>| text.and_then(|t| t.parse::<u32>().ok());
    let (inside, host) = (port(parts.first()), port(parts.get(1)).or_else(|| port(parts.first())));
    let address = parts.get(2).map_or("0.0.0.0", |a| a.trim_matches(['[', ']']));
    minijinja::context! { address => address, host => host, inside => inside }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn eval(expression: &str, value: serde_json::Value) -> String {
        let env = environment();
        let context = minijinja::context! { v => Value::from(minijinja::value::Serde(&value)) };
        env.compile_expression(expression).and_then(|e| e.eval(context)).map_or_else(|e| e.to_string(), |v| v.to_string())
    }

    #[test]
    fn leaves_of_a_value() {
        assert_eq!(
            eval("v | leaves", json!({"a": {"b": [1, "K=x"]}, "c": null})),
            "[{'path': 'a.b[0]', 'key': 'b', 'value': 1}, {'path': 'a.b[1]', 'key': 'K', 'value': 'x'}, {'path': 'c', 'key': 'c', 'value': None}]"
        );
    }

    #[test]
    fn names_of_secrets() {
        for name in ["password", "DB_PASSWORD", "masterPassword", "authToken", "api_key", "API-TOKEN", "client_secret", "MYSQL_PWD", "key"]
        {
            assert_eq!(eval("v is secretname", json!(name)), "True", "{name}");
        }
        for name in ["keyName", "kmsKey", "secretName", "tokenTtl", "PASSWORD_FILE", "tlsSecret", "pwdump", "passwordPolicy", "tokenUrl"] {
            assert_eq!(eval("v is secretname", json!(name)), "False", "{name}");
        }
    }

    #[test]
    fn ports() {
        for (port, name, opens) in [
            (json!(22), "22", "True"),
            (json!("20-30"), "20-30", "True"),
            (json!("https"), "443", "False"),
            (json!(null), "every port", "True"),
            (json!({"fromPort": 0, "toPort": 65535}), "every port", "True"),
            (json!({"fromPort": 23, "toPort": 80}), "23-80", "False"),
            (json!("${x:y:z.port}"), "${x:y:z.port}", "False"),
            (json!("web_ports"), "web_ports", "False"),
            (json!("any"), "every port", "True"),
            (json!({"port": "web"}), "web", "False"),
            (json!({"port": 22}), "22", "True"),
        ] {
            assert_eq!(
                (eval("v | portname", port.clone()).as_str(), eval("v | opens([22])", port.clone()).as_str()),
                (name, opens),
                "{port}"
            );
        }
    }

    #[test]
    fn published_ports() {
        assert_eq!(eval("v | published", json!("127.0.0.1:8080:80/tcp")), "{'address': '127.0.0.1', 'host': 8080, 'inside': 80}");
        assert_eq!(eval("v | published", json!(80)), "{'address': '0.0.0.0', 'host': 80, 'inside': 80}");
    }
}
