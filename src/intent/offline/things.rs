//! The thing that a fault is about when no deployment is: "pod report-x", "service nginx", "the checkout api".

use super::reading::Reading;
use super::text::{Kind, phrase_key, slug};

/// The thing that a request without a matching deployment is about: an identifier, the word after its kind, or the subject of the fault.
pub(super) fn named_thing(r: &Reading<'_>) -> Option<String> {
    let open = |i: usize| r.tokens.get(i).is_some_and(|t| t.kind == Kind::Word && !r.shut[i]);
    let kinds = [
        "pod",
        "container",
        "service",
        "job",
        "lambda",
        "deployment",
        "function",
        "app",
        "application",
        "node",
        "server",
        "vm",
        "host",
        "cronjob",
        "queue",
        "bucket",
        "ingress",
        "daemonset",
        "statefulset",
        "worker",
        "database",
        "db",
        "cluster",
        "instance",
        "broker",
        "gateway",
        "microservice",
        "api",
    ];
    // "the billing-api pod"
    for i in 0..r.tokens.len() {
        let telling = r.low(i).contains('-')
            || (r.is_unknown(i)
                || r.lexicon.is("foreign", r.low(i))
                || ["nginx", "redis", "apache", "haproxy", "postgres", "mysql"].contains(&r.low(i)))
                && r.low(i).len() > 2
                && !r.marks.covers("problem", i);
        if open(i) && telling && kinds.contains(&r.low(i + 1)) && super::places::region_at(r, i).is_none() {
            return Some(slug(&r.tokens[i].raw));
        }
    }
    // "pod report-builder", "service nginx"
    for i in 0..r.tokens.len() {
        if open(i) && kinds.contains(&r.low(i)) && open(i + 1) {
            let next = r.low(i + 1);
            let weak = ["api", "app", "application", "database", "db", "instance", "gateway", "server", "host"].contains(&r.low(i));
            if next.contains('-') && next != "->"
                || !weak
                    && !is_noise(r, i + 1)
                    && (r.is_unknown(i + 1) || r.lexicon.is("infra", next) || r.lexicon.is("foreign", next))
                    && !r.marks.covers("problem", i + 1)
                    && !kinds.contains(&next)
                    && next.len() > 2
            {
                return Some(slug(next));
            }
        }
    }
    // An identifier with a dash that is no ordinary word.
    for i in 0..r.tokens.len() {
        if open(i)
            && r.low(i).contains('-')
            && r.low(i).len() > 4
            && !r.lexicon.is("infra", &phrase_key(r.low(i)))
            && !r.marks.covers("problem", i)
            && super::places::region_at(r, i).is_none()
            && !r.low(i).starts_with("self-")
            && !r.low(i).starts_with("re-")
            && r.low(i).chars().any(char::is_alphabetic)
            && r.low(i) != "->"
        {
            return Some(slug(r.low(i)));
        }
    }
    // "my wordpress says", "the checkout api returns 500"
    let fault =
        r.marks.spans("problem").iter().chain(r.marks.spans("says")).map(|s| s.start).filter(|s| *s > 0).min().unwrap_or(r.tokens.len());
    let mut at = r.clause_start(fault.min(r.tokens.len().saturating_sub(1)));
    // "restart the database": what is told to be done is not what it is done to.
    let told = |i: usize| {
        let acts = ["restart", "stop", "start", "scale", "upgrade", "update", "backup", "restore", "rollback", "enable", "disable"];
        acts.iter().any(|class| r.marks.covers(class, i)) && r.is_filler(i + 1)
    };
    while at < fault && (is_noise(r, at) || told(at) || r.marks.covers("polite", at) || r.marks.covers("cause", at) || !open(at)) {
        at += 1;
    }
    let mut subject = Vec::new();
    while at < fault
        && open(at)
        && subject.len() < 3
        && !is_noise(r, at)
        && ![
            "in", "on", "at", "for", "with", "to", "of", "from", "can", "does", "do", "has", "have", "will", "give", "gives", "return",
            "returns", "not",
        ]
        .contains(&r.low(at))
        && !(r.low(at).ends_with("ing") && !subject.is_empty() && !r.is_unknown(at))
        && !["returning", "giving", "throwing", "showing", "failing", "crashing", "logging"].contains(&r.low(at))
        && !r.marks.covers("aux", at)
        && !r.marks.covers("show", at)
    {
        subject.push(at);
        at += 1;
    }
    let generic = [
        "job",
        "clients",
        "client",
        "callbacks",
        "callback",
        "calls",
        "webhooks",
        "messages",
        "errors",
        "connections",
        "jobs",
        "page",
        "say",
        "says",
        "backups",
        "data",
    ];
    while subject.len() > 1
        && subject
            .last()
            .is_some_and(|i| generic.contains(&r.low(*i)) || (r.low(*i).ends_with('s') && r.lexicon.common.contains(r.low(*i))))
    {
        subject.pop();
    }
    // "the upgrade of loki failed"
    let last = subject.last().copied().unwrap_or_default();
    let action =
        ["upgrade", "install", "installation", "rollout", "restart", "backup", "migration", "update", "deployment", "release", "rollback"];
    if action.contains(&r.low(last)) && matches!(r.low(last + 1), "of" | "for") {
        let mut next = last + 2;
        while r.is_filler(next) {
            next += 1;
        }
        if open(next) {
            return Some(slug(&r.tokens[next].raw));
        }
    }
    let technical = subject
        .iter()
        .any(|i| r.lexicon.is("infra", r.low(*i)) || r.lexicon.is("foreign", r.low(*i)) || !r.lexicon.common.contains(r.low(*i)));
    if subject.is_empty() || !technical {
        // "image pull errors for invoices"
        return (1..r.tokens.len())
            .find(|i| {
                matches!(r.before(*i, 1), "for" | "my" | "of" | "on")
                    && open(*i)
                    && !is_noise(r, *i)
                    && (r.lexicon.is("infra", r.low(*i)) || r.lexicon.is("foreign", r.low(*i)))
            })
            .map(|i| slug(r.low(i)));
    }
    subject.retain(|i| r.low(*i).len() > 1);
    if subject.is_empty() {
        return None;
    }
    Some(subject.iter().map(|i| slug(&r.tokens[*i].raw)).collect::<Vec<_>>().join("-"))
}

/// Words that are never the name of the thing that is broken.
fn is_noise(r: &Reading<'_>, at: usize) -> bool {
    let low = r.low(at);
    let kind = [
        "the",
        "a",
        "an",
        "my",
        "our",
        "this",
        "that",
        "it",
        "we",
        "i",
        "users",
        "user",
        "customers",
        "customer",
        "people",
        "everyone",
        "nothing",
        "something",
        "anything",
        "requests",
        "request",
        "page",
        "pages",
        "site",
        "hi",
        "help",
        "why",
        "what",
        "is",
        "are",
        "there",
        "since",
        "when",
        "new",
        "all",
        "again",
        "still",
        "just",
        "now",
        "today",
        "yesterday",
        "please",
        "logs",
        "some",
        "one",
        "he",
        "she",
        "they",
        "you",
        "us",
        "keeps",
        "keep",
        "how",
        "where",
        "and",
        "but",
        "so",
        "because",
        "hey",
        "got",
        "get",
        "gets",
        "getting",
        "have",
        "has",
        "had",
        "does",
        "did",
        "do",
        "every",
        "each",
        "half",
        "last",
        "first",
        "apply",
        "deploy",
        "run",
        "build",
        "push",
        "pull",
        "destroy",
        "plan",
    ]
    .contains(&low);
    kind || r.is_filler(at)
}
