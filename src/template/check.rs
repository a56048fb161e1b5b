//! What is wrong with a template, against the types that the servers offer and what is known outside the template.
//!
//! Everything is collected. Nothing is asked of a server here: `known` answers from what was asked before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    MAX_PROBLEMS, Span, Template, bounded,
    link::{self, Declared, Match, Use},
    reader::listed,
    schema::Schemas,
};
use crate::{
    diagnostic::{Diagnostic, Severity, Source},
    domain::{Address, DeploymentName, Existing, PropertyPath, Resource, ResourceType, Scope, ServerName, TypeDef, name::nearest},
};

/// The types of each server.
pub type Types = BTreeMap<ServerName, Arc<BTreeMap<ResourceType, TypeDef>>>;

/// What is known about an address that a template does not declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is recorded in this deployment.
    Recorded {
        /// Which.
        deployment: DeploymentName,
    },
    /// Its server has it.
    Live,
    /// It is nowhere.
    Nowhere,
    /// It is recorded in several deployments, so a reference must say which.
    Several(Vec<DeploymentName>),
    /// Nobody has looked.
    NotAsked,
}

/// Knows what lies outside a template. [`super::link::undeclared`] says beforehand what will be asked.
pub trait KnownAddresses {
    /// What is known about an address.
    fn find(&self, scope: &Scope, address: &Address) -> Found;
}

/// Finds everything that is wrong with a template. Warnings are among the answers.
pub fn check(template: &Template, types: &Types, known: &dyn KnownAddresses) -> Vec<Diagnostic> {
    let mut checker = Checker { template, types, known, declared: Declared::of(template), left_out: BTreeMap::new(), problems: Vec::new() };
    let mut schemas = Schemas::default();
    for resource in &template.resources {
        // A template with this many problems is not read on; nobody reads all of them either.
        if checker.problems.len() > MAX_PROBLEMS * 2
            && checker.problems.iter().filter(|p| p.severity == Severity::Error).count() > MAX_PROBLEMS
        {
            break;
        }
        if let Some((server, definition)) = checker.definition(resource) {
            schemas.check(server, definition, resource, &template.origin, &mut checker.problems);
            checker.limits(resource, definition);
            checker.lifecycle(resource, Some(definition));
        } else {
            checker.lifecycle(resource, None);
        }
        for used in link::uses(resource) {
            checker.reference(Some(resource), &used);
        }
        checker.depends_on(resource);
    }
    for (name, value) in &template.outputs {
        let mut found = Vec::new();
        link::outputs_in(value, &PropertyPath::key("outputs").child(name), &mut found);
        for used in &found {
            checker.reference(None, used);
        }
    }
    checker.cycles();
    checker.say_what_is_left_out();
    bounded(checker.problems)
}

struct Checker<'a> {
    template: &'a Template,
    types: &'a Types,
    known: &'a dyn KnownAddresses,
    declared: Declared<'a>,
    /// Properties that a server cannot set and that are left out, with the reason, and of which resources.
    left_out: BTreeMap<(&'a str, &'a str), Vec<&'a Address>>,
    problems: Vec<Diagnostic>,
}

fn error(code: &'static str, summary: &'static str) -> Diagnostic {
    Diagnostic::error(code, summary).state("Nothing was planned.")
}

impl<'a> Checker<'a> {
    fn source(&self, address: &Address, path: &str, label: &str) -> Option<Source> {
        let path = if path.is_empty() { PropertyPath::default() } else { PropertyPath::key(path) };
        self.template.origin.source(address, &path, label)
    }

    /// The definition of a resource's type, or a diagnostic that says why there is none.
    fn definition(&mut self, resource: &Resource) -> Option<(&'a ServerName, &'a TypeDef)> {
        let address = &resource.address;
        let Some((server, table)) = self.types.get_key_value(&address.server) else {
            let source = self.source(address, "server", "no such server");
            let problem = self.unknown_server(&address.server).address(address).source(source);
            self.problems.push(problem);
            return None;
        };
        if let Some(definition) = table.get(&address.kind) {
            return Some((server, definition));
        }
        let problem = error("template::unknown-type", "Unknown resource type")
            .address(address)
            .source(self.source(address, "type", "no such type"))
            .detail(format!("The server `{server}` has no type `{}`.", address.kind));
        let under: Vec<&str> = table.keys().filter(|k| k.is_under(&address.kind)).map(ResourceType::as_str).collect();
        let problem = match near_type(&address.kind, table) {
            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
            None if !under.is_empty() && under.len() <= 8 => problem.hint(format!("It has {}.", listed(&under))),
            None => match self.elsewhere(&address.kind) {
                Some((other, kind)) => problem.hint(format!("The server `{other}` has `{kind}`.")),
                None => problem,
            },
        };
        self.problems.push(problem.hint_command("To see its types, run:", format!("swell types {server}")));
        None
    }

    /// Another server that has the type, or one of the same last segment.
    fn elsewhere(&self, kind: &ResourceType) -> Option<(&'a ServerName, &'a ResourceType)> {
        let all = || self.types.iter().flat_map(|(server, table)| table.keys().map(move |k| (server, k)));
        let last = |k: &'a ResourceType| k.as_str().rsplit(':').next();
        let wanted = kind.as_str().rsplit(':').next();
        all().find(|(_, k)| *k == kind).or_else(|| all().find(|(_, k)| last(k) == wanted))
    }

    fn unknown_server(&self, name: &ServerName) -> Diagnostic {
        let names: Vec<&str> = self.types.keys().map(ServerName::as_str).collect();
        let problem = error("template::unknown-server", "Unknown server").server(name);
        let problem = match names.as_slice() {
            [] => problem.detail(format!("There is no server `{name}`; no server is registered.")),
            names if names.len() <= 12 => problem.detail(format!("There is no server `{name}`. There is {}.", listed(names))),
            names => problem.detail(format!("There is no server `{name}` among the {} that are registered.", names.len())),
        };
        let problem = match nearest(name.as_str(), names) {
            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
            None => problem,
        };
        problem.hint_command("To see the servers, run:", "swell servers list")
    }

    /// What the server cannot do with the type: properties that it cannot set, and verbs that it does not have.
    fn limits(&mut self, resource: &'a Resource, definition: &'a TypeDef) {
        if resource.existing == Existing::ReadOnly {
            return;
        }
        let (address, limits) = (&resource.address, &definition.limits);
        if let Some(reason) = limits.missing.get("create") {
            let problem = error("template::cannot-create", "The server cannot create this");
            let source = self.source(address, "type", "cannot be created there");
            let detail = format!("`{}` cannot create a `{}`: {reason}.", address.server, address.kind);
            self.problems.push(problem.address(address).source(source).detail(detail));
        }
        for (name, value) in &resource.properties {
            let default = definition.properties.get("properties").and_then(|p| p.get(name)?.get("default"));
            let asks = !value.is_null() && Some(value) != default && *value != false;
            let source = |label: &str| self.template.origin.source(address, &PropertyPath::key("properties").child(name), label);
            if let Some(reason) = limits.refused.get(name).filter(|_| asks) {
                let problem = error("template::cannot-set", "The server cannot set this property").address(address);
                let detail = format!("`{}` cannot set `{name}` of a `{}`: {reason}.", address.server, address.kind);
                let problem = problem.source(source("cannot be set there")).detail(detail);
                self.problems.push(problem);
            } else if let Some(reason) = limits.without.get(name).filter(|_| asks) {
                self.left_out.entry((name, reason)).or_default().push(address);
            } else if let Some(reason) = limits.doubtful.get(name).filter(|_| asks) {
                let detail =
                    format!("What becomes of `{name}` of `{address}` is read back, and counts as failed if it is not there: {reason}.");
                let problem = Diagnostic::warning("template::doubtful", "A property may not arrive").address(address);
                let problem = problem.source(source("may not arrive")).detail(detail);
                self.problems.push(problem);
            }
        }
    }

    /// One warning for each property and reason: ten containers without a limit are one thing to know, not ten.
    fn say_what_is_left_out(&mut self) {
        const NAMED: usize = 4;
        for ((name, reason), addresses) in &self.left_out {
            let Some(first) = addresses.first() else { continue };
            let mut named: Vec<String> = addresses.iter().take(NAMED).map(|a| format!("`{a}`")).collect();
            if addresses.len() > NAMED {
                named.push(format!("{} more", addresses.len() - NAMED));
            }
            let verb = if addresses.len() == 1 { "is" } else { "are" };
            let source = self.template.origin.source(first, &PropertyPath::key("properties").child(name), "left out");
            let detail = format!("{} {verb} made without `{name}`: {reason}.", named.join(", "));
            self.problems
                .push(Diagnostic::warning("template::left-out", "A property is left out").address(first).source(source).detail(detail));
        }
    }

    /// Lifecycle settings that contradict each other, the type, or the properties.
    fn lifecycle(&mut self, resource: &Resource, definition: Option<&TypeDef>) {
        let Resource { address, lifecycle, .. } = resource;
        let at = |checker: &Self, key: &str, label: &str| {
            checker.template.origin.source(address, &PropertyPath::key("lifecycle").child(key), label)
        };
        let conflict = || error("template::lifecycle", "The lifecycle cannot be kept").address(address);
        if resource.existing == Existing::ReadOnly {
            for (set, key) in [
                (lifecycle.prevent_destroy, "prevent_destroy"),
                (lifecycle.create_before_destroy, "create_before_destroy"),
                (!lifecycle.ignore_changes.is_empty(), "ignore_changes"),
            ] {
                if set {
                    let source = at(self, key, "has no meaning here");
                    self.problems.push(conflict().source(source).detail(format!(
                        "`{address}` is `existing: true`, so it is only read. `{key}` is about resources that Swell changes."
                    )));
                }
            }
            return;
        }
        if lifecycle.prevent_destroy && lifecycle.create_before_destroy {
            let source = at(self, "create_before_destroy", "conflicts with `prevent_destroy`");
            self.problems.push(
                conflict()
                    .source(source)
                    .detail(format!(
                        "`{address}` may never be destroyed (`prevent_destroy`), and is to be created anew before it is destroyed \
                         (`create_before_destroy`). It cannot be both."
                    ))
                    .hint("Keep the one that is meant."),
            );
        } else if lifecycle.create_before_destroy && definition.is_some_and(|d| !d.many_per_name) {
            let source = at(self, "create_before_destroy", "this type cannot do that");
            self.problems.push(conflict().source(source).detail(format!(
                "`{}` allows one resource per name, so a new `{}` cannot be created while the old one is there.",
                address.kind, address.name
            )));
        }
        let Some(definition) = definition else { return };
        let names = definition.property_names();
        for (n, ignored) in lifecycle.ignore_changes.iter().enumerate() {
            let open = names.is_empty() || definition.properties.get("additionalProperties").is_none_or(|a| a != false);
            if names.contains(&ignored.as_str())
                || resource.properties.contains_key(ignored)
                || (open && nearest(ignored, names.iter().copied()).is_none())
            {
                continue;
            }
            let path = PropertyPath::key("lifecycle").child("ignore_changes").item(n);
            let problem = error("template::unknown-property", "Unknown property")
                .address(address)
                .source(self.template.origin.source(address, &path, "no such property"))
                .detail(format!("`{address}` ignores changes of `{ignored}`, which `{}` does not have.", address.kind));
            self.problems.push(match nearest(ignored, names.iter().copied()) {
                Some(near) => problem.hint(format!("Did you mean `{near}`?")),
                None => problem,
            });
        }
    }

    /// One reference, of a resource or (without one) of an output of the template.
    fn reference(&mut self, by: Option<&Resource>, used: &Use) {
        let here = link::is_here(self.template, &used.scope);
        let matched = if here { self.declared.resolve(&used.address) } else { Match::Undeclared };
        let problem = match matched {
            Match::Declared(target) => self.unknown_output(&target, used),
            Match::Ambiguous(all) => Some(ambiguous(&used.address, &all)),
            Match::Undeclared => match self.known.find(&used.scope, &used.address) {
                Found::Recorded { .. } | Found::Live => self.unknown_output(&used.address, used),
                Found::NotAsked if self.types.contains_key(&used.address.server) => self.unknown_output(&used.address, used),
                Found::NotAsked | Found::Nowhere => Some(self.dangling(&used.scope, &used.address)),
                Found::Several(deployments) => Some(several(used, &deployments)),
            },
        };
        let Some(problem) = problem else { return };
        let source = self.place(by, used, label_for(problem.code));
        // A template that no file was written for has no lines to point at.
        let problem = if source.is_none() { problem.fact("at", used.at.to_string()) } else { problem };
        self.problems.push(match by {
            Some(resource) => problem.address(&resource.address).source(source),
            None => problem.source(source),
        });
    }

    /// The place of a reference.
    fn place(&self, by: Option<&Resource>, used: &Use, label: &str) -> Option<Source> {
        let origin = &self.template.origin;
        let value: Span = match by {
            Some(resource) => origin.span(&resource.address, &used.at)?,
            None => return origin.source_outside(&used.at, label),
        };
        Some(origin.locate(origin.reference_in(value, &used.address.to_string()), label))
    }

    /// A reference to an output that the type does not have. Nothing is said about types whose outputs are not known.
    fn unknown_output(&self, target: &Address, used: &Use) -> Option<Diagnostic> {
        let definition = self.types.get(&target.server)?.get(&target.kind)?;
        let head = used.path.head()?;
        let outputs = &definition.outputs;
        let open = outputs.get("properties").and_then(|p| p.as_object()).is_none_or(|p| p.is_empty())
            || outputs.get("additionalProperties").is_some_and(|a| a != false);
        let names = definition.output_names();
        if open || names.contains(&head) {
            return None;
        }
        let problem = error("template::unknown-output", "Unknown output")
            .detail(format!("`{target}` has neither an output nor a property `{head}`."));
        Some(match nearest(head, names.iter().copied()) {
            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
            None if names.len() <= 16 => problem.hint(format!("It has {}.", listed(&names))),
            None => problem.hint_command("To see what it has, run:", format!("swell schema {}:{}", target.server, target.kind)),
        })
    }

    /// A reference to something that is nowhere.
    fn dangling(&self, scope: &Scope, address: &Address) -> Diagnostic {
        if !self.types.contains_key(&address.server) && *scope == Scope::Here {
            let problem = self.unknown_server(&address.server);
            return problem.detail(format!(
                "`{address}` is not declared in this template, and there is no server `{}` to look for it.",
                address.server
            ));
        }
        let looked = match scope {
            Scope::Here => format!(
                "`{address}` is not declared in this template, not recorded in any deployment, and not found on the server `{}`.",
                address.server
            ),
            Scope::Deployment(name) => format!("The deployment `{name}` has no resource `{address}`."),
        };
        let problem = error("template::dangling-reference", "A reference points nowhere").detail(looked);
        match self.near_address(address).filter(|_| *scope == Scope::Here) {
            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
            None => problem,
        }
    }

    /// The declared address that was probably meant.
    fn near_address(&self, address: &Address) -> Option<String> {
        // A common beginning makes all addresses of a server look alike, so the name must be near as well.
        let near = |r: &&Resource| nearest(address.name.as_str(), [r.address.name.as_str()]).is_some();
        let all: Vec<String> = self.template.resources.iter().filter(near).map(|r| r.address.to_string()).collect();
        nearest(&address.to_string(), all.iter().map(String::as_str)).map(str::to_owned)
    }

    /// `depends_on` that points nowhere.
    fn depends_on(&mut self, resource: &Resource) {
        for (n, address) in resource.depends_on.iter().enumerate() {
            let (label, problem) = match self.declared.resolve(address) {
                Match::Declared(_) => continue,
                Match::Ambiguous(all) => ("fits several resources", ambiguous(address, &all)),
                Match::Undeclared => match self.known.find(&Scope::Here, address) {
                    Found::Recorded { .. } | Found::Live | Found::Several(_) => continue,
                    Found::Nowhere => ("points nowhere", self.dangling(&Scope::Here, address)),
                    // To wait for something that is not deployed here is no reason to ask the servers, so an unknown address is a slip.
                    Found::NotAsked => {
                        let problem = error("template::dangling-reference", "A reference points nowhere")
                            .detail(format!("`depends_on` names `{address}`, which is not declared in this template."));
                        let problem = match self.near_address(address) {
                            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
                            None => problem,
                        };
                        ("points nowhere", problem)
                    }
                },
            };
            let source = self.template.origin.source(&resource.address, &PropertyPath::key("depends_on").item(n), label);
            self.problems.push(problem.address(&resource.address).source(source));
        }
    }

    /// Resources that wait for each other.
    fn cycles(&mut self) {
        let dependencies = link::dependencies(self.template);
        for members in link::graph_of(self.template, &dependencies).cycles() {
            let inside: BTreeSet<&Address> = members.iter().collect();
            let Some(first) = members.first() else { continue };
            let needs = |address: &Address| -> Vec<String> {
                let before = dependencies.get(address).into_iter().flatten().filter(|a| inside.contains(a));
                before.map(|a| format!("`{a}`")).collect()
            };
            let problem = error("template::cycle", "Resources wait for each other").address(first);
            let problem = match members.as_slice() {
                [one] => problem.detail(format!("`{one}` refers to itself, so it could never be made.")),
                all => {
                    let lines: Vec<String> = all.iter().take(20).map(|a| format!("- `{a}` needs {}", needs(a).join(" and "))).collect();
                    let more = all.len().saturating_sub(20);
                    let rest = if more > 0 { format!("\n- and {more} more") } else { String::new() };
                    problem.detail(format!("None of these {} could be the first to be made:\n{}{rest}", all.len(), lines.join("\n")))
                }
            };
            let source = self.edge_inside(first, &inside);
            self.problems.push(problem.source(source).hint("Take out one of these references or `depends_on` entries."));
        }
    }

    /// The place at which a resource refers to another of its cycle.
    fn edge_inside(&self, address: &Address, inside: &BTreeSet<&Address>) -> Option<Source> {
        let resource = self.template.resources.iter().find(|r| r.address == *address)?;
        let within = |a: &Address| matches!(self.declared.resolve(a), Match::Declared(found) if inside.contains(&found));
        if let Some(used) = link::uses(resource).iter().find(|u| link::is_here(self.template, &u.scope) && within(&u.address)) {
            return self.place(Some(resource), used, "part of the cycle");
        }
        let n = resource.depends_on.iter().position(within)?;
        self.template.origin.source(address, &PropertyPath::key("depends_on").item(n), "part of the cycle")
    }
}

fn label_for(code: &str) -> &'static str {
    match code {
        "template::unknown-output" => "no such output",
        "template::unknown-server" => "no such server",
        "template::ambiguous-reference" => "fits several resources",
        _ => "points nowhere",
    }
}

fn ambiguous(address: &Address, all: &[Address]) -> Diagnostic {
    let names: Vec<String> = all.iter().take(8).map(Address::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    error("template::ambiguous-reference", "A reference fits several resources")
        .detail(format!("`{address}` can mean {}.", listed(&names)))
        .hint("Write the whole type.")
}

fn several(used: &Use, deployments: &[DeploymentName]) -> Diagnostic {
    let names: Vec<&str> = deployments.iter().take(8).map(DeploymentName::as_str).collect();
    let problem = error("template::ambiguous-reference", "A reference fits several resources").detail(format!(
        "`{}` is recorded in the deployments {}.",
        used.address,
        listed(&names)
    ));
    match names.first() {
        Some(first) => problem.hint(format!("Say which one, such as `${{@{first}/{}.{}}}`.", used.address, used.path)),
        None => problem,
    }
}

/// The type that was probably meant: one that is near as a whole, or one of the same last segment.
fn near_type<'t>(kind: &ResourceType, table: &'t BTreeMap<ResourceType, TypeDef>) -> Option<&'t str> {
    let last = |k: &str| k.rsplit(':').next().unwrap_or_default().to_owned();
    let names = || table.keys().map(ResourceType::as_str);
    let under: Vec<&str> = names().filter(|k| table.get(*k).is_some_and(|d| d.kind.is_under(kind))).collect();
    if let [one] = under.as_slice() {
        return Some(one);
    }
    let same: Vec<&str> = names().filter(|k| last(k) == last(kind.as_str())).collect();
    if let [one] = same.as_slice() {
        return Some(one);
    }
    if under.is_empty() { nearest(kind.as_str(), names()) } else { None }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
