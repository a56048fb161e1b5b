//! What is in the way of a plan, said to the person.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Builder, SecretStatus};
use crate::{
    diagnostic::Diagnostic,
    domain::{Address, DeploymentName, Existing, Resource, TypeDef, name::nearest, substitute::Substituted},
    mcp::Live,
    store::Recorded,
};

impl Builder<'_> {
    pub(super) fn not_read(&self, address: &Address) -> Diagnostic {
        if let Some(problem) = self.inputs.observed.unreachable.get(&address.server) {
            return problem.clone();
        }
        Diagnostic::error("plan::type-gone", "A recorded resource cannot be read")
            .address(address)
            .fact("resource", address.to_string())
            .detail(format!(
                "No server `{}` with a type `{}` is registered now, but this deployment has a resource there.",
                address.server, address.kind
            ))
            .state("Nothing was planned. The record is as it was.")
            .next("Register the server again, or see what is registered:", "swell servers list")
    }

    /// A verb that the server does not have is said now and not in the middle of a run.
    pub(super) fn refuse_missing(&mut self, address: &Address, kind: &TypeDef, verb: &str) -> bool {
        let Some(reason) = kind.limits.missing.get(verb) else { return false };
        self.problems.push(
            Diagnostic::error("plan::cannot", "The server cannot do what the plan needs")
                .address(address)
                .fact("resource", address.to_string())
                .detail(format!("`{}` cannot {verb} a `{}`: {reason}.", address.server, address.kind))
                .state("Nothing was planned."),
        );
        true
    }

    /// Servers refuse to delete what has deletion protection; better said now than in the middle of a run.
    pub(super) fn refuse_protected(&mut self, address: &Address, live: &Live) -> bool {
        if live.properties.get("deletionProtection") != Some(&Value::Bool(true)) {
            return false;
        }
        let deployment = &self.inputs.template.name;
        self.problems.push(
            Diagnostic::error("plan::deletion-protected", "A resource is protected from deletion")
                .address(address)
                .fact("resource", address.to_string())
                .detail("It has `deletionProtection: true`, so its server would refuse to delete it in the middle of the run.")
                .state("Nothing was planned.")
                .next(
                    "If it may go, switch the protection off first, then plan this again:",
                    format!("swell apply {deployment} -p deletionProtection=false"),
                ),
        );
        true
    }

    pub(super) fn protected(&self, address: &Address, what: &str) -> Diagnostic {
        Diagnostic::error("plan::prevent-destroy", "A protected resource would be destroyed")
            .address(address)
            .source(self.inputs.template.origin.source(address, &crate::domain::PropertyPath::default(), "has `prevent_destroy: true`"))
            .fact("resource", address.to_string())
            .detail(format!("It would be {what}, and its `lifecycle` has `prevent_destroy: true`."))
            .state("Nothing was planned.")
            .hint("Take `prevent_destroy` away in the template and apply that first, if it may go.")
    }

    pub(super) fn refuse_foreign(&mut self, foreign: &[Address]) {
        let names = foreign.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", ");
        let lost = self.inputs.snapshot.is_none_or(|s| s.resources.is_empty());
        let (code, summary) = if lost && foreign.len() > 1 {
            ("plan::lost-state", "The servers hold resources that the state does not know")
        } else {
            ("plan::exists", "A wanted resource exists already")
        };
        let them = if foreign.len() == 1 { "It is" } else { "They are" };
        self.problems.push(
            Diagnostic::error(code, summary)
                .address(&foreign[0])
                .source(self.inputs.template.origin.source(&foreign[0], &crate::domain::PropertyPath::default(), "exists already"))
                .detail(format!(
                    "{names}. {them} on the server under this name, and `{}` has no record of making {}.",
                    self.inputs.template.name,
                    if foreign.len() == 1 { "it" } else { "them" }
                ))
                .state("Nothing was planned and nothing was changed.")
                .next("If they are yours and shall be managed from now on, plan with `--adopt`:", "swell plan --adopt …")
                .hint("If they belong to someone else, give yours other names, or refer to theirs with `existing: true`."),
        );
    }

    /// What shall be made anew must be wanted, and there.
    pub(super) fn refuse_replaces(&mut self, wanted: &BTreeMap<&Address, &Resource>) {
        let inputs = &self.inputs;
        let managed = |a: &Address| wanted.get(a).is_some_and(|r| r.existing == Existing::Managed);
        for address in inputs.replace.iter().filter(|a| !managed(a) || !self.recorded.contains_key(*a)) {
            let mut d = Diagnostic::error("plan::replace-nothing", "What shall be replaced is not there")
                .address(address)
                .fact("resource", address.to_string())
                .detail(format!("`{}` has no such resource, so it cannot be made anew.", inputs.template.name))
                .state("Nothing was planned and nothing was changed.");
            let names: Vec<String> = self.recorded.keys().filter(|a| managed(a)).map(ToString::to_string).collect();
            if let Some(near) = nearest(&address.to_string(), names.iter().map(String::as_str)) {
                d = d.hint(format!("Did you mean `{near}`?"));
            }
            self.problems.push(d.next("See what it has:", format!("swell show {}", inputs.template.name)));
        }
    }

    /// One resource that two deployments manage would be changed back and forth, and destroyed under one of them.
    pub(super) fn refuse_held(&mut self, address: &Address, holder: &DeploymentName) {
        self.problems.push(
            Diagnostic::error("plan::held", "A wanted resource is managed by another deployment")
                .address(address)
                .source(self.inputs.template.origin.source(address, &crate::domain::PropertyPath::default(), "is another deployment's"))
                .fact("resource", address.to_string())
                .fact("managed by", holder.to_string())
                .detail("What one deployment manages cannot be created or taken over by another one.")
                .state("Nothing was planned and nothing was changed.")
                .next("See what has it:", format!("swell show {holder}"))
                .hint("Give yours another name, or refer to it with `existing: true`."),
        );
    }

    /// What was recorded is gone, and something else bears its name.
    pub(super) fn refuse_namesake(&mut self, old: &Recorded, live: &Live) {
        let (address, deployment) = (&old.address, &self.inputs.template.name);
        self.problems.push(
            Diagnostic::error("plan::made-anew", "A recorded resource was made anew by someone else")
                .address(address)
                .source(self.inputs.template.origin.source(address, &crate::domain::PropertyPath::default(), "is another one now"))
                .fact("resource", address.to_string())
                .fact("recorded", old.id.clone())
                .fact("on the server", live.id.clone())
                .detail("The one that was recorded is gone, and the server has another one of this name. Creating it would be refused.")
                .state("Nothing was planned and nothing was changed.")
                .next("If it shall be managed from now on, take it over:", format!("swell plan {deployment} --adopt"))
                .hint("If it shall not be there, delete it on its server, and plan again."),
        );
    }

    /// A sensitive property holds a reference to a secret, never the secret itself: the plan, the journal and the screen would show it.
    pub(super) fn check_clear_secrets(&mut self, resource: &Resource, kind: &TypeDef, substituted: &Substituted) {
        for name in kind.sensitive.iter().filter(|n| resource.properties.get(*n).is_some_and(|v| !v.is_null())) {
            if substituted.is_secret(name) || substituted.is_later(name) {
                continue;
            }
            let path = crate::domain::PropertyPath::key("properties").child(name);
            self.problems.push(
                Diagnostic::error("plan::clear-secret", "A secret stands in clear text")
                    .address(&resource.address)
                    .source(self.inputs.template.origin.source(&resource.address, &path, "must be `${secret:NAME}`"))
                    .fact("resource", resource.address.to_string())
                    .fact("property", name.clone())
                    .detail("The type says that this property is secret. Written out, it would stand in the plan, in the state and on the screen.")
                    .state("Nothing was planned, and the value was not stored.")
                    .next("Store it, and write `${secret:NAME}` in its place:", "swell secrets set NAME"),
            );
        }
    }

    pub(super) fn check_secrets(&mut self) {
        for name in &self.secrets {
            if (self.inputs.secret)(name) == SecretStatus::Missing {
                self.problems.push(
                    Diagnostic::error("plan::secret-missing", "A secret is not there")
                        .fact("secret", name.clone())
                        .detail(format!(
                            "The template refers to `${{secret:{name}}}`, and no secret of this name is stored or set in the environment."
                        ))
                        .state("Nothing was planned.")
                        .next("Store it (it is read from the terminal, not shown):", format!("swell secrets set {name}")),
                );
            }
        }
    }
}
