//! Asking the servers: what is there now, who they are, and what other people's resources the template refers to.
//!
//! Reads only. What it finds is an [`Observed`]; building a plan from it is pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, stream};

use crate::{
    diagnostic::Diagnostic,
    domain::{Address, DeploymentName, Existing, Properties, Reference, ResourceType, Scope, ServerName, TypeDef, reference::walk},
    event::{Event, Sink},
    mcp::{CallError, Key, Live, Servers, Target, TypeTable, lookup},
    plan::{
        Drift, Settlement,
        uses::{Of, Uses},
    },
    store::{Recorded, Snapshot, Unsettled},
    template::{
        Template,
        check::{Found, KnownAddresses},
        link::{Declared, undeclared},
    },
};

mod foresee;

mod foreign;

/// How many resources of a server are read in one go, so that there is something to say between.
const AT_A_TIME: usize = 200;

/// What the servers said.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The types of each server that answered.
    pub types: BTreeMap<ServerName, Arc<TypeTable>>,
    /// Who each of them is.
    pub targets: BTreeMap<ServerName, Target>,
    /// Each recorded, unsettled or wanted resource as it is now; `None` if there is none.
    pub live: BTreeMap<Address, Option<Live>>,
    /// What bears the name of a recorded resource that is gone: somebody made it anew.
    pub namesakes: BTreeMap<Address, Live>,
    /// What is wanted and there, and managed by another deployment.
    pub held: BTreeMap<Address, DeploymentName>,
    /// Other people's resources, by the address as it was written.
    pub lookups: BTreeMap<(Scope, Address), LookedUp>,
    /// Several deployments recorded the same address, or several live ones fit.
    pub ambiguous: BTreeMap<(Scope, Address), Vec<DeploymentName>>,
    /// Servers that could not be asked, with why.
    pub unreachable: BTreeMap<ServerName, Diagnostic>,
    /// Who uses which value, over all deployments.
    pub uses: Uses,
    /// Reads that failed.
    pub problems: Vec<Diagnostic>,
}

/// A resource that is only read.
#[derive(Debug, Clone, PartialEq)]
pub struct LookedUp {
    /// Its whole address.
    pub address: Address,
    /// The deployment that recorded it, if one did.
    pub deployment: Option<DeploymentName>,
    /// The server's id.
    pub id: String,
    /// Its outputs.
    pub outputs: Properties,
    /// Its properties.
    pub properties: Properties,
}

impl LookedUp {
    /// Looks up an output, then a property, then `id` and `name`.
    pub fn lookup(&self, path: &crate::domain::PropertyPath) -> Option<serde_json::Value> {
        lookup(&self.id, self.address.name.as_str(), &self.outputs, &self.properties, path)
    }
}

impl KnownAddresses for Observed {
    fn find(&self, scope: &Scope, address: &Address) -> Found {
        let key = (scope.clone(), address.clone());
        if let Some(several) = self.ambiguous.get(&key) {
            return Found::Several(several.clone());
        }
        match self.lookups.get(&key) {
            Some(LookedUp { deployment: Some(d), .. }) => Found::Recorded { deployment: d.clone() },
            Some(_) => Found::Live,
            None if self.unreachable.contains_key(&address.server) => Found::NotAsked,
            None => Found::Nowhere,
        }
    }
}

/// What other deployments recorded, as far as references need it. Implemented over the store.
#[async_trait::async_trait]
pub trait OtherDeployments: Send + Sync {
    /// The resources of this address (its type may be shortened) in all deployments but `except`.
    async fn find_recorded(&self, address: &Address, scope: &Scope, except: &DeploymentName) -> Vec<(DeploymentName, Recorded)>;

    /// Everything that the deployments but `except` manage.
    async fn managed(&self, except: &DeploymentName) -> Vec<(DeploymentName, Recorded)>;

    /// Who uses which value, in all deployments.
    async fn uses(&self) -> Uses;
}

/// Asks the servers everything that a plan towards `template` needs.
pub async fn observe(
    servers: &Servers,
    template: &Template,
    snapshot: Option<&Snapshot>,
    others: &dyn OtherDeployments,
    sink: &dyn Sink,
) -> Observed {
    let mut seen = Observed::default();
    let outside = undeclared(template);
    let mut names: BTreeSet<ServerName> = outside.iter().map(|(_, a)| a.server.clone()).collect();
    names.extend(template.resources.iter().map(|r| r.address.server.clone()));
    if let Some(snapshot) = snapshot {
        names.extend(snapshot.unsettled.iter().map(|u| u.address.server.clone()));
        names.extend(snapshot.resources.keys().map(|a| a.server.clone()));
    }

    seen.uses = others.uses().await;
    meet(servers, &names, &mut seen).await;
    read_all(servers, addresses(servers, template, snapshot), &mut seen, sink).await;
    foreign::look_for_namesakes(servers, snapshot, &mut seen).await;
    foreign::look_for_holders(template, snapshot, others, &mut seen).await;
    for (scope, address) in outside {
        look_up(servers, &template.name, scope, address, others, &mut seen).await;
    }
    for resource in template.resources.iter().filter(|r| r.existing == Existing::ReadOnly) {
        look_up_existing(servers, &resource.address, &resource.properties, &mut seen).await;
    }
    seen
}

/// Every address to read, with the id if it is known (recorded, or told by what is wanted), and what is known besides.
fn addresses(servers: &Servers, template: &Template, snapshot: Option<&Snapshot>) -> Vec<(Address, Key)> {
    let mut all: BTreeMap<Address, Key> = BTreeMap::new();
    let key = |address: &Address| Key::named(&address.kind, &address.name);
    let declared = Declared::of(template);
    for resource in template.resources.iter().filter(|r| r.existing == Existing::Managed) {
        let id = servers.get(&resource.address.server).and_then(|s| foresee::foresee(s.as_ref(), &declared, resource));
        all.insert(resource.address.clone(), key(&resource.address).id(id).hints(&resource.properties));
    }
    if let Some(snapshot) = snapshot {
        for unsettled in &snapshot.unsettled {
            let told = || {
                let Some(intended) = &unsettled.intended else { return key(&unsettled.address) };
                let (kind, name) = (&unsettled.address.kind, &unsettled.address.name);
                let id = servers.get(&unsettled.address.server).and_then(|s| s.known_id(kind, name, &intended.sent));
                key(&unsettled.address).id(id).hints(&intended.sent)
            };
            all.entry(unsettled.address.clone()).or_insert_with(told);
        }
        all.extend(snapshot.resources.values().map(|r| (r.address.clone(), key(&r.address).id(r.id.clone()).hints(&r.properties))));
    }
    all.into_iter().collect()
}

async fn meet(servers: &Servers, names: &BTreeSet<ServerName>, seen: &mut Observed) {
    let asked = stream::iter(names.iter().filter_map(|n| servers.get(n)).cloned())
        .map(|server| async move {
            let name = server.name().clone();
            let both = match server.target().await {
                Ok(target) => server.types().await.map(|types| (target, types)),
                Err(e) => Err(e),
            };
            (name, both)
        })
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    for (name, both) in asked {
        match both {
            Ok((target, types)) => {
                seen.targets.insert(name.clone(), target);
                seen.types.insert(name, types);
            }
            Err(error) => {
                seen.unreachable.insert(name.clone(), unreachable(&name, &error));
            }
        }
    }
}

/// The diagnostic of a server that cannot be asked.
pub fn unreachable(name: &ServerName, error: &CallError) -> Diagnostic {
    Diagnostic::error("mcp::unreachable", "A server cannot be asked")
        .server(name)
        .fact("server", name.to_string())
        .detail(format!("{}.", crate::domain::text::clean(&error.of_question(), 600)))
        .state("Nothing was changed.")
        .next("See what is wrong with it:", format!("swell servers doctor {name}"))
}

async fn read_all(servers: &Servers, wanted: Vec<(Address, Key)>, seen: &mut Observed, sink: &dyn Sink) {
    let mut by_server: BTreeMap<ServerName, Vec<(Address, Key)>> = BTreeMap::new();
    for (address, key) in wanted {
        if seen.types.get(&address.server).is_some_and(|t| t.contains_key(&address.kind)) {
            by_server.entry(address.server.clone()).or_default().push((address, key));
        }
    }
    let total = by_server.values().map(Vec::len).sum();
    // All servers at the same time, the parts of each one after the other.
    let mut reads = stream::select_all(by_server.into_iter().filter_map(|(name, all)| {
        let server = servers.get(&name)?.clone();
        let parts: Vec<Vec<(Address, Key)>> = all.chunks(AT_A_TIME).map(<[_]>::to_vec).collect();
        Some(Box::pin(stream::iter(parts).then(move |part| {
            let server = server.clone();
            async move {
                let (addresses, keys): (Vec<Address>, Vec<Key>) = part.into_iter().unzip();
                addresses.into_iter().zip(server.read_many(&keys).await).collect::<Vec<_>>()
            }
        })))
    }));
    let mut done = 0;
    let mut all = Vec::with_capacity(total);
    while let Some(part) = reads.next().await {
        done += part.len();
        if done < total {
            sink.emit(Event::Working { what: "refreshing", done, total });
        }
        all.extend(part);
    }
    for (address, live) in all {
        match live {
            Ok(live) => {
                seen.live.insert(address, live);
            }
            Err(error) => seen.problems.push(
                Diagnostic::error("refresh::read-failed", "A resource could not be read")
                    .address(&address)
                    .fact("resource", address.to_string())
                    .detail(format!("{}.", crate::domain::text::clean(&error.of_question(), 600)))
                    .state("Nothing was changed. Without reading it, no plan can say what would happen to it.")
                    .next("See how the server is:", format!("swell servers doctor {}", address.server)),
            ),
        }
    }
    seen.problems.sort_by(|a, b| a.address.cmp(&b.address));
}

/// Finds an address that the template does not declare: recorded in exactly one other deployment, else live by type and name.
async fn look_up(
    servers: &Servers,
    deployment: &DeploymentName,
    scope: Scope,
    address: Address,
    others: &dyn OtherDeployments,
    seen: &mut Observed,
) {
    let recorded = others.find_recorded(&address, &scope, deployment).await;
    let key = (scope.clone(), address.clone());
    match recorded.as_slice() {
        [(name, one)] => {
            seen.lookups.insert(key, look_again(servers, name, one).await);
            return;
        }
        [] => {}
        several => {
            seen.ambiguous.insert(key, several.iter().map(|(d, _)| d.clone()).collect());
            return;
        }
    }
    if scope != Scope::Here {
        return;
    }
    let Some(server) = servers.get(&address.server) else { return };
    // A shortened type (`docker:image:x` for `image:build`) fits every type under it.
    let kinds: Vec<ResourceType> =
        seen.types.get(&address.server).map(|t| t.keys().filter(|k| k.is_under(&address.kind)).cloned().collect()).unwrap_or_default();
    for kind in kinds {
        match server.read(&Key::named(&kind, &address.name)).await {
            Ok(Some(live)) => {
                let found = LookedUp {
                    address: Address::new(address.server.clone(), kind, address.name.clone()),
                    deployment: None,
                    id: live.id,
                    outputs: live.outputs,
                    properties: live.properties,
                };
                seen.lookups.insert(key, found);
                return;
            }
            Ok(None) => {}
            Err(error) => {
                seen.unreachable.entry(address.server.clone()).or_insert_with(|| unreachable(&address.server, &error));
                return;
            }
        }
    }
}

/// What another deployment recorded, with the values that its server gives now: those that depend on it are to follow. While the server
/// does not answer, or no longer has it, the record stands.
async fn look_again(servers: &Servers, deployment: &DeploymentName, one: &Recorded) -> LookedUp {
    let key = Key::named(&one.address.kind, &one.address.name).id(one.id.clone()).hints(&one.properties);
    let live = match servers.get(&one.address.server) {
        Some(server) => server.read(&key).await.ok().flatten(),
        None => None,
    };
    let newest = |recorded: &Properties, live: Option<Properties>| {
        let mut all = live.unwrap_or_else(|| recorded.clone());
        // What is secret is never taken from a server into a plan.
        for name in &one.sensitive {
            all.shift_remove(name);
            all.extend(recorded.get(name).map(|v| (name.clone(), v.clone())));
        }
        all
    };
    let (outputs, properties) = live.map(|l| (l.outputs, l.properties)).unzip();
    LookedUp {
        address: one.address.clone(),
        deployment: Some(deployment.clone()),
        id: one.id.clone(),
        outputs: newest(&one.outputs, outputs),
        properties: newest(&one.properties, properties),
    }
}

/// Finds a resource that the template declares as existing: by name, else the only one whose properties fit.
async fn look_up_existing(servers: &Servers, address: &Address, properties: &Properties, seen: &mut Observed) {
    let Some(server) = servers.get(&address.server) else { return };
    if !seen.types.get(&address.server).is_some_and(|t| t.contains_key(&address.kind)) {
        return;
    }
    let id = server.known_id(&address.kind, &address.name, properties);
    let by_name = server.read(&Key::named(&address.kind, &address.name).id(id).hints(properties)).await;
    let found = match by_name {
        Ok(Some(live)) if fits(&live, properties) => vec![live],
        Ok(_) => match server.list(Some(&address.kind)).await {
            Ok(all) if !properties.is_empty() => all.into_iter().filter(|l| fits(l, properties)).collect(),
            Ok(_) => Vec::new(),
            Err(error) => {
                seen.problems.push(unreachable(&address.server, &error));
                return;
            }
        },
        Err(error) => {
            seen.problems.push(unreachable(&address.server, &error));
            return;
        }
    };
    match <[Live; 1]>::try_from(found) {
        Ok([live]) => {
            let one =
                LookedUp { address: address.clone(), deployment: None, id: live.id, outputs: live.outputs, properties: live.properties };
            seen.lookups.insert((Scope::Here, address.clone()), one);
        }
        Err(other) => seen.problems.push(
            Diagnostic::error("plan::existing-not-found", "An existing resource was not found")
                .address(address)
                .fact("resource", address.to_string())
                .detail(if other.is_empty() {
                    format!("`{}` has no `{}` of this name with these properties.", address.server, address.kind)
                } else {
                    format!(
                        "`{}` has {} of `{}` with these properties; the lookup must fit exactly one.",
                        address.server,
                        other.len(),
                        address.kind
                    )
                })
                .state("Nothing was planned.")
                .next("See what is there:", format!("swell query \"SELECT address FROM resources WHERE server = '{}'\"", address.server)),
        ),
    }
}

fn fits(live: &Live, wanted: &Properties) -> bool {
    wanted.iter().all(|(k, v)| live.properties.get(k).or_else(|| live.outputs.get(k)).is_some_and(|l| super::diff::equal(v, l, None, true)))
}

/// Settles what a former run left unknown: what reading back found becomes the record.
///
/// Returns the settlements and the calls that cannot be settled by reading (blind types whose resource was not found, servers that did not answer).
pub fn settle(snapshot: &Snapshot, seen: &Observed) -> (Vec<Settlement>, Vec<Unsettled>) {
    use crate::domain::Action;
    let mut settled = Vec::new();
    let mut open = Vec::new();
    for one in &snapshot.unsettled {
        let findable = seen.types.get(&one.address.server).and_then(|t| t.get(&one.address.kind)).is_some_and(|t| t.findable);
        let Some(live) = seen.live.get(&one.address) else {
            open.push(one.clone());
            continue;
        };
        let make = |resource: Option<Recorded>, how: String| Settlement {
            entry: one.entry,
            address: one.address.clone(),
            action: one.action,
            resource,
            how,
        };
        match (one.action, live) {
            (Action::Delete, None) => settled.push(make(None, "it is gone: the delete was done".into())),
            (Action::Delete, Some(_)) => {
                settled.push(make(snapshot.resources.get(&one.address).cloned(), "it is still there: the delete was not done".into()));
            }
            (_, Some(live)) => {
                let ours = live.created_by.as_deref().is_none_or(|key| key == one.idempotency_key);
                if one.action == Action::Create && !ours {
                    settled.push(make(None, "one of this name is there, and it was made under another key: ours was not made".into()));
                } else {
                    // After an update the old record stands, so that the diff sends again whatever did not arrive (secrets too).
                    let old = snapshot.resources.get(&one.address).cloned();
                    let base =
                        if one.action == Action::Create { one.intended.clone().or(old) } else { old.or_else(|| one.intended.clone()) };
                    let record = base.map(|mut r| {
                        r.id = live.id.clone();
                        r.outputs = live.outputs.clone();
                        r.properties = live.properties.clone();
                        r
                    });
                    let how = if one.action == Action::Create { "it is there: the create was done" } else { "it was read back" };
                    settled.push(make(record, how.into()));
                }
            }
            (Action::Create, None) if !findable => open.push(one.clone()),
            (_, None) => settled.push(make(None, "it is not there: the call was not done".into())),
        }
    }
    (settled, open)
}

/// Collects the names of the secrets of a value in expression form.
pub fn secrets_of(value: &serde_json::Value, out: &mut BTreeSet<String>) {
    walk(value, &crate::domain::PropertyPath::default(), &mut |_, text| {
        if let Ok(segments) = crate::domain::reference::parse(text) {
            out.extend(segments.into_iter().filter_map(|s| match s {
                crate::domain::Segment::Reference(Reference::Secret(name)) => Some(name),
                _ => None,
            }));
        }
    });
}

/// What changed behind Swell's back: recorded against live, resource by resource.
pub fn drift(snapshot: &Snapshot, seen: &Observed) -> Vec<Drift> {
    let all = snapshot.resources.values().filter_map(|old| {
        let kind = seen.types.get(&old.address.server).and_then(|t| t.get(&old.address.kind));
        match (seen.live.get(&old.address)?, kind) {
            (None, _) => Some(Drift::gone(&old.address)),
            (Some(live), Some(kind)) => drift_of(&snapshot.deployment, kind, old, live, &old.lifecycle.ignore_changes, &seen.uses),
            (Some(_), None) => None,
        }
    });
    all.collect()
}

/// The same for one resource that is there; none if it is as recorded.
pub fn drift_of(deployment: &DeploymentName, kind: &TypeDef, old: &Recorded, live: &Live, ignore: &[String], uses: &Uses) -> Option<Drift> {
    let found = Drift {
        address: old.address.clone(),
        gone: false,
        changes: super::diff::drifted(kind, &old.sent, &old.properties, &live.properties, ignore),
        outputs: uses.changed(deployment, old, live, Of::Used),
        unhealthy: trouble(live),
    };
    (!found.is_nothing()).then_some(found)
}

/// The server's words when a resource is there and does not work.
pub fn trouble(live: &Live) -> Option<String> {
    let bad = live.health == crate::mcp::Health::Unhealthy || live.status == crate::mcp::Status::Failed;
    bad.then(|| crate::domain::text::clean(live.reason.as_deref().unwrap_or("the server gives no reason"), 300))
}
