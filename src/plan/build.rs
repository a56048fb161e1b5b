//! Desired, recorded and live into steps, order and waves. Pure: the same inputs give the same plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Change, Drift, Lookup, Plan, Refreshed, Settlement, Shown, Step,
    diff::{Sides, all_new, diff},
    refresh::{Observed, drift_of, secrets_of},
    uses::Of,
};
use crate::{
    diagnostic::Diagnostic,
    domain::{
        Action, Address, Existing, Properties, Resource, ToolName, TypeDef,
        substitute::{Substituted, plain},
    },
    mcp::{Live, Status},
    store::{Recipe, Recorded, RunKind, Snapshot},
    template::{
        Template,
        link::{Declared, dependencies, graph_of},
    },
};

mod known;

mod order;

mod refuse;

/// What to do with a wanted resource that is there already and that nobody recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Refuse the plan.
    Refuse,
    /// Make it ours.
    Adopt,
}

/// Whether a secret that the template names is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStatus {
    /// It is.
    Present,
    /// It is not, and the pattern says that it is made up.
    Generated,
    /// It is not.
    Missing,
}

/// Everything that a plan is built from.
pub struct Inputs<'a> {
    /// What we want.
    pub template: &'a Template,
    /// What we recorded.
    pub snapshot: Option<&'a Snapshot>,
    /// What the servers said.
    pub observed: &'a Observed,
    /// What reading back settled.
    pub settled: Vec<Settlement>,
    /// What for.
    pub kind: RunKind,
    /// The person's words, or the command.
    pub request: String,
    /// Where the template came from.
    pub recipe: Recipe,
    /// What the pattern has to say.
    pub notes: Vec<String>,
    /// What to do with resources that are there already.
    pub foreign: Foreign,
    /// Resources that are made anew even if nothing of them differs.
    pub replace: &'a BTreeSet<Address>,
    /// The tool that an action would call.
    pub tool: &'a dyn Fn(&Address, Action) -> ToolName,
    /// Whether a secret is there.
    pub secret: &'a dyn Fn(&str) -> SecretStatus,
}

/// What will become of a wanted resource.
enum Fate {
    /// It stays, with these outputs.
    Stays(Arc<Live>),
    /// It is changed in place; outputs stay, properties become the wanted ones.
    Changes(Arc<Live>, Properties),
    /// It is new (or new in the place of an old one); only what we set is known.
    New(Properties),
}

struct Builder<'a> {
    inputs: Inputs<'a>,
    /// What a reference means, worked out once for the whole template.
    declared: Declared<'a>,
    /// What each wanted resource needs.
    needs: BTreeMap<Address, BTreeSet<Address>>,
    recorded: BTreeMap<Address, Recorded>,
    fates: BTreeMap<Address, Fate>,
    steps: Vec<Step>,
    kept: Vec<Address>,
    drift: Vec<Drift>,
    refreshed: Vec<Refreshed>,
    reads: BTreeMap<Address, Lookup>,
    problems: Vec<Diagnostic>,
    secrets: BTreeSet<String>,
    /// Resources replaced with the new one first.
    create_first: BTreeSet<Address>,
}

/// Builds the plan, or says everything that is in the way.
///
/// The template must have passed `template::check`; what only the recorded and the live pictures can show is found here.
pub fn build(inputs: Inputs<'_>) -> Result<Plan, Vec<Diagnostic>> {
    let mut recorded = inputs.snapshot.map(|s| s.resources.clone()).unwrap_or_default();
    for one in &inputs.settled {
        match &one.resource {
            Some(r) => recorded.insert(one.address.clone(), r.clone()),
            None => recorded.remove(&one.address),
        };
    }
    let mut builder = Builder {
        declared: Declared::of(inputs.template),
        needs: dependencies(inputs.template),
        inputs,
        recorded,
        fates: BTreeMap::new(),
        steps: Vec::new(),
        kept: Vec::new(),
        drift: Vec::new(),
        refreshed: Vec::new(),
        reads: BTreeMap::new(),
        problems: Vec::new(),
        secrets: BTreeSet::new(),
        create_first: BTreeSet::new(),
    };
    builder.wanted();
    builder.unwanted();
    builder.check_secrets();
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    builder.finish()
}

impl<'a> Builder<'a> {
    /// Decides for every wanted resource, dependencies first.
    fn wanted(&mut self) {
        let template = self.inputs.template;
        let by_address: BTreeMap<&Address, &Resource> = template.resources.iter().map(|r| (&r.address, r)).collect();
        let order: Vec<Address> = graph_of(template, &self.needs).waves().unwrap_or_default().into_iter().flatten().collect();
        let mut foreign = Vec::new();
        for address in &order {
            let Some(resource) = by_address.get(address) else { continue };
            if resource.existing == Existing::Managed {
                self.one(resource, &mut foreign);
            }
        }
        for value in template.outputs.values() {
            // Outputs are resolved at the end of the run; here only lookups are noted.
            let _ = self.substitute(value, None);
        }
        if !foreign.is_empty() {
            self.refuse_foreign(&foreign);
        }
        self.refuse_replaces(&by_address);
    }

    fn one(&mut self, resource: &Resource, foreign: &mut Vec<Address>) {
        let address = &resource.address;
        let Some(kind) = self.kind(address) else { return };
        let Some(live) = self.inputs.observed.live.get(address) else { return };
        let substituted = self.substitute(&Value::Object(resource.properties.clone()), Some(address));
        secrets_of(&substituted.value, &mut self.secrets);
        self.check_clear_secrets(resource, kind, &substituted);
        if let Some(holder) = self.inputs.observed.held.get(address) {
            return self.refuse_held(address, holder);
        }
        let old = self.recorded.get(address).cloned();
        match (live, old) {
            (None, old) => {
                let because = old.as_ref().map(|_| "it is gone from the server".to_owned());
                if let Some(old) = &old {
                    self.drift.push(Drift::gone(&old.address));
                    match (self.inputs.observed.namesakes.get(address), self.inputs.foreign) {
                        (Some(live), Foreign::Adopt) => return self.adopt(resource, kind, &substituted, live),
                        (Some(live), Foreign::Refuse) => return self.refuse_namesake(old, live),
                        (None, _) => {}
                    }
                }
                self.create(resource, kind, &substituted, because, None);
            }
            (Some(live), None) if self.inputs.foreign == Foreign::Adopt => self.adopt(resource, kind, &substituted, live),
            (Some(_), None) => foreign.push(address.clone()),
            (Some(live), Some(old)) => self.compare(resource, kind, &substituted, live, &old),
        }
    }

    fn kind(&self, address: &Address) -> Option<&'a TypeDef> {
        self.inputs.observed.types.get(&address.server).and_then(|t| t.get(&address.kind))
    }

    fn compare(&mut self, resource: &Resource, kind: &TypeDef, substituted: &Substituted, live: &Live, old: &Recorded) {
        let address = &resource.address;
        if let Some(target) = self.inputs.observed.targets.get(&address.server)
            && target.identity != old.target
        {
            self.problems.push(
                Diagnostic::error("plan::other-target", "The server is another one now")
                    .address(address)
                    .fact("resource", address.to_string())
                    .fact("recorded on", old.target.clone())
                    .fact("server is now", target.identity.clone())
                    .detail(format!(
                        "`{}` holds other resources than when this one was recorded, so it cannot be changed there.",
                        address.server
                    ))
                    .state("Nothing was planned.")
                    .next("Point the name back at the old server, or see what is configured:", "swell servers list"),
            );
            return;
        }
        self.note_drift(kind, live, old, &resource.lifecycle.ignore_changes);
        let changes = diff(&Sides {
            kind,
            desired: &resource.properties,
            substituted,
            recorded: Some((&old.desired, &old.sent)),
            live: &live.properties,
            other_forms: &live.other_forms,
            ignore: &resource.lifecycle.ignore_changes,
        });
        let broken = (live.status == Status::Failed).then(|| "it failed on the server".to_owned());
        let forced: Vec<String> = changes.iter().filter(|c| c.forces_replace).map(|c| c.path.to_string()).collect();
        let asked = self.inputs.replace.contains(address);
        let verb = if forced.is_empty() && !asked { "update" } else { "delete" };
        if (asked || !changes.is_empty()) && self.refuse_missing(address, kind, verb) {
            return;
        }
        if !forced.is_empty() {
            self.replace(resource, kind, substituted, live, old, format!("{} changed (forces replace)", forced.join(", ")), changes);
        } else if asked {
            self.replace(resource, kind, substituted, live, old, "it was asked for".to_owned(), changes);
        } else if let (Some(why), true) = (broken, changes.is_empty()) {
            // A failed resource that is otherwise as wanted can only be made anew.
            self.replace(resource, kind, substituted, live, old, why, changes);
        } else if changes.is_empty() {
            self.fates.insert(address.clone(), Fate::Stays(Arc::new(live.clone())));
            self.kept.push(address.clone());
            self.note_refreshed(old, live);
        } else {
            let unset = changes.iter().filter(|c| c.after == Shown::Absent).filter_map(|c| c.path.head().map(str::to_owned)).collect();
            let intended = self.intended(resource, kind, substituted, Some(live.id.clone()));
            self.fates.insert(address.clone(), Fate::Changes(Arc::new(live.clone()), known_properties(substituted)));
            self.steps.push(Step {
                address: address.clone(),
                action: Action::Update,
                replace: None,
                tool: Some((self.inputs.tool)(address, Action::Update)),
                id: Some(live.id.clone()),
                key: None,
                changes,
                intended: Some(intended),
                unset,
                before: Some(refreshed(old, live)),
                loses_data: false,
                because: None,
            });
        }
    }

    fn note_drift(&mut self, kind: &TypeDef, live: &Live, old: &Recorded, ignore: &[String]) {
        let deployment = &self.inputs.template.name;
        self.drift.extend(drift_of(deployment, kind, old, live, ignore, &self.inputs.observed.uses));
    }

    /// Notes that a resource that stays gives another value than is recorded to someone who uses it.
    fn note_refreshed(&mut self, old: &Recorded, live: &Live) {
        let outputs = self.inputs.observed.uses.changed(&self.inputs.template.name, old, live, Of::Used);
        if !outputs.is_empty() {
            let mut resource = refreshed(old, live);
            for name in &old.sensitive {
                for (map, was) in [(&mut resource.outputs, &old.outputs), (&mut resource.properties, &old.properties)] {
                    map.shift_remove(name);
                    map.extend(was.get(name).map(|v| (name.clone(), v.clone())));
                }
            }
            self.refreshed.push(Refreshed { address: old.address.clone(), outputs, resource });
        }
    }

    fn create(
        &mut self,
        resource: &Resource,
        kind: &TypeDef,
        substituted: &Substituted,
        because: Option<String>,
        replace: Option<(String, Vec<Change>)>,
    ) {
        let address = resource.address.clone();
        let intended = self.intended(resource, kind, substituted, None);
        self.fates.insert(address.clone(), Fate::New(known_properties(substituted)));
        let (replace, changes) = match replace {
            Some((why, changes)) => (Some(why), changes),
            None => (None, all_new(kind, substituted)),
        };
        self.steps.push(Step {
            tool: Some((self.inputs.tool)(&address, Action::Create)),
            address,
            action: Action::Create,
            replace,
            id: None,
            key: self.earlier_key(&resource.address),
            changes,
            intended: Some(intended),
            unset: Vec::new(),
            before: None,
            loses_data: false,
            because,
        });
    }

    #[expect(clippy::too_many_arguments, reason = "one call site each; a struct would only rename the arguments")]
    fn replace(
        &mut self,
        resource: &Resource,
        kind: &TypeDef,
        substituted: &Substituted,
        live: &Live,
        old: &Recorded,
        why: String,
        changes: Vec<Change>,
    ) {
        if resource.lifecycle.prevent_destroy || old.lifecycle.prevent_destroy {
            self.problems.push(self.protected(&resource.address, "replaced"));
            return;
        }
        if self.refuse_protected(&resource.address, live) {
            return;
        }
        if resource.lifecycle.create_before_destroy {
            self.create_first.insert(resource.address.clone());
        }
        self.steps.push(Step {
            address: resource.address.clone(),
            action: Action::Delete,
            replace: Some(why.clone()),
            tool: Some((self.inputs.tool)(&resource.address, Action::Delete)),
            id: Some(live.id.clone()),
            key: None,
            changes: Vec::new(),
            intended: None,
            unset: Vec::new(),
            before: Some(refreshed(old, live)),
            loses_data: kind.holds_data || old.holds_data,
            because: None,
        });
        self.create(resource, kind, substituted, None, Some((why, changes)));
    }

    fn adopt(&mut self, resource: &Resource, kind: &TypeDef, substituted: &Substituted, live: &Live) {
        let address = &resource.address;
        let mut record = self.intended(resource, kind, substituted, Some(live.id.clone()));
        record.properties = live.properties.clone();
        record.outputs = live.outputs.clone();
        self.steps.push(Step {
            address: address.clone(),
            action: Action::Adopt,
            replace: None,
            tool: None,
            id: Some(live.id.clone()),
            key: None,
            changes: Vec::new(),
            intended: Some(record.clone()),
            unset: Vec::new(),
            before: None,
            loses_data: false,
            because: Some("it is there already and becomes ours".into()),
        });
        self.compare(resource, kind, substituted, live, &record);
        // An adopted resource that is as wanted has its step; it is not also listed as kept.
        self.kept.retain(|a| a != address);
    }

    /// The key of a create that was sent, not answered, and not found: it may still arrive, and must then be the same one.
    fn earlier_key(&self, address: &Address) -> Option<String> {
        let attempts = self.inputs.snapshot.map(|s| s.unsettled.as_slice()).unwrap_or_default();
        attempts.iter().rev().find(|u| u.address == *address && u.action == Action::Create).map(|u| u.idempotency_key.clone())
    }

    /// Everything recorded that nobody wants any more.
    fn unwanted(&mut self) {
        let wanted: BTreeSet<&Address> =
            self.inputs.template.resources.iter().filter(|r| r.existing == Existing::Managed).map(|r| &r.address).collect();
        let gone: Vec<Recorded> = self.recorded.values().filter(|r| !wanted.contains(&r.address)).cloned().collect();
        for old in gone {
            let Some(live) = self.inputs.observed.live.get(&old.address) else {
                self.problems.push(self.not_read(&old.address));
                continue;
            };
            if old.lifecycle.prevent_destroy && live.is_some() {
                self.problems.push(self.protected(&old.address, "deleted"));
                continue;
            }
            if live.as_ref().is_some_and(|l| self.refuse_protected(&old.address, l)) {
                continue;
            }
            if live.is_some() && self.kind(&old.address).is_some_and(|k| self.refuse_missing(&old.address, k, "delete")) {
                continue;
            }
            let holds_data = old.holds_data || self.kind(&old.address).is_some_and(|k| k.holds_data);
            let (action, because) = match live {
                Some(_) => (Action::Delete, "it is no longer wanted"),
                None => (Action::Forget, "it is gone from the server and no longer wanted"),
            };
            self.steps.push(Step {
                address: old.address.clone(),
                action,
                replace: None,
                tool: (action == Action::Delete).then(|| (self.inputs.tool)(&old.address, Action::Delete)),
                id: live.as_ref().map(|l| l.id.clone()),
                key: None,
                changes: Vec::new(),
                intended: None,
                unset: Vec::new(),
                loses_data: holds_data && live.is_some(),
                before: Some(live.as_ref().map_or_else(|| old.clone(), |l| refreshed(&old, l))),
                because: (self.inputs.kind != RunKind::Destroy || action == Action::Forget).then(|| because.to_owned()),
            });
        }
    }

    fn intended(&self, resource: &Resource, kind: &TypeDef, substituted: &Substituted, id: Option<String>) -> Recorded {
        let depends_on = self.needs.get(&resource.address).cloned().unwrap_or_default();
        Recorded {
            address: resource.address.clone(),
            id: id.unwrap_or_default(),
            desired: resource.properties.clone(),
            sent: substituted.value.as_object().cloned().unwrap_or_default(),
            properties: Properties::new(),
            outputs: Properties::new(),
            depends_on: depends_on.into_iter().collect(),
            lifecycle: resource.lifecycle.clone(),
            wait: resource.wait.clone(),
            target: self.inputs.observed.targets.get(&resource.address.server).map(|t| t.identity.clone()).unwrap_or_default(),
            sensitive: kind.sensitive.clone(),
            holds_data: kind.holds_data,
            created_by: None,
        }
    }
}

/// What is known of the properties that we set: those without references that are open.
fn known_properties(substituted: &Substituted) -> Properties {
    let all = substituted.value.as_object().cloned().unwrap_or_default();
    all.into_iter().filter(|(k, _)| !substituted.is_later(k) && !substituted.is_secret(k)).map(|(k, v)| (k, plain(&v))).collect()
}

fn refreshed(old: &Recorded, live: &Live) -> Recorded {
    Recorded { id: live.id.clone(), properties: live.properties.clone(), outputs: live.outputs.clone(), ..old.clone() }
}
