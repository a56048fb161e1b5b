//! Servers from the environment: `SWELL_SERVER_NAME=url-or-command`, and `SWELL_SERVERS` as JSON or as `name=command args; …`.
//!
//! A name in a variable is written in capitals with `_`: `SWELL_SERVER_MY_DB` is the server `my-db`. Arguments are split at spaces;
//! quotes hold them together, and a backslash takes the special meaning of a space, a quote, `;` or another backslash.

use std::path::PathBuf;

use super::{Discovered, Place, Surroundings};
use crate::{
    config::{
        ServerSetting,
        origin::{Layer, Origin, Registered, usable_name},
    },
    diagnostic::Diagnostic,
    domain::text::clean_line,
};

const ALL: &str = "SWELL_SERVERS";
const ONE: &str = "SWELL_SERVER_";

/// Every server that the environment names; a variable of its own wins over the list.
pub fn read(s: &Surroundings<'_>) -> Discovered {
    let mut found = Discovered::default();
    for (variable, value) in s.env.iter().filter(|(k, v)| k.starts_with(ONE) && !v.trim().is_empty()) {
        let called = variable[ONE.len()..].to_ascii_lowercase().replace('_', "-");
        match entry(variable, &called, value) {
            Ok(server) => found.servers.push(server),
            Err(why) => found.problems.push(problem(variable, why)),
        }
    }
    let Some(text) = s.env.get(ALL).map(|t| t.trim()).filter(|t| !t.is_empty()) else { return found };
    let list = if text.starts_with('{') { json(text, s) } else { plain(text) };
    found.problems.extend(list.problems);
    found.servers.extend(list.servers);
    found
}

fn json(text: &str, s: &Surroundings<'_>) -> Discovered {
    // The table itself, or what other clients put around it.
    let wrapped = if serde_json::from_str::<serde_json::Value>(text).is_ok_and(|v| v.get("mcpServers").is_some()) {
        text.to_owned()
    } else {
        format!("{{\"mcpServers\":{text}}}")
    };
    let place = Place { layer: Layer::Environment, path: PathBuf::from(format!("environment {ALL}")) };
    let mut found = super::read(&place, &wrapped, s);
    found.servers.iter_mut().for_each(|server| server.origin.line = 0);
    found
}

fn plain(text: &str) -> Discovered {
    let mut found = Discovered::default();
    let parts = match split(text, Some(';')) {
        Ok(parts) => parts,
        Err(why) => {
            found.problems.push(problem(ALL, why));
            return found;
        }
    };
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let read = part.split_once('=').ok_or_else(|| "a part is not `name=command args` or `name=URL`".to_owned());
        match read.and_then(|(name, value)| entry(ALL, name.trim(), value)) {
            Ok(server) => found.servers.push(server),
            Err(why) => found.problems.push(problem(ALL, why)),
        }
    }
    found
}

fn entry(variable: &str, called: &str, value: &str) -> Result<Registered, String> {
    let name = usable_name(called).ok_or_else(|| format!("`{}` cannot be made a server's name", clean_line(called, 60)))?;
    let value = value.trim();
    let mut setting = ServerSetting::default();
    if value.starts_with("http://") || value.starts_with("https://") {
        setting.url = Some(value.to_owned());
    } else {
        let mut words = split(value, None)?.into_iter();
        setting.command = Some(words.next().ok_or_else(|| format!("`{name}` has neither a command nor a URL"))?);
        setting.args = words.collect();
    }
    let origin = Origin { layer: Layer::Environment, file: format!("environment {variable}"), line: 0 };
    Ok(Registered { called: called.to_owned(), ..Registered::new(name, origin, setting) })
}

fn problem(variable: &str, why: String) -> Diagnostic {
    Diagnostic::warning("discover::environment", "A variable that names servers cannot be read")
        .fact("variable", clean_line(variable, 100))
        .detail(format!("In `{}`, {why}.", clean_line(variable, 100)))
        .state("What is wrong is left out; everything else is read.")
}

/// Splits at `end` and keeps quotes, or splits at spaces and takes them away.
fn split(text: &str, end: Option<char>) -> Result<Vec<String>, String> {
    let (mut all, mut current, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut rest = text.chars().peekable();
    let keep = end.is_some();
    while let Some(c) = rest.next() {
        let special = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ';');
        match (c, quote) {
            ('\\', q) if q != Some('\'') && rest.peek().copied().is_some_and(special) => {
                if keep {
                    current.push('\\');
                }
                current.extend(rest.next());
                begun = true;
            }
            (c, Some(q)) if c == q => {
                quote = None;
                if keep {
                    current.push(c);
                }
            }
            ('"' | '\'', None) => {
                (quote, begun) = (Some(c), true);
                if keep {
                    current.push(c);
                }
            }
            (c, None) if end.map_or(c.is_whitespace(), |e| c == e) => {
                if begun {
                    all.push(std::mem::take(&mut current));
                }
                begun = false;
            }
            (c, _) => {
                current.push(c);
                begun = true;
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    if begun {
        all.push(current);
    }
    Ok(all)
}
