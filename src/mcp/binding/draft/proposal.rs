//! What somebody else than the rules says about a server's tools: which of them make, read, change and delete what.
//!
//! It is data and nothing more. Everything in it is held against the tools themselves: what they do not offer, or what their own words speak
//! against, is not taken. What is taken goes through the same composing as what rules find, so no text of it can end up in an expression.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::at,
    arguments::{Argument, arguments, of_one},
    group::Group,
    keys::Part,
    offer::{Carried, Offer, Said, language},
    render,
    sketch::{Sketch, sketch},
    words::{Class, read, split},
};
use crate::{
    domain::{ResourceType, text::clean_line},
    mcp::tools::Tool,
};

/// The most types that are looked at.
const MAX_TYPES: usize = 60;

/// Verbs that rules do not take for reading, and that change nothing.
const HARMLESS: [&str; 9] = ["query", "check", "analyze", "explain", "validate", "ping", "export", "poll", "wait"];

/// Words of names that no read has, besides the verbs that the rules know.
const HARMFUL: [&str; 12] =
    ["wipe", "erase", "kill", "clear", "truncate", "nuke", "prune", "flush", "disable", "shutdown", "empty", "overwrite"];

/// Which tools make, read, change and delete what, as somebody says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The types.
    pub types: Vec<ProposedType>,
}

/// One type, as somebody says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedType {
    /// Its name.
    pub name: String,
    /// Makes one.
    pub create: Use,
    /// Shows one.
    pub read: Option<Use>,
    /// Shows all.
    pub list: Option<Use>,
    /// Changes one.
    pub update: Option<Use>,
    /// Takes one away.
    pub delete: Option<Use>,
    /// Why, in a sentence.
    pub why: String,
}

/// How a tool is used for a type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The tool.
    pub tool: String,
    /// Arguments that are always the same word: the one that says the verb.
    pub constants: Vec<Constant>,
    /// What the others carry.
    pub arguments: Vec<Carries>,
    /// Where the one, or the list of them, stands in the answer; empty if it is the answer.
    pub place: Option<String>,
}

/// An argument that is always the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The argument.
    pub argument: String,
    /// Its value.
    pub value: String,
}

/// What an argument carries.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carries {
    /// The argument.
    pub argument: String,
    /// What.
    pub carries: What,
    /// The property, by the name of create's argument for it.
    pub property: Option<String>,
    /// Nothing can be made without it.
    pub required: bool,
}

/// What an argument can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The resource's name.
    Name,
    /// What the server calls it by.
    Id,
    /// A property.
    Property,
}

impl Proposal {
    /// Reads an answer; the error says what is wrong with its form.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let proposal: Self = serde::Deserialize::deserialize(value).map_err(|e: serde_json::Error| clean_line(&e.to_string(), 200))?;
        match proposal.types.len() {
            n if n > MAX_TYPES => Err(format!("it names {n} types; at most {MAX_TYPES} are looked at")),
            _ => Ok(proposal),
        }
    }

    /// The shape of an answer, in the strict subset: every property required, none besides.
    pub fn schema() -> Value {
        let object = |properties: Value| {
            let required: Vec<Value> = properties.as_object().map(|p| p.keys().cloned().map(Value::String).collect()).unwrap_or_default();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        };
        let (text, text_or_null) = (json!({"type": "string"}), json!({"type": ["string", "null"]}));
        let constant = object(json!({"argument": text, "value": text}));
        let carries = object(json!({
            "argument": text,
            "carries": {"type": "string", "enum": ["name", "id", "property"]},
            "property": text_or_null,
            "required": {"type": "boolean"},
        }));
        let usage = object(json!({
            "tool": text,
            "constants": {"type": "array", "items": constant},
            "arguments": {"type": "array", "items": carries},
            "place": text_or_null,
        }));
        let or_null = json!({"anyOf": [usage, {"type": "null"}]});
        let kind = object(json!({
            "name": text, "create": usage, "read": or_null, "list": or_null, "update": or_null, "delete": or_null, "why": text,
        }));
        object(json!({"types": {"type": "array", "items": kind}}))
    }
}

/// A type that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name, cleaned.
    pub name: String,
    /// The tool that would make one, cleaned.
    pub tool: String,
    /// Why.
    pub reason: String,
}

/// What became of a proposal.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The types that hold against the tools, each with the constants of its create.
    pub(super) accepted: Vec<Sketch>,
    /// The others.
    pub refused: Vec<Refused>,
}

impl Judged {
    /// The names of the types that were taken.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accepted.iter().map(|s| s.name.as_str())
    }
}

/// Holds a proposal against the tools. `by` is who made it.
pub(super) fn judge(tools: &[Tool], proposal: &Proposal, by: &str) -> Judged {
    let mut judged = Judged::default();
    for proposed in &proposal.types {
        let made = group(tools, proposed, by).and_then(|group| sketch(&group)).and_then(|s| good(tools, s));
        let made = made.and_then(|s| match judged.accepted.iter().any(|a| a.name == s.name) {
            true => Err("another type has this name already".to_owned()),
            false => Ok(s),
        });
        match made {
            Ok(sketch) => judged.accepted.push(sketch),
            Err(reason) => judged.refused.push(Refused {
                name: clean_line(&proposed.name, 60),
                tool: clean_line(&proposed.create.tool, 80),
                reason: clean_line(&reason, 200),
            }),
        }
    }
    judged
}

/// A type must give a good file, like any binding, and call only what there is.
pub(super) fn good(tools: &[Tool], sketch: Sketch) -> Result<Sketch, String> {
    let frame = render::Frame { name: "x", server: "x", tools: 0, identity: None, left_out: &[], by: None };
    let text = render::render(&frame, std::slice::from_ref(&sketch));
    let wrong = |detail: &str| format!("it gives no good binding: {detail}");
    let binding =
        crate::mcp::binding::parse::parse("x", "x.yaml", &text).map_err(|p| wrong(p.first().map_or("", |d| d.detail.as_str())))?;
    for call in binding.calls() {
        let tool = tools.iter().find(|t| t.name == call.tool).ok_or_else(|| format!("there is no tool `{}`", call.tool))?;
        let super::super::Shape::Map(members) = &call.arguments else { continue };
        members.iter().try_for_each(|(argument, _)| crate::mcp::binding::perform::known_argument(tool, argument))?;
        let given = |wanted: &str| members.iter().any(|(m, _)| m == wanted);
        let required = tool.input_schema()["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(lacking) = required.into_iter().find(|r| !given(r)) {
            return Err(format!("`{}` wants `{}`, and nothing is said about it", tool.name, clean_line(lacking, 60)));
        }
    }
    Ok(sketch)
}

fn group<'t>(tools: &'t [Tool], proposed: &ProposedType, by: &str) -> Result<Group<'t>, String> {
    let (noun, family) = noun(&proposed.name)?;
    let create = used(tools, &proposed.create, None)?;
    may(&create, &[Class::Read, Class::List, Class::Delete], "make one")?;
    let label = proposed.id_argument();
    let of = |usage: &Option<Use>| usage.as_ref().map(|u| used(tools, u, Some((&create, label.as_deref())))).transpose();
    let (read, list, update, delete) = (of(&proposed.read)?, of(&proposed.list)?, of(&proposed.update)?, of(&proposed.delete)?);
    read.iter().chain(&list).try_for_each(only_reads)?;
    update.iter().try_for_each(|o| may(o, &[Class::Read, Class::List, Class::Delete], "change one"))?;
    delete.iter().try_for_each(|o| may(o, &[Class::Read, Class::List, Class::Create, Class::Upsert, Class::Update], "take one away"))?;
    if read.is_none() && list.is_none() {
        return Err("no tool is named that reads back what it makes".to_owned());
    }
    let why = clean_line(&proposed.why.split_whitespace().collect::<Vec<_>>().join(" "), 200);
    let by = format!("which tools do what says the model `{}`: {why}", clean_line(by, 80));
    Ok(Group { noun, family, create, read, list, updates: update.into_iter().collect(), delete, by: Some(by) })
}

impl ProposedType {
    /// The argument that names what the server calls one by; all of its names for that are one.
    fn id_argument(&self) -> Option<String> {
        let uses = self.read.iter().chain(&self.delete).chain(&self.update).chain(&self.list);
        uses.flat_map(|u| &u.arguments).find(|a| a.carries == What::Id).map(|a| a.argument.clone())
    }
}

/// The words of a type's name, and how many of them are its family.
fn noun(name: &str) -> Result<(Vec<String>, usize), String> {
    let words = |segment: &str| segment.split('_').map(str::to_owned).collect::<Vec<_>>();
    let plain = |s: &&str| {
        s.starts_with(|c: char| c.is_ascii_lowercase())
            && !s.ends_with('_')
            && !s.contains("__")
            && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let segments: Vec<&str> = name.split(':').collect();
    if segments.len() > 2 || name.len() > 60 || !segments.iter().all(plain) || ResourceType::new(name).is_err() {
        return Err("a type's name has lower-case letters, digits and `_`, and at most one `:`".to_owned());
    }
    let family = if segments.len() > 1 { words(segments[0]) } else { Vec::new() };
    let count = family.len();
    Ok(([family, words(segments.last().unwrap_or(&""))].concat(), count))
}

/// A tool as it is said to be used. `of` is the tool that makes one, whose arguments are the properties, and the argument for the id.
fn used<'t>(tools: &'t [Tool], usage: &Use, of: Option<(&Offer<'t>, Option<&str>)>) -> Result<Offer<'t>, String> {
    let shown = |text: &str| clean_line(text, 60);
    let tool = tools.iter().find(|t| t.name.as_str() == usage.tool).ok_or_else(|| format!("there is no tool `{}`", shown(&usage.tool)))?;
    let all = arguments(tool, &[]);
    let mut constants: Vec<(String, Value)> = Vec::new();
    for constant in &usage.constants {
        let argument = all.iter().find(|a| a.name == constant.argument);
        let argument = argument.ok_or_else(|| format!("`{}` has no argument `{}`", tool.name, shown(&constant.argument)))?;
        constant_of(tool, argument, &constant.value)?;
        constants.push((constant.argument.clone(), json!(constant.value)));
    }
    if let Some(language) = language(tool, &constants) {
        return Err(format!("`{}` takes {}: its schema does not say what one consists of", tool.name, language.words()));
    }
    let taken = of_one(tool, &constants).of;
    let mut carries: Vec<Carried> = Vec::new();
    for said in &usage.arguments {
        let found = taken.iter().find(|a| a.name == said.argument);
        let argument = found.ok_or_else(|| format!("`{}` has no argument `{}` to fill", tool.name, shown(&said.argument)))?;
        if carries.iter().any(|c| c.argument == said.argument) {
            return Err(format!("the argument `{}` of `{}` is said to carry two things", argument.name, tool.name));
        }
        let part = part_of(said, argument, of.as_ref().map(|(create, label)| (*create, *label)))?;
        carries.push(Carried { argument: said.argument.clone(), part, needed: said.required || of.is_some() });
    }
    let place = usage.place.as_deref().map(|p| place(tool, p)).transpose()?;
    let value_words = constants.iter().filter_map(|(_, v)| v.as_str()).map(split).find(|w| read(w).verb.is_some());
    let words = value_words.unwrap_or_else(|| split(tool.name.as_str()));
    Ok(Offer {
        tool,
        reading: read(&words),
        arguments: arguments(tool, &constants),
        constants,
        deprecated: false,
        said: Said { carries, place },
    })
}

fn part_of(said: &Carries, argument: &Argument, of: Option<(&Offer, Option<&str>)>) -> Result<Part, String> {
    let one = argument.is_scalar() || argument.is_text_list() || argument.schema["type"].is_null();
    match (said.carries, of) {
        (What::Property, None) => Ok(Part::Property(argument.name.clone())),
        (What::Property, Some((create, _))) => {
            let property = said.property.as_deref().unwrap_or(&said.argument);
            // The name may be called as create's argument for it is called.
            match create.of_one().of.iter().find(|a| a.name == property) {
                Some(found) if create.carries(&found.name) == Some(&Part::Name) => Ok(Part::Name),
                Some(found) => Ok(Part::Property(found.name.clone())),
                None => Err(format!("`{}` takes no `{}`, so it is no property", create.tool.name, clean_line(property, 60))),
            }
        }
        (_, _) if !one => Err(format!("`{}` takes no single text, so it carries neither a name nor an id", argument.name)),
        (What::Name, _) => Ok(Part::Name),
        (What::Id, None) => Err("what makes one cannot be given its id: that is its name or a property".to_owned()),
        (What::Id, Some((_, label))) => Ok(Part::Made(label.unwrap_or(&argument.name).to_owned())),
    }
}

/// A constant must be one word that the tool's own schema names: anything else would be a value that somebody made up.
fn constant_of(tool: &Tool, argument: &Argument, value: &str) -> Result<(), String> {
    let word = value.len() <= 60
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    let listed = argument.schema["enum"].as_array().is_some_and(|all| all.iter().any(|v| v == value)) || argument.schema["const"] == value;
    let free = argument.schema["type"] == "string" && argument.schema["enum"].is_null() && argument.schema["const"].is_null();
    let described = || {
        let all = [&tool.definition["inputSchema"]["properties"][&argument.name]["description"], &tool.definition["description"]];
        let separate = |c: char| !(c.is_ascii_alphanumeric() || "_.-/".contains(c));
        all.iter().filter_map(|d| d.as_str()).any(|d| d.split(separate).any(|w| w.trim_matches(['.', '/', '-']) == value))
    };
    match word && (argument.required || listed) && (listed || free && described()) {
        true => Ok(()),
        false => Err(format!(
            "`{}` as `{}` of `{}` is no word of the tool's own schema for an argument that it needs",
            clean_line(value, 60),
            argument.name,
            tool.name
        )),
    }
}

/// The way to a place in an answer; where an output schema says what an answer has, it must be there.
fn place(tool: &Tool, said: &str) -> Result<Vec<String>, String> {
    let steps: Vec<String> = said.split('.').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let plain = |s: &String| s.len() <= 60 && s.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if steps.len() > 5 || !steps.iter().all(plain) {
        return Err(format!("`{}` is no place in an answer", clean_line(said, 60)));
    }
    match tool.output_schema().filter(|s| s["properties"].is_object()) {
        Some(schema) if at(schema, &steps).is_none() => {
            Err(format!("`{}` promises no `{}` in its answer", tool.name, clean_line(said, 60)))
        }
        _ => Ok(steps),
    }
}

/// A tool whose own name says something else is not taken for it.
fn may(offer: &Offer, not: &[Class], what: &str) -> Result<(), String> {
    if offer.class().is_some_and(|c| not.contains(&c)) {
        return Err(format!("`{}` cannot {what}: its own words say `{}`", offer.tool.name, offer.verb()));
    }
    if offer.tool.hint("readOnlyHint") == Some(true) {
        return Err(format!("`{}` cannot {what}: its server says that it only reads", offer.tool.name));
    }
    Ok(())
}

/// Whether a tool may be called as a read, which is done without asking anybody. Its server's hints can speak against that.
fn only_reads(offer: &Offer) -> Result<(), String> {
    let name = offer.tool.name.as_str();
    let of_value = offer.constants.iter().filter_map(|(_, v)| v.as_str()).find(|v| read(&split(v)).verb.is_some());
    let words = split(of_value.unwrap_or(name));
    let reads = matches!(offer.class(), Some(Class::Read | Class::List));
    let changes = |w: &String| {
        HARMFUL.contains(&w.as_str())
            || matches!(read(std::slice::from_ref(w)).verb, Some((c, v)) if !matches!(c, Class::Read | Class::List) && !HARMLESS.contains(&v.as_str()))
    };
    if let Some(word) = words.iter().find(|w| changes(w)).filter(|_| !reads) {
        return Err(format!("`{name}` is no read: its own words say `{word}`"));
    }
    // The hints of a tool with a verb field are about all of its verbs.
    if of_value.is_none() && (offer.tool.hint("destructiveHint") == Some(true) || offer.says_it_writes() && !reads) {
        return Err(format!("`{name}` is no read: its server says that it changes something"));
    }
    Ok(())
}
