//! Servers that the local network or a server card names. They are kept in a file of their own beside the file of reviewed servers and
//! read from there like those of any other client, so they are quarantined, shown and reviewed in the same way.

use std::{io::Write, path::Path, time::Duration};

use serde_json::{Map, Value, json};

use super::{Offer, offer};
use crate::{
    app::App,
    config::{
        Environment, Layer,
        discover::{Os, Place, Surroundings, read},
        origin::usable_name,
    },
    diagnostic::{Diagnostic, Failure},
    domain::text::clean_line,
    event::Event,
    mcp::{card, nearby},
    registry::Registry,
    trust::Trust,
};

/// The file, beside that of the reviewed servers.
pub const FILE: &str = "found.json";

/// One server that was found, as it is written.
struct Find {
    /// What finds it again: `mdns:Lab`, `card:com.example/weather`.
    source: String,
    /// What its name is made from.
    called: String,
    entry: Map<String, Value>,
}

/// Asks the local network, and keeps what answers. What is no longer there and was never reviewed is forgotten.
pub async fn network(app: &App, span: Duration) -> Result<Vec<Offer>, Failure> {
    app.sink().emit(Event::Notice { text: format!("listening in the local network for {}s", span.as_secs_f64()) });
    let all = nearby::browse(span).await.map_err(|reason| {
        Failure::from(
            Diagnostic::error("discover::network", "The local network cannot be asked")
                .detail(format!("{}.", reason.trim_end_matches('.')))
                .state("Nothing was found and nothing was changed.")
                .hint("Multicast (UDP port 5353) must be allowed here; in a container it often is not."),
        )
    })?;
    let mut finds = Vec::new();
    for one in all {
        let Some(url) = one.url() else {
            let text = format!("`{}` in the network does not say where it is in a way that can be trusted", one.instance);
            app.sink().emit(Event::Notice { text });
            continue;
        };
        let note = format!("`{}` on {} says in the network that it is there; anybody in it can say so", one.instance, one.host);
        let mut notes = vec![note];
        if one.is_here() {
            notes.push("the address that it says means this machine, whoever says it".to_owned());
        }
        let entry = json!({"type": "http", "url": url, "notes": notes});
        finds.push(find(format!("mdns:{}", one.instance), one.instance.clone(), entry));
    }
    keep(app, "mdns:", finds)
}

/// Reads the server card at a URL, and keeps what it names.
pub async fn at_url(app: &App, url: &str) -> Result<Vec<Offer>, Failure> {
    let fail = |detail: String| {
        Failure::from(
            Diagnostic::error("discover::card", "No server can be taken from there")
                .fact("URL", crate::config::shown_url(&clean_line(url, 300)))
                .detail(format!("{}.", detail.trim_end_matches('.')))
                .state("Nothing was changed.")
                .hint("A server without a card goes into your configuration: `[servers.NAME]` with `url = \"…\"`."),
        )
    };
    let mut finds = Vec::new();
    let mut reasons = Vec::new();
    for one in card::look_up(url).await.map_err(fail)? {
        match one {
            Ok(o) => {
                let called = o.name.rsplit('/').next().unwrap_or(&o.name).to_owned();
                let secret = |header: &String| {
                    let safe: String =
                        header.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                    (header.clone(), json!(format!("{called}-{safe}")))
                };
                let wanted: Map<String, Value> = o.wanted.iter().map(secret).collect();
                let mut notes = o.notes;
                notes.extend(
                    wanted.iter().map(|(h, s)| format!("it wants the header {h}: swell secrets set {}", s.as_str().unwrap_or_default())),
                );
                let entry = json!({
                    "type": "http", "url": o.url, "headers": o.headers, "secretHeaders": wanted, "notes": notes, "card": o.claims,
                });
                finds.push(find(format!("card:{}", o.name), called, entry));
            }
            Err(why) => reasons.push(why),
        }
    }
    if finds.is_empty() {
        return Err(fail(reasons.join("; ")));
    }
    for why in reasons {
        app.sink().emit(Event::Notice { text: format!("left out: {why}") });
    }
    keep(app, "", finds)
}

fn find(source: String, called: String, entry: Value) -> Find {
    let mut entry = match entry {
        Value::Object(entry) => entry,
        _ => Map::new(),
    };
    entry.insert("source".to_owned(), json!(source));
    Find { source, called, entry }
}

/// Writes what was found into the file, and gives it as offers. Entries whose source begins with `drop_others` and that are not among
/// them go, unless a person has reviewed them.
fn keep(app: &App, drop_others: &str, finds: Vec<Find>) -> Result<Vec<Offer>, Failure> {
    let path = app.config().trust.with_file_name(FILE);
    let failed = |why: String| {
        Failure::from(
            Diagnostic::error("discover::found", "What was found cannot be kept")
                .fact("file", path.display().to_string())
                .detail(format!("{}.", clean_line(&why, 300)))
                .state("The file is as it was."),
        )
    };
    let trust = app.trust().load()?;
    let mut table = load(&path).map_err(failed)?;
    let names = merge(&mut table, drop_others, finds, &path.display().to_string(), &trust);
    let text = serde_json::to_string_pretty(&json!({"mcpServers": table})).map_err(|e| failed(e.to_string()))? + "\n";
    write(&path, &text).map_err(|e| failed(e.to_string()))?;

    let (nowhere, empty) = (Path::new("/"), Environment::new());
    let surroundings = Surroundings { os: Os::current(), home: nowhere, env: &empty, folder: nowhere };
    let found = read(&Place { layer: Layer::Found, path }, &text, &surroundings);
    let others = app.config().registered.iter().filter(|r| r.origin.layer != Layer::Found).cloned();
    let all: Vec<_> = others.chain(found.servers).collect();
    let registry = Registry::settle(&all, app.config().sandbox, &Ok(trust));
    let mine = |called: &str| names.iter().any(|n| n == called);
    Ok(registry
        .rows
        .iter()
        .filter(|r| r.entry.origin.layer == Layer::Found && mine(&r.entry.called))
        .map(|r| offer(&registry, r))
        .collect())
}

fn load(path: &Path) -> Result<Map<String, Value>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(e) => return Err(e.to_string()),
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| format!("line {} is not what Swell writes; take it away", e.line()))?;
    Ok(value.get("mcpServers").and_then(Value::as_object).cloned().unwrap_or_default())
}

/// Puts finds into the table; gives the names under which they stand there.
fn merge(table: &mut Map<String, Value>, drop_others: &str, finds: Vec<Find>, file: &str, trust: &Trust) -> Vec<String> {
    let source = |v: &Value| v.get("source").and_then(Value::as_str).unwrap_or_default().to_owned();
    let reviewed = |name: &str| usable_name(name).is_some_and(|n| trust.find(&n, file).is_some());
    if !drop_others.is_empty() {
        table.retain(|name, v| !source(v).starts_with(drop_others) || finds.iter().any(|f| f.source == source(v)) || reviewed(name));
    }
    let mut names = Vec::new();
    for find in finds {
        // A name that has nothing usable in it gets one; the source still tells it from others.
        let base = usable_name(&find.called).map_or_else(|| "server".to_owned(), |n| n.to_string());
        let there = table.iter().find(|(_, v)| source(v) == find.source).map(|(name, _)| name.clone());
        let free = |n: &String| !table.contains_key(n);
        let name = there.or_else(|| (1..).map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") }).find(free)).unwrap_or(base);
        table.insert(name.clone(), Value::Object(find.entry));
        names.push(name);
    }
    names
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: &str, url: &str) -> Find {
        find(source.to_owned(), source.split_once(':').unwrap().1.to_owned(), json!({"type": "http", "url": url}))
    }

    #[test]
    fn what_is_found_again_keeps_its_name_and_what_is_gone_goes() {
        let mut table = Map::new();
        let trust = Trust::default();
        let names = merge(&mut table, "mdns:", vec![at("mdns:Lab", "http://a"), at("mdns:lab", "http://b")], "f", &trust);
        assert_eq!(names, ["Lab", "lab"]);
        merge(&mut table, "", vec![at("card:Lab", "http://c")], "f", &trust);
        assert_eq!(table["Lab-2"]["url"], "http://c");
        let names = merge(&mut table, "mdns:", vec![at("mdns:Lab", "http://elsewhere")], "f", &trust);
        assert_eq!((names, table["Lab"]["url"].as_str()), (vec!["Lab".to_owned()], Some("http://elsewhere")));
        assert!(!table.contains_key("lab") && table.contains_key("Lab-2"));
    }
}
