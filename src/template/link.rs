//! What the references of a template point at: the declared resource, with the type maybe shortened, or something outside the template.
//!
//! The planner and `check` both ask here, so that a reference means the same to both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Template;
use crate::domain::{Address, PropertyPath, Reference, Resource, ResourceName, Scope, ServerName, graph::Graph, reference};

/// Which declared resource an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This one.
    Declared(Address),
    /// Its type is shortened, and these all fit.
    Ambiguous(Vec<Address>),
    /// None of the template.
    Undeclared,
}

/// The declared addresses of a template, by server and name.
///
/// An address with a shortened type means the one declared resource of the same server and name whose type lies under it:
/// `docker:image:app` means `docker:image:build:app`.
#[derive(Debug, Clone, Default)]
pub struct Declared<'t> {
    by_name: HashMap<(&'t ServerName, &'t ResourceName), Vec<&'t Address>>,
}

impl<'t> Declared<'t> {
    /// Collects them.
    pub fn of(template: &'t Template) -> Self {
        let mut by_name: HashMap<_, Vec<&Address>> = HashMap::with_capacity(template.resources.len());
        for resource in &template.resources {
            let address = &resource.address;
            by_name.entry((&address.server, &address.name)).or_default().push(address);
        }
        Self { by_name }
    }

    /// Which one an address means.
    pub fn resolve(&self, address: &Address) -> Match {
        let same = self.by_name.get(&(&address.server, &address.name)).map(Vec::as_slice).unwrap_or_default();
        if same.contains(&address) {
            return Match::Declared(address.clone());
        }
        let fit: Vec<Address> = same.iter().filter(|a| a.kind.is_under(&address.kind)).map(|a| (*a).clone()).collect();
        match fit.as_slice() {
            [] => Match::Undeclared,
            [one] => Match::Declared(one.clone()),
            _ => Match::Ambiguous(fit),
        }
    }
}

/// A reference to a resource, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Where it stands in the resource: the path begins with `properties`.
    pub at: PropertyPath,
    /// Where it is looked for.
    pub scope: Scope,
    /// Which resource.
    pub address: Address,
    /// Which output or property of it.
    pub path: PropertyPath,
}

/// The references to resources that the properties of a resource make, in order.
pub fn uses(resource: &Resource) -> Vec<Use> {
    let mut found = Vec::new();
    for (name, value) in &resource.properties {
        outputs_in(value, &PropertyPath::key("properties").child(name), &mut found);
    }
    found
}

/// The references to resources that a value makes, in order.
pub(super) fn outputs_in(value: &serde_json::Value, at: &PropertyPath, found: &mut Vec<Use>) {
    reference::walk(value, at, &mut |at, text| {
        if !text.contains("${") {
            return;
        }
        for segment in reference::parse(text).unwrap_or_default() {
            if let reference::Segment::Reference(Reference::Output { scope, address, path }) = segment {
                found.push(Use { at: at.clone(), scope, address, path });
            }
        }
    });
}

/// Whether a scope is this template: nothing said, or its own name said.
pub(crate) fn is_here(template: &Template, scope: &Scope) -> bool {
    match scope {
        Scope::Here => true,
        Scope::Deployment(name) => *name == template.name,
    }
}

/// For each resource the declared resources that must be there before it, because it refers to them or says `depends_on`.
pub fn dependencies(template: &Template) -> BTreeMap<Address, BTreeSet<Address>> {
    let declared = Declared::of(template);
    let mut all = BTreeMap::new();
    for resource in &template.resources {
        let mut before = BTreeSet::new();
        let uses = uses(resource);
        let referred = uses.iter().filter(|u| is_here(template, &u.scope)).map(|u| &u.address);
        for address in referred.chain(&resource.depends_on) {
            if let Match::Declared(found) = declared.resolve(address) {
                before.insert(found);
            }
        }
        all.insert(resource.address.clone(), before);
    }
    all
}

/// The graph of [`dependencies`], its nodes in the order of the template.
pub fn graph(template: &Template) -> Graph<Address> {
    graph_of(template, &dependencies(template))
}

/// The graph of dependencies that are known already.
pub(crate) fn graph_of(template: &Template, dependencies: &BTreeMap<Address, BTreeSet<Address>>) -> Graph<Address> {
    let mut graph = Graph::default();
    for resource in &template.resources {
        graph.add(resource.address.clone());
    }
    for (address, before) in dependencies {
        for first in before {
            graph.edge(first, address);
        }
    }
    graph
}

/// What the template refers to and does not declare, so that the state and the servers can be asked before [`super::check::check`].
pub fn undeclared(template: &Template) -> BTreeSet<(Scope, Address)> {
    let declared = Declared::of(template);
    let mut found = BTreeSet::new();
    let mut all: Vec<Use> = template.resources.iter().flat_map(uses).collect();
    for (name, value) in &template.outputs {
        outputs_in(value, &PropertyPath::key("outputs").child(name), &mut all);
    }
    for used in all {
        let here = is_here(template, &used.scope);
        if !here || declared.resolve(&used.address) == Match::Undeclared {
            found.insert((used.scope, used.address));
        }
    }
    for address in template.resources.iter().flat_map(|r| &r.depends_on) {
        if declared.resolve(address) == Match::Undeclared {
            found.insert((Scope::Here, address.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse;

    fn template(text: &str) -> Template {
        parse("app.yaml", text, &Default::default()).unwrap()
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    const APP: &str = r#"
resources:
  - { server: docker, type: image:build, name: app, properties: { tag: "a:1" } }
  - { server: docker, type: image:pull, name: base }
  - { server: docker, type: network, name: app }
  - server: kubernetes
    type: deployment
    name: web
    properties:
      image: ${docker:image:app.tag}
      net: x-${@app/docker:network:app.id}
      zone: ${aws:vpc:subnet:private-1.id}
      db: ${@data/aws:rds:db.endpoint}
    depends_on: [docker:image:pull:base, "${docker:image:build:app}"]
outputs: { lb: "${aws:elb:main.dns}" }
"#;

    #[test]
    fn a_type_may_be_shortened() {
        let template = template(APP);
        let is = |text: &str| Declared::of(&template).resolve(&address(text));
        assert_eq!(is("docker:image:app"), Match::Declared(address("docker:image:build:app")));
        assert_eq!(is("docker:image:build:app"), Match::Declared(address("docker:image:build:app")));
        assert_eq!(is("docker:image:push:app"), Match::Undeclared);
        assert_eq!(is("docker:image:web"), Match::Undeclared);
        let two = self::template("resources: [{server: d, type: a:b, name: x}, {server: d, type: a:c, name: x}]");
        assert_eq!(Declared::of(&two).resolve(&address("d:a:x")), Match::Ambiguous(vec![address("d:a:b:x"), address("d:a:c:x")]));
    }

    #[test]
    fn dependencies_come_from_references_and_depends_on() {
        let template = template(APP);
        let web: Vec<String> = dependencies(&template)[&address("kubernetes:deployment:web")].iter().map(Address::to_string).collect();
        assert_eq!(web, ["docker:image:build:app", "docker:image:pull:base", "docker:network:app"]);
        let waves = graph(&template).waves().unwrap();
        assert_eq!(waves.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
    }

    #[test]
    fn what_is_not_declared_is_listed() {
        let listed: Vec<String> = undeclared(&template(APP)).into_iter().map(|(scope, address)| format!("{scope:?} {address}")).collect();
        assert_eq!(listed, ["Here aws:elb:main", "Here aws:vpc:subnet:private-1", "Deployment(`data`) aws:rds:db"]);
    }
}
