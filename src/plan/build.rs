//! Desired, recorded and live into steps, order and waves. Pure: the same inputs give the same plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Change, Drift, FORMAT, Lookup, Plan, Settlement, Shown, Step, Undo,
    diff::{Sides, all_new, diff, drifted},
    refresh::{Observed, secrets_of},
};
use crate::{
    diagnostic::Diagnostic,
    domain::{
        Action, Address, Existing, Properties, Reference, Resource, ToolName, TypeDef,
        graph::Graph,
        substitute::{Known, Substituted, plain, substitute},
    },
    mcp::{Live, Status},
    store::{Recipe, Recorded, RunKind, Snapshot},
    template::{
        Template,
        link::{Match, dependencies, graph, resolve_address},
    },
};

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
    recorded: BTreeMap<Address, Recorded>,
    fates: BTreeMap<Address, Fate>,
    steps: Vec<Step>,
    kept: Vec<Address>,
    drift: Vec<Drift>,
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
        inputs,
        recorded,
        fates: BTreeMap::new(),
        steps: Vec::new(),
        kept: Vec::new(),
        drift: Vec::new(),
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

impl Builder<'_> {
    /// Decides for every wanted resource, dependencies first.
    fn wanted(&mut self) {
        let template = self.inputs.template;
        let by_address: BTreeMap<&Address, &Resource> = template.resources.iter().map(|r| (&r.address, r)).collect();
        let order: Vec<Address> = graph(template).waves().unwrap_or_default().into_iter().flatten().collect();
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
    }

    fn one(&mut self, resource: &Resource, foreign: &mut Vec<Address>) {
        let address = &resource.address;
        let Some(kind) = self.kind(address) else { return };
        let Some(live) = self.inputs.observed.live.get(address) else { return };
        let substituted = self.substitute(&Value::Object(resource.properties.clone()), Some(address));
        secrets_of(&substituted.value, &mut self.secrets);
        self.check_clear_secrets(resource, &kind, &substituted);
        let old = self.recorded.get(address).cloned();
        match (live, old) {
            (None, old) => {
                let because = old.as_ref().map(|_| "it is gone from the server".to_owned());
                if let Some(old) = &old {
                    self.drift.push(Drift { address: old.address.clone(), gone: true, changes: Vec::new(), unhealthy: None });
                }
                self.create(resource, &kind, &substituted, because, None);
            }
            (Some(live), None) if self.inputs.foreign == Foreign::Adopt => self.adopt(resource, &kind, &substituted, live),
            (Some(_), None) => foreign.push(address.clone()),
            (Some(live), Some(old)) => self.compare(resource, &kind, &substituted, live, &old),
        }
    }

    fn kind(&self, address: &Address) -> Option<TypeDef> {
        self.inputs.observed.types.get(&address.server).and_then(|t| t.get(&address.kind)).cloned()
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
        self.note_drift(address, kind, live, old, &resource.lifecycle.ignore_changes);
        let changes = diff(&Sides {
            kind,
            desired: &resource.properties,
            substituted,
            recorded: Some((&old.desired, &old.sent)),
            live: &live.properties,
            ignore: &resource.lifecycle.ignore_changes,
        });
        let broken = (live.status == Status::Failed).then(|| "it failed on the server".to_owned());
        let forced: Vec<String> = changes.iter().filter(|c| c.forces_replace).map(|c| c.path.to_string()).collect();
        let verb = if forced.is_empty() { "update" } else { "delete" };
        if !changes.is_empty() && self.refuse_missing(address, kind, verb) {
            return;
        }
        if !forced.is_empty() {
            self.replace(resource, kind, substituted, live, old, format!("{} changed (forces replace)", forced.join(", ")), changes);
        } else if let (Some(why), true) = (broken, changes.is_empty()) {
            // A failed resource that is otherwise as wanted can only be made anew.
            self.replace(resource, kind, substituted, live, old, why, changes);
        } else if changes.is_empty() {
            self.fates.insert(address.clone(), Fate::Stays(Arc::new(live.clone())));
            self.kept.push(address.clone());
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

    fn note_drift(&mut self, address: &Address, kind: &TypeDef, live: &Live, old: &Recorded, ignore: &[String]) {
        let changes = drifted(kind, &old.sent, &old.properties, &live.properties, ignore);
        let unhealthy = super::refresh::trouble(live);
        if !changes.is_empty() || unhealthy.is_some() {
            self.drift.push(Drift { address: address.clone(), gone: false, changes, unhealthy });
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
            if live.is_some() && self.kind(&old.address).is_some_and(|k| self.refuse_missing(&old.address, &k, "delete")) {
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

    fn not_read(&self, address: &Address) -> Diagnostic {
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
    fn refuse_missing(&mut self, address: &Address, kind: &TypeDef, verb: &str) -> bool {
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
    fn refuse_protected(&mut self, address: &Address, live: &Live) -> bool {
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

    fn protected(&self, address: &Address, what: &str) -> Diagnostic {
        Diagnostic::error("plan::prevent-destroy", "A protected resource would be destroyed")
            .address(address)
            .source(self.inputs.template.origin.source(address, &crate::domain::PropertyPath::default(), "has `prevent_destroy: true`"))
            .fact("resource", address.to_string())
            .detail(format!("It would be {what}, and its `lifecycle` has `prevent_destroy: true`."))
            .state("Nothing was planned.")
            .hint("Take `prevent_destroy` away in the template and apply that first, if it may go.")
    }

    fn refuse_foreign(&mut self, foreign: &[Address]) {
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

    fn intended(&self, resource: &Resource, kind: &TypeDef, substituted: &Substituted, id: Option<String>) -> Recorded {
        let template = self.inputs.template;
        let depends_on = dependencies(template).remove(&resource.address).unwrap_or_default();
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

    /// Puts in what is known; notes what was looked up; reports outputs that are not there.
    fn substitute(&mut self, value: &Value, at: Option<&Address>) -> Substituted {
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

    fn known(&self, reference: &Reference, used: &mut Vec<(super::refresh::LookedUp, String, Value)>) -> Result<Known, Diagnostic> {
        let Reference::Output { scope, address, path } = reference else {
            // Variables were put in when the template was read; one that is left was reported there.
            return Ok(Known::Later(reference.clone()));
        };
        let declared = match (scope, resolve_address(self.inputs.template, address)) {
            (crate::domain::Scope::Here, Match::Declared(a)) => Some(a),
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

    /// A sensitive property holds a reference to a secret, never the secret itself: the plan, the journal and the screen would show it.
    fn check_clear_secrets(&mut self, resource: &Resource, kind: &TypeDef, substituted: &Substituted) {
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

    fn check_secrets(&mut self) {
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

    /// Order, waves, undo, and the plan.
    fn finish(self) -> Result<Plan, Vec<Diagnostic>> {
        let order = self.order();
        let Some(levels) = order.waves() else {
            let names = order
                .cycles()
                .into_iter()
                .flatten()
                .map(|n: usize| format!("{} {}", self.steps[n].action, self.steps[n].address))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(vec![
                Diagnostic::error("plan::no-order", "The steps have no order")
                    .detail(format!("Each of these must be done before the other: {names}."))
                    .state("Nothing was planned.")
                    .hint("Change `create_before_destroy` on one of them, or change them in two plans."),
            ]);
        };
        // Steps are renumbered so that they stand in the order of their waves.
        let sequence: Vec<usize> = levels.iter().flatten().copied().collect();
        let mut number = vec![0usize; sequence.len()];
        for (new, &old) in sequence.iter().enumerate() {
            number[old] = new;
        }
        let mut edges: Vec<(usize, usize)> = order.edges().into_iter().map(|(&a, &b)| (number[a], number[b])).collect();
        edges.sort_unstable();
        let waves = levels.iter().map(|w| w.iter().map(|&n| number[n]).collect()).collect();
        let mut by_number: Vec<Option<Step>> = self.steps.into_iter().map(Some).collect();
        let steps: Vec<Step> = sequence.iter().filter_map(|&n| by_number[n].take()).collect();

        let mut servers: BTreeSet<_> = steps.iter().filter(|s| s.tool.is_some()).map(|s| s.address.server.clone()).collect();
        servers.extend(self.reads.keys().map(|a| a.server.clone()));
        let generate = self.secrets.iter().filter(|s| (self.inputs.secret)(s) == SecretStatus::Generated).cloned().collect();
        let mut kept = self.kept;
        kept.sort();
        Ok(Plan {
            format: FORMAT,
            deployment: self.inputs.template.name.clone(),
            kind: self.inputs.kind,
            request: self.inputs.request,
            base: self.inputs.snapshot.map_or(0, |s| s.number),
            targets: servers.iter().filter_map(|s| self.inputs.observed.targets.get(s).cloned()).collect(),
            undo: steps.iter().map(undo).collect(),
            steps,
            edges,
            waves,
            reads: self.reads.into_values().collect(),
            kept,
            settled: self.inputs.settled,
            drift: self.drift,
            recipe: self.inputs.recipe,
            outputs: self.inputs.template.outputs.clone(),
            notes: self.inputs.notes,
            parameters: Vec::new(),
            policy: Vec::new(),
            generate,
        })
    }

    /// Which step must be done before which.
    fn order(&self) -> Graph<usize> {
        let mut order = Graph::default();
        let mut main: BTreeMap<&Address, usize> = BTreeMap::new();
        let mut delete: BTreeMap<&Address, usize> = BTreeMap::new();
        for (n, step) in self.steps.iter().enumerate() {
            order.add(n);
            match step.action {
                Action::Delete => {
                    delete.insert(&step.address, n);
                }
                // An update after an adopt of the same resource follows it.
                _ => {
                    if let Some(before) = main.insert(&step.address, n) {
                        order.edge(&before, &n);
                    }
                }
            }
        }
        for (address, needs) in &dependencies(self.inputs.template) {
            let Some(&mine) = main.get(address) else { continue };
            for need in needs {
                let Some(&theirs) = main.get(need) else { continue };
                order.edge(&theirs, &mine);
                // The old one goes only when what the new one needs is there, unless that has to make room first.
                if let (Some(&gone), false) = (delete.get(address), delete.contains_key(need) && !self.create_first.contains(need)) {
                    order.edge(&theirs, &gone);
                }
            }
        }
        for (address, &gone) in &delete {
            let replaced = main.get(address);
            match replaced {
                Some(&made) if self.create_first.contains(*address) => order.edge(&made, &gone),
                Some(&made) => order.edge(&gone, &made),
                None => {}
            }
            // Whoever used it goes (or lets go of it) first.
            for (dependent, record) in &self.recorded {
                if !record.depends_on.contains(address) {
                    continue;
                }
                if let Some(&theirs) = delete.get(dependent) {
                    order.edge(&theirs, &gone);
                } else if let Some(&theirs) = main.get(dependent)
                    && (replaced.is_none() || self.create_first.contains(*address))
                {
                    order.edge(&theirs, &gone);
                }
            }
        }
        order
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

fn undo(step: &Step) -> Undo {
    match step.action {
        Action::Create if step.replace.is_some() => Undo::By(Action::Replace),
        Action::Create => Undo::By(Action::Delete),
        Action::Update => Undo::By(Action::Update),
        Action::Delete if step.loses_data => Undo::Not("its data is lost".into()),
        Action::Delete => Undo::By(Action::Create),
        _ => Undo::Nothing,
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
