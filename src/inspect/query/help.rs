//! What Swell can do: patterns, the parameters of one, what can be asked; and which servers are registered.

use serde_json::json;

use crate::{answer::Answer, app::App, pattern::describe::describe};

use super::super::words::{count, list, rows, says};

/// One pattern if it is named, else all, and what can be asked.
pub(super) fn help(app: &App, words: &[String]) -> Answer {
    let named = |name: &str| words.iter().any(|w| w == name) || says(words, &name.replace('-', " "));
    let mut fits: Vec<_> = app.catalog().iter().filter(|e| named(e.pattern.name.as_str())).collect();
    if fits.is_empty() {
        fits = app.catalog().iter().filter(|e| e.pattern.words.iter().any(|w| says(words, w))).collect();
    }
    if let [one] = fits.as_slice() {
        return pattern(&describe(&one.pattern));
    }
    let cells = |runbook: bool| -> Vec<Vec<String>> {
        let all = app.catalog().iter().filter(|e| e.pattern.runbook == runbook);
        all.map(|e| vec![e.pattern.name.to_string(), e.pattern.title.clone()]).collect()
    };
    let (patterns, runbooks) = (cells(false), cells(true));
    let headline = format!(
        "Swell deploys {} and runs {}; any resource of a registered server can also be written into a template.",
        count(patterns.len(), "pattern", "patterns"),
        count(runbooks.len(), "runbook", "runbooks")
    );
    let data = json!({"patterns": patterns, "runbooks": runbooks});
    let mut lines = rows(&patterns);
    lines.extend(rows(&runbooks));
    lines.extend(
        [
            "Make:   deploy WordPress with HA on blog.example.org",
            "Change: scale the web tier of blog to 4 · roll back blog · destroy blog",
            "Ask:    what is running? · which domain does blog use? · what changed? · show the logs of blog-db-1",
            "Mend:   why is blog down? · has anything drifted?",
            "The parameters of a pattern: swell patterns show NAME",
        ]
        .map(str::to_owned),
    );
    Answer { headline, lines, data, ..Answer::default() }
}

fn pattern(d: &crate::pattern::Description) -> Answer {
    let cells: Vec<Vec<String>> = d
        .parameters
        .iter()
        .map(|p| {
            let default = match (&p.default, p.required, p.generate.is_some()) {
                (_, true, _) => "required".to_owned(),
                (_, _, true) => "generated".to_owned(),
                (Some(v), ..) => crate::ui::value::inline(v),
                (None, ..) => String::new(),
            };
            vec![p.name.clone(), p.takes.clone(), default]
        })
        .collect();
    let mut lines = vec!["parameters, what each takes, and its default:".to_owned()];
    lines.extend(rows(&cells));
    lines.extend(d.examples.first().map(|e| format!("Say, for example: {e}")));
    lines.push(format!("All about it: swell patterns show {}", d.name));
    Answer { headline: format!("{}: {}.", d.name, d.title), lines, data: json!({"pattern": d}), ..Answer::default() }
}

/// The registered servers, each asked how it is.
pub(super) async fn servers(app: &App) -> Answer {
    let all = super::super::servers(app).await;
    let bad: Vec<&String> = all.iter().filter(|r| r.health != "healthy").map(|r| &r.name).collect();
    let headline = match (all.len(), bad.len()) {
        (0, _) => "No server is registered.".to_owned(),
        (n, 0) => format!("{} registered, and all are well.", count(n, "server is", "servers are")),
        (n, _) => format!("{} registered; {} not well.", count(n, "server is", "servers are"), list(&bad, 6)),
    };
    let cells: Vec<Vec<String>> = all
        .iter()
        .map(|r| vec![r.name.clone(), r.health.clone(), r.reached_by.clone(), count(r.tools, "tool", "tools"), r.message.clone()])
        .collect();
    let mut lines = rows(&cells);
    lines.extend(bad.iter().map(|n| format!("What is wrong: swell servers doctor {n}")));
    Answer { headline, lines, data: json!({"servers": all}), ..Answer::default() }
}
