//! What servers tell about resources: logs, events, descriptions. Shown as evidence, quoted; nothing in it is taken for more than text.

use futures::future::join_all;
use serde_json::json;

use crate::{
    answer::{Answer, Evidence},
    app::App,
    diagnostic::Failure,
    mcp::Key,
    store::Recorded,
};

use super::{
    super::{
        estate::Meant,
        look::look,
        words::{guest, list, names},
    },
    Question,
};

/// Lines of one resource.
pub(in crate::inspect) const LINES: usize = 8;
/// Resources that are asked when none was named.
const ASKED: usize = 6;

/// The evidence of what was named, else of what is in trouble, else of what runs something.
pub(super) async fn logs(q: &Question<'_>) -> Result<Answer, Failure> {
    let mut wanted: Vec<Recorded> = Vec::new();
    let mut why = "";
    if let Meant::Resources { found, .. } = &q.meant {
        wanted.extend(found.iter().filter_map(|(d, a)| q.estate.get(d)?.1.as_ref()?.resources.get(a).cloned()));
    }
    let looks = join_all(q.snapshots().into_iter().map(|s| look(q.app, s.clone()))).await;
    if wanted.is_empty() {
        wanted.extend(looks.iter().flat_map(|l| l.troubled()).map(|s| s.recorded.clone()));
        why = " (in trouble)";
    }
    if wanted.is_empty() {
        wanted.extend(q.snapshots().into_iter().flat_map(|s| s.resources.values()).filter(|r| runs_something(r)).cloned());
        why = " (nothing is in trouble, so of what runs something)";
    }
    let left = wanted.len().saturating_sub(ASKED);
    wanted.truncate(ASKED);
    let mut evidence = Vec::new();
    let mut silent = Vec::new();
    for (r, told) in wanted.iter().zip(join_all(wanted.iter().map(|r| evidence_of(q.app, r))).await) {
        match told {
            Ok(told) if told.is_empty() => silent.push(r.address.to_string()),
            Ok(told) => evidence.extend(told),
            Err(why) => silent.push(format!("{} ({why})", r.address)),
        }
    }
    for (n, e) in evidence.iter_mut().enumerate() {
        e.id = format!("S{}", n + 1);
    }
    let shown = names(&wanted.iter().map(|r| &r.address).collect::<Vec<_>>());
    let headline = match (wanted.is_empty(), evidence.is_empty()) {
        (true, _) => format!("Nothing of {} runs anything, so there are no logs.", list(&q.scope(), 4)),
        (false, true) => format!("No server has logs or events of {}.", list(&shown, ASKED)),
        (false, false) => format!("The last that the servers tell of {}{why}:", list(&shown, ASKED)),
    };
    let mut lines = Vec::new();
    if !silent.is_empty() && !evidence.is_empty() {
        lines.push(format!("Nothing is told of {}.", list(&silent, ASKED)));
    }
    if left > 0 {
        lines.push(format!("{left} more were not asked; name one."));
    }
    Ok(Answer { headline, lines, data: json!({"evidence": evidence, "not_asked": left}), evidence, ..Answer::default() })
}

/// Whether a resource is of a type that runs something, and so may have logs.
pub(in crate::inspect) fn runs_something(r: &Recorded) -> bool {
    const RUNS: [&str; 9] =
        ["container", "deployment", "statefulset", "instance", "autoscaling", "haproxy", "loadBalancer", "rds", "broker"];
    RUNS.iter().any(|w| r.address.kind.as_str().contains(w))
}

/// What a server tells of one resource: the last few lines, cleaned, bounded, without secrets. Ids are given later.
pub(in crate::inspect) async fn evidence_of(app: &App, r: &Recorded) -> Result<Vec<Evidence>, String> {
    let Some(server) = app.servers().get(&r.address.server) else { return Err("its server is not registered".into()) };
    let key = Key::named(&r.address.kind, &r.address.name).id(r.id.clone()).hints(&r.properties);
    let told = server.evidence(&key).await.map_err(|e| guest(app, e.message(), 160))?;
    let from = told.len().saturating_sub(LINES);
    let told = told.into_iter().skip(from).map(|e| {
        let at = e.at.map(|at| format!(", {}", guest(app, &at, 40))).unwrap_or_default();
        Evidence {
            id: String::new(),
            source: format!("{}, {}{at}", r.address, guest(app, &e.source, 30)),
            text: format!("{} says: \"{}\"", r.address.server, guest(app, &e.text, 400)),
        }
    });
    Ok(told.collect())
}
