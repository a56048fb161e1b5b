//! Which tools are the create, read, list, update and delete of one type.

use super::{
    arguments::{Purpose, same},
    offer::{Language, Offer, language},
    words::{Class, VIEWS, rank},
};

/// The offers that belong to one type.
#[derive(Debug, Clone)]
pub struct Group<'t> {
    /// The type's noun.
    pub noun: Vec<String>,
    /// How many words of it are its family.
    pub family: usize,
    /// Makes one.
    pub create: Offer<'t>,
    /// Shows one.
    pub read: Option<Offer<'t>>,
    /// Shows all.
    pub list: Option<Offer<'t>>,
    /// Those that may change one, the best first.
    pub updates: Vec<Offer<'t>>,
    /// Takes one away.
    pub delete: Option<Offer<'t>>,
    /// Who said so, and why; nobody if rules did.
    pub by: Option<String>,
}

/// A thing that can be made, and why it becomes no type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The tool.
    pub tool: String,
    /// Why.
    pub reason: String,
}

impl Group<'_> {
    /// The type's name.
    pub fn name(&self) -> String {
        let (family, rest) = self.noun.split_at(self.family.min(self.noun.len().saturating_sub(1)));
        if family.is_empty() { rest.join("_") } else { format!("{}:{}", family.join("_"), rest.join("_")) }
    }
}

/// All types of which one can be made and read back.
pub fn groups<'t>(offers: &[Offer<'t>]) -> (Vec<Group<'t>>, Vec<LeftOut>) {
    let (mut groups, mut left): (Vec<Group<'t>>, Vec<LeftOut>) = (Vec::new(), Vec::new());
    let makes = |o: &&Offer| matches!(o.class(), Some(Class::Create | Class::Upsert));
    let mut nouns: Vec<&[String]> = Vec::new();
    for offer in offers.iter().filter(makes) {
        let noun = offer.reading.noun.as_slice();
        if noun.is_empty() || offer.reading.qualified {
            left.push(LeftOut { tool: offer.tool.name.to_string(), reason: "it joins things that are there, and makes none".to_owned() });
        } else if !nouns.contains(&noun) {
            nouns.push(noun);
        }
    }
    for noun in nouns {
        let of_noun = |o: &&Offer<'t>| o.reading.noun == noun && !o.reading.qualified;
        let mut creates: Vec<&Offer<'t>> = offers.iter().filter(makes).filter(of_noun).collect();
        creates.sort_by_key(|o| (o.deprecated, o.class() == Some(Class::Upsert), rank(o.verb())));
        let Some(create) = creates.first() else { continue };
        if let Some(language) = language(create.tool, &create.constants) {
            left.push(LeftOut {
                tool: create.tool.name.to_string(),
                reason: format!("it takes {}: its schema does not say what one consists of", language.words()),
            });
            continue;
        }
        let (read, list) = (best(offers, noun, create, Role::Read), best(offers, noun, create, Role::List));
        if read.is_none() && list.is_none() {
            left.push(LeftOut { tool: create.tool.name.to_string(), reason: "no tool was found that reads back what it makes".to_owned() });
            continue;
        }
        let named = |o: &&Offer<'t>| strip(&o.reading.noun, noun) && !o.reading.qualified;
        let mut updates: Vec<Offer<'t>> = offers.iter().filter(|o| o.class() == Some(Class::Update)).filter(named).cloned().collect();
        updates.sort_by_key(|o| (o.deprecated, o.reading.noun.len(), rank(o.verb())));
        let mut deletes: Vec<&Offer<'t>> = offers.iter().filter(|o| o.class() == Some(Class::Delete)).filter(of_noun).collect();
        deletes.sort_by_key(|o| (o.deprecated, rank(o.verb())));
        groups.push(Group {
            noun: noun.to_vec(),
            family: create.reading.family,
            create: (*create).clone(),
            read,
            list,
            updates,
            delete: deletes.first().map(|o| (*o).clone()),
            by: None,
        });
    }
    (groups, left)
}

/// The tools that take a whole language.
pub fn languages(offers: &[Offer]) -> Vec<(String, Language)> {
    let mut all: Vec<(String, Language)> =
        offers.iter().filter_map(|o| Some((o.tool.name.to_string(), language(o.tool, &o.constants)?))).collect();
    all.dedup();
    all
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Read,
    List,
}

/// The offer that shows one (or all) of what `create` makes.
fn best<'t>(offers: &[Offer<'t>], noun: &[String], create: &Offer<'t>, role: Role) -> Option<Offer<'t>> {
    let scored = offers.iter().filter_map(|o| Some((score(o, noun, create, role)?, o)));
    scored.min_by_key(|(score, o)| (*score, o.tool.name.as_str().len())).map(|(_, o)| o.clone())
}

/// How far an offer is from showing what is meant; `None` if it cannot be.
fn score(offer: &Offer, noun: &[String], create: &Offer, role: Role) -> Option<usize> {
    let needs_key = offer.arguments.iter().any(|a| a.required && a.purpose() == Purpose::Data);
    let several = offer.reading.plural && !VIEWS.contains(&offer.reading.noun.last().map_or("", String::as_str));
    let fits_role = match (offer.class(), role) {
        (Some(Class::Read), Role::Read) => needs_key && !(several && offer.reading.noun == noun && offer.reading.qualified),
        // `get_vms` without a key shows all of them.
        (Some(Class::Read), Role::List) => !needs_key && several,
        (Some(Class::List), Role::List) => true,
        // A name without a verb, of which the server says that it only reads.
        (None, Role::List) => offer.tool.hint("readOnlyHint") == Some(true),
        _ => false,
    };
    let by_shape = || shows(offer, noun, create) && matches!(offer.class(), Some(Class::Read | Class::List) | None);
    let theirs = &offer.reading.noun;
    let distance = match () {
        () if fits_role && theirs == noun => usize::from(offer.reading.qualified),
        () if fits_role && strip(theirs, noun) => 2,
        () if fits_role && offer.class().is_some() && theirs.len() > noun.len() && theirs.ends_with(noun) && !offer.reading.qualified => 3,
        () if role == Role::Read && needs_key && by_shape() => 5,
        () if role == Role::List && !needs_key && by_shape() => 5,
        () => return None,
    };
    // What is written is read, whatever else there is that tells about it.
    let pair = create.reading.verb.as_ref().is_some_and(|(_, v)| PAIRS.contains(&(v.as_str(), offer.verb())));
    Some(distance.saturating_sub(2 * usize::from(pair)) + 10 * usize::from(offer.deprecated))
}

/// Verbs that belong together.
const PAIRS: [(&str, &str); 3] = [("write", "read"), ("put", "get"), ("store", "retrieve")];

/// Whether a noun is the other one, followed by a word such as `details`.
fn strip(theirs: &[String], noun: &[String]) -> bool {
    theirs == noun || (theirs.starts_with(noun) && theirs[noun.len()..].iter().all(|w| VIEWS.contains(&w.as_str())))
}

/// Whether an output schema has a list of things that look like what the create tool takes: names alone do not tell that
/// `open_nodes` shows what `create_entities` makes.
fn shows(offer: &Offer, noun: &[String], create: &Offer) -> bool {
    let Some(output) = offer.tool.output_schema() else { return false };
    let wanted = create.of_one().of;
    let Some(members) = output["properties"].as_object() else { return false };
    members.iter().any(|(name, schema)| {
        let inner = schema["items"]["properties"].as_object();
        let known = inner.map_or(0, |i| wanted.iter().filter(|w| i.keys().any(|k| same(k, &w.name, noun))).count());
        known > 0 && known * 2 >= wanted.len() && same(name, &noun.join("_"), &[])
    })
}
