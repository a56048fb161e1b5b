//! What expressions of bindings can call besides minijinja's own: maps, patterns, quoting, encodings. All of it is pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{Environment, Error, ErrorKind, value::Value as Data};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Adds the filters and tests to an environment.
pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("merge", |a: Data, b: Data| -> Result<Data, Error> {
        let mut all = map(&a)?;
        all.extend(map(&b)?);
        Ok(data(&Value::Object(all)))
    });
    env.add_filter("without", |from: Data, names: Vec<String>| -> Result<Data, Error> {
        let kept = map(&from)?.into_iter().filter(|(k, _)| !names.iter().any(|n| fits(n, k))).collect();
        Ok(data(&Value::Object(kept)))
    });
    env.add_filter("only", |from: Data, names: Vec<String>| -> Result<Data, Error> {
        let kept = map(&from)?.into_iter().filter(|(k, _)| names.iter().any(|n| fits(n, k))).collect();
        Ok(data(&Value::Object(kept)))
    });
    env.add_filter("texts", |from: Data| -> Result<Data, Error> {
        let as_text = |v: Value| if v.is_string() { v } else { Value::String(v.to_string()) };
        Ok(data(&Value::Object(map(&from)?.into_iter().map(|(k, v)| (k, as_text(v))).collect())))
    });
    env.add_filter("pairs", |from: Data, joiner: String| -> Result<Vec<String>, Error> {
        let shown = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        Ok(map(&from)?.iter().map(|(k, v)| format!("{k}{joiner}{}", shown(v))).collect())
    });
    env.add_filter("keyed", |from: Data, key: String, value: String| -> Result<Data, Error> {
        let of = |item: &Value| Some((item.get(&key)?.as_str()?.to_owned(), item.get(&value)?.clone()));
        Ok(data(&Value::Object(list(&from)?.iter().filter_map(of).collect())))
    });
    env.add_filter("listed", |from: Data, key: String, value: String| -> Result<Data, Error> {
        let item = |(k, v)| Value::Object([(key.clone(), Value::String(k)), (value.clone(), v)].into_iter().collect());
        Ok(data(&Value::Array(map(&from)?.into_iter().map(item).collect())))
    });
    env.add_filter("not_in", |from: Data, other: Data| -> Result<Data, Error> {
        let other = list(&other)?;
        Ok(data(&Value::Array(list(&from)?.into_iter().filter(|v| !other.iter().any(|o| covers(o, v))).collect())))
    });
    env.add_filter("not_over", |from: Data, other: Data| -> Result<Data, Error> {
        let other = list(&other)?;
        Ok(data(&Value::Array(list(&from)?.into_iter().filter(|v| !other.iter().any(|o| covers(v, o))).collect())))
    });
    env.add_filter("flat", |from: Data| -> Result<Data, Error> {
        let inner = |v: Value| match v {
            Value::Array(items) => items,
            other => vec![other],
        };
        Ok(data(&Value::Array(list(&from)?.into_iter().flat_map(inner).collect())))
    });
    env.add_filter("digest", |text: String| -> String { Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect() });
    env.add_filter("groups", |text: String, pattern: String| -> Result<Data, Error> {
        let regex = regex(&pattern)?;
        Ok(regex.captures(&text).map_or(Data::from(()), |found| {
            let named = regex.capture_names().flatten().filter_map(|n| Some((n.to_owned(), Value::String(found.name(n)?.as_str().into()))));
            data(&Value::Object(named.collect()))
        }))
    });
    env.add_filter("matches", |text: String, pattern: String| -> Result<bool, Error> { Ok(regex(&pattern)?.is_match(&text)) });
    env.add_filter("replaced", |text: String, pattern: String, with: String| -> Result<String, Error> {
        Ok(regex(&pattern)?.replace_all(&text, with.as_str()).into_owned())
    });
    env.add_filter("quote", |text: String| quote(&text));
    env.add_filter("command", |words: Data| -> Result<String, Error> {
        Ok(command(&serde_json::to_value(&words).map_err(|e| refuse(e.to_string()))?))
    });
    env.add_filter("sql_text", |text: String| sql_text(&text));
    env.add_filter("sql_name", |name: Data| -> Result<String, Error> {
        match serde_json::to_value(&name).map_err(|e| refuse(e.to_string()))? {
            Value::String(name) => sql_name(&name),
            Value::Array(parts) if !parts.is_empty() => {
                let parts: Result<Vec<String>, Error> = parts.iter().map(|p| sql_name(p.as_str().unwrap_or_default())).collect();
                Ok(parts?.join("."))
            }
            _ => Err(refuse("it is no name and no list of names".into())),
        }
    });
    env.add_filter("base64", |text: String| STANDARD.encode(text));
    env.add_filter("unbase64", |text: String| -> Result<String, Error> {
        let bytes = STANDARD.decode(text).map_err(|_| refuse("it is not base64".into()))?;
        String::from_utf8(bytes).map_err(|_| refuse("it is not text in base64".into()))
    });
    env.add_filter("base64_values", |from: Data| -> Result<Data, Error> {
        let encode = |v: Value| Value::String(STANDARD.encode(v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
        Ok(data(&Value::Object(map(&from)?.into_iter().map(|(k, v)| (k, encode(v))).collect())))
    });
    env.add_filter("from_json", |text: String| -> Result<Data, Error> {
        Ok(data(&serde_json::from_str(&text).map_err(|_| refuse("it is not JSON".into()))?))
    });
}

/// Whether a value is another one, or a map with all its members.
fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().all(|(k, v)| whole.get(k).is_some_and(|w| covers(w, v))),
        _ => whole == part,
    }
}

/// Whether a name is the one that is meant; a `*` at the end stands for any rest.
fn fits(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == name,
    }
}

fn regex(pattern: &str) -> Result<regex::Regex, Error> {
    // Its words take several lines, and the last one says what is wrong.
    let why = |e: regex::Error| e.to_string().lines().last().unwrap_or_default().to_owned();
    regex::Regex::new(pattern).map_err(|e| refuse(format!("`{pattern}` is no regular expression: {}", why(e))))
}

fn refuse(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

fn data(value: &Value) -> Data {
    Data::from(minijinja::value::Serde(value))
}

/// A map; nothing is an empty one.
fn map(value: &Data) -> Result<Map<String, Value>, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(Map::new());
    }
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(refuse("it is not a map".into())),
    }
}

/// A list; nothing is an empty one.
fn list(value: &Data) -> Result<Vec<Value>, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(Vec::new());
    }
    match serde_json::to_value(value) {
        Ok(Value::Array(items)) => Ok(items),
        _ => Err(refuse("it is not a list".into())),
    }
}

/// One word of a command line, so that a POSIX splitter gives it back as it is.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r#"'"'"'"#)) }
}

/// The longest identifier of PostgreSQL, in bytes; it cuts a longer one without a word.
const SQL_NAME: usize = 63;

/// A text as an SQL literal. With a backslash it is written as an escape string, which means the same in every setting of the server.
pub(super) fn sql_text(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(refuse("a text with a zero byte cannot stand in SQL".into()));
    }
    let text = text.replace('\'', "''");
    Ok(if text.contains('\\') { format!(" E'{}'", text.replace('\\', "\\\\")) } else { format!("'{text}'") })
}

/// A name as a quoted SQL identifier.
pub(super) fn sql_name(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.len() > SQL_NAME || name.contains('\0') {
        return Err(refuse(format!("an SQL name has 1 to {SQL_NAME} bytes and no zero byte")));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A command line of words; lists within it are more words, maps are JSON, nothing is no word.
pub(super) fn command(words: &Value) -> String {
    fn put(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Null => {}
            Value::Array(items) => items.iter().for_each(|v| put(v, out)),
            Value::String(text) => out.push(quote(text)),
            other => out.push(quote(&other.to_string())),
        }
    }
    let mut out = Vec::new();
    put(words, &mut out);
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_survive_a_posix_splitter() {
        let words = json!(["aws", "ec2", ["--tag", "it's $HOME; rm -rf / `x`"], null, {"a": [1]}, ""]);
        assert_eq!(command(&words), r#"aws ec2 --tag 'it'"'"'s $HOME; rm -rf / `x`' '{"a":[1]}' ''"#);
    }

    fn run(expression: &str, scope: Value) -> Value {
        let mut env = Environment::new();
        install(&mut env);
        let made = env.compile_expression(expression).unwrap().eval(data(&scope)).unwrap();
        serde_json::to_value(&made).unwrap()
    }

    #[test]
    fn lists_are_compared_as_sets_of_what_covers_what() {
        let scope = json!({"wanted": [{"port": 1}, {"port": 3}], "there": [{"port": 1, "id": "a"}, {"port": 2, "id": "b"}], "n": null});
        assert_eq!(run("wanted | not_in(there)", scope.clone()), json!([{"port": 3}]));
        assert_eq!(run("there | not_over(wanted)", scope.clone()), json!([{"port": 2, "id": "b"}]));
        assert_eq!(run("there | not_over(n)", scope.clone()), scope["there"]);
        assert_eq!(run("n | not_in(there)", scope), json!([]));
        assert_eq!(run("a | flat", json!({"a": [[1, 2], 3, []]})), json!([1, 2, 3]));
    }

    #[test]
    fn lists_of_pairs_are_maps_and_back() {
        let tags = json!({"t": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": 3}]});
        assert_eq!(run("t | keyed('Key', 'Value')", tags), json!({"a": "1", "b": "2"}));
        assert_eq!(run("t | listed('K', 'V')", json!({"t": {"a": "1"}})), json!([{"K": "a", "V": "1"}]));
        assert_eq!(run("'x' | digest", json!({})).as_str().map(str::len), Some(64));
    }

    #[test]
    fn nothing_breaks_out_of_sql_quotes() {
        let literal = |t: &str| sql_text(t).unwrap();
        assert_eq!(literal("it's; DROP TABLE x --"), "'it''s; DROP TABLE x --'");
        assert_eq!(literal(r"\'; DROP TABLE x --"), r" E'\\''; DROP TABLE x --'");
        assert_eq!(literal("$$ $do$ {{ x }} %s"), "'$$ $do$ {{ x }} %s'");
        assert_eq!(sql_name(r#"a"; DROP ROLE "b"#).unwrap(), r#""a""; DROP ROLE ""b""#);
        assert_eq!(sql_name("Ünder Score").unwrap(), "\"Ünder Score\"");
        assert!(sql_text("a\0b").is_err() && sql_name("a\0").is_err() && sql_name("").is_err() && sql_name(&"x".repeat(64)).is_err());
    }

    #[test]
    fn names_may_end_in_a_star() {
        assert!(fits("swell.*", "swell.key") && !fits("swell", "swell.key") && fits("a", "a"));
    }
}
