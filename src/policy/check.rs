//! Holds the steps of a plan against one policy.

use minijinja::{Environment, Value, value::Serde};
use serde_json::json;

use super::{
    LITERAL,
    file::{Level, Policy, Rule},
    words,
};
use crate::{
    domain::{Action, Address, Properties},
    plan::{Plan, PolicyResult, Step, Verdict},
    store::Recorded,
};

/// How many findings of one policy are named.
const NAMED: usize = 20;

/// One step as the rules see it.
pub(super) struct Seen {
    address: String,
    what: String,
    action: Action,
    values: serde_json::Map<String, serde_json::Value>,
}

/// The steps of a plan; the two of a replace are one.
pub(super) fn steps(plan: &Plan) -> Vec<Seen> {
    let replacing = |s: &Step| s.action == Action::Create && s.replace.is_some();
    let half = |s: &&Step| {
        !(s.action == Action::Delete && s.replace.is_some() && plan.steps.iter().any(|o| o.address == s.address && replacing(o)))
    };
    let other = |s: &Step| plan.steps.iter().find(|o| o.address == s.address && o.action == Action::Delete && o.replace.is_some());
    plan.steps
        .iter()
        .filter(half)
        .map(|step| {
            let delete = if replacing(step) { other(step) } else { None };
            let before = step.before.as_ref().or(delete.and_then(|d| d.before.as_ref()));
            let action = if replacing(step) { Action::Replace } else { step.action };
            let loses = step.loses_data || delete.is_some_and(|d| d.loses_data);
            let changed: Vec<&str> = step.changes.iter().filter_map(|c| c.path.head()).collect();
            see(&step.address, action, step.intended.as_ref(), before, &changed, loses)
        })
        .collect()
}

fn see(address: &Address, action: Action, wanted: Option<&Recorded>, before: Option<&Recorded>, changed: &[&str], loses: bool) -> Seen {
    let was = before.map(|r| hide(&r.properties, &r.sensitive)).unwrap_or_default();
    let wants = wanted.map(|r| {
        let mut all = r.desired.clone();
        all.extend(r.sent.clone());
        hide(&all, &r.sensitive)
    });
    let holds = [wanted, before].into_iter().flatten().any(|r| r.holds_data);
    let wants = wants.unwrap_or_else(|| was.clone());
    let values = [
        ("address", json!(address)),
        ("server", json!(address.server)),
        ("type", json!(address.kind)),
        ("name", json!(address.name)),
        ("action", json!(action)),
        ("properties", json!(wants)),
        ("before", json!(was)),
        ("changed", json!(changed)),
        ("holds_data", json!(holds)),
        ("loses_data", json!(loses)),
    ];
    let values = values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    Seen { address: address.to_string(), what: format!("{}:{}", address.server, address.kind), action, values }
}

/// Puts [`LITERAL`] in the place of each literal of a sensitive property; references stay.
fn hide(properties: &Properties, sensitive: &[String]) -> Properties {
    fn inner(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::String(s) if s.contains("${") || s.is_empty() => value.clone(),
            serde_json::Value::String(_) | serde_json::Value::Number(_) => json!(LITERAL),
            serde_json::Value::Array(items) => items.iter().map(inner).collect(),
            serde_json::Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), inner(v))).collect(),
            _ => value.clone(),
        }
    }
    properties.iter().map(|(k, v)| (k.clone(), if sensitive.contains(k) { inner(v) } else { v.clone() })).collect()
}

/// Holds all steps against one policy.
pub(super) fn policy(policy: &Policy, plan: &Plan, steps: &[Seen]) -> PolicyResult {
    let counts = plan.counts();
    let about = json!({
        "deployment": plan.deployment,
        "kind": plan.kind,
        "base": plan.base,
        "add": counts.add,
        "change": counts.change,
        "replace": counts.replace,
        "destroy": counts.destroy,
    });
    hold(policy, &about, steps)
}

fn hold(policy: &Policy, about: &serde_json::Value, steps: &[Seen]) -> PolicyResult {
    let env = words::environment();
    let mut verdict = Verdict::Pass;
    let mut findings: Vec<String> = Vec::new();
    let mut add = |level: Level, text: String| {
        if level != Level::Off && !findings.contains(&text) {
            verdict = verdict.max(level.verdict());
            findings.push(text);
        }
    };
    for seen in steps {
        for rule in policy.rules.iter().filter(|r| r.on.contains(&seen.action) && r.types.iter().any(|t| glob(t, &seen.what))) {
            let level = rule.level.unwrap_or(policy.level);
            match apply(&env, rule, seen, about) {
                Ok(texts) => texts.into_iter().for_each(|t| add(level, t)),
                Err(why) => add(level, format!("the policy {} cannot be held against {}: {why}", policy.name, seen.address)),
            }
        }
    }
    if findings.len() > NAMED {
        let more = findings.len() - NAMED;
        findings.truncate(NAMED);
        findings.push(format!("and {more} more of {}", policy.name));
    }
    PolicyResult { policy: policy.name.clone(), verdict, findings }
}

/// What one rule finds in one step.
fn apply(env: &Environment, rule: &Rule, seen: &Seen, about: &serde_json::Value) -> Result<Vec<String>, String> {
    let short = |e: minijinja::Error| e.to_string().lines().next().unwrap_or_default().to_owned();
    let mut values = seen.values.clone();
    values.insert("plan".into(), about.clone());
    let base = Value::from(Serde(&values));
    let items: Vec<Value> = match &rule.each {
        None => vec![Value::UNDEFINED],
        Some(each) => {
            let list = env.compile_expression(each).and_then(|e| e.eval(base.clone())).map_err(short)?;
            // Text that stands for a list that is not known yet has no items.
            if list.is_undefined() || list.is_none() || list.as_str().is_some() {
                Vec::new()
            } else {
                list.try_iter().map_err(short)?.collect()
            }
        }
    };
    let when = env.compile_expression(&rule.when).map_err(short)?;
    let mut found = Vec::new();
    for item in items {
        let context = minijinja::context! { item => item, ..base.clone() };
        if when.eval(context.clone()).map_err(short)?.is_true() {
            let text = env.render_named_str("message", &rule.message, context).map_err(short)?;
            found.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    Ok(found)
}

/// Whether a rule's expressions can be read; if not, which one and why.
pub(super) fn compiles(rule: &Rule) -> Result<(), (&str, String)> {
    let env = words::environment();
    let why = |e: minijinja::Error| e.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    for text in rule.each.iter().chain([&rule.when]) {
        env.compile_expression(text).map_err(|e| (text.as_str(), why(e)))?;
    }
    env.template_from_str(&rule.message).map(drop).map_err(|e| (rule.message.as_str(), why(e)))
}

/// Whether a text fits a glob; `*` stands for any text.
fn glob(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
    }
    last.map_or(rest.is_empty(), |part| rest.ends_with(part))
}

/// Runs a policy's own cases.
pub(super) fn cases(policy: &Policy) -> Vec<String> {
    let mut wrong = Vec::new();
    for (n, case) in policy.tests.iter().enumerate() {
        let address: Address = match case.address.parse() {
            Ok(address) => address,
            Err(e) => {
                wrong.push(format!("{} case {}: {e}", policy.name, n + 1));
                continue;
            }
        };
        let record = |properties: &Properties| Recorded {
            address: address.clone(),
            id: String::new(),
            desired: properties.clone(),
            sent: Properties::new(),
            properties: properties.clone(),
            outputs: Properties::new(),
            depends_on: Vec::new(),
            lifecycle: crate::domain::Lifecycle::default(),
            wait: None,
            target: String::new(),
            sensitive: case.sensitive.clone(),
            holds_data: case.holds_data,
            created_by: None,
        };
        let gone = case.action == Action::Delete;
        let was = record(if gone { &case.properties } else { &case.before });
        let wanted = record(&case.properties);
        let loses = case.holds_data && matches!(case.action, Action::Delete | Action::Replace);
        let seen = see(&address, case.action, (!gone).then_some(&wanted), Some(&was), &[], loses);
        let result = hold(policy, &json!({}), &[seen]);
        let said = case.finding.as_ref().is_none_or(|f| result.findings == [f.clone()]);
        if result.verdict != case.expect || !said {
            wrong.push(format!("{} case {} ({}): {:?} {:?}", policy.name, n + 1, case.address, result.verdict, result.findings));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("*", "docker:container:run", true),
            ("docker:*", "docker:container:run", true),
            ("*:firewall:rule", "opnsense:firewall:rule", true),
            ("*:firewall:rule", "opnsense:firewall:rules", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*a", "a", false),
            ("docker:network", "docker:network", true),
            ("docker:network", "docker:networks", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
