//! A fault as a person writes it: JSON, or an effect and `key=value` words. A key that means nothing is an error: a fault that hits more
//! than was meant is worse than none.

use serde_json::{Map, Value};

use super::Fault;
use crate::domain::{name::nearest, text::clean};

/// What may be said beside what belongs to the effect. The counters are the world's own.
const WHEN: [&str; 6] = ["server", "tool", "type", "name", "nth", "times"];

impl Fault {
    /// Reads `{"effect": "hang", "tool": "create"}`, or the same as `hang tool=create`, in one text or as separate arguments.
    ///
    /// # Errors
    /// What is wrong, as a sentence without its full stop.
    pub fn read(arguments: &[&str]) -> Result<Self, String> {
        let said = match arguments {
            [text] if text.trim_start().starts_with('{') => {
                serde_json::from_str(text).map_err(|e| format!("it is not a JSON object: {e}"))?
            }
            [text] => words(text.split_whitespace())?,
            several => words(several.iter().copied())?,
        };
        let fault: Self = serde_json::from_value(Value::Object(said.clone())).map_err(|e| e.to_string())?;
        let Ok(Value::Object(understood)) = serde_json::to_value(&fault) else { return Ok(fault) };
        let known: Vec<&str> = understood.keys().map(String::as_str).filter(|k| !["id", "seen", "fired"].contains(k)).chain(WHEN).collect();
        match said.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(fault),
            Some(key) => {
                let near = nearest(key, known.iter().copied()).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
                Err(format!("`{}` is nothing that a fault has{near}", clean(key, 40)))
            }
        }
    }
}

fn words<'a>(all: impl Iterator<Item = &'a str>) -> Result<Map<String, Value>, String> {
    let mut said = Map::new();
    for (n, word) in all.enumerate() {
        match word.split_once('=') {
            Some((key, value)) => {
                said.insert(key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())));
            }
            None if n == 0 => {
                said.insert("effect".to_owned(), Value::String(word.to_owned()));
            }
            None => return Err(format!("`{}` is not `key=value`", clean(word, 40))),
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Effect;

    #[test]
    fn words_and_json_say_the_same() {
        let wanted = Fault::new(Effect::Slow { ms: 1500 }).on("docker").tool("create").times(2);
        assert_eq!(Fault::read(&["slow ms=1500 server=docker tool=create times=2"]).unwrap(), wanted);
        assert_eq!(Fault::read(&["slow", "ms=1500", "server=docker", "tool=create", "times=2"]).unwrap(), wanted);
        let fail = Effect::Fail { class: crate::mcp::Refusal::Throttled, message: "no room".into() };
        assert_eq!(Fault::read(&["fail", "class=throttled", "message=no room"]).unwrap(), Fault::new(fail));
        let json = r#"{"effect":"slow","ms":1500,"server":"docker","tool":"create","times":2}"#;
        assert_eq!(Fault::read(&[json]).unwrap(), wanted);
    }

    #[test]
    fn what_means_nothing_is_an_error() {
        let error = |text: &str| Fault::read(&[text]).unwrap_err();
        assert_eq!(error(r#"{"effect":"hang","tol":"create"}"#), "`tol` is nothing that a fault has, did you mean `tool`?");
        assert_eq!(error("hang ms=3"), "`ms` is nothing that a fault has");
        assert_eq!(error("hang docker"), "`docker` is not `key=value`");
        assert!(error("dance").contains("unknown variant `dance`"), "{}", error("dance"));
        assert!(error("slow").contains("ms"), "{}", error("slow"));
        assert!(error("").contains("effect"), "{}", error(""));
        assert!(error("{").contains("JSON"), "{}", error("{"));
    }
}
