//! Finding an object and saying what it means: by id, by name, out of a list, with further reads about it.
//!
//! An answer about another object is a lie, and so is one in which what is needed comes to nothing.

use std::time::Duration;

use serde_json::Value;

use super::{BoundServer, many::gives_all};
use crate::{
    domain::{
        Properties, ResourceType,
        text::{clean, clean_line},
    },
    mcp::{
        CallControl, CallError, Health, Key, Live, Refusal, Status,
        binding::{
            Call, Expression, TypeBinding,
            expression::{Scope, Wrong},
            perform::Performed,
            shape::Shape,
        },
    },
};

/// The most objects that a listing may give.
const MAX_OBJECTS: usize = 100_000;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 1000;

/// How often a list of everything is asked for, and the first pause: one that goes while it is made can spoil the whole of it.
const LISTINGS: u32 = 4;
const LISTING_PAUSE: Duration = Duration::from_millis(150);

/// An object: what it means, and what it was read from.
pub(in crate::mcp::binding) struct Seen {
    pub(in crate::mcp::binding) live: Live,
    pub(in crate::mcp::binding) item: Value,
}

impl BoundServer {
    /// Performs the read of a type. A no to a list of everything is about something that went in between, so it is asked for again.
    pub(super) async fn listing(&self, bound: &TypeBinding, scope: &Scope) -> Result<Performed, CallError> {
        let (all, mut pause) = (gives_all(bound), LISTING_PAUSE);
        for _ in 1..LISTINGS {
            match self.ask(&bound.read.call, scope, &CallControl::read()).await {
                Err(e @ CallError::Refused { class: Refusal::Other | Refusal::NotFound, .. }) if all && !is_none(bound, &e) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        self.ask(&bound.read.call, scope, &CallControl::read()).await
    }

    pub(super) fn scope(bound: &TypeBinding, key: &Key) -> Scope {
        let scope = Scope::of(&bound.lets).with("name", key.name.as_str()).with("type", key.kind.as_str());
        scope.maybe("id", key.id.clone()).with("hint", key.hints.clone())
    }

    /// Finds one by id, or by name.
    pub(in crate::mcp::binding) async fn look(&self, bound: &TypeBinding, key: &Key) -> Result<Option<Seen>, CallError> {
        let found;
        let key = match (&key.id, &bound.find) {
            (None, Some(_)) => {
                let mut ids = self.find(bound, Some(key), &key.kind).await?;
                match (ids.pop(), ids.is_empty()) {
                    (None, _) => return Ok(None),
                    (Some(id), true) => {
                        found = Key { id: Some(id), ..key.clone() };
                        &found
                    }
                    (Some(_), false) => return Err(self.several(&bound.read.call, key, ids.len() + 1)),
                }
            }
            _ => key,
        };
        let scope = Self::scope(bound, key);
        let done = match self.listing(bound, &scope).await {
            Err(e) if is_none(bound, &e) => return Ok(None),
            other => other?,
        };
        let items = self.items(bound, &scope, &done)?;
        self.pick(bound, key, items, &done).await
    }

    /// The one of several objects that is meant.
    pub(super) async fn pick(
        &self,
        bound: &TypeBinding,
        key: &Key,
        items: Vec<Value>,
        done: &Performed,
    ) -> Result<Option<Seen>, CallError> {
        let scope = Self::scope(bound, key);
        let listed = bound.read.items.is_some();
        let mut fitting = Vec::new();
        for item in items {
            let scope = scope.clone().with("item", item.clone()).with("result", if listed { Value::Null } else { done.result.clone() });
            let (id, name) = (self.need(bound, &bound.object.id, &scope)?, self.need(bound, &bound.object.name, &scope)?);
            let same = match &key.id {
                Some(wanted) => *wanted == id,
                None => name == key.name.as_str(),
            };
            if same {
                fitting.push(item);
            } else if !listed {
                let (about, wanted) = (clean_line(&format!("{name}` (`{id}"), 160), key.id.as_deref().unwrap_or(key.name.as_str()));
                let reason = format!("it is about `{about}`), and `{}` was asked for", clean_line(wanted, 80));
                return Err(self.lie(&bound.read.call, bound.read.call.span, &reason));
            }
        }
        match fitting.len() {
            0 => Ok(None),
            1 => self.seen(bound, key, fitting.remove(0), done).await.map(Some),
            n => Err(self.several(&bound.read.call, key, n)),
        }
    }

    fn several(&self, call: &Call, key: &Key, count: usize) -> CallError {
        self.refuse(
            call,
            Refusal::Other,
            format!("{count} of type `{}` are called `{}`, and nothing says which one is meant", key.kind, key.name),
        )
    }

    /// The ids of those that have a name, or of all.
    pub(super) async fn find(&self, bound: &TypeBinding, key: Option<&Key>, kind: &ResourceType) -> Result<Vec<String>, CallError> {
        let Some(find) = &bound.find else { return Ok(Vec::new()) };
        let scope = match key {
            Some(key) => Self::scope(bound, key),
            None => Scope::of(&bound.lets).with("type", kind.as_str()),
        };
        let done = match self.ask(&find.call, &scope, &CallControl::read()).await {
            Err(e) if e.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        let wrong = |w: Wrong| self.lie(&find.call, w.span, &w.reason);
        let inner = scope.clone().with("result", done.result).with("text", done.text);
        let mut ids = Vec::new();
        for item in find.items.list(&inner).map_err(wrong)? {
            let scope = scope.clone().with("item", item);
            if find.only.holds(&scope).map_err(wrong)? {
                ids.extend(find.id.text(&scope).map_err(wrong)?);
            }
        }
        Ok(ids)
    }

    pub(super) fn items(&self, bound: &TypeBinding, scope: &Scope, done: &Performed) -> Result<Vec<Value>, CallError> {
        let wrong = |w: Wrong| self.lie(&bound.read.call, w.span, &w.reason);
        let scope = scope.clone().with("result", done.result.clone()).with("text", done.text.clone());
        let items = match &bound.read.items {
            Some(items) => items.list(&scope).map_err(wrong)?,
            None if done.result.is_null() => Vec::new(),
            None => vec![done.result.clone()],
        };
        if items.len() > MAX_OBJECTS {
            return Err(self.lie(&bound.read.call, bound.read.call.span, "its list does not end"));
        }
        let Some(only) = &bound.read.only else { return Ok(items) };
        let mut kept = Vec::new();
        for item in items {
            if only.holds(&scope.clone().with("item", item.clone())).map_err(wrong)? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// A value without which an object means nothing.
    pub(super) fn need(&self, bound: &TypeBinding, expression: &Expression, scope: &Scope) -> Result<String, CallError> {
        let lie = |reason: &str| self.lie(&bound.read.call, expression.span(), reason);
        let text = expression.text(scope).map_err(|w| lie(&w.reason))?;
        text.filter(|t| !t.is_empty()).ok_or_else(|| lie("this comes to nothing for what the server answered"))
    }

    /// What an object means, with the further reads about it.
    async fn seen(&self, bound: &TypeBinding, key: &Key, item: Value, done: &Performed) -> Result<Seen, CallError> {
        let listed = bound.read.items.is_some();
        let mut scope =
            Self::scope(bound, key).with("item", item.clone()).with("result", if listed { Value::Null } else { done.result.clone() });
        for also in &bound.read.also {
            // What tells more is not needed to know that it is there.
            if let Ok(Some(more)) = self.perform(&also.call, &scope, &CallControl::read()).await {
                scope = scope.with(&also.name, more.result);
            }
        }
        Ok(Seen { live: self.live(bound, &scope)?, item })
    }

    pub(super) fn live(&self, bound: &TypeBinding, scope: &Scope) -> Result<Live, CallError> {
        let object = &bound.object;
        let wrong = |w: Wrong| self.lie(&bound.read.call, w.span, &w.reason);
        let holds = |e: &Option<Expression>| e.as_ref().map(|e| e.holds(scope).map_err(wrong)).transpose();
        let text = |e: &Option<Expression>| e.as_ref().map(|e| e.text(scope).map_err(wrong)).transpose().map(Option::flatten);
        let members = |all: &[(String, Shape)]| -> Result<Properties, CallError> {
            let mut map = Properties::new();
            for (name, shape) in all {
                if let Some(value) = shape.value(scope).map_err(wrong)?.filter(|v| !v.is_null()) {
                    map.insert(name.clone(), value);
                }
            }
            Ok(map)
        };
        let status = match (holds(&object.deleting)?, holds(&object.failed)?, holds(&object.ready)?) {
            (Some(true), _, _) => Status::Deleting,
            (_, Some(true), _) => Status::Failed,
            (_, _, None | Some(true)) => Status::Ready,
            _ => Status::Pending,
        };
        let health = match (holds(&object.healthy)?, status) {
            (Some(true), Status::Ready) => Health::Healthy,
            (Some(false), Status::Ready) | (_, Status::Failed) => Health::Unhealthy,
            _ => Health::Unknown,
        };
        Ok(Live {
            id: self.need(bound, &object.id, scope)?,
            kind: bound.def.kind.clone(),
            name: self.need(bound, &object.name, scope)?,
            status,
            health,
            reason: text(&object.reason)?.map(|r| clean(r.trim(), MAX_REASON)).filter(|r| !r.is_empty()),
            properties: members(&object.properties)?,
            other_forms: members(&object.other_forms)?.into_iter().map(|(n, v)| (n, listed(v))).collect(),
            outputs: members(&object.outputs)?,
            revision: text(&object.revision)?,
            created_by: text(&object.created_by)?.filter(|k| !k.is_empty()),
        })
    }
}

/// A list as it is, and anything else as a list of one.
fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// Whether a no to the read of a type says that there is none. A list of everything that says "not found" speaks of another one, which
/// went while the list was made; only a rule of the read itself can say that the list is empty.
pub(super) fn is_none(bound: &TypeBinding, error: &CallError) -> bool {
    error.is_not_found() && (!gives_all(bound) || bound.read.call.says_none(error.message()))
}
