//! What is there and was not made by the deployment: made anew under a recorded name, or managed by another deployment.

use std::collections::BTreeMap;

use super::{Observed, OtherDeployments};
use crate::{
    domain::{Address, DeploymentName, Existing, ResourceType, ServerName},
    mcp::{Key, Live, Servers},
    store::{Recorded, Snapshot},
    template::Template,
};

/// A resource that is recorded and gone may have been made anew by someone, under its name: then a create would be refused.
pub(super) async fn look_for_namesakes(servers: &Servers, snapshot: Option<&Snapshot>, seen: &mut Observed) {
    let mut gone: BTreeMap<ServerName, Vec<&Recorded>> = BTreeMap::new();
    for one in snapshot.iter().flat_map(|s| s.resources.values()) {
        let kind = seen.types.get(&one.address.server).and_then(|t| t.get(&one.address.kind));
        if matches!(seen.live.get(&one.address), Some(None)) && kind.is_some_and(|k| k.findable && !k.many_per_name) {
            gone.entry(one.address.server.clone()).or_default().push(one);
        }
    }
    for (name, all) in gone {
        let Some(server) = servers.get(&name) else { continue };
        let keys: Vec<Key> = all.iter().map(|one| Key::named(&one.address.kind, &one.address.name).hints(&one.properties)).collect();
        for (one, found) in all.into_iter().zip(server.read_many(&keys).await) {
            // That the name cannot be asked for takes nothing from the plan: the create will say it.
            if let Ok(Some(live)) = found
                && live.id != one.id
            {
                seen.namesakes.insert(one.address.clone(), live);
            }
        }
    }
}

/// Finds out which deployment manages what is wanted, there, and not recorded here.
pub(super) async fn look_for_holders(template: &Template, snapshot: Option<&Snapshot>, others: &dyn OtherDeployments, seen: &mut Observed) {
    let recorded = |address: &Address| snapshot.is_some_and(|s| s.resources.contains_key(address));
    let mut foreign: Vec<(&Address, &Live)> = Vec::new();
    for resource in template.resources.iter().filter(|r| r.existing == Existing::Managed) {
        let there = match seen.live.get(&resource.address) {
            Some(Some(live)) if !recorded(&resource.address) => Some(live),
            _ => seen.namesakes.get(&resource.address),
        };
        foreign.extend(there.map(|live| (&resource.address, live)));
    }
    if foreign.is_empty() {
        return;
    }
    let managed = others.managed(&template.name).await;
    // The same id on another system is another resource.
    let here = |r: &Recorded| seen.targets.get(&r.address.server).is_some_and(|t| t.identity == r.target);
    let by_id: BTreeMap<(&ServerName, &ResourceType, &str), &DeploymentName> =
        managed.iter().filter(|(_, r)| here(r)).map(|(d, r)| ((&r.address.server, &r.address.kind, r.id.as_str()), d)).collect();
    let held = foreign.into_iter().filter_map(|(address, live)| {
        let holder = by_id.get(&(&address.server, &address.kind, live.id.as_str()))?;
        Some((address.clone(), (*holder).clone()))
    });
    seen.held = held.collect();
}
