//! The model's answer, checked and turned into a frame.
//!
//! Three layers: the schema that was sent, the rules between fields, and the values against the catalogue. Every problem
//! is collected, in words that help the model to repair its answer.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    ask::{Ask, OF_ACTIONS},
    evidence, line, value,
};
use crate::{
    domain::name::nearest,
    intent::{AskReason, CatalogEntry, CatalogParameter, Facet, Frame, Holds, Intent, Provenance, Question, Said, Target, Verb, scrub},
    llm::shown,
};

/// More problems than this help nobody.
const MAX_PROBLEMS: usize = 8;

/// An answer that cannot be used.
#[derive(Debug)]
pub(super) struct Unusable {
    /// For the model.
    pub(super) problems: Vec<String>,
    /// Parameters whose values were the trouble.
    pub(super) about: Vec<String>,
    /// What is sound, if only values were the trouble.
    pub(super) partial: Option<Box<Frame>>,
}

impl Unusable {
    pub(super) fn of(problem: String) -> Self {
        Self { problems: vec![problem], about: Vec::new(), partial: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Deploy,
    Modify,
    Query,
    Troubleshoot,
    Cancel,
    OutOfScope,
}

#[derive(Debug, Deserialize)]
struct Answer {
    kind: Kind,
    pattern: Option<String>,
    action: Option<Verb>,
    targets: Vec<String>,
    unlisted_target: Option<String>,
    part: Option<String>,
    params: Vec<Param>,
    question: Option<Asked>,
    facet: Option<Facet>,
    also: Option<String>,
    injection: bool,
    confidence: f64,
}

#[derive(Debug, Deserialize)]
struct Param {
    name: String,
    value: Value,
    from: String,
    words: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    text: String,
    about: Vec<String>,
    reason: AskReason,
}

/// Checks an answer and makes the frame.
pub(super) fn frame(answer: &Value, ask: &Ask<'_>, model: &str) -> Result<Frame, Unusable> {
    let broken = match jsonschema::validator_for(&ask.schema()) {
        Ok(schema) => schema
            .iter_errors(answer)
            .take(MAX_PROBLEMS)
            .map(|e| format!("at `{}`: {}", e.instance_path(), shown(&e.to_string(), 200)))
            .collect(),
        Err(e) => vec![e.to_string()],
    };
    if !broken.is_empty() {
        return Err(Unusable { problems: broken, about: Vec::new(), partial: None });
    }
    let answer: Answer = serde_json::from_value(answer.clone()).map_err(|e| Unusable::of(e.to_string()))?;
    Reading { ask, model, frame: Frame::default(), problems: Vec::new(), about: Vec::new() }.read(answer)
}

struct Reading<'a> {
    ask: &'a Ask<'a>,
    model: &'a str,
    frame: Frame,
    problems: Vec<String>,
    about: Vec<String>,
}

impl Reading<'_> {
    fn read(mut self, answer: Answer) -> Result<Frame, Unusable> {
        self.frame.injection = answer.injection;
        self.frame.confidence = answer.confidence.clamp(0.0, 0.97);
        self.frame.facet = answer.facet.filter(|_| matches!(answer.kind, Kind::Query | Kind::Troubleshoot));
        self.frame.part = answer.part.as_deref().map(line).filter(|p| !p.is_empty());
        self.frame.also = answer.also.as_deref().map(line).filter(|a| !a.is_empty());
        self.kind(&answer);
        if !self.problems.is_empty() {
            return Err(Unusable { problems: self.problems, about: Vec::new(), partial: None });
        }
        self.target(&answer);
        if self.plans() {
            let assumed_required = self.params(answer.params);
            self.contradictions();
            self.question(answer.question, &assumed_required);
        } else {
            self.question(answer.question, &[]);
        }
        if self.problems.is_empty() {
            return Ok(self.frame);
        }
        self.problems.truncate(MAX_PROBLEMS);
        Err(Unusable { problems: self.problems, about: self.about, partial: Some(Box::new(self.frame)) })
    }

    /// Whether the frame leads to a plan.
    fn plans(&self) -> bool {
        matches!(self.frame.intent, Some(Intent::Deploy | Intent::Modify))
    }

    fn kind(&mut self, answer: &Answer) {
        let (intent, verb) = match (answer.kind, answer.action) {
            (Kind::Deploy, None | Some(Verb::Deploy)) => (Some(Intent::Deploy), Some(Verb::Deploy)),
            (Kind::Deploy, Some(_)) => {
                return self.problems.push("the action of a deploy is `deploy`; a change to something that exists is a modify".to_owned());
            }
            (Kind::Modify, None | Some(Verb::Deploy | Verb::Cancel)) => {
                return self.problems.push("a modify needs an action other than `deploy`".to_owned());
            }
            (Kind::Modify, verb) => (Some(Intent::Modify), verb),
            (Kind::Query, _) => (Some(Intent::Query), None),
            (Kind::Troubleshoot, _) => (Some(Intent::Troubleshoot), None),
            (Kind::Cancel, _) => (None, Some(Verb::Cancel)),
            (Kind::OutOfScope, _) => (None, None),
        };
        self.frame.intent = intent;
        self.frame.verb = verb;
        self.frame.out_of_scope = answer.kind == Kind::OutOfScope;
        let runbook = |e: &&CatalogEntry| e.runbook;
        self.frame.pattern = match verb {
            Some(Verb::Deploy) => answer.pattern.clone(),
            Some(Verb::Failover) => match answer.pattern.as_deref() {
                Some(name) if self.ask.entry(Some(name)).is_some_and(|e| !e.runbook) => {
                    return self.problems.push(format!("a failover runs a runbook; `{name}` is none"));
                }
                Some(name) => Some(name.to_owned()),
                None => self.ask.catalogue.iter().find(runbook).map(|e| e.name.clone()),
            },
            _ => None,
        };
    }

    fn target(&mut self, answer: &Answer) {
        // What a deploy makes has no deployment yet, and nothing else is acted on.
        if self.frame.verb == Some(Verb::Deploy) || self.frame.out_of_scope {
            return;
        }
        let mut names = answer.targets.clone();
        names.dedup();
        for name in &names {
            if name != "all" && self.ask.deployment(name).is_none() {
                self.problems.push(format!(
                    "`{}` is no listed deployment; a name that is not listed belongs into `unlisted_target`",
                    shown(name, 60)
                ));
            }
        }
        let unlisted = answer
            .unlisted_target
            .as_deref()
            .map(line)
            .filter(|n| !n.is_empty() && self.ask.request.to_lowercase().contains(&n.to_lowercase()));
        self.frame.target = match (names.as_slice(), unlisted) {
            (all, _) if all.iter().any(|n| n == "all") => Target::One("all".to_owned()),
            ([], Some(name)) => {
                let near = nearest(&name, self.ask.deployments.iter().map(|d| d.name.as_str())).map(str::to_owned);
                self.ask_about(
                    format!("There is no deployment `{name}`. Which one is meant?"),
                    &["target"],
                    AskReason::AmbiguousTarget,
                    near.into_iter().collect(),
                );
                Target::One(name)
            }
            ([], None) => Target::None,
            ([one], _) => Target::One(one.clone()),
            (many, _) => Target::Many(many.to_vec()),
        };
    }

    fn targets(&self) -> Vec<String> {
        match &self.frame.target {
            Target::None => Vec::new(),
            Target::One(name) => vec![name.clone()],
            Target::Many(names) => names.clone(),
        }
    }

    /// The patterns whose parameters may be set.
    fn patterns(&self) -> Vec<&CatalogEntry> {
        if self.frame.pattern.is_some() {
            return self.ask.entry(self.frame.pattern.as_deref()).into_iter().collect();
        }
        let of = |name: &String| self.ask.deployment(name).and_then(|d| self.ask.entry(d.pattern.as_deref()));
        self.targets().iter().filter_map(of).collect()
    }

    fn specification(&self, name: &str) -> Result<Option<CatalogParameter>, String> {
        let patterns = self.patterns();
        if let Some(found) = patterns.iter().flat_map(|e| &e.parameters).find(|p| p.name == name) {
            return Ok(Some(found.clone()));
        }
        let modify = self.frame.intent == Some(Intent::Modify);
        if modify && OF_ACTIONS.contains(&name) {
            let (holds, schema) = match name {
                "instances" => (Holds::Count, serde_json::json!({"type": "integer", "minimum": 0})),
                _ => (Holds::Version, serde_json::json!({"type": "string"})),
            };
            return Ok(Some(CatalogParameter { name: name.to_owned(), holds, schema, ..CatalogParameter::default() }));
        }
        match patterns.as_slice() {
            // No pattern to check against: a template of the person's own, or a target still to be asked for.
            [] if modify => Ok(self.ask.catalogue.iter().flat_map(|e| &e.parameters).find(|p| p.name == name).cloned()),
            [] => Ok(None),
            [first, ..] => {
                let all: Vec<_> = first.parameters.iter().map(|p| p.name.as_str()).collect();
                Err(format!("`{name}` is no parameter of `{}`; it has {}", first.name, all.join(", ")))
            }
        }
    }

    /// Takes the values over. Gives the required parameters that only the model claims, with what it claims.
    fn params(&mut self, params: Vec<Param>) -> Vec<(String, Value)> {
        let mut assumed_required = Vec::new();
        let targets = self.targets();
        for param in params {
            if param.value.to_string().contains(scrub::HOLE) {
                self.frame.notes.push(format!("`{}` was not taken, since it is a secret.", param.name));
                continue;
            }
            let specification = match self.specification(&param.name) {
                Ok(Some(specification)) => specification,
                Ok(None) => continue,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let fitted = match value::fit(&param.value, &specification) {
                Ok(value) => value,
                Err(problem) => {
                    self.problems.push(problem);
                    self.about.push(param.name);
                    continue;
                }
            };
            let provenance = evidence::provenance(self.ask, &targets, &param.name, &fitted, &param.from, &param.words, self.model);
            let assumed = matches!(provenance, Provenance::Assumed { .. });
            if assumed {
                self.frame.confidence *= 0.9;
            }
            if assumed && specification.required && self.frame.intent == Some(Intent::Deploy) {
                assumed_required.push((param.name, fitted));
            } else {
                insert(&mut self.frame, &param.name, fitted, provenance);
            }
        }
        assumed_required
    }

    /// The smallest number above the largest.
    fn contradictions(&mut self) {
        let patterns = self.patterns();
        let named = |holds: Holds| patterns.iter().flat_map(|e| &e.parameters).find(|p| p.holds == holds).map(|p| p.name.clone());
        let number = |name: &String| self.frame.params.get(name).and_then(|said| said.value.as_f64());
        if let (Some(min), Some(max)) = (named(Holds::Min), named(Holds::Max))
            && let (Some(low), Some(high)) = (number(&min), number(&max))
            && low > high
        {
            self.ask_about(
                format!("{min} is {low} and {max} is {high}. What should they be?"),
                &[&min, &max],
                AskReason::Conflict,
                Vec::new(),
            );
        }
    }

    /// What is missing, and the one question that goes out: ours where there is one, else the model's.
    fn question(&mut self, asked: Option<Asked>, assumed_required: &[(String, Value)]) {
        let about_target = asked.as_ref().is_some_and(|q| q.reason == AskReason::AmbiguousTarget);
        if self.plans() {
            self.missing(about_target);
        }
        if about_target && !self.frame.missing.iter().any(|m| m == "target") && self.frame.target == Target::None {
            self.frame.missing.insert(0, "target".to_owned());
        }
        if self.frame.question.is_some() {
            return;
        }
        if let Some(asked) = asked {
            let text = line(&scrub::scrub(&asked.text).text);
            if !text.is_empty() {
                let about = asked.about.iter().take(5).map(|a| shown(a, 60)).collect();
                let choices = if about_target { self.deployment_names() } else { Vec::new() };
                self.frame.question = Some(Question { text, about, choices, reason: asked.reason });
                return;
            }
        }
        let missing = self.frame.missing.clone();
        if missing.is_empty() {
            return;
        }
        let pattern = self.frame.pattern.clone().or_else(|| self.patterns().first().map(|e| e.name.clone()));
        let text = missing.iter().map(|name| self.ask.ask_for(pattern.as_deref(), name)).collect::<Vec<_>>().join(" ");
        let (reason, choices) = match missing.as_slice() {
            [one] if one == "target" => (AskReason::AmbiguousTarget, self.deployment_names()),
            // What the model assumed is a suggestion, and a person may take it.
            [one] => (AskReason::MissingRequired, assumed_required.iter().filter(|(name, _)| name == one).map(|(_, v)| plain(v)).collect()),
            _ => (AskReason::MissingRequired, Vec::new()),
        };
        self.frame.question = Some(Question { text, about: missing, choices, reason });
    }

    fn missing(&mut self, target_is_asked: bool) {
        let runs_pattern = matches!(self.frame.verb, Some(Verb::Deploy | Verb::Failover));
        if runs_pattern {
            let entry = self.ask.entry(self.frame.pattern.as_deref());
            for parameter in entry.into_iter().flat_map(|e| &e.parameters).filter(|p| p.required) {
                if !self.frame.params.contains_key(&parameter.name) && !self.place(parameter) {
                    self.frame.missing.push(parameter.name.clone());
                }
            }
            return;
        }
        if self.frame.target == Target::None {
            self.frame.missing.push("target".to_owned());
        }
        let wanted = match self.frame.verb {
            _ if !self.frame.params.is_empty() || target_is_asked || self.frame.target == Target::None => None,
            Some(Verb::Scale) => Some(self.countable()),
            Some(Verb::Update) => Some("params".to_owned()),
            Some(Verb::Upgrade) => Some("version".to_owned()),
            _ => None,
        };
        self.frame.missing.extend(wanted);
    }

    /// A source region that every service of a failover shares need not be said.
    fn place(&mut self, parameter: &CatalogParameter) -> bool {
        if parameter.holds != Holds::Region || !parameter.name.to_lowercase().contains("source") {
            return false;
        }
        let services = self.frame.params.get("services").and_then(|s| s.value.as_array().cloned()).unwrap_or_default();
        let mut names: Vec<String> = services.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        names.extend(self.targets());
        let all = names.is_empty() || names.iter().any(|n| n == "all");
        let mut regions: Vec<&str> =
            self.ask.deployments.iter().filter(|d| all || names.contains(&d.name)).filter_map(|d| d.region.as_deref()).collect();
        regions.sort_unstable();
        regions.dedup();
        let [region] = regions.as_slice() else { return false };
        let what = if all { "every deployment is there".to_owned() } else { names.join(", ") };
        insert(&mut self.frame, &parameter.name, Value::from(*region), Provenance::Context { what });
        true
    }

    /// What "scale" counts in the target's pattern.
    fn countable(&self) -> String {
        let parameters = || self.patterns().into_iter().flat_map(|e| &e.parameters);
        match parameters().find(|p| p.holds == Holds::Count) {
            Some(p) if !parameters().any(|p| p.holds == Holds::Min) => p.name.clone(),
            _ => "instances".to_owned(),
        }
    }

    fn deployment_names(&self) -> Vec<String> {
        self.ask.deployments.iter().take(8).map(|d| d.name.clone()).collect()
    }

    fn ask_about(&mut self, text: String, about: &[&str], reason: AskReason, choices: Vec<String>) {
        let about: Vec<String> = about.iter().map(|a| (*a).to_owned()).collect();
        if reason == AskReason::AmbiguousTarget {
            self.frame.missing.extend(about.clone());
        }
        self.frame.question = Some(Question { text, about, choices, reason });
    }
}

/// Puts a value under its name; `backup.schedule` goes into the object `backup`.
fn insert(frame: &mut Frame, name: &str, value: Value, provenance: Provenance) {
    let Some((outer, inner)) = name.split_once('.') else {
        frame.params.insert(name.to_owned(), Said { value, provenance });
        return;
    };
    // What was said is not mixed with what was only assumed: the whole has one provenance.
    let assumed = |p: &Provenance| matches!(p, Provenance::Assumed { .. });
    let said = frame.params.entry(outer.to_owned()).or_insert_with(|| Said { value: Value::Null, provenance: provenance.clone() });
    if assumed(&provenance) && !assumed(&said.provenance) {
        return;
    }
    if !said.value.is_object() || assumed(&said.provenance) && !assumed(&provenance) {
        said.value = Value::Object(Map::new());
    }
    said.value[inner] = value;
    said.provenance = match (&said.provenance, provenance) {
        (Provenance::Said { words: a }, Provenance::Said { words: b }) if *a != b => Provenance::Said { words: format!("{a} … {b}") },
        (_, new) => new,
    };
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
