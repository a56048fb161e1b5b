//! Carrying out the calls of a verb, and reading back what they should have left.

use std::time::Duration;

use super::BoundServer;
use crate::{
    domain::{Properties, ResourceType, TypeDef},
    mcp::{
        CallControl, CallError, Effect, Key, Live,
        binding::{Call, TypeBinding, Verb, expression::Scope},
    },
};

/// How often reading back is tried after a change, and the first pause: some servers answer before they have done it.
const READ_BACKS: u32 = 5;
const READ_BACK_PAUSE: Duration = Duration::from_millis(100);

impl BoundServer {
    /// Performs the calls of a verb, in order; the last result, and the id if the verb says how to know it.
    pub(super) async fn carry_out(
        &self,
        verb: &Verb,
        kind: &ResourceType,
        mut scope: Scope,
        control: &CallControl,
    ) -> Result<Option<String>, CallError> {
        let Verb::Calls { calls, id } = verb else {
            return Err(CallError::NotSent {
                server: self.connection.name().clone(),
                reason: format!("the server cannot do this with a `{kind}`"),
            });
        };
        let (mut results, mut changed) = (Vec::new(), false);
        for call in calls {
            // Once something was done, it is not true that nothing was sent.
            let told = |error: CallError| match error {
                CallError::NotSent { reason, .. } if changed => self.unknown(call, &format!("an earlier call was carried out; {reason}")),
                other => other,
            };
            for round in self.rounds(call, &scope).map_err(told)? {
                let done = match self.perform(call, &round, control).await {
                    Err(CallError::Refused { class, .. }) if call.ignore.contains(&class) => None,
                    Err(CallError::NotSent { reason, .. }) if changed => {
                        return Err(self.unknown(call, &format!("an earlier call was carried out; {reason}")));
                    }
                    other => other?,
                };
                if let Some(done) = done {
                    changed |= call.effect != Effect::Read;
                    results.push(done.result.clone());
                    scope = scope.with("results", results.clone()).with("result", done.result);
                }
            }
        }
        let Some((id, last)) = id.as_ref().zip(calls.last()) else { return Ok(None) };
        let id = id.text(&scope).map_err(|w| self.unknown(last, &format!("{} ({})", w.reason, self.binding.place(w.span))))?;
        Ok(id.filter(|i| !i.is_empty()))
    }

    /// What is known at each repetition of a call; once for one that is not repeated.
    fn rounds(&self, call: &Call, scope: &Scope) -> Result<Vec<Scope>, CallError> {
        let Some(each) = &call.each else { return Ok(vec![scope.clone()]) };
        let all = each.list(scope).map_err(|w| self.not_sent(w.span, &w.reason))?;
        Ok(all.into_iter().map(|one| scope.clone().with("each", one)).collect())
    }

    /// Reads back what a change should have left.
    pub(super) async fn read_back(&self, bound: &TypeBinding, verb: &Verb, key: &Key) -> Result<Live, CallError> {
        let call = verb.first().unwrap_or(&bound.read.call);
        let mut pause = READ_BACK_PAUSE;
        let mut last = "it says that it was done, and it is not there".to_owned();
        for attempt in 0..READ_BACKS {
            match self.look(bound, key).await {
                Ok(Some(seen)) => return Ok(seen.live),
                Ok(None) => {}
                Err(error) => last = format!("it cannot be read back: {}", error.message()),
            }
            if attempt + 1 < READ_BACKS {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Err(self.unknown(call, &last))
    }
}

impl Verb {
    /// The call that does it: the first that is not a look at something.
    pub(super) fn first(&self) -> Option<&Call> {
        match self {
            Verb::Calls { calls, .. } => calls.iter().find(|c| c.effect != Effect::Read).or(calls.first()),
            Verb::Missing(_) => None,
        }
    }

    /// The id of what a create will make, if the arguments alone say it.
    pub(in crate::mcp::binding) fn known_id(&self, scope: &Scope) -> Option<String> {
        let Verb::Calls { id: Some(id), .. } = self else { return None };
        let told_later = ["result", "results"].iter().any(|r| scope.needs(id.variables(), r));
        if told_later { None } else { id.text(scope).ok().flatten() }
    }
}

/// What is sent: what is wanted, without what cannot be set, with the defaults of the type.
pub(in crate::mcp::binding) fn sent(def: &TypeDef, properties: &Properties) -> Properties {
    let left_out = |name: &String| def.limits.refused.contains_key(name) || def.limits.without.contains_key(name);
    let mut all: Properties =
        properties.iter().filter(|(n, v)| !v.is_null() && !left_out(n)).map(|(n, v)| (n.clone(), v.clone())).collect();
    for (name, schema) in def.properties["properties"].as_object().into_iter().flatten() {
        if let Some(default) = schema.get("default").filter(|_| !all.contains_key(name) && !left_out(name)) {
            all.insert(name.clone(), default.clone());
        }
    }
    all
}
