//! From the tools of a type to how each verb calls them: what the name is, what the id is, which argument comes from where.

use serde_json::{Value, json};

use crate::domain::text::clean_line;

use super::{
    answer::{Answer, access, access_path, answer, at, guesses},
    arguments::{Argument, Purpose, same},
    group::Group,
    keys::{Keys, Known, Part, joined, made_names, of_id, property},
    offer::Offer,
    words::{Class, bare, split},
};

mod verbs;

/// Names of things that nobody should read.
const SECRETS: [&str; 8] = ["password", "passwd", "secret", "apikey", "privatekey", "credential", "passphrase", "accesstoken"];

/// The same in the words of a description.
const SAID: [&str; 4] = ["password", "private key", "secret key", "api key"];

/// The most outputs that are taken over from a schema.
const MAX_OUTPUTS: usize = 20;

/// One call, as it will stand in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Its keys, in order.
    pub keys: Vec<(&'static str, Value)>,
}

/// A verb: its call, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// The call.
    Call(Call),
    /// A change needs a new one.
    Replace,
    /// The server cannot do it.
    Missing(String),
}

/// A type, as it will stand in the file.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// The type's name.
    pub name: String,
    /// What the server says about the tool that makes one.
    pub description: String,
    /// Its properties.
    pub properties: Vec<Argument>,
    /// Properties whose change needs a new one.
    pub force_replace: Vec<String>,
    /// Properties that are secret.
    pub sensitive: Vec<String>,
    /// Properties that no answer holds.
    pub unreadable: Vec<String>,
    /// Whether one can be found without an id.
    pub findable: bool,
    /// How one is read.
    pub read: Call,
    /// How one is found by name, if `read` cannot do that.
    pub find: Option<Call>,
    /// How one is made.
    pub create: Call,
    /// How one is changed.
    pub update: Verb,
    /// How one is taken away.
    pub delete: Verb,
    /// Its id in an answer.
    pub id: String,
    /// Its name in an answer.
    pub object_name: String,
    /// Where each property stands in an answer.
    pub object: Vec<(String, String)>,
    /// Outputs that the schema promises, and where each stands.
    pub outputs: Vec<(String, Value, String)>,
    /// Why it is as it is, for people.
    pub notes: Vec<String>,
    /// What is not sure, for people.
    pub doubts: Vec<String>,
}

impl Sketch {
    /// Whether one is made by the same call: the same tool, with the same word for its verb.
    pub fn makes_the_same(&self, other: &Self) -> bool {
        let fixed = |s: &Self| -> Vec<(String, Value)> {
            let arguments = s.create.keys.iter().find(|(k, _)| *k == "arguments").and_then(|(_, v)| v.as_object());
            let words = arguments.into_iter().flatten().filter(|(_, v)| v.as_str().is_some_and(|t| !t.contains("{{")));
            words.map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        self.create.tool == other.create.tool && fixed(self) == fixed(other)
    }

    /// The tools that it uses.
    pub fn tools(&self) -> Vec<String> {
        let verbs = [&self.update, &self.delete].into_iter().filter_map(|v| if let Verb::Call(c) = v { Some(c) } else { None });
        let mut all: Vec<String> = [&self.read, &self.create].into_iter().chain(&self.find).chain(verbs).map(|c| c.tool.clone()).collect();
        all.sort();
        all.dedup();
        all
    }
}

struct Composer<'g, 't> {
    group: &'g Group<'t>,
    name: Option<String>,
    batch: Option<String>,
    of: Vec<Argument>,
    properties: Vec<Argument>,
    parts: Vec<Part>,
    answer: Option<Answer>,
    /// The way to the one, or to the list of them, in the answer of what reads.
    place: Vec<String>,
    listed: bool,
    notes: Vec<String>,
    doubts: Vec<String>,
}

/// Composes a type; the error says why the tools do not give one.
pub fn sketch(group: &Group) -> Result<Sketch, String> {
    let taken = group.create.of_one();
    if let Some(token) = taken.of.iter().find(|a| a.required && split(&a.name).last().is_some_and(|w| w == "token")) {
        return Err(format!("it wants `{}`, which another tool gives anew each time", token.name));
    }
    let said = group.create.said.carries.iter().find(|c| c.part == Part::Name).map(|c| c.argument.clone());
    let name = said.or_else(|| name_argument(&taken.of, &group.noun));
    let scope = scope(group, &taken.of, name.as_deref());
    let is_property = |a: &&Argument| a.purpose() == Purpose::Data && Some(&a.name) != name.as_ref() && !scope.contains(&a.name);
    let properties: Vec<Argument> = taken.of.iter().filter(is_property).cloned().collect();
    let mut composer = Composer {
        group,
        name,
        batch: taken.batch,
        of: taken.of,
        properties,
        parts: Vec::new(),
        answer: None,
        place: Vec::new(),
        listed: false,
        notes: Vec::new(),
        doubts: Vec::new(),
    };
    if !scope.is_empty() {
        let names = scope.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
        composer.notes.push(format!("{names}: where to look, on all its tools; left to the server's defaults"));
    }
    composer.compose()
}

/// The argument of create that holds the name.
fn name_argument(of: &[Argument], noun: &[String]) -> Option<String> {
    let all: Vec<&Argument> = of.iter().filter(|a| a.schema["type"] == "string" && a.schema["enum"].is_null()).collect();
    let ending = |a: &&&Argument| a.required && split(&a.name).last().is_some_and(|w| w == "name");
    let title = |a: &&&Argument| a.required && ["title", "displayname", "hostname"].contains(&bare(&a.name).as_str());
    let only = all.iter().filter(ending).count() == 1;
    let found = all.iter().find(|a| bare(&a.name) == "name").or_else(|| all.iter().find(|a| same(&a.name, "name", noun)));
    let found = found.or_else(|| all.iter().find(|a| only && ending(a))).or_else(|| all.iter().find(title));
    found.map(|a| a.name.clone())
}

/// Optional arguments that create shares with everything that reads and deletes: a region, a namespace, a target. What one tool for all
/// verbs takes says nothing about that.
fn scope(group: &Group, of: &[Argument], name: Option<&str>) -> Vec<String> {
    let other = |o: &&Offer| o.tool.name != group.create.tool.name;
    let others: Vec<&Offer> = group.read.iter().chain(&group.list).chain(&group.delete).filter(other).collect();
    let shared = |a: &&Argument| {
        !a.required
            && group.create.carries(&a.name).is_none()
            && Some(a.name.as_str()) != name
            && a.purpose() == Purpose::Data
            && !others.is_empty()
            && others.iter().all(|o| o.arguments.iter().any(|b| b.name == a.name && !b.required))
    };
    of.iter().filter(shared).map(|a| a.name.clone()).collect()
}

impl<'t> Composer<'_, 't> {
    fn known(&self) -> Known<'_> {
        Known { noun: &self.group.noun, name: self.name.as_deref(), properties: &self.properties }
    }

    fn compose(mut self) -> Result<Sketch, String> {
        let group = self.group;
        let (reader, keys) = self.settle_identity()?;
        self.explain(&reader);
        let mut read = self.keyed(&reader, &keys, true);
        let made = self.made();
        let mut find = None;
        if self.listed {
            let items = access_path("result", self.place.iter().map(String::as_str));
            read.keys.push(("items", json!(format!("{{{{ {items} }}}}"))));
        } else {
            if !self.place.is_empty() {
                read.keys.push(("result", json!(["json", {"path": self.place.join(".")}])));
            }
            if made.is_some() {
                find = self.find();
            }
        }
        let by_name = self.parts.as_slice() == [Part::Name];
        let by_list = self.listed && self.name.is_some() && !uses_id(&read);
        let findable = by_name || find.is_some() || by_list;
        if !findable {
            // A name alone does not say which one is meant.
            read.keys.push(("when", json!("id")));
            self.doubts.push("it is found by its id only: a create that was interrupted cannot be found again".to_owned());
        }
        let (update, delete) = (self.update(), self.delete());
        let force_replace = match &update {
            Verb::Call(call) => {
                let text = json!(call.keys.iter().map(|(_, v)| v).collect::<Vec<_>>()).to_string();
                self.properties.iter().filter(|p| !text.contains(&property(&p.name))).map(|p| p.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let (object, unreadable, sensitive) = self.object();
        if self.answer.is_none() {
            self.doubts.push("where name, id and properties stand in the answers: no tool declares it".to_owned());
        }
        if let Some(made) = &made {
            self.doubts.push(format!("where the answer of create holds the id (`{made}`)"));
        }
        if !matches!(reader.class(), Some(Class::Read | Class::List)) {
            let who = match (reader.tool.hint("readOnlyHint"), &group.by) {
                (None, Some(_)) => "said by the model alone: look at it before it is called",
                _ => "its server's own hint",
            };
            let said = if reader.class().is_none() { "has no verb in its name" } else { "has no verb of reading in its name" };
            self.doubts.push(format!("`{}` {said}; that it only reads is {who}", reader.tool.name));
        }
        Ok(Sketch {
            name: group.name(),
            description: clean_line(&words_of(group), 160),
            force_replace,
            sensitive,
            unreadable,
            findable,
            find,
            create: self.create(),
            update,
            delete,
            id: self.object_id(),
            object_name: self.object_name(),
            object,
            outputs: self.outputs(),
            read,
            properties: self.properties,
            notes: self.notes,
            doubts: self.doubts,
        })
    }

    /// Which tool reads, and what it has to be told. From its arguments follows what the id is.
    fn settle_identity(&mut self) -> Result<(Offer<'t>, Keys), String> {
        let group = self.group;
        let mut why = None;
        if let Some(read) = &group.read {
            match self.known().keys(read) {
                Ok(keys) if !keys.parts().is_empty() => {
                    self.parts = keys.parts();
                    self.look_at(read, read.class().is_none() && group.by.is_none());
                    self.listed = self.answer.as_ref().is_some_and(|a| a.listed);
                    return Ok((read.clone(), keys));
                }
                Ok(_) => {}
                Err(argument) => why = Some(format!("`{}` wants `{argument}`, and nothing of what create takes is that", read.tool.name)),
            }
        }
        let Some(list) = &group.list else { return Err(why.unwrap_or_else(|| "no tool shows one, and none lists them".to_owned())) };
        let keys = self.known().keys(list).map_err(|argument| {
            why.unwrap_or_else(|| format!("`{}` wants `{argument}`, and nothing of what create takes is that", list.tool.name))
        })?;
        let mut parts: Vec<Part> = keys.parts();
        let changes: Vec<&Offer> = group.delete.iter().chain(&group.updates).collect();
        let of_changes = changes.iter().find_map(|o| self.known().keys(o).ok().map(|k| k.parts()).filter(|p| !p.is_empty()));
        let own = match (of_changes, &self.name) {
            (Some(parts), _) => parts,
            (None, Some(_)) => vec![Part::Name],
            (None, None) => {
                let texts = self.properties.iter().filter(|p| p.required && p.is_scalar());
                texts.map(|p| Part::Property(p.name.clone())).collect()
            }
        };
        // `list_directory(path)` lists what is in one directory: it is asked about the one.
        let of_one = !list.reading.plural && !parts.is_empty() && own.iter().all(|p| parts.contains(p));
        if !of_one {
            parts.extend(own.into_iter().filter(|p| !keys.parts().contains(p)));
        }
        if parts.is_empty() {
            return Err("nothing says which one of a list is meant".to_owned());
        }
        self.parts = parts;
        self.listed = !of_one;
        self.look_at(list, true);
        Ok((list.clone(), keys))
    }

    /// What the tool's output schema promises, and where in the answer the one stands, or the list.
    fn look_at(&mut self, offer: &Offer, lists: bool) {
        let known: Vec<String> = self.name.iter().cloned().chain(self.properties.iter().map(|p| p.name.clone())).collect();
        self.answer = offer.tool.output_schema().and_then(|schema| match &offer.said.place {
            Some(place) => at(schema, place).filter(|a| !a.members.is_empty()),
            None => answer(schema, &self.group.noun, &known),
        });
        if lists || offer.class() == Some(Class::List) {
            // A list that shows one thing only is none.
            self.answer = self.answer.take().filter(|a| a.listed);
        }
        let promised = self.answer.as_ref().map(|a| a.path.clone());
        self.place = offer.said.place.clone().or(promised).unwrap_or_default();
    }

    fn made(&self) -> Option<String> {
        self.parts.iter().find_map(|p| if let Part::Made(arg) = p { Some(arg.clone()) } else { None })
    }

    fn explain(&mut self, reader: &Offer) {
        let create = &self.group.create;
        let pick = |o: &Offer| format!("{} ({})", o.tool.name, o.reading.verb.as_ref().map_or("no verb", |(_, v)| v));
        self.notes.insert(0, format!("made by {}, read by {}", pick(create), pick(reader)));
        self.notes.extend(self.group.by.clone());
        if let Some(batch) = &self.batch {
            self.notes.push(format!("`{}` takes a list of them (`{batch}`); each resource is one element", create.tool.name));
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|p| match p {
                Part::Name => "its name".to_owned(),
                Part::Property(p) => format!("`{p}`"),
                Part::Made(arg) => format!("what the server gives it (`{arg}`)"),
            })
            .collect();
        self.notes.push(format!("it is known by {}", parts.join(" and ")));
        if let Some(name) = self.name.as_ref().filter(|n| bare(n) != "name") {
            self.notes.push(format!("the resource's name goes into `{name}`"));
        }
    }
    /// The member of an answer that means the same as one of ours; a guess if no schema says.
    fn member(&self, name: &str) -> Option<String> {
        match &self.answer {
            Some(answer) => answer.member(name, &self.group.noun).map(|m| access("item", m)),
            None => Some(access("item", name)),
        }
    }

    fn item_name(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        match &self.answer {
            Some(_) => self.member(name).or_else(|| self.member("name")),
            None => Some(guesses("item", &["name".to_owned(), name.to_owned()])),
        }
    }

    fn object_name(&self) -> String {
        match self.item_name() {
            Some(found) if self.listed => format!("{{{{ {found} }}}}"),
            // Not every server repeats the name under which it was asked.
            Some(found) => format!("{{{{ {found} or name }}}}"),
            None => "{{ name }}".to_owned(),
        }
    }

    fn object_id(&self) -> String {
        joined(&self.parts, &|part| match part {
            Part::Name if self.listed => self.item_name().unwrap_or_else(|| "name".to_owned()),
            Part::Name => "name".to_owned(),
            Part::Property(p) if self.listed => match self.answer.is_some() && self.member(p).is_none() || self.asked_for(part) {
                true => of_id(&self.parts, part),
                false => self.member(p).unwrap_or_default(),
            },
            Part::Property(_) => of_id(&self.parts, part),
            Part::Made(arg) => {
                let seen = self
                    .answer
                    .as_ref()
                    .and_then(|a| made_names(arg, &self.group.noun).iter().find_map(|n| a.member(n, &[]).map(|m| access("item", m))));
                let found = seen.unwrap_or_else(|| guesses("item", &made_names(arg, &self.group.noun)));
                if self.listed { found } else { format!("{found} or {}", of_id(&self.parts, part)) }
            }
        })
    }

    /// Whether the list is asked for with a part: then its elements need not repeat it.
    fn asked_for(&self, part: &Part) -> bool {
        let list = self.group.list.as_ref().filter(|_| self.listed);
        list.is_some_and(|l| self.known().keys(l).is_ok_and(|k| k.parts().contains(part)))
    }

    /// Where each property stands; which are never shown; which are secret.
    fn object(&self) -> (Vec<(String, String)>, Vec<String>, Vec<String>) {
        let (mut object, mut unreadable, mut sensitive) = (Vec::new(), Vec::new(), Vec::new());
        for property in &self.properties {
            let said = property.schema["description"].as_str().unwrap_or_default().to_lowercase();
            let secret = SECRETS.iter().any(|s| bare(&property.name).contains(s)) || SAID.iter().any(|s| said.contains(s));
            if property.schema["type"] == "string" && property.schema["enum"].is_null() && secret {
                sensitive.push(property.name.clone());
                continue;
            }
            // A part of the id is known whatever the answer says.
            let part = Part::Property(property.name.clone());
            let of_id = self.parts.contains(&part).then(|| of_id(&self.parts, &part));
            match (of_id, self.member(&property.name)) {
                (Some(part), _) if !self.listed || self.asked_for(&Part::Property(property.name.clone())) => {
                    let number = matches!(property.schema["type"].as_str(), Some("integer"));
                    object.push((property.name.clone(), format!("{{{{ {part}{} }}}}", if number { " | int" } else { "" })));
                }
                (_, Some(member)) => object.push((property.name.clone(), format!("{{{{ {member} }}}}"))),
                (_, None) => unreadable.push(property.name.clone()),
            }
        }
        (object, unreadable, sensitive)
    }

    fn outputs(&self) -> Vec<(String, Value, String)> {
        let Some(answer) = &self.answer else { return Vec::new() };
        let noun = &self.group.noun;
        let known =
            |m: &str| same(m, "name", noun) || self.name.as_deref() == Some(m) || self.properties.iter().any(|p| same(&p.name, m, noun));
        let scalar = |s: &Value| matches!(s["type"].as_str(), Some("string" | "integer" | "number" | "boolean"));
        let new = answer.members.iter().filter(|(m, s)| !known(m) && scalar(s)).take(MAX_OUTPUTS);
        new.map(|(m, s)| (m.clone(), json!({"type": s["type"]}), format!("{{{{ {} }}}}", access("item", m)))).collect()
    }
}

/// What the server says about the tool that makes one, with single spaces.
fn words_of(group: &Group) -> String {
    let said = group.create.tool.definition["description"].as_str().unwrap_or_default();
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `a file`, `an incident`.
fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// Whether a read needs to know the id.
fn uses_id(call: &Call) -> bool {
    call.keys.iter().any(|(_, v)| v.to_string().contains("(id |"))
}
