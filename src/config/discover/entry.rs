//! One entry of another client, by the rules of that client.

use jsonc_parser::{ast::Object, common::Ranged};

use super::{
    MAX_SERVERS, Surroundings,
    expand::{Manner, Translator},
    reader::{Read, Reader, boolean, last, map, text, texts},
};
use crate::{
    config::{
        ServerSetting,
        origin::{Layer, Origin, Registered, usable_name},
    },
    domain::text::clean_line,
    mcp::card::Claims,
};

/// How a client writes its file.
pub(super) struct Rules {
    /// The key that holds the servers.
    pub(super) root: &'static str,
    /// Comments and trailing commas are allowed.
    pub(super) comments: bool,
    /// Servers behind a URL, and under which keys; none if the client only starts programs.
    pub(super) urls: &'static [&'static str],
    /// Its variables.
    pub(super) manner: Manner,
    /// Swell wrote it: it holds names of secrets and notes for the review besides.
    pub(super) found: bool,
}

/// The rules of each client.
pub(super) fn rules(layer: Layer) -> Rules {
    let rules = |comments, urls, manner| Rules { root: "mcpServers", comments, urls, manner, found: false };
    match layer {
        Layer::ClaudeDesktop => rules(false, &[], Manner::None),
        Layer::ClaudeCode | Layer::ClaudeCodeLocal | Layer::McpJson => rules(false, &["url"], Manner::Shell),
        Layer::Cursor | Layer::CursorProject => rules(true, &["url"], Manner::Editor),
        Layer::VsCode | Layer::VsCodeProject => Rules { root: "servers", ..rules(true, &["url"], Manner::EditorWithInputs) },
        Layer::Windsurf => rules(false, &["serverUrl", "url"], Manner::Env),
        Layer::Found => Rules { found: true, ..rules(false, &["url"], Manner::None) },
        Layer::Project | Layer::User | Layer::Environment | Layer::BuiltIn => rules(false, &["url"], Manner::Shell),
    }
}

/// The lists in which a client keeps the names of servers that are switched off.
pub(super) fn switched_off(layer: Layer) -> &'static [&'static str] {
    match layer {
        Layer::ClaudeCode | Layer::ClaudeCodeLocal => &["disabledMcpServers"],
        _ => &[],
    }
}

/// Keys that mean nothing to Swell and change nothing about how the server is started.
const HARMLESS: &[&str] = &[
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "serverUrl",
    "type",
    "transport",
    "headers",
    "disabled",
    "enabled",
    "description",
    "name",
    "icon",
    "gallery",
    "version",
    "dev",
    "timeout",
    "autoApprove",
    "alwaysAllow",
    "disabledTools",
];

/// Every entry of a table.
pub(super) fn all(reader: &mut Reader<'_>, table: &Object<'_>, rules: &Rules, s: &Surroundings<'_>) -> Vec<Registered> {
    let mut found: Vec<Registered> = Vec::new();
    for property in &table.properties {
        if found.len() == MAX_SERVERS {
            reader.complain(property.start(), format!("It names more than {MAX_SERVERS} servers; the rest is left out."));
            break;
        }
        let called = property.name.as_str();
        let shown = clean_line(called, 60);
        let Some(object) = property.value.as_object() else {
            reader.complain(property.value.start(), format!("The entry of `{shown}` is no object."));
            continue;
        };
        let Some(name) = usable_name(called) else {
            reader.complain(property.start(), format!("`{shown}` cannot be made a server's name: no letter or digit, or too long."));
            continue;
        };
        let origin = Origin { layer: reader.layer(), file: reader.file(), line: reader.at(property.start()).0 };
        match one(object, rules, s) {
            Ok(read) => {
                let entry = Registered { called: called.to_owned(), ..read.entry(name, origin) };
                if let Some(twice) = found.iter().position(|f| f.called == entry.called) {
                    reader.complain(property.start(), format!("`{shown}` stands there twice; the last one counts."));
                    found.remove(twice);
                }
                found.push(entry);
            }
            Err((offset, why)) => reader.complain(offset, format!("The entry of `{shown}` is left out: {why}.")),
        }
    }
    found
}

/// What an entry says.
struct Said {
    setting: ServerSetting,
    disabled: bool,
    unusable: Option<String>,
    notes: Vec<String>,
    claims: Option<Claims>,
}

impl Said {
    fn entry(self, name: crate::domain::ServerName, origin: Origin) -> Registered {
        Registered {
            disabled: self.disabled,
            unusable: self.unusable,
            notes: self.notes,
            claims: self.claims,
            ..Registered::new(name, origin, self.setting)
        }
    }
}

fn one(object: &Object<'_>, rules: &Rules, s: &Surroundings<'_>) -> Result<Said, (usize, String)> {
    let mut t = Translator { manner: rules.manner, s, inputs: Vec::new(), unknown: Vec::new() };
    let (mut notes, mut unusable, mut claims) = (Vec::new(), None, None);
    let command = text(object, "command")?.filter(|c| !c.is_empty());
    let url = rules.urls.iter().find_map(|key| text(object, key).transpose()).transpose()?;
    let kind = match text(object, "type")? {
        None => text(object, "transport")?,
        some => some,
    };
    if rules.urls.is_empty() && command.is_none() && last(object, "url").is_some() {
        return Err((object.start(), "this client starts programs only, and it has a URL".into()));
    }
    let remote = match kind.as_deref() {
        Some("stdio" | "local") => false,
        Some("http" | "streamable-http" | "streamableHttp" | "streamable_http" | "remote") => true,
        Some("sse") => {
            unusable = Some("it wants the old SSE transport, which Swell does not speak".to_owned());
            true
        }
        Some(other) => return Err((object.start(), format!("`{}` is no type of server", clean_line(other, 40)))),
        None => command.is_none(),
    };
    let mut setting = ServerSetting::default();
    if remote {
        let Some(url) = url else { return Err((object.start(), "it has neither a command nor a URL".into())) };
        setting.url = Some(t.text(&url));
        setting.headers = translated(map(object, "headers"), &mut t)?;
        if rules.found {
            let secrets = map(object, "secretHeaders")?.unwrap_or_default();
            setting
                .headers
                .extend(secrets.into_iter().map(|(name, secret)| (name, format!("${{secret:{}}}", super::expand::literal(&secret)))));
            notes.extend(texts(object, "notes")?.unwrap_or_default());
            claims = self::claims(object)?;
        }
        if last(object, "headersHelper").is_some() {
            unusable = Some("its headers come from a program (`headersHelper`), which Swell does not run".to_owned());
        }
    } else {
        let Some(command) = command else { return Err((object.start(), "it has no command".into())) };
        setting.command = Some(t.text(&command));
        setting.args = texts(object, "args")?.unwrap_or_default().iter().map(|a| t.text(a)).collect();
        setting.env = translated(map(object, "env"), &mut t)?;
        setting.cwd = text(object, "cwd")?.map(|c| t.text(&c));
        if last(object, "envFile").is_some() {
            notes.push("its `envFile` is not read: set what it needs in the environment".to_owned());
        }
    }
    if !t.unknown.is_empty() {
        unusable = Some(format!("only its own client can fill in {}", t.unknown.join(", ")));
    }
    notes.extend(t.inputs.iter().map(|i| format!("it asks for `{i}`: swell secrets set {i}")));
    let ignored: Vec<String> = object
        .properties
        .iter()
        .map(|p| p.name.as_str())
        .filter(|k| !HARMLESS.contains(k) && !matches!(*k, "envFile" | "headersHelper"))
        .filter(|k| !(rules.found && matches!(*k, "secretHeaders" | "notes" | "source" | "card")))
        .map(|k| format!("`{}`", clean_line(k, 40)))
        .take(8)
        .collect();
    if !ignored.is_empty() {
        notes.push(format!("not used here: {}", ignored.join(", ")));
    }
    let disabled = boolean(object, "disabled")?.unwrap_or(false) || !boolean(object, "enabled")?.unwrap_or(true);
    Ok(Said { setting, disabled, unusable, notes, claims })
}

/// What the card said that named a server.
fn claims(object: &Object<'_>) -> Read<Claims> {
    let Some(card) = last(object, "card").and_then(|c| c.value.as_object()) else { return Ok(None) };
    let list = |key| Ok::<_, (usize, String)>(texts(card, key)?.unwrap_or_default());
    let one = |key| Ok::<_, (usize, String)>(text(card, key)?.unwrap_or_default());
    let (name, version) = (one("name")?, one("version")?);
    Ok(Some(Claims { name, version, protocol_versions: list("protocolVersions")?, tools: list("tools")? }))
}

fn translated(
    read: Read<std::collections::BTreeMap<String, String>>,
    t: &mut Translator<'_>,
) -> Result<std::collections::BTreeMap<String, String>, (usize, String)> {
    Ok(read?.unwrap_or_default().into_iter().map(|(k, v)| (k, t.text(&v))).collect())
}
