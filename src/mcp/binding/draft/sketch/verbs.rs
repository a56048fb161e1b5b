//! How each verb of a type calls its tool.

use serde_json::{Map, Value, json};

use super::{Call, Composer, Verb, with_article};
use crate::mcp::binding::draft::{
    answer::{access, access_path, answer, guesses},
    arguments::{Purpose, least},
    keys::{Keys, Part, Source, joined, made_names, of_id, property},
    offer::Offer,
    words::{Class, bare},
};

impl<'t> Composer<'_, 't> {
    /// A call with the arguments that say which one is meant. Reading may not use properties: nobody knows them then.
    pub(super) fn keyed(&mut self, offer: &Offer, keys: &Keys, reads: bool) -> Call {
        let mut arguments: Map<String, Value> = offer.constants.iter().cloned().collect();
        let mut element = Map::new();
        for (argument, source) in &keys.sources {
            let value = match source {
                Source::Constant(value) => value.clone(),
                Source::Part(part) if reads || self.parts.contains(part) => json!(format!("{{{{ {} }}}}", of_id(&self.parts, part))),
                Source::Part(Part::Name) => json!("{{ name }}"),
                Source::Part(Part::Property(p)) => json!(format!("{{{{ {} }}}}", access("current", p))),
                Source::Part(Part::Made(arg)) => json!(format!("{{{{ {} or id }}}}", guesses("live", &made_names(arg, &self.group.noun)))),
            };
            let value = if argument.is_text_list() && !value.is_array() { json!([value]) } else { value };
            element.insert(argument.name.clone(), value);
        }
        match &keys.batch {
            Some(batch) => drop(arguments.insert(batch.clone(), json!([element]))),
            None => arguments.extend(element),
        }
        for guess in &keys.guessed {
            self.doubts.push(format!("what `{}` wants as `{guess}`", offer.tool.name));
        }
        let mut call = Call { tool: offer.tool.name.to_string(), keys: Vec::new() };
        if reads && !offer.surely_reads() {
            call.keys.push(("effect", json!("write")));
        }
        if reads && offer.says_it_writes() {
            self.doubts.push(format!("`{}` is said by its server not to be a mere read", offer.tool.name));
        }
        call.keys.push(("arguments", Value::Object(arguments)));
        call
    }

    /// How one is found by name in a list.
    pub(super) fn find(&mut self) -> Option<Call> {
        let list = self.group.list.clone()?;
        let keys = self.known().keys(&list).ok().filter(|k| k.parts().is_empty())?;
        let name = self.name.clone()?;
        let known: Vec<String> = std::iter::once(name.clone()).chain(self.properties.iter().map(|p| p.name.clone())).collect();
        let seen = list.tool.output_schema().and_then(|s| answer(s, &self.group.noun, &known)).filter(|a| a.listed);
        let mut call = self.keyed(&list, &keys, true);
        let place = list.said.place.clone().or_else(|| seen.as_ref().map(|a| a.path.clone())).unwrap_or_default();
        let items = access_path("result", place.iter().map(String::as_str));
        let name = match seen.as_ref().and_then(|a| a.member(&name, &self.group.noun)) {
            Some(member) => access("item", member),
            None => guesses("item", &["name".to_owned(), name]),
        };
        call.keys.push(("items", json!(format!("{{{{ {items} }}}}"))));
        call.keys.push(("only", json!(format!("not name or ({name}) == name"))));
        let id = joined(&self.parts, &|p| match p {
            Part::Name => name.clone(),
            Part::Property(p) => access("item", p),
            Part::Made(arg) => guesses("item", &made_names(arg, &self.group.noun)),
        });
        call.keys.push(("id", json!(id)));
        self.doubts.push(format!("how `{}` shows names and ids", list.tool.name));
        Some(call)
    }

    pub(super) fn create(&mut self) -> Call {
        let group = self.group;
        let mut arguments: Map<String, Value> = group.create.constants.iter().cloned().collect();
        let mut element = Map::new();
        for argument in &self.of {
            let value = match argument.purpose() {
                Purpose::Confirm => json!(true),
                Purpose::DryRun if argument.required => json!(false),
                Purpose::Context if argument.required => {
                    self.doubts.push(format!("what `{}` wants as `{}`", group.create.tool.name, argument.name));
                    least(&argument.schema)
                }
                _ if Some(&argument.name) == self.name.as_ref() => json!("{{ name }}"),
                Purpose::Data if self.properties.iter().any(|p| p.name == argument.name) => json!(property(&argument.name)),
                _ => continue,
            };
            element.insert(argument.name.clone(), value);
        }
        match &self.batch {
            Some(batch) => drop(arguments.insert(batch.clone(), json!([element]))),
            None => arguments.extend(element),
        }
        let id = joined(&self.parts, &|p| match p {
            Part::Name => "name".to_owned(),
            Part::Property(p) => access("properties", p),
            Part::Made(arg) => guesses("result", &made_names(arg, &group.noun)),
        });
        let mut keys = vec![("arguments", Value::Object(arguments)), ("id", json!(id))];
        if let (Some(place), Some(_)) = (group.create.said.place.as_ref().filter(|p| !p.is_empty()), self.made()) {
            keys.insert(1, ("result", json!(["json", {"path": place.join(".")}])));
        }
        Call { tool: group.create.tool.name.to_string(), keys }
    }

    pub(super) fn update(&mut self) -> Verb {
        let group = self.group;
        let mut why = Vec::new();
        for offer in &group.updates {
            let taken = offer.of_one();
            let mut keys = Keys { sources: Vec::new(), batch: taken.batch.clone(), guessed: Vec::new() };
            let mut sets = Map::new();
            let mut missing = None;
            for argument in &taken.of {
                let said = offer.carries(&argument.name);
                let known = said.cloned().map(Source::Part).or_else(|| self.known().source_of(argument));
                let property = self.properties.iter().find(|p| match said {
                    Some(Part::Property(said)) => p.name == *said,
                    Some(_) => false,
                    None => p.name == argument.name || bare(&p.name) == bare(&argument.name),
                });
                match (argument.purpose(), known, property) {
                    (Purpose::Confirm, ..) => drop(sets.insert(argument.name.clone(), json!(true))),
                    (_, Some(Source::Part(part)), _) if argument.required && self.parts.contains(&part) => {
                        keys.sources.push((argument.clone(), Source::Part(part)));
                    }
                    (_, _, Some(p)) => drop(sets.insert(argument.name.clone(), json!(crate::mcp::binding::draft::keys::property(&p.name)))),
                    (_, Some(source @ Source::Part(_)), None) if argument.required => keys.sources.push((argument.clone(), source)),
                    _ if argument.required => missing = Some(argument.name.clone()),
                    _ => {}
                }
            }
            let changes = sets.values().filter(|v| v.is_string()).count();
            match missing {
                Some(argument) => why.push(format!("`{}` wants `{argument}`, which create does not know", offer.tool.name)),
                None if changes == 0 => why.push(format!("`{}` changes nothing that create sets", offer.tool.name)),
                None => {
                    let mut call = self.keyed(offer, &keys, false);
                    if let Some((_, Value::Object(arguments))) = call.keys.iter_mut().find(|(k, _)| *k == "arguments") {
                        match taken.batch.as_ref().and_then(|b| arguments.get_mut(b)) {
                            Some(element) => element[0].as_object_mut().into_iter().for_each(|e| e.extend(sets.clone())),
                            None => arguments.extend(sets),
                        }
                    }
                    return Verb::Call(call);
                }
            }
        }
        if group.create.class() == Some(Class::Upsert) && !self.properties.is_empty() && self.made().is_none() {
            self.notes.push(format!("`{}` by its name changes the one that is there", group.create.tool.name));
            let mut call = self.create();
            call.keys.retain(|(k, _)| !["id", "result"].contains(k));
            return Verb::Call(call);
        }
        self.notes.extend(why.into_iter().map(|w| format!("no update: {w}")));
        match group.delete.is_some() {
            true => Verb::Replace,
            false => Verb::Missing("the server offers no tool that changes one, and none that deletes one to make it anew".to_owned()),
        }
    }

    pub(super) fn delete(&mut self) -> Verb {
        let group = self.group;
        let Some(offer) = &group.delete else {
            return Verb::Missing(format!("the server offers no tool that deletes {}", with_article(&group.noun.join(" "))));
        };
        match self.known().keys(offer) {
            Ok(keys) => {
                let mut call = self.keyed(offer, &keys, false);
                call.keys.insert(0, ("effect", json!("destructive")));
                Verb::Call(call)
            }
            Err(argument) => Verb::Missing(format!("`{}` wants `{argument}`, which nothing is known about", offer.tool.name)),
        }
    }
}
