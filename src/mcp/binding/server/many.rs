//! Reading several objects at once: of a type that can only be read out of a list, the list is asked for once and not once for each.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{BoundServer, look::is_none};
use crate::{
    domain::ResourceType,
    mcp::{
        CallError, Key, Live, READS_AT_ONCE,
        binding::{Call, Expression, TypeBinding, perform::Performed},
    },
};

/// What a list gave, and where in it the objects of an id and of a name are.
struct Listing {
    done: Performed,
    items: Vec<Value>,
    /// None when what an object's id and name are depends on what is looked for.
    index: Option<Index>,
}

#[derive(Default)]
struct Index {
    ids: HashMap<String, Vec<usize>>,
    names: HashMap<String, Vec<usize>>,
}

impl Listing {
    /// Those that can be meant by a key.
    fn candidates(&self, key: &Key) -> Vec<Value> {
        let Some(index) = &self.index else { return self.items.clone() };
        let places = match &key.id {
            Some(id) => index.ids.get(id),
            None => index.names.get(key.name.as_str()),
        };
        places.into_iter().flatten().map(|&at| self.items[at].clone()).collect()
    }
}

impl BoundServer {
    /// Reads several, in the order of the keys.
    pub(super) async fn look_many(&self, keys: &[Key]) -> Vec<Result<Option<Live>, CallError>> {
        let mut counts: BTreeMap<&ResourceType, usize> = BTreeMap::new();
        keys.iter().for_each(|k| *counts.entry(&k.kind).or_default() += 1);
        let mut lists: BTreeMap<&ResourceType, Result<Listing, CallError>> = BTreeMap::new();
        for (kind, _) in counts.into_iter().filter(|(_, count)| *count > 1) {
            if let Some(bound) = self.binding.types.get(kind).filter(|b| gives_all(b)) {
                lists.insert(kind, self.listed(bound, kind).await);
            }
        }
        let lists = &lists;
        stream::iter(0..keys.len())
            .map(|n| async move {
                let key = &keys[n];
                let bound = self.bound(&key.kind)?;
                let seen = match lists.get(&key.kind) {
                    None => self.look(bound, key).await?,
                    Some(Err(error)) => return Err(error.clone()),
                    Some(Ok(list)) => self.pick(bound, key, list.candidates(key), &list.done).await?,
                };
                Ok(seen.map(|s| s.live))
            })
            .buffered(READS_AT_ONCE)
            .collect()
            .await
    }

    async fn listed(&self, bound: &TypeBinding, kind: &ResourceType) -> Result<Listing, CallError> {
        let scope = super::Scope::of(&bound.lets).with("type", kind.as_str());
        let done = match self.listing(bound, &scope).await {
            Err(e) if is_none(bound, &e) => Performed::default(),
            other => other?,
        };
        let items = self.items(bound, &scope, &done)?;
        let index = [&bound.object.id, &bound.object.name].into_iter().all(|e| !is_about_one(bound, e)).then(Index::default);
        let Some(mut index) = index else { return Ok(Listing { done, items, index: None }) };
        for (at, item) in items.iter().enumerate() {
            let scope = scope.clone().with("item", item.clone()).with("result", Value::Null);
            index.ids.entry(self.need(bound, &bound.object.id, &scope)?).or_default().push(at);
            index.names.entry(self.need(bound, &bound.object.name, &scope)?).or_default().push(at);
        }
        Ok(Listing { done, items, index: Some(index) })
    }
}

/// Whether one call lists every object of the type, whatever is looked for.
pub(in crate::mcp::binding) fn gives_all(bound: &TypeBinding) -> bool {
    let Call { arguments, when, wait, .. } = &bound.read.call;
    let about = |e: &Expression| is_about_one(bound, e);
    let mut about_one = when.as_ref().is_some_and(about) || bound.read.only.as_ref().is_some_and(about);
    arguments.expressions(&mut Vec::new(), &mut |e, _| about_one |= about(e));
    bound.find.is_none() && bound.read.items.as_ref().is_some_and(|items| !about(items)) && wait.is_none() && !about_one
}

/// Whether an expression looks at which object is meant, be it through a named value.
fn is_about_one(bound: &TypeBinding, expression: &Expression) -> bool {
    let scope = super::Scope::of(&bound.lets);
    ["id", "name", "hint"].iter().any(|one| scope.needs(expression.variables(), one))
}
