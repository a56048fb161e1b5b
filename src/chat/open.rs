//! Questions about the plan that waits: what it would do, why a value is as it is, what it costs. They are answered from the plan
//! itself, and leave it as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    intent::{Facet, Frame, Intent, Target, World},
    plan::{ParameterNote, Shown},
    review::Review,
};

/// The answer, if the words ask about this plan and about nothing that exists.
pub(super) fn answer(review: &Review, frame: &Frame, world: &World, text: &str) -> Option<Answer> {
    let plan = &review.plan;
    let asks = matches!(frame.intent, Some(Intent::Query | Intent::Troubleshoot));
    if !asks || matches!(frame.facet, Some(Facet::Help | Facet::Servers)) {
        return None;
    }
    let name = plan.deployment.as_str();
    let exists = world.deployments.iter().any(|d| d.name == name);
    let elsewhere = match &frame.target {
        // A word that names nothing is a part of the question.
        Target::One(target) => target != name && world.deployments.iter().any(|d| d.name == *target),
        Target::Many(_) => true,
        Target::None => false,
    };
    let words: Vec<String> =
        text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect();
    let says = |all: &[&str]| words.iter().any(|w| all.contains(&w.as_str()));
    let points = says(&["plan", "this", "that", "these", "it"]);
    let log = matches!(frame.facet, Some(Facet::Logs | Facet::History | Facet::Status));
    if elsewhere || exists && !says(&["plan"]) || log && !points {
        return None;
    }
    let why = why(review, &words);
    let nothing_else = world.deployments.is_empty();
    let about = points || !why.is_empty() || nothing_else && says(&["why", "cost", "costs", "how", "which"]);
    if !about {
        return None;
    }
    let mut lines = Vec::new();
    let headline = match frame.facet {
        Some(Facet::Cost) => {
            lines.push(format!("Prices are in no server's answers. Plan {} is for: {}.", plan.short(), kinds(review)));
            "Swell does not know what anything costs.".to_owned()
        }
        _ if !why.is_empty() => {
            lines.extend(why.iter().skip(1).cloned());
            why[0].clone()
        }
        _ => {
            let c = &review.counts;
            lines.push(format!("It is for: {}.", kinds(review)));
            format!(
                "Plan {} for {name}: {} to add, {} to change, {} to replace, {} to destroy. It has done nothing yet.",
                plan.short(),
                c.add,
                c.change,
                c.replace,
                c.destroy
            )
        }
    };
    lines.push("The plan is still open: say what to change, `/apply` shows it again, `never mind` drops it.".to_owned());
    Some(Answer { headline, lines, data: json!({"plan": plan.short(), "deployment": name}), ..Answer::default() })
}

/// `3 aws:vpc:subnet, 1 aws:vpc:vpc`.
fn kinds(review: &Review) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for step in &review.plan.steps {
        *kinds.entry(format!("{}:{}", step.address.server, step.address.kind)).or_default() += 1;
    }
    kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

/// The parameters that the words name, each with its value and where that came from.
fn why(review: &Review, words: &[String]) -> Vec<String> {
    let named = |name: &str| {
        let spaced: String =
            name.chars().flat_map(|c| if c.is_uppercase() { vec![' ', c.to_ascii_lowercase()] } else { vec![c] }).collect();
        let parts: Vec<&str> = spaced.split([' ', '.', '_']).filter(|p| p.len() > 2 && !matches!(*p, "min" | "max" | "enabled")).collect();
        !parts.is_empty() && parts.iter().all(|p| words.iter().any(|w| w.trim_end_matches('s') == p.trim_end_matches('s')))
    };
    let known = |p: &&ParameterNote| p.value != Shown::Value(Value::Null) && named(&p.name);
    review
        .plan
        .parameters
        .iter()
        .filter(known)
        .map(|p| {
            let from = match p.from.as_str() {
                "said" => format!("you said \"{}\"", p.why),
                "default" => format!("nobody said, and the pattern takes it: {}", p.why),
                "assumed" => format!("{} assumed it", p.why),
                "generated" => "it is made up".to_owned(),
                "given" => "it was given".to_owned(),
                _ => p.why.clone(),
            };
            format!("{} is {}: {from}.", p.name, shown(&p.value))
        })
        .collect()
}

fn shown(value: &Shown) -> String {
    match value {
        Shown::Value(Value::String(text)) => text.clone(),
        Shown::Value(value) => value.to_string(),
        Shown::Secret => "a secret".to_owned(),
        _ => "not known yet".to_owned(),
    }
}
