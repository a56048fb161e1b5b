//! Changes to what is deployed: scale, set, destroy, roll back, fail over. Each becomes a wanted template, and takes the one road.

use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    app::App,
    diagnostic::Failure,
    domain::DeploymentName,
    flow::{self, Wanted},
    intent::{Frame, Provenance, Question, Said, Target, Verb},
    store::{RunKind, Snapshot},
};

use super::{Conversation, Meant, Next, Reply, anew, draft, say, target};

pub(super) async fn modify(app: &App, talk: &mut Conversation, frame: Frame, text: &str) -> Result<Next, Failure> {
    let request = text.to_owned();
    let parser = Some(frame.parser.clone());
    if frame.verb == Some(Verb::Failover) {
        let pattern = frame.pattern.clone().unwrap_or_else(|| "disaster-recovery".into());
        let params = with_domain(app, &pattern, &frame).await?;
        return draft(talk, flow::from_pattern(app, &pattern, params, None, request).await?, frame);
    }
    let snapshot = match target(app, talk, &frame).await? {
        Meant::One(snapshot) => *snapshot,
        Meant::Several(question) => {
            talk.pending = Some(Frame { target: Target::None, missing: question.about.clone(), question: Some(question.clone()), ..frame });
            return Ok(Next::Reply(Reply::Ask { question }));
        }
    };
    match frame.verb {
        Some(Verb::Destroy) => {
            let wanted = Wanted { parser, ..flow::nothing(&snapshot.deployment, request) };
            talk.pending = Some(frame);
            Ok(Next::Plan(Box::new(wanted)))
        }
        Some(Verb::Rollback) => {
            let number = frame.params.get("revision").and_then(|s| number(&s.value));
            let older = flow::older(app, &snapshot.deployment, number).await?;
            let kind = if number.is_some() { RunKind::Rollback } else { RunKind::Undo };
            let wanted = Wanted { parser, ..flow::from_snapshot(&older, kind, request) };
            talk.pending = Some(frame);
            Ok(Next::Plan(Box::new(wanted)))
        }
        Some(verb @ (Verb::Restart | Verb::Stop | Verb::Start | Verb::Backup | Verb::Restore)) => {
            anew::act(app, talk, frame, verb, &snapshot, request).await
        }
        _ => {
            let changed = match parameters(app, &snapshot, &frame) {
                Ok(changed) => changed,
                Err(question) => {
                    talk.pending = Some(frame);
                    return Ok(Next::Reply(Reply::Ask { question: *question }));
                }
            };
            if snapshot.recipe.pattern.is_none() {
                return edit_template(&snapshot, &changed, &frame, request);
            }
            draft(talk, flow::from_deployment(app, &snapshot, changed, request).await?, frame)
        }
    }
}

/// A failover of one known deployment switches that one's name, unless another was said.
async fn with_domain(app: &App, pattern: &str, frame: &Frame) -> Result<IndexMap<String, Said>, Failure> {
    let mut params = frame.params.clone();
    let takes = app.catalog().get(pattern)?.pattern.parameter("domain").is_some();
    let services: Vec<&str> =
        params.get("services").and_then(|s| s.value.as_array()).into_iter().flatten().filter_map(Value::as_str).collect();
    let named = match &frame.target {
        Target::One(name) => vec![name.as_str()],
        _ => services,
    };
    if let (true, false, [one]) = (takes, params.contains_key("domain"), named.as_slice())
        && let Ok(name) = one.parse::<DeploymentName>()
        && let Some(snapshot) = app.store().latest(&name).await?
        && let Some(domain) = snapshot.recipe.parameters.get("domain").filter(|d| d.is_string())
    {
        let what = format!("the domain of {name}");
        params.insert("domain".into(), Said { value: domain.clone(), provenance: Provenance::Context { what } });
    }
    Ok(params)
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|s| s.trim_start_matches('#').parse().ok()))
}

/// Maps what was said onto the pattern's parameters: "instances" is what the pattern scales by.
fn parameters(app: &App, snapshot: &Snapshot, frame: &Frame) -> Result<IndexMap<String, Said>, Box<Question>> {
    let mut changed = frame.params.clone();
    let pattern = snapshot.recipe.pattern.as_deref().and_then(|p| app.catalog().get(p).ok());
    if let (Some(entry), Some(count)) = (pattern, changed.shift_remove("instances")) {
        match entry.pattern.scale.as_slice() {
            [] => {
                changed.insert("instances".into(), count);
            }
            [one] => {
                changed.insert(one.clone(), count);
            }
            [low, high, ..] => {
                // "scale to 4" is a promise of at least four; the upper bound moves only when it has to.
                let bound = snapshot.recipe.parameters.get(high).and_then(Value::as_u64);
                if let Some(n) = count.value.as_u64()
                    && bound.is_some_and(|b| n > b)
                    && !changed.contains_key(high)
                {
                    let why = Provenance::Context { what: format!("{high} must not be below {low}") };
                    changed.insert(high.clone(), Said { value: count.value.clone(), provenance: why });
                }
                changed.insert(low.clone(), count);
            }
        }
    }
    if changed.is_empty() {
        return Err(Box::new(Question {
            text: format!("What should change on {}?", snapshot.deployment),
            about: vec!["params".into()],
            choices: snapshot.recipe.parameters.as_object().map(|p| p.keys().take(8).cloned().collect()).unwrap_or_default(),
            reason: crate::intent::AskReason::MissingRequired,
        }));
    }
    Ok(changed)
}

/// Properties by which things are counted, for deployments that came from a template file.
const COUNTS: [&str; 5] = ["replicas", "desiredCapacity", "minSize", "count", "instances"];

/// Changes a property of the last template: "scale the web tier to 4", "use image nginx:1.27".
fn edit_template(snapshot: &Snapshot, changed: &IndexMap<String, Said>, frame: &Frame, request: String) -> Result<Next, Failure> {
    let mut template = crate::desired::last_wanted(snapshot);
    let mut notes = Vec::new();
    for (name, said) in changed {
        let keys: Vec<&str> = if matches!(name.as_str(), "instances" | "replicas") { COUNTS.to_vec() } else { vec![name.as_str()] };
        let mut fits: Vec<_> = template.resources.iter_mut().filter(|r| keys.iter().any(|k| r.properties.contains_key(*k))).collect();
        if let Some(part) = &frame.part {
            let wanted: Vec<String> =
                part.to_lowercase().split_whitespace().filter(|w| !matches!(*w, "the" | "tier" | "layer")).map(str::to_owned).collect();
            let named = |r: &&mut crate::domain::Resource| wanted.iter().any(|w| r.address.to_string().to_lowercase().contains(w));
            if fits.iter().any(&named) {
                fits.retain(|r| wanted.iter().any(|w| r.address.to_string().to_lowercase().contains(w)));
            }
        }
        match fits.as_mut_slice() {
            [one] => {
                let key = keys.iter().find(|k| one.properties.contains_key(**k)).copied().unwrap_or(name);
                one.properties.insert(key.to_owned(), said.value.clone());
                notes.push(format!("{}: {key} is now {}", one.address, said.value));
            }
            [] => {
                return Ok(say(format!(
                    "{} was made from a template file, and no resource of it has a property `{name}`. Change the file and apply it again: swell apply -f FILE",
                    snapshot.deployment
                )));
            }
            several => {
                let names: Vec<String> = several.iter().map(|r| r.address.to_string()).collect();
                return Ok(Next::Reply(Reply::Ask {
                    question: Question {
                        text: format!("Which of these shall have {name} = {}?", said.value),
                        about: vec!["target".into()],
                        choices: names,
                        reason: crate::intent::AskReason::Ambiguous,
                    },
                }));
            }
        }
    }
    let mut wanted = flow::of_template(template, RunKind::Apply, request);
    wanted.notes = notes;
    wanted.parser = Some(frame.parser.clone());
    Ok(Next::Plan(Box::new(wanted)))
}
