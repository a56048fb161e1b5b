//! The one question that a frame asks, if it cannot be planned as it stands.

use super::catalog::Compiled;
use crate::intent::{AskReason, Frame, Question};

/// Asks for missing parameters, in one question.
pub(super) fn missing(frame: &mut Frame, c: Option<&Compiled>, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    let asks: Vec<String> = names
        .iter()
        .map(|n| {
            c.and_then(|c| c.param(n))
                .map(|p| p.spec.ask.clone())
                .filter(|a| !a.is_empty())
                .unwrap_or_else(|| if n == "params" { "What should change?".to_owned() } else { format!("What should `{n}` be?") })
        })
        .collect();
    let choices = match (names.as_slice(), c) {
        ([one], Some(c)) => c.param(one).map(enumeration).unwrap_or_default(),
        _ => Vec::new(),
    };
    frame.question = Some(Question { text: asks.join(" "), about: names.clone(), choices, reason: AskReason::MissingRequired });
    frame.missing = names;
}

fn enumeration(p: &super::catalog::Param) -> Vec<String> {
    p.spec
        .schema
        .get("enum")
        .and_then(|e| e.as_array())
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str())
        .filter(|v| *v != "none")
        .take(8)
        .map(str::to_owned)
        .collect()
}

/// Asks which deployment is meant.
pub(super) fn target(frame: &mut Frame, choices: Vec<String>, unknown: Option<&str>) {
    let text = match unknown {
        Some(name) => format!("There is no deployment called `{name}`. Which one do you mean?"),
        None => "Which deployment do you mean?".to_owned(),
    };
    frame.question = Some(Question { text, about: vec!["target".to_owned()], choices, reason: AskReason::AmbiguousTarget });
    frame.missing = vec!["target".to_owned()];
}

/// Says that a pattern has no such setting.
pub(super) fn unknown_setting(frame: &mut Frame, pattern: &str, setting: &str, choices: Vec<String>) {
    frame.question = Some(Question {
        text: format!("{pattern} has no `{setting}`. What should change instead?"),
        about: vec!["params".to_owned()],
        choices,
        reason: AskReason::InvalidValue,
    });
    frame.missing = vec!["params".to_owned()];
}

/// Says that two bounds exclude each other.
pub(super) fn conflict(frame: &mut Frame, low: (&str, i64), high: (&str, i64)) {
    frame.question = Some(Question {
        text: format!("{} is {} but {} is {}. Which should change?", low.0, low.1, high.0, high.1),
        about: vec![low.0.to_owned(), high.0.to_owned()],
        choices: Vec::new(),
        reason: AskReason::Conflict,
    });
}

/// Says that a value is not acceptable.
pub(super) fn invalid(frame: &mut Frame, name: &str, value: &str) {
    frame.question = Some(Question {
        text: format!("{name} cannot be {value}. What should it be?"),
        about: vec![name.to_owned()],
        choices: Vec::new(),
        reason: AskReason::InvalidValue,
    });
}
