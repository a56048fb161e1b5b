//! What we want, from wherever it comes: a file, a pattern, an older snapshot, or nothing. All of them are a template.

use indexmap::IndexMap;

use crate::{
    domain::{DeploymentName, Existing, Resource},
    store::Snapshot,
    template::{Origin, Template},
};

/// Nothing: what a destroy wants.
pub fn nothing(deployment: &DeploymentName) -> Template {
    Template {
        name: deployment.clone(),
        variables: IndexMap::new(),
        resources: Vec::new(),
        outputs: IndexMap::new(),
        origin: Origin::default(),
    }
}

/// What was there at a snapshot: what a rollback, an undo and a modify start from.
///
/// The template as it was applied, if the snapshot has it; resources that a failed run had not made then are left out.
pub fn from_snapshot(snapshot: &Snapshot) -> Template {
    let applied: Option<Template> = serde_json::from_value(snapshot.recipe.template.clone()).ok();
    let recorded = snapshot.resources.values().map(|r| Resource {
        address: r.address.clone(),
        properties: r.desired.clone(),
        depends_on: Vec::new(),
        lifecycle: r.lifecycle.clone(),
        wait: r.wait.clone(),
        existing: Existing::Managed,
    });
    match applied {
        Some(mut template) => {
            template.resources.retain(|r| r.existing == Existing::ReadOnly || snapshot.resources.contains_key(&r.address));
            for resource in &mut template.resources {
                if let Some(r) = snapshot.resources.get(&resource.address) {
                    resource.properties = r.desired.clone();
                }
            }
            let known: Vec<_> = template.resources.iter().map(|r| r.address.clone()).collect();
            template.resources.extend(recorded.filter(|r| !known.contains(&r.address)));
            template.name = snapshot.deployment.clone();
            template
        }
        None => Template { resources: recorded.collect(), ..nothing(&snapshot.deployment) },
    }
}

/// The whole template of the last apply, including what a failed run did not get to: what "go on" and an edit start from.
pub fn last_wanted(snapshot: &Snapshot) -> Template {
    serde_json::from_value(snapshot.recipe.template.clone()).unwrap_or_else(|_| from_snapshot(snapshot))
}
