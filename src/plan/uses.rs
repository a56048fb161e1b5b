//! Who uses which value of which resource, over all deployments; and which recorded values are other ones now. Pure.
//!
//! Only what somebody uses counts as a changed output: servers return plenty (uptimes, counters) that differs at every look.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Shown, diff::equal};
use crate::{
    domain::{
        Address, Dependant, DeploymentName, Properties, PropertyPath, Reference, ResourceName, Scope, ServerName, reference::references,
    },
    mcp::{Live, lookup},
    store::{Recorded, Snapshot},
};

/// A value of a resource that is not the one that was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputChange {
    /// Which output, or which property that the server sets.
    pub path: PropertyPath,
    /// As it is recorded.
    pub before: Shown,
    /// As the server says now.
    pub after: Shown,
    /// Who uses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependants: Vec<Dependant>,
    /// Who depends on those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Dependant>,
}

/// A recorded resource of which a value that somebody uses is another one now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refreshed {
    /// Which resource.
    pub address: Address,
    /// What is different.
    pub outputs: Vec<OutputChange>,
    /// The record as it is now.
    pub resource: Recorded,
}

/// One expression that uses a value.
#[derive(Debug, Clone)]
struct Use {
    scope: Scope,
    /// As it was written; its type may be shortened.
    address: Address,
    path: PropertyPath,
    by: Dependant,
    /// The deployment in which it stands has such a resource itself.
    own: bool,
}

/// Who uses what.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    all: BTreeMap<(ServerName, ResourceName), Vec<Use>>,
    /// Within a deployment: who depends on a resource for any reason.
    needed_by: BTreeMap<(DeploymentName, Address), BTreeSet<Address>>,
}

impl Uses {
    /// Reads the expressions of the newest snapshots.
    pub fn of<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> Self {
        let mut uses = Self::default();
        snapshots.into_iter().for_each(|s| uses.add(s));
        uses
    }

    fn add(&mut self, snapshot: &Snapshot) {
        let deployment = &snapshot.deployment;
        for record in snapshot.resources.values() {
            for value in record.desired.values() {
                self.note(snapshot, value, &Dependant::resource(deployment, &record.address));
            }
            for need in &record.depends_on {
                self.needed_by.entry((deployment.clone(), need.clone())).or_default().insert(record.address.clone());
            }
        }
        let outputs = snapshot.recipe.template.get("outputs").and_then(Value::as_object);
        for (name, value) in outputs.into_iter().flatten() {
            self.note(snapshot, value, &Dependant::output(deployment, name));
        }
    }

    fn note(&mut self, snapshot: &Snapshot, value: &Value, by: &Dependant) {
        for (_, reference) in references(value) {
            let Reference::Output { scope, address, path } = reference else { continue };
            let own = snapshot.resources.keys().any(|a| fits(a, &address));
            let key = (address.server.clone(), address.name.clone());
            self.all.entry(key).or_default().push(Use { scope, address, path, by: by.clone(), own });
        }
    }

    fn of_resource<'a>(&'a self, deployment: &'a DeploymentName, address: &'a Address) -> impl Iterator<Item = &'a Use> {
        let all = self.all.get(&(address.server.clone(), address.name.clone()));
        all.into_iter().flatten().filter(move |u| {
            fits(address, &u.address)
                && match &u.scope {
                    Scope::Deployment(named) => named == deployment,
                    Scope::Here => u.by.deployment == *deployment || !u.own,
                }
        })
    }

    /// Who depends on these, and on those again, without these themselves.
    fn further(&self, first: &[Dependant]) -> Vec<Dependant> {
        let mut seen: BTreeSet<Dependant> = first.iter().cloned().collect();
        let mut open: Vec<Dependant> = first.to_vec();
        while let Some(Dependant { deployment, address: Some(address), .. }) = open.pop() {
            let here = self.needed_by.get(&(deployment.clone(), address.clone())).into_iter().flatten();
            let near = here.map(|a| Dependant::resource(&deployment, a));
            let all: Vec<Dependant> = near.chain(self.of_resource(&deployment, &address).map(|u| u.by.clone())).collect();
            for next in all {
                if seen.insert(next.clone()) && next.address.is_some() {
                    open.push(next);
                }
            }
        }
        seen.into_iter().filter(|d| !first.contains(d)).collect()
    }

    /// Who uses anything of a resource or depends on it, and who depends on those.
    pub fn of_all(&self, deployment: &DeploymentName, address: &Address) -> (Vec<Dependant>, Vec<Dependant>) {
        let near = self.needed_by.get(&(deployment.clone(), address.clone())).into_iter().flatten();
        let mut first: Vec<Dependant> = near.map(|a| Dependant::resource(deployment, a)).collect();
        first.extend(self.of_resource(deployment, address).map(|u| u.by.clone()));
        first.sort();
        first.dedup();
        let further = self.further(&first);
        (first, further)
    }

    /// The outputs whose value is not the recorded one, each with whoever uses it. With [`Of::Used`] only those that somebody uses.
    pub fn changed(&self, deployment: &DeploymentName, old: &Recorded, live: &Live, of: Of) -> Vec<OutputChange> {
        let before = Picture { id: &old.id, name: old.address.name.as_str(), outputs: &old.outputs, properties: &old.properties };
        let after = Picture { id: &live.id, name: &live.name, outputs: &live.outputs, properties: &live.properties };
        self.between(deployment, &old.address, &old.sensitive, (&before, &after), |head| !old.sent.contains_key(head), of)
    }

    /// The same between two looks at a live resource.
    pub fn between_looks(&self, deployment: &DeploymentName, old: &Recorded, looks: (&Live, &Live), of: Of) -> Vec<OutputChange> {
        let picture = |live| {
            let Live { id, name, outputs, properties, .. }: &Live = live;
            Picture { id, name, outputs, properties }
        };
        self.between(
            deployment,
            &old.address,
            &old.sensitive,
            (&picture(looks.0), &picture(looks.1)),
            |head| !old.sent.contains_key(head),
            of,
        )
    }

    /// The same between two records of a resource: what a run changed for those who use it.
    pub fn between_records(&self, deployment: &DeploymentName, old: &Recorded, new: &Recorded) -> Vec<OutputChange> {
        let picture = |r| {
            let Recorded { id, address, outputs, properties, .. }: &Recorded = r;
            Picture { id, name: address.name.as_str(), outputs, properties }
        };
        self.between(deployment, &old.address, &old.sensitive, (&picture(old), &picture(new)), |_| true, Of::Used)
    }

    fn between(
        &self,
        deployment: &DeploymentName,
        address: &Address,
        sensitive: &[String],
        (before, after): (&Picture<'_>, &Picture<'_>),
        not_ours: impl Fn(&str) -> bool,
        of: Of,
    ) -> Vec<OutputChange> {
        let used: Vec<&Use> = self.of_resource(deployment, address).collect();
        let mut heads: BTreeSet<&str> = match of {
            Of::Used => BTreeSet::new(),
            Of::All => before.outputs.keys().chain(after.outputs.keys()).map(String::as_str).collect(),
        };
        // What we set ourselves is compared as drift; that a server says of itself is compared here.
        heads.extend(used.iter().filter_map(|u| u.path.head()).filter(|h| before.outputs.contains_key(*h) || not_ours(h)));
        let mut changes = Vec::new();
        for head in heads {
            let whole = PropertyPath::key(head);
            let (old, new) = (before.get(&whole), after.get(&whole));
            // What holds a secret is recorded scrubbed, so it cannot be compared.
            let hidden = sensitive.iter().any(|s| s == head) || old.as_ref().is_some_and(|v| v.to_string().contains("‹secret"));
            if hidden || same(old.as_ref(), new.as_ref()) {
                continue;
            }
            let changed = |u: &&&Use| u.path.head() == Some(head) && !same(before.get(&u.path).as_ref(), after.get(&u.path).as_ref());
            let mut dependants: Vec<Dependant> = used.iter().filter(changed).map(|u| u.by.clone()).collect();
            dependants.sort();
            dependants.dedup();
            if of == Of::Used && dependants.is_empty() {
                continue;
            }
            let show = |v: Option<Value>| v.map_or(Shown::Absent, Shown::Value);
            let further = self.further(&dependants);
            changes.push(OutputChange { path: whole, before: show(old), after: show(new), dependants, further });
        }
        changes
    }
}

/// Which outputs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those that somebody uses.
    Used,
    /// All that the server returns.
    All,
}

/// A resource as references see it.
struct Picture<'a> {
    id: &'a str,
    name: &'a str,
    outputs: &'a Properties,
    properties: &'a Properties,
}

impl Picture<'_> {
    fn get(&self, path: &PropertyPath) -> Option<Value> {
        lookup(self.id, self.name, self.outputs, self.properties, path).filter(|v| !v.is_null())
    }
}

fn fits(address: &Address, written: &Address) -> bool {
    address.server == written.server && address.name == written.name && address.kind.is_under(&written.kind)
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => equal(a, b, None, false) && equal(b, a, None, false),
        _ => false,
    }
}

/// Whether two lists tell of the same values, whoever uses them.
pub fn same_values(a: &[OutputChange], b: &[OutputChange]) -> bool {
    let values = |all: &[OutputChange]| all.iter().map(|o| (o.path.clone(), o.before.clone(), o.after.clone())).collect::<Vec<_>>();
    values(a) == values(b)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(name: &str, resources: &[(&str, Value, Value)], outputs: Value) -> Snapshot {
        let records = resources.iter().map(|(address, desired, outputs)| {
            let address: Address = address.parse().unwrap();
            let record = json!({
                "address": address, "id": format!("id-{}", address.name), "desired": desired, "sent": desired, "properties": desired,
                "outputs": outputs, "target": "t", "sensitive": ["token"],
            });
            (address, serde_json::from_value(record).unwrap())
        });
        Snapshot {
            deployment: name.parse().unwrap(),
            number: 1,
            run: crate::store::RunId("r".into()),
            at: Default::default(),
            last_entry: 1,
            resources: records.collect(),
            unsettled: Vec::new(),
            recipe: crate::store::Recipe { template: json!({"outputs": outputs}), ..Default::default() },
            outputs: Default::default(),
        }
    }

    fn live(record: &Recorded, outputs: Value) -> Live {
        serde_json::from_value(json!({
            "id": record.id, "type": record.address.kind, "name": record.address.name, "status": "ready",
            "properties": record.properties, "outputs": outputs,
        }))
        .unwrap()
    }

    fn words(changes: &[OutputChange]) -> Vec<String> {
        let list = |all: &[Dependant]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        changes.iter().map(|c| format!("{}: {} | {}", c.path, list(&c.dependants), list(&c.further))).collect()
    }

    fn estate() -> [Snapshot; 3] {
        let db = (
            "docker:container:run:db",
            json!({"image": "x"}),
            json!({"ip": "10.0.0.2", "uptime": 1, "token": "‹secret›", "at": {"a": 1, "b": 1}}),
        );
        let web = ("docker:container:run:web", json!({"env": {"DB": "${docker:container:db.ip}:3306"}}), json!({}));
        let front = (
            "docker:container:run:front",
            json!({"up": "${docker:container:run:web.name}", "n": "${docker:container:run:db.at.a}"}),
            json!({}),
        );
        let mut shop = snapshot("shop", &[db, web, front], json!({"db": "${docker:container:run:db.ip}"}));
        let web: Address = "docker:container:run:web".parse().unwrap();
        shop.resources.get_mut(&"docker:container:run:front".parse::<Address>().unwrap()).unwrap().depends_on = vec![web];
        let other = snapshot(
            "other",
            &[(
                "aws:dns:record:r",
                json!({"to": "${@shop/docker:container:run:db.ip}", "t": "${@shop/docker:container:run:db.token}"}),
                json!({}),
            )],
            json!({}),
        );
        // It has one of its own of this name, so it does not mean that of the shop.
        let third = snapshot(
            "third",
            &[
                ("docker:container:run:db", json!({}), json!({"ip": "10.9.9.9"})),
                ("docker:container:run:x", json!({"to": "${docker:container:run:db.ip}"}), json!({})),
            ],
            json!({}),
        );
        [shop, other, third]
    }

    #[test]
    fn only_values_that_somebody_uses_count_and_users_are_named_over_deployments() {
        let all = estate();
        let uses = Uses::of(&all);
        let shop = &all[0];
        let db = &shop.resources[&"docker:container:run:db".parse::<Address>().unwrap()];
        let now = live(db, json!({"ip": "10.0.0.7", "uptime": 99, "token": "clear", "at": {"a": 1, "b": 2}}));
        assert_eq!(
            words(&uses.changed(&shop.deployment, db, &now, Of::Used)),
            ["ip: aws:dns:record:r of other, output db of shop, docker:container:run:web of shop | docker:container:run:front of shop"]
        );
        let all_changes = uses.changed(&shop.deployment, db, &now, Of::All);
        assert_eq!(all_changes.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), ["at", "ip", "uptime"]);
        assert!(!serde_json::to_string(&all_changes).unwrap().contains("clear"), "a sensitive output is never compared or shown");
    }

    #[test]
    fn a_name_of_ones_own_is_not_that_of_another_deployment() {
        let all = estate();
        let uses = Uses::of(&all);
        let third = &all[2];
        let db = &third.resources[&"docker:container:run:db".parse::<Address>().unwrap()];
        let changed = uses.changed(&third.deployment, db, &live(db, json!({"ip": "10.9.9.1"})), Of::Used);
        assert_eq!(words(&changed), ["ip: docker:container:run:x of third | "]);
    }

    #[test]
    fn the_same_value_in_another_form_is_no_change() {
        let all = estate();
        let uses = Uses::of(&all);
        let db = &all[0].resources[&"docker:container:run:db".parse::<Address>().unwrap()];
        let now = live(db, json!({"ip": "10.0.0.2", "at": {"a": "1", "b": 1}}));
        assert_eq!(uses.changed(&all[0].deployment, db, &now, Of::Used), vec![]);
    }
}
