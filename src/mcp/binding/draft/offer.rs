//! What each tool offers: a verb on a noun. A tool with a verb field offers one for each of its verbs.

use serde_json::Value;

use super::{
    arguments::{Argument, Arguments, Purpose, arguments, of_one},
    keys::{Part, means_itself},
    words::{Class, Reading, read, split},
};
use crate::mcp::tools::Tool;

/// Names of arguments that say which verb is meant.
const VERB_FIELDS: [&str; 8] = ["action", "operation", "op", "verb", "command", "subcommand", "sub_command", "subCommand"];

/// One thing that a tool can do.
#[derive(Debug, Clone)]
pub struct Offer<'t> {
    /// The tool.
    pub tool: &'t Tool,
    /// Arguments that are always the same: the verb field.
    pub constants: Vec<(String, Value)>,
    /// What its name was taken to mean.
    pub reading: Reading,
    /// Its arguments besides the constants.
    pub arguments: Vec<Argument>,
    /// The server itself says that another tool should be used.
    pub deprecated: bool,
    /// What was said about it beyond what rules see.
    pub said: Said,
}

/// What somebody said about how a tool is used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// What arguments carry.
    pub carries: Vec<Carried>,
    /// Where the one, or the list of them, stands in the answer; nothing if nobody said.
    pub place: Option<Vec<String>>,
}

/// What one argument carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The argument.
    pub argument: String,
    /// What it carries.
    pub part: Part,
    /// Nothing can be done without it, whatever the schema says.
    pub needed: bool,
}

/// A tool that takes a whole language: what it does is not in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// SQL statements.
    Sql,
    /// Command lines.
    Commands,
    /// HTTP requests.
    Http,
    /// Objects that are described within a text.
    Manifest,
}

impl Language {
    /// What it takes, for people.
    pub fn words(self) -> &'static str {
        match self {
            Language::Sql => "SQL statements",
            Language::Commands => "command lines",
            Language::Http => "HTTP requests",
            Language::Manifest => "manifests as text",
        }
    }
}

impl Offer<'_> {
    /// Its verb's class.
    pub fn class(&self) -> Option<Class> {
        self.reading.verb.as_ref().map(|(c, _)| *c)
    }

    /// Its verb.
    pub fn verb(&self) -> &str {
        self.reading.verb.as_ref().map_or("", |(_, v)| v)
    }

    /// What an argument was said to carry.
    pub fn carries(&self, argument: &str) -> Option<&Part> {
        self.said.carries.iter().find(|c| c.argument == argument).map(|c| &c.part)
    }

    /// The arguments that describe one resource; of a tool about which somebody said what they carry, only those and what must be given.
    pub fn of_one(&self) -> Arguments {
        let mut taken = of_one(self.tool, &self.constants);
        let carries = &self.said.carries;
        taken.of.retain(|a| carries.is_empty() || a.required || a.purpose() == Purpose::Confirm || self.carries(&a.name).is_some());
        for argument in &mut taken.of {
            argument.required |= carries.iter().any(|c| c.argument == argument.name && c.needed);
        }
        taken
    }

    /// Whether nothing speaks against its being a mere read: neither its own words nor, where they say nothing, that nobody says so but a model.
    pub fn surely_reads(&self) -> bool {
        let by_words = matches!(self.class(), Some(Class::Read | Class::List));
        !self.says_it_writes() && (by_words || self.tool.hint("readOnlyHint") == Some(true))
    }

    /// What the server itself says about it. A hint makes us more careful and never less.
    pub fn says_it_writes(&self) -> bool {
        self.tool.hint("readOnlyHint") == Some(false)
    }
}

/// The word with which nearly all names begin, if there is one: the server's own.
fn own_word(names: &[Vec<String>]) -> Option<String> {
    let first = names.first()?.first()?;
    let same = names.iter().filter(|n| n.len() > 1 && n.first() == Some(first)).count();
    let verbless = read(std::slice::from_ref(first)).verb.is_none();
    (names.len() >= 3 && verbless && same * 10 >= names.len() * 8).then(|| first.clone())
}

/// Everything that the tools offer.
pub fn offers(tools: &[Tool]) -> Vec<Offer<'_>> {
    let names: Vec<Vec<String>> = tools.iter().map(|t| split(t.name.as_str())).collect();
    let own = own_word(&names);
    let mut all = Vec::new();
    for (tool, words) in tools.iter().zip(names) {
        let words = match &own {
            Some(own) if words.len() > 1 && words.first() == Some(own) => words[1..].to_vec(),
            _ => words,
        };
        let description = tool.definition["description"].as_str().unwrap_or_default().to_lowercase();
        let deprecated = description.contains("deprecated") || tool.definition["title"].as_str().unwrap_or_default().contains("Deprecated");
        let by_field = by_field(tool, &words, deprecated);
        if by_field.is_empty() {
            let (reading, arguments) = (read(&words), arguments(tool, &[]));
            all.push(Offer { tool, constants: Vec::new(), reading, arguments, deprecated, said: Said::default() });
        }
        all.extend(by_field);
    }
    all
}

/// The offers of a tool with a verb field; none if it has no such field.
fn by_field<'t>(tool: &'t Tool, words: &[String], deprecated: bool) -> Vec<Offer<'t>> {
    let all = arguments(tool, &[]);
    let field = all.iter().find(|a| a.required && VERB_FIELDS.contains(&a.name.as_str()) && a.schema["enum"].is_array());
    let Some(field) = field else { return Vec::new() };
    let values: Vec<&str> =
        field.schema["enum"].as_array().into_iter().flatten().filter(|v| means_itself(v)).filter_map(Value::as_str).collect();
    let known = |v: &&&str| {
        let class = read(&split(v)).verb.map(|(c, _)| c);
        class.is_some_and(|c| c != Class::Other)
    };
    // `modify_rules` with the actions `add` and `remove` has a verb of its own.
    let named = read(words).verb.map(|(c, _)| c);
    let neutral = words.iter().any(|w| ["read", "write", "manage", "management"].contains(&w.as_str()));
    if values.iter().filter(known).count() == 0 || (named.is_some() && !neutral) {
        return Vec::new();
    }
    let rest: Vec<String> = words.iter().filter(|w| !["read", "write", "manage", "management"].contains(&w.as_str())).cloned().collect();
    let one = |value: &str| {
        let said = split(value);
        let own = read(&said);
        // `get_contact_point` says itself what it gets; `get` is about what the tool is about.
        let reading = if own.noun.is_empty() { read(&[said, rest.clone()].concat()) } else { own };
        let constants = vec![(field.name.clone(), Value::String(value.to_owned()))];
        let arguments = arguments(tool, &constants);
        Offer { tool, constants, reading, arguments, deprecated, said: Said::default() }
    };
    values.into_iter().map(one).collect()
}

/// The language that a tool takes, if it takes one; `constants` are set already.
pub fn language(tool: &Tool, constants: &[(String, Value)]) -> Option<Language> {
    let all = arguments(tool, constants);
    let text = |a: &Argument| match &a.schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|k| k == "string"),
        kind => kind == "string",
    };
    let has = |names: &[&str]| all.iter().any(|a| names.contains(&a.name.as_str()) && text(a));
    let words = split(tool.name.as_str());
    let said = |what: &[&str]| words.iter().any(|w| what.contains(&w.as_str()));
    let described = tool.definition["description"].as_str().unwrap_or_default().to_lowercase();
    match () {
        () if has(&["sql", "statement"]) => Some(Language::Sql),
        () if has(&["query"]) && (said(&["sql"]) || words.len() <= 2 && described.contains("sql")) => Some(Language::Sql),
        () if has(&["query"]) && ["select", "create table", "insert"].iter().any(|w| described.contains(w)) => Some(Language::Sql),
        () if has(&["endpoint", "url", "path"]) && has(&["method"]) => Some(Language::Http),
        // A container has a command too; a shell has nothing else.
        () if all.iter().any(|a| a.required && ["command", "commands", "cli_command", "cmd"].contains(&a.name.as_str())) => {
            Some(Language::Commands)
        }
        () if has(&["manifest", "yaml", "compose_yaml"]) || (has(&["resource"]) && described.contains("yaml")) => Some(Language::Manifest),
        () => None,
    }
}
