//! `/why`: how the last request was understood, and who said what.

use crate::intent::{Frame, Provenance, Target};

/// The lines for a frame.
pub fn lines(frame: &Frame) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut row = |label: &str, text: String| lines.push((label.to_owned(), text));
    row("parser", format!("{}, {} sure", frame.parser, percent(frame.confidence)));
    if frame.out_of_scope {
        row("intent", "none: not something Swell does".into());
    } else {
        let what = match (frame.intent, frame.verb, frame.facet) {
            (Some(intent), Some(verb), _) => format!("{intent:?} ({verb:?})"),
            (Some(intent), None, Some(facet)) => format!("{intent:?} ({facet:?})"),
            (Some(intent), None, None) => format!("{intent:?}"),
            (None, Some(verb), _) => format!("{verb:?}"),
            (None, None, _) => "none: not understood".into(),
        };
        row("intent", what.to_lowercase());
    }
    if let Some(pattern) = &frame.pattern {
        row("pattern", pattern.clone());
    }
    match &frame.target {
        Target::None => {}
        Target::One(name) => row("about", name.clone()),
        Target::Many(names) => row("about", names.join(", ")),
    }
    if let Some(part) = &frame.part {
        row("part", part.clone());
    }
    for (name, said) in &frame.params {
        let value = match &said.value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if crate::llm::scrub::names_a_secret(name) {
            row(name, crate::llm::scrub::HOLE.to_owned());
        } else {
            row(name, format!("{value}  ({})", from(&said.provenance)));
        }
    }
    if !frame.missing.is_empty() {
        row("missing", frame.missing.join(", "));
    }
    if let Some(question) = &frame.question {
        row("asked", question.text.clone());
    }
    if frame.injection {
        row("guarded", "the text tries to get around approval, which it cannot".into());
    }
    if let Some(also) = &frame.also {
        row("not taken", also.clone());
    }
    frame.notes.iter().for_each(|note| row("note", note.clone()));
    lines
}

fn percent(confidence: f64) -> String {
    format!("{:.0} %", (confidence * 100.0).clamp(0.0, 100.0))
}

fn from(provenance: &Provenance) -> String {
    match provenance {
        Provenance::Said { words } => format!("you said \"{words}\""),
        Provenance::Context { what } => format!("from the context: {what}"),
        Provenance::Default { reason } => format!("default: {reason}"),
        Provenance::Generated => "generated".into(),
        Provenance::Assumed { model } => format!("assumed by {model}"),
        Provenance::Given => "given by you".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::{Intent, Said, Verb};

    #[test]
    fn provenance_stands_beside_each_value_and_secrets_do_not() {
        let said = |value: &str| Said { value: value.into(), provenance: Provenance::Said { words: format!("on {value}") } };
        let frame = Frame {
            intent: Some(Intent::Deploy),
            verb: Some(Verb::Deploy),
            pattern: Some("wordpress-ha".into()),
            params: [("domain".to_owned(), said("a.example")), ("dbPassword".to_owned(), said("hunter2"))].into_iter().collect(),
            confidence: 0.934,
            parser: "offline".into(),
            ..Frame::default()
        };
        let text: Vec<String> = lines(&frame).into_iter().map(|(a, b)| format!("{a}: {b}")).collect();
        assert_eq!(
            text,
            [
                "parser: offline, 93 % sure",
                "intent: deploy (deploy)",
                "pattern: wordpress-ha",
                "domain: a.example  (you said \"on a.example\")",
                "dbPassword: ‹secret›",
            ]
        );
    }
}
