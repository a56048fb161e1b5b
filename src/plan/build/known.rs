//! What is known of a reference while the plan is built, and what is known only after the apply.

use serde_json::Value;

use super::{Builder, Fate};
use crate::{
    diagnostic::Diagnostic,
    domain::{
        Address, Reference,
        substitute::{Known, Substituted, substitute},
    },
    mcp::Live,
    plan::{Lookup, refresh::LookedUp},
    template::link::{Match, is_here},
};

impl Builder<'_> {
    /// Puts in what is known; notes what was looked up; reports outputs that are not there.
    pub(super) fn substitute(&mut self, value: &Value, at: Option<&Address>) -> Substituted {
        let mut missing = Vec::new();
        let mut used = Vec::new();
        let result = substitute::<std::convert::Infallible>(value, &mut |reference| {
            Ok(self.known(reference, &mut used).unwrap_or_else(|problem| {
                missing.push(problem);
                Known::Later(reference.clone())
            }))
        });
        for (found, path, value) in used {
            let entry = self.reads.entry(found.address.clone()).or_insert_with(|| Lookup {
                address: found.address.clone(),
                found_in: found.deployment.clone(),
                id: found.id.clone(),
                used: indexmap::IndexMap::new(),
            });
            entry.used.insert(path, value);
        }
        for problem in missing {
            self.problems.push(match at {
                Some(address) => problem.address(address),
                None => problem,
            });
        }
        match result {
            Ok(s) => s,
            Err(never) => match never {},
        }
    }

    pub(super) fn known(&self, reference: &Reference, used: &mut Vec<(LookedUp, String, Value)>) -> Result<Known, Diagnostic> {
        let Reference::Output { scope, address, path } = reference else {
            // Variables were put in when the template was read; one that is left was reported there.
            return Ok(Known::Later(reference.clone()));
        };
        // A deployment may say its own name.
        let here = is_here(self.inputs.template, scope);
        let declared = match self.declared.resolve(address) {
            Match::Declared(a) if here => Some(a),
            _ => None,
        };
        let declared =
            declared.filter(|a| self.fates.contains_key(a) || !self.inputs.observed.lookups.contains_key(&(scope.clone(), a.clone())));
        let Some(declared) = declared else {
            let key = (scope.clone(), address.clone());
            let Some(found) = self.inputs.observed.lookups.get(&key) else { return Err(dangling(reference)) };
            let Some(value) = found.lookup(path) else { return Err(no_output(&found.address, reference)) };
            used.push((found.clone(), path.to_string(), value.clone()));
            return Ok(Known::Value(value, Some(found.address.clone())));
        };
        let whole = Reference::Output { scope: scope.clone(), address: declared.clone(), path: path.clone() };
        let head = path.head().unwrap_or_default();
        let sensitive = self.kind(&declared).is_some_and(|k| k.is_sensitive(head));
        if sensitive && matches!(self.fates.get(&declared), Some(Fate::Stays(_) | Fate::Changes(..))) {
            // Read by the executor, so that it is neither in the plan nor on the screen.
            return Ok(Known::Sensitive(whole));
        }
        let is_output = self.kind(&declared).is_some_and(|k| k.outputs.pointer(&format!("/properties/{head}")).is_some());
        let from_live = |live: &Live| live.lookup(path).map(|v| Known::Value(v, Some(declared.clone())));
        Ok(match self.fates.get(&declared) {
            Some(Fate::Stays(live)) => from_live(live).ok_or_else(|| no_output(&declared, reference))?,
            Some(Fate::Changes(live, set)) if is_output || !set.contains_key(head) => from_live(live).unwrap_or(Known::Later(whole)),
            Some(Fate::Changes(_, set) | Fate::New(set)) if !is_output => {
                let value = path.get(&Value::Object(set.clone())).cloned();
                match value {
                    Some(v) => Known::Value(v, None),
                    None if head == "name" && !set.contains_key("name") => Known::Value(Value::String(declared.name.to_string()), None),
                    None => Known::Later(whole),
                }
            }
            Some(_) => Known::Later(whole),
            // It could not be read; that was reported.
            None => Known::Later(whole),
        })
    }
}

fn dangling(reference: &Reference) -> Diagnostic {
    Diagnostic::error("template::dangling-reference", "A reference points nowhere")
        .fact("reference", reference.to_string())
        .detail("Neither this template, nor another deployment, nor the server has such a resource.")
        .state("Nothing was planned.")
}

fn no_output(address: &Address, reference: &Reference) -> Diagnostic {
    Diagnostic::error("plan::no-such-output", "A resource does not have this output")
        .fact("resource", address.to_string())
        .fact("reference", reference.to_string())
        .detail("The resource is there, and its server gives no output or property of this name for it.")
        .state("Nothing was planned.")
        .next("See what it has:", format!("swell schema {}:{}", address.server, address.kind))
}
