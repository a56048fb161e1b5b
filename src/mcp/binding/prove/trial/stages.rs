//! The stages of a trial: make, read, change, make again, take away.

use serde_json::{Value, json};

use super::{Done, Not, Trial, Which, infer, wanted};
use crate::{
    domain::text::clean_line,
    mcp::{
        CallError,
        binding::{
            Verb,
            draft::{bare, same},
            expression::Scope,
            prove::{
                Level,
                ways::{listed, name_in, places, ways},
            },
        },
        reply::Reply,
    },
};

impl Trial<'_> {
    /// All stages in their order. A stage that does not hold ends the trial, because the next would say nothing.
    pub(super) async fn stages(&mut self) -> Result<(), Not> {
        let absent = self.read_raw(None).await;
        let done = self.make().await?;
        self.settle_id(&done).await?;
        self.settle_read().await?;
        self.change().await?;
        self.make_again().await?;
        self.take_away(absent).await
    }

    pub(super) async fn make(&mut self) -> Result<Done, Not> {
        let first = self.scratch.first.clone();
        let done = self.verb(Which::Create, &first).await?;
        self.yes = done.reply.clone();
        Ok(done)
    }

    /// The id of what was made, and where the answer has it.
    async fn settle_id(&mut self, done: &Done) -> Result<(), Not> {
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let scope = self.scope().with("properties", self.scratch.first.clone());
        let before = match &bound.create {
            Verb::Calls { id: Some(id), .. } if bound.create.known_id(&scope).is_none() => Some(id.source().to_owned()),
            _ => None,
        };
        if let Some(id) = &done.id
            && self.is_it(id).await
        {
            self.id = Some(id.clone());
            self.watch.there(&self.left()).map_err(Not::Unsent)?;
            let how = if before.is_some() { "the answer of create holds the id" } else { "the id is known before it is made" };
            self.holds(&["create"], how);
            return Ok(());
        }
        // What the parts of the id that are known beforehand come to; the rest is what the server made.
        let template = self.at(&["create", "id"]).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let made = regex::Regex::new(r"\{\{[^}]*\bresult\b[^}]*\}\}").ok().and_then(|r| r.find(&template).map(|m| m.as_str().to_owned()));
        let whole = |made_id: &str| -> String {
            let Some(made) = &made else { return made_id.to_owned() };
            let filled = template.replacen(made, "\u{1}", 1);
            let text = crate::mcp::binding::Expression::new(&filled, Default::default()).ok().and_then(|e| e.text(&scope).ok().flatten());
            text.map_or_else(|| made_id.to_owned(), |t| t.replacen('\u{1}', made_id, 1))
        };
        let argument =
            made.as_deref().and_then(|m| m.split("result.").nth(1)).and_then(|m| m.split([' ', '}']).next()).unwrap_or("id").to_owned();
        let noun: Vec<String> = self.kind.as_str().split([':', '_']).map(str::to_owned).collect();
        if let Some(reply) = &done.reply {
            for (candidate, steps, expression) in infer::id_candidates(reply, &argument, &noun).into_iter().take(6) {
                let id = whole(&candidate);
                if !self.is_it(&id).await {
                    continue;
                }
                self.id = Some(id);
                self.watch.there(&self.left()).map_err(Not::Unsent)?;
                let written = match &made {
                    Some(made) => template.replacen(made, &format!("{{{{ {expression} }}}}"), 1),
                    None => format!("{{{{ {expression} }}}}"),
                };
                self.write(&[(&["create", "result"], Some(steps)), (&["create", "id"], Some(json!(written)))]);
                self.note(Level::Written, &["create", "id"], format!("the answer of create holds the id as `{expression}`"));
                return Ok(());
            }
        }
        self.id_from_list(done, &argument, &noun).await
    }

    /// The id out of a listing, when the answer of create does not have it.
    async fn id_from_list(&mut self, done: &Done, argument: &str, noun: &[String]) -> Result<(), Not> {
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let (call, place) = match &bound.find {
            Some(find) => (&find.call, "find"),
            None => (&bound.read.call, "read"),
        };
        let scope = self.scope();
        let answer = self.raw(call, &scope).await?;
        let nothing = |reply: &Option<Reply>| match reply {
            Some(reply) => format!("create says `{}`, and nothing is there", clean_line(&reply.text, 200)),
            None => "create was carried out, and nothing is there".to_owned(),
        };
        let Some(Ok(reply)) = answer else {
            self.false_success(done);
            self.fails(&["create"], nothing(&done.reply));
            return Err(Not::Over);
        };
        let name = self.scratch.name.to_string();
        for way in ways(&reply) {
            let Some(found) = listed(&way.value, &|i| usize::from(name_in(i, &name, "item").is_some())) else { continue };
            let named = name_in(&found.item, &name, "item").unwrap_or_else(|| "item".to_owned());
            let members = found.item.as_object().into_iter().flatten();
            let mut ids: Vec<&String> = members.filter(|(_, v)| v.is_string() || v.is_number()).map(|(k, _)| k).collect();
            ids.sort_by_key(|k| {
                (
                    bare(k) != bare(argument),
                    !same(k, argument, noun),
                    !["id", "uuid", "uid", "arn", "url"].iter().any(|e| bare(k).ends_with(e)),
                )
            });
            for member in ids.into_iter().take(4) {
                let value = &found.item[member];
                let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let of_item = crate::mcp::binding::draft::access("item", member);
                if place == "find" && !self.is_it(&id).await {
                    continue;
                }
                self.id = Some(id);
                self.watch.there(&self.left()).map_err(Not::Unsent)?;
                let created = done.reply.as_ref().and_then(|r| infer::id_place(r, self.id.as_deref().unwrap_or_default()));
                let mut changes: Vec<(&[&str], Option<Value>)> = match &created {
                    Some((steps, at)) => {
                        vec![(&["create", "result"], Some(steps.clone())), (&["create", "id"], Some(json!(format!("{{{{ {at} }}}}"))))]
                    }
                    None => vec![(&["create", "id"], None)],
                };
                if place == "find" {
                    changes.extend([
                        (&["find", "result"][..], Some(way.steps.clone())),
                        (&["find", "items"][..], Some(json!(format!("{{{{ {} }}}}", found.items)))),
                        (&["find", "only"][..], Some(json!(format!("not name or {named} == name")))),
                        (&["find", "id"][..], Some(json!(format!("{{{{ {of_item} }}}}")))),
                    ]);
                }
                self.write(&changes);
                self.note(Level::Written, &[place], format!("the id is found in the listing, as `{member}`"));
                return Ok(());
            }
        }
        self.false_success(done);
        self.fails(&["create"], nothing(&done.reply));
        Err(Not::Over)
    }

    /// An answer that calls itself a success and is none: the next one is told by this.
    fn false_success(&mut self, done: &Done) {
        if let Some(reply) = &done.reply
            && let Some(predicate) = infer::success(reply, None)
        {
            self.write(&[(&["create", "success"], Some(json!(predicate)))]);
            self.note(Level::Written, &["create"], format!("a create that failed calls itself a success; it is told by `{predicate}`"));
        }
    }

    /// Whether something can be read by this id, and is what was made.
    async fn is_it(&self, id: &str) -> bool {
        if let Ok(Some(live)) = self.seen(Some(id)).await {
            return live.id == id;
        }
        matches!(self.read_raw(Some(id)).await, Some(Ok(reply)) if infer::mentions(&reply, self.scratch, Some(id)) && infer::success(&reply, None).is_none())
    }

    /// How one is read: the decoder, where id, name and each property stand.
    async fn settle_read(&mut self) -> Result<(), Not> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        let now = self.now.clone();
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let seen = self.seen(Some(&id)).await;
        let untried = self.untried();
        self.last_read = self.read_raw(Some(&id)).await.and_then(Result::ok);
        let named = |l: &crate::mcp::Live| l.id == id && l.name == self.scratch.name.as_str();
        let right = matches!(&seen, Ok(Some(live)) if named(live) && infer::differing(&now, &live.properties, bound).is_empty());
        if right && (!self.kept || self.at(&["read", "result"]).is_some()) {
            self.holds(&["read"], format!("{} read back as sent", count(now.len(), "property", "properties")));
            return self.settle_find(&id).await;
        }
        let Some(Ok(reply)) = self.read_raw(Some(&id)).await else {
            let why = seen.err().map_or_else(|| "it is not there".to_owned(), |e| e.message().to_owned());
            self.fails(&["read"], format!("it cannot be read back: {}", clean_line(&why, 300)));
            return Err(Not::Over);
        };
        let again = self.read_raw(Some(&id)).await.and_then(Result::ok);
        let fitted = match infer::fit(&reply, &wanted(self, &id, bound)) {
            // That it is answered at all may say that it is there.
            None if self.is_told(&reply, &id).await => Some(infer::bare_presence(&reply, &wanted(self, &id, bound))),
            other => other,
        };
        let Some(fitted) = fitted else {
            self.fails(&["read"], format!("in its answer nothing of what was sent is found: {}", clean_line(&reply.text, 160)));
            return Err(Not::Over);
        };
        let mut properties: Vec<(String, String)> = fitted.properties.clone();
        let mut unseen: Vec<String> = fitted.unseen.clone();
        let member = |p: &str| {
            let keys = fitted.item.as_object().into_iter().flat_map(serde_json::Map::keys);
            keys.into_iter().find(|k| bare(k) == bare(p)).map(|k| crate::mcp::binding::draft::access("item", k))
        };
        for property in &untried {
            match member(property) {
                Some(at) => properties.push((property.clone(), format!("{{{{ {at} }}}}"))),
                None => unseen.push(property.clone()),
            }
        }
        unseen.sort();
        let mut changes: Vec<(&[&str], Option<Value>)> = vec![
            (&["read", "result"], Some(fitted.result.clone())),
            (&["read", "items"], fitted.items.clone().map(Value::String)),
            (&["object", "id"], Some(json!(fitted.id))),
            (&["object", "name"], Some(json!(fitted.name))),
            (&["object", "properties"], Some(infer::map_of(&properties))),
            (&["unreadable"], (!unseen.is_empty()).then(|| json!(unseen))),
        ];
        let known = |k: &str| {
            let text = format!("{} {} {:?}", fitted.id, fitted.name, properties);
            text.contains(&crate::mcp::binding::draft::access("item", k)) || bound.def.property_names().contains(&k)
        };
        let steady = again.and_then(|r| infer::fit(&r, &wanted(self, &id, bound))).map(|f| f.item).unwrap_or_default();
        let outputs = infer::outputs(&fitted.item, &steady, &known);
        if !outputs.is_empty() {
            let schemas = Value::Object(outputs.iter().map(|(n, s, _)| (n.clone(), s.clone())).collect());
            let places: Vec<(String, String)> = outputs.iter().map(|(n, _, e)| (n.clone(), e.clone())).collect();
            changes.push((&["outputs"], Some(schemas)));
            changes.push((&["object", "outputs"], Some(infer::map_of(&places))));
        }
        self.write(&changes);
        match self.seen(Some(&id)).await {
            Ok(Some(live)) => {
                let binding = self.server.binding().clone();
                let wrong = infer::differing(&now, &live.properties, self.bound(&binding)?);
                for property in &wrong {
                    self.fails(&["object", "properties", property], format!("`{property}` is read back as something else than was sent"));
                }
                self.note(Level::Written, &["read"], format!("it is read by {}", steps_in_words(&fitted.result)));
                for property in fitted.unseen {
                    self.note(
                        Level::Written,
                        &["unreadable"],
                        format!("`{property}` is not shown: what was sent last counts as what is there"),
                    );
                }
            }
            Ok(None) => {
                self.fails(&["read"], "it is not found in the answer".to_owned());
                return Err(Not::Over);
            }
            Err(e) => {
                self.fails(&["read"], format!("it cannot be read back: {}", clean_line(e.message(), 300)));
                return Err(Not::Over);
            }
        }
        self.settle_find(&id).await
    }

    /// Whether an answer about what is there is another one than about what is not.
    async fn is_told(&self, reply: &Reply, id: &str) -> bool {
        match self.read_raw(Some(&format!("{id}-none"))).await {
            Some(Ok(other)) => other != *reply,
            Some(Err(CallError::Refused { .. })) => true,
            _ => false,
        }
    }

    /// Properties that were not sent.
    fn untried(&self) -> Vec<String> {
        let binding = self.server.binding().clone();
        let Some(bound) = binding.types.get(&self.kind) else { return Vec::new() };
        let other = |p: &&str| {
            !self.now.contains_key(*p)
                && !bound.def.is_sensitive(p)
                && !bound.def.limits.refused.contains_key(*p)
                && !bound.def.limits.without.contains_key(*p)
        };
        bound.def.property_names().into_iter().filter(other).map(str::to_owned).collect()
    }

    /// Whether it is found by its name alone: that settles a create that was interrupted.
    async fn settle_find(&mut self, id: &str) -> Result<(), Not> {
        let findable = self.at(&["findable"]) != Some(json!(false));
        match self.seen(None).await {
            Ok(Some(live)) if live.id == *id => {
                if !findable {
                    self.write(&[(&["findable"], None)]);
                }
                self.holds(&["read"], "findable: by its name alone it is found");
            }
            Ok(None) if !findable => self.holds(&["findable"], "blind: only by its id is it found"),
            other => {
                let fixed = self.fit_find(id).await;
                if fixed && matches!(self.seen(None).await, Ok(Some(live)) if live.id == *id) {
                    self.note(Level::Written, &["find"], "findable: by its name alone it is found");
                } else if findable {
                    let why = other.err().map_or_else(|| "another one or none comes back".to_owned(), |e| clean_line(e.message(), 160));
                    self.write(&[(&["find"], None), (&["read", "when"], Some(json!("id"))), (&["findable"], Some(json!(false)))]);
                    self.note(Level::Written, &["findable"], format!("blind: by its name alone it is not found ({why})"));
                }
            }
        }
        Ok(())
    }

    /// Fits `find` to its own answer.
    async fn fit_find(&mut self, id: &str) -> bool {
        let binding = self.server.binding().clone();
        let Some(find) = binding.types.get(&self.kind).and_then(|b| b.find.as_ref()) else { return false };
        let scope = Scope::default().with("name", self.scratch.name.as_str()).with("type", self.kind.as_str());
        let Ok(Some(Ok(reply))) = self.raw(&find.call, &scope).await else { return false };
        let name = self.scratch.name.to_string();
        for way in ways(&reply) {
            let Some(found) =
                listed(&way.value, &|i| usize::from(name_in(i, &name, "item").is_some() && !places(i, &json!(id), "id").is_empty()))
            else {
                continue;
            };
            let Some(named) = name_in(&found.item, &name, "item") else { continue };
            let Some(at) = places(&found.item, &json!(id), "id").first().map(|l| l.expression("item")) else { continue };
            return self.write(&[
                (&["find", "result"], Some(way.steps.clone())),
                (&["find", "items"], Some(json!(format!("{{{{ {} }}}}", found.items)))),
                (&["find", "only"], Some(json!(format!("not name or {named} == name")))),
                (&["find", "id"], Some(json!(format!("{{{{ {at} }}}}")))),
            ]);
        }
        false
    }

    /// Whether a change is made in place.
    async fn change(&mut self) -> Result<(), Not> {
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let (id, second) = (self.id.clone(), self.scratch.second.clone());
        if !matches!(bound.update, Verb::Calls { .. }) {
            return Ok(());
        }
        let changed: Vec<String> = second.iter().filter(|(k, v)| self.now.get(*k) != Some(v)).map(|(k, _)| k.clone()).collect();
        let visible = |p: &String| !bound.def.is_unseen(p) && !bound.def.is_sensitive(p);
        if changed.is_empty() {
            self.holds(&["update"], "update was not tried: no property is known that could be changed");
            return Ok(());
        }
        match self.verb(Which::Update, &second).await {
            Ok(_) => {}
            Err(Not::Refused { words, .. }) => {
                self.no_update(format!("the server refused the update: {}", clean_line(&words, 200)));
                return Ok(());
            }
            Err(Not::Unsent(why)) => {
                self.no_update(format!("the update cannot be sent: {}", clean_line(&why, 200)));
                return Ok(());
            }
            Err(other) => return Err(other),
        }
        let seen = self.seen(id.as_deref()).await;
        let Ok(Some(live)) = seen else {
            self.fails(&["update"], "after the update it is not found under its id any more");
            return Ok(());
        };
        let stale: Vec<String> = infer::differing(&second, &live.properties, bound).into_iter().filter(|p| changed.contains(p)).collect();
        let moved: Vec<&String> = changed.iter().filter(|p| visible(p) && !stale.contains(p)).collect();
        if moved.is_empty() && stale.is_empty() {
            self.now = second;
            self.holds(&["update"], "the update is taken; whether it changes anything is not shown");
        } else if moved.is_empty() {
            self.no_update("update says that it was done, and nothing has changed".to_owned());
        } else {
            for property in &stale {
                self.now.remove(property);
            }
            self.now = second
                .iter()
                .map(|(k, v)| (k.clone(), if stale.contains(k) { self.scratch.first[k].clone() } else { v.clone() }))
                .collect();
            if !stale.is_empty() {
                let mut forced: Vec<Value> = self.at(&["force_replace"]).and_then(|v| v.as_array().cloned()).unwrap_or_default();
                forced.extend(stale.iter().map(|p| json!(p)));
                self.write(&[(&["force_replace"], Some(Value::Array(forced)))]);
                self.note(Level::Written, &["force_replace"], format!("update does not change {}", stale.join(", ")));
            }
            let names = changed.iter().filter(|p| !stale.contains(p)).map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
            self.holds(&["update"], format!("a change of {names} is made in place, under the same id"));
        }
        Ok(())
    }

    /// There is no update after all.
    fn no_update(&mut self, why: String) {
        let deletes = self.at(&["delete", "tool"]).is_some() || self.at(&["delete", "steps"]).is_some();
        let value = if deletes { json!("replace") } else { json!({"missing": clean_line(&self.timeless(&why), 200)}) };
        if self.kept && self.write(&[(&["update"], Some(value)), (&["force_replace"], None)]) {
            self.note(Level::Written, &["update"], why);
        } else {
            self.fails(&["update"], why);
        }
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `json`, `nested body`, `regex_all …`: the steps for people.
fn steps_in_words(steps: &Value) -> String {
    let one = |s: &Value| match s {
        Value::String(word) => format!("`{word}`"),
        Value::Object(map) => map.iter().map(|(k, v)| format!("`{k}: {}`", v.as_str().unwrap_or_default())).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    steps.as_array().map(|all| all.iter().map(one).collect::<Vec<_>>().join(" and ")).unwrap_or_default()
}
