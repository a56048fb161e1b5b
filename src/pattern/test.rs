//! Runs the `tests:` of a pattern: parameters in, addresses and waves out, and every property checked against the servers' types.
//!
//! This is what `swell patterns test` shows; it calls no server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{Address, Existing, Reference, Resource, ServerName, TypeDef, graph::Graph, reference, reference::Scope},
    intent::{Provenance, Said},
    mcp::TypeTable,
    template::Template,
};

use super::{Available, Pattern, Setting, TestCase, bind, expand, schema};

/// How one test of a pattern ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestResult {
    /// The pattern.
    pub pattern: String,
    /// The test.
    pub name: String,
    /// Every way in which what came out is not what should have. Empty: passed.
    pub problems: Vec<String>,
    /// What came out, wave by wave.
    pub waves: Vec<Vec<String>>,
    /// What the review would tell.
    pub notes: Vec<String>,
}

impl TestResult {
    /// Whether nothing was wrong.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Runs every test of a pattern. A server without an entry in `types` is taken to have every type, and its properties are not checked.
pub fn run_tests(pattern: &Pattern, types: &BTreeMap<ServerName, Arc<TypeTable>>) -> Vec<TestResult> {
    pattern.tests.iter().map(|case| run(pattern, case, types)).collect()
}

fn run(pattern: &Pattern, case: &TestCase, types: &BTreeMap<ServerName, Arc<TypeTable>>) -> TestResult {
    let mut result = TestResult {
        pattern: pattern.name.to_string(),
        name: case.name.clone(),
        problems: Vec::new(),
        waves: Vec::new(),
        notes: Vec::new(),
    };
    let available = available(pattern, case, types).with_existing(case.existing.iter().cloned()).without(case.cannot.iter().cloned());
    let deployment = match case.deployment.as_deref().map(str::parse).transpose() {
        Ok(deployment) => deployment,
        Err(error) => {
            result.problems.push(format!("{error}"));
            return result;
        }
    };
    let said = |value: &Value| Said { value: value.clone(), provenance: Provenance::Given };
    let given = case.parameters.iter().map(|(name, value)| (name.clone(), said(value))).collect();
    let setting = Setting { available: available.clone(), deployment };
    let bound = match (bind(pattern, given, &setting), case.refuses.is_empty()) {
        (Ok(bound), true) => bound,
        (Ok(_), false) => {
            result.problems.push("the parameters should have been refused".into());
            return result;
        }
        (Err(wrong), expected_to_bind) => {
            let said: Vec<String> = wrong.diagnostics.iter().map(|d| d.detail.clone()).collect();
            if expected_to_bind {
                result.problems.extend(said);
            } else {
                let missed = case.refuses.iter().filter(|text| !said.iter().any(|s| s.contains(*text)));
                result.problems.extend(missed.map(|text| format!("the refusal does not say `{text}`; it says: {}", said.join(" "))));
            }
            return result;
        }
    };
    let expansion = match expand(pattern, &bound, &available) {
        Ok(expansion) => expansion,
        Err(problems) => {
            let place = |d: &crate::diagnostic::Diagnostic| d.source.as_ref().map_or(0, |s| s.line);
            result.problems.extend(problems.iter().map(|d| format!("line {}: {}", place(d), d.detail)));
            return result;
        }
    };
    match waves(&expansion.template) {
        Ok(waves) => result.waves = waves,
        Err(cycle) => result.problems.push(cycle),
    }
    compare(case, &expansion.template, &mut result);
    for text in case.notes.iter().filter(|text| !expansion.notes.iter().any(|n| n.contains(*text))) {
        result.problems.push(format!("no note says `{text}`"));
    }
    for resource in &expansion.template.resources {
        check(resource, &expansion.template, types, &mut result.problems);
        let asked = resource.properties.keys().map(|name| format!("{}:{}.{name}", resource.address.server, resource.address.kind));
        result.problems.extend(asked.filter(|p| case.cannot.contains(p)).map(|p| format!("{} asks for `{p}`", resource.address)));
    }
    check_outputs(&expansion.template, types, &mut result.problems);
    result.notes = expansion.notes;
    result
}

/// The servers of a test, with their types where those are known.
fn available(pattern: &Pattern, case: &TestCase, types: &BTreeMap<ServerName, Arc<TypeTable>>) -> Available {
    let names: BTreeSet<&ServerName> = match &case.servers {
        Some(names) => names.iter().collect(),
        None => pattern.servers(),
    };
    let known: BTreeMap<_, _> = types.iter().filter(|(n, _)| names.contains(n)).map(|(n, t)| (n.clone(), t.clone())).collect();
    let mut available = Available::from_types(&known);
    for name in names {
        available.servers.entry(name.clone()).or_insert(None);
    }
    available
}

/// The waves in which a template's resources are made, each sorted; or the members of a cycle.
pub fn waves(template: &Template) -> Result<Vec<Vec<String>>, String> {
    let mut graph = Graph::default();
    template.resources.iter().for_each(|r| graph.add(r.address.clone()));
    for resource in &template.resources {
        let named = references(resource).into_iter().filter_map(|r| target(&r, template));
        for first in named.chain(resource.depends_on.iter().cloned()) {
            graph.edge(&first, &resource.address);
        }
    }
    let Some(waves) = graph.waves() else {
        let cycles: Vec<String> =
            graph.cycles().iter().map(|c| c.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ")).collect();
        return Err(format!("a cycle: {}", cycles.join("; ")));
    };
    let sorted = |wave: Vec<Address>| {
        let mut wave: Vec<String> = wave.iter().map(ToString::to_string).collect();
        wave.sort();
        wave
    };
    Ok(waves.into_iter().filter(|w| !w.is_empty()).map(sorted).collect())
}

fn references(resource: &Resource) -> Vec<Reference> {
    let properties = Value::Object(resource.properties.clone());
    reference::references(&properties).into_iter().map(|(_, r)| r).collect()
}

/// The resource of the template that a reference means. Its type may be shortened to its leading segments.
fn target(reference: &Reference, template: &Template) -> Option<Address> {
    let Reference::Output { scope: Scope::Here, address, .. } = reference else { return None };
    let same = |a: &Address| a.server == address.server && a.name == address.name && a.kind.is_under(&address.kind);
    template.resources.iter().map(|r| &r.address).find(|a| same(a)).cloned()
}

fn compare(case: &TestCase, template: &Template, result: &mut TestResult) {
    let addresses: BTreeSet<String> = template.resources.iter().map(|r| r.address.to_string()).collect();
    if let Some(expected) = &case.waves {
        let count = expected.len().max(result.waves.len());
        for n in 0..count {
            let want: BTreeSet<String> = expected.get(n).into_iter().flatten().cloned().collect();
            let have: BTreeSet<String> = result.waves.get(n).into_iter().flatten().cloned().collect();
            result.problems.extend(want.difference(&have).map(|a| format!("wave {} lacks {a}", n + 1)));
            result.problems.extend(have.difference(&want).map(|a| format!("wave {} has {a}, which was not expected", n + 1)));
        }
    }
    if let Some(count) = case.resources
        && count != template.resources.len() as u64
    {
        result.problems.push(format!("{} resources were made, not {count}", template.resources.len()));
    }
    result.problems.extend(case.contains.iter().filter(|a| !addresses.contains(*a)).map(|a| format!("{a} was not made")));
    result.problems.extend(case.lacks.iter().filter(|a| addresses.contains(*a)).map(|a| format!("{a} was made")));
    for (place, expected) in &case.properties {
        let (address, path) = place.split_once('.').unwrap_or((place, ""));
        let resource = template.resources.iter().find(|r| r.address.to_string() == address);
        let path: Result<crate::domain::PropertyPath, _> = path.parse();
        let found = match (resource, path) {
            (Some(r), Ok(path)) => path.get(&Value::Object(r.properties.clone())).cloned(),
            _ => None,
        };
        if found.as_ref() != Some(expected) {
            let found = found.map_or("nothing".to_owned(), |f| f.to_string());
            result.problems.push(format!("{place} is {found}, not {expected}"));
        }
    }
}

/// A resource against its type: properties by the schema, references by what their targets give.
fn check(resource: &Resource, template: &Template, types: &BTreeMap<ServerName, Arc<TypeTable>>, problems: &mut Vec<String>) {
    let address = &resource.address;
    let properties = Value::Object(resource.properties.clone());
    reference::walk(&properties, &Default::default(), &mut |path, text| {
        if let Err(error) = reference::parse(text) {
            problems.push(format!("{address}.{path}: {}", error.reason));
        }
    });
    for dependency in &resource.depends_on {
        if !template.resources.iter().any(|r| r.address == *dependency) {
            problems.push(format!("{address} depends on {dependency}, which is not made"));
        }
    }
    for reference in references(resource) {
        check_reference(&address.to_string(), &reference, template, types, problems);
    }
    let Some(table) = types.get(&address.server) else { return };
    let Some(kind) = table.get(&address.kind) else {
        return problems.push(format!("{address}: `{}` has no type `{}`", address.server, address.kind));
    };
    // A resource that is only looked up need not be complete.
    if resource.existing == Existing::Managed {
        match check_properties(kind, &properties) {
            Ok(found) => problems.extend(found.into_iter().map(|why| format!("{address}{why}"))),
            Err(why) => problems.push(format!("{address}: the server's schema cannot be used: {why}")),
        }
    }
}

/// What is wrong with properties by their type's schema. A value that is (or holds) a reference is not known yet and fits anything.
pub fn check_properties(kind: &TypeDef, properties: &Value) -> Result<Vec<String>, String> {
    let validator = schema::compile(&kind.properties)?;
    let is_open = |pointer: &str| properties.pointer(pointer).and_then(Value::as_str).is_some_and(|text| text.contains("${"));
    let found = schema::problems(&validator, properties).into_iter().filter(|(at, _)| !is_open(at));
    let mut found: Vec<String> = found.map(|(at, why)| format!("{}: {why}", at.replace('/', "."))).collect();
    // A schema that is silent about other properties is no leave to invent some.
    let closed = kind.properties.get("additionalProperties") == Some(&Value::Bool(false));
    let known = kind.property_names();
    if let (Some(given), false, false) = (properties.as_object(), closed, known.is_empty()) {
        let unknown = given.keys().filter(|k| !known.contains(&k.as_str()));
        found.extend(unknown.map(|k| format!(".{k}: the type has no such property")));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn check_outputs(template: &Template, types: &BTreeMap<ServerName, Arc<TypeTable>>, problems: &mut Vec<String>) {
    for (name, value) in &template.outputs {
        for (_, reference) in reference::references(value) {
            check_reference(&format!("output {name}"), &reference, template, types, problems);
        }
    }
}

fn check_reference(
    at: &str,
    reference: &Reference,
    template: &Template,
    types: &BTreeMap<ServerName, Arc<TypeTable>>,
    problems: &mut Vec<String>,
) {
    match reference {
        Reference::Secret(_) => {}
        Reference::Variable(name) => problems.push(format!("{at}: `${{{name}}}` is a variable, and patterns have none")),
        // Another deployment's resources and those that exist are not there in a test.
        Reference::Output { scope: Scope::Deployment(_), .. } => {}
        Reference::Output { path, .. } => {
            let Some(address) = target(reference, template) else {
                return problems.push(format!("{at}: {reference} points to nothing that the pattern makes or declares as existing"));
            };
            let kind = types.get(&address.server).and_then(|t| t.get(&address.kind));
            if let (Some(kind), Some(head)) = (kind, path.head())
                && !kind.output_names().contains(&head)
            {
                problems.push(format!("{at}: {reference}: `{}` has no output or property `{head}`", kind.kind));
            }
        }
    }
}

#[cfg(test)]
#[path = "shipped_tests.rs"]
mod tests;
