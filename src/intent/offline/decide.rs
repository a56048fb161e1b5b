//! What is wanted: one of the four intents, or nothing that Swell does; and, for something new, which pattern.
//!
//! A score per intent: the classifier's log-probability plus evidence that a person would also name ("it begins with *destroy*",
//! "it names an existing deployment"). The highest wins; the distance to the next is what the confidence is made of.

use super::faults::faults;
use super::model::{Features, Model};
use super::pick::Chosen;
use super::reading::Reading;
use super::targets::{Resolved, Tier};
use super::text::Kind;
use super::verbs::Head;
use crate::intent::Intent;

/// Intent classes in the order of the scores.
pub(super) const CLASSES: [&str; 5] = ["deploy", "query", "modify", "troubleshoot", "out_of_scope"];

/// What was decided, and on what.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    /// `None`: out of scope.
    pub intent: Option<Intent>,
    /// Distance between the best and the next score.
    pub margin: f64,
    /// A fault was mentioned.
    pub problem: bool,
}

/// Words of a class that do not act when they stand at the head of a clause.
fn is_preposition(word: &str) -> bool {
    [
        "with",
        "plus",
        "incl",
        "including",
        "include",
        "mit",
        "avec",
        "con",
        "on",
        "yes",
        "true",
        "an",
        "no",
        "without",
        "off",
        "false",
        "ohne",
        "sans",
        "sin",
        "kein",
        "keine",
        "aus",
        "want",
        "use",
        "keep",
        "pas",
        "skip",
        "put",
        "size",
        "active",
    ]
    .contains(&word)
}

/// Whether an action word is used as a noun ("the upgrade failed", "backup job", "restart loop").
fn is_noun_use(r: &Reading<'_>, head: &Head) -> bool {
    // "take a backup of X" has its verb within it.
    if head.end - head.at > 2 {
        return false;
    }
    let next = r.low(head.end);
    let before = r.before(head.at, 1);
    [
        "of", "failed", "fails", "failing", "is", "was", "are", "were", "job", "jobs", "script", "process", "keeps", "says", "did", "does",
        "has", "took", "plan", "runbook", "loop", "loops", "policy", "errors", "error", "went", "broke", "hangs", "stuck", "history",
        "schedule",
    ]
    .contains(&next)
        && !matches!(head.class, "show" | "wh" | "aux" | "cause")
        || (before == "not" && r.before(head.at, 2) != "do" && !matches!(head.class, "wh" | "cause" | "show" | "make"))
        || (["the", "last", "after", "since", "our", "my", "that", "this", "your"].contains(&before)
            && !matches!(head.class, "wh" | "cause" | "show"))
}

/// Whether a head is an instruction to change something.
fn changes(r: &Reading<'_>, head: &Head) -> bool {
    [
        "failover", "rollback", "restore", "backup", "restart", "destroy", "upgrade", "scale", "up", "down", "disable", "enable", "stop",
        "start", "update",
    ]
    .contains(&head.class)
        && !(head.end == head.at + 1 && is_preposition(r.low(head.at)))
        && !is_noun_use(r, head)
}

/// What the scores also depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// Something was said before, or a frame waits.
    pub spoken: bool,
    /// A value of some parameter is named.
    pub values: bool,
    /// Nothing is deployed, so nothing can be changed.
    pub bare: bool,
}

/// Scores the intents.
pub(super) fn intent(
    r: &Reading<'_>,
    heads: &[Head],
    target: &Resolved,
    model: &Model,
    features: &Features,
    chosen: &Chosen,
    Context { spoken, values, bare }: Context,
) -> Decision {
    let p = model.probabilities(features);
    let base =
        |class: &str| model.labels().iter().position(|l| l == class).and_then(|i| p.get(i)).map_or(-3.0, |p| (f64::from(*p) + 0.03).ln());
    let [mut deploy, mut query, mut modify, mut trouble, mut outside] = CLASSES.map(base);
    // "the database needs encryption off" wishes nothing new.
    let of_ours = |h: &Head| {
        let before = |s: usize| h.at > 0 && s < h.at && s >= r.clause_start(h.at);
        let the = |s: usize| s > h.end && s <= h.end + 2 && ["the", "our", "my"].contains(&r.before(s, 1)) && target.one().is_some();
        h.class == "want" && target.at.iter().any(|(s, _)| before(*s) || the(*s))
    };
    let lead = heads.first().filter(|h| !is_noun_use(r, h) && (target.tier >= Tier::Part || !of_ours(h)));
    let asked = r.text.trim_end().ends_with('?') || r.text.contains('¿');
    let polite_request = r.marks.any("can_you") && lead.is_none_or(|h| h.class != "wh" && (h.class != "aux" || r.low(h.at) == "do"));
    let problem = r.quoted_fault || faults(r) > 0;
    let cause = r.marks.any("cause");
    let named = target.tier >= Tier::Part;
    let described = target.tier >= Tier::Noun;
    let makes = heads.iter().any(|h| h.class == "make" && !is_noun_use(r, h));
    let wants = heads.iter().any(|h| h.class == "want" && (target.tier >= Tier::Part || !of_ours(h)));
    let change_count = heads.iter().filter(|h| changes(r, h)).count();
    let has_domain = r.tokens.iter().any(|t| t.kind == Kind::Domain);
    let pattern = chosen.index.is_some() && chosen.evidence > 0.6;
    let foreign = r.marks.any("foreign");
    let infra = r.marks.any("infra");
    let pronoun = r.marks.any("pronoun");
    let mundane = r.marks.any("mundane");
    let first_class = lead.map_or("", |h| h.class);
    let opening_question = !polite_request && matches!(first_class, "wh" | "aux") && lead.is_some_and(|h| h.at <= 2);

    // Something new.
    if lead.is_some_and(|h| h.class == "make") {
        deploy += 3.0;
    } else if makes {
        deploy += 1.5;
    }
    if first_class == "want" {
        deploy += 2.0;
    } else if wants {
        deploy += 1.0;
    }
    if pattern && !named {
        deploy += match (described, first_class) {
            (_, "wh" | "aux" | "show" | "cause") if !makes && !wants => 0.2,
            (true, _) => 0.7,
            (false, _) => 1.8,
        };
    }
    if has_domain && !named && pattern {
        deploy += 1.0;
    }
    if !target.like.is_empty() {
        deploy += 4.0;
    }
    let definite = target.tier == Tier::Noun
        && !target.unclear
        && target.names.len() == 1
        && target.at.iter().any(|(s, _)| {
            *s > 0
                && [
                    "the", "my", "our", "this", "that", "der", "die", "das", "den", "le", "la", "el", "notre", "unser", "unsere",
                    "nuestro", "nuestra",
                ]
                .contains(&r.before(*s, 1))
        });
    if definite && !makes && first_class != "want" {
        deploy -= 1.8;
        modify += if r.tokens.iter().any(|t| t.number().is_some()) || r.marks.any("disable") || r.marks.any("enable") { 1.5 } else { 0.5 };
    }
    if !pattern && !foreign && !makes && !wants && target.like.is_empty() {
        deploy -= 1.5;
    }
    if foreign && !named && (makes || wants || heads.is_empty()) {
        deploy += 1.5;
    }
    if named && target.like.is_empty() && !makes {
        deploy -= 3.0;
    } else if named && target.like.is_empty() {
        deploy -= 1.5;
    }

    // A change.
    if lead.is_some_and(|h| changes(r, h)) {
        modify += 2.5;
    } else if change_count > 0 {
        modify += 1.5;
    }
    if named {
        modify += if change_count > 0 { 2.0 } else { 1.2 };
        if wants && !makes {
            modify += 1.5;
        }
    } else if described && change_count > 0 {
        modify += 1.2;
    } else if pronoun && change_count > 0 {
        modify += 0.8;
    } else if change_count > 0 && !spoken && !infra && !foreign && !pattern {
        modify -= 0.8;
    }
    if makes && !named {
        modify -= 1.5;
    }
    if !named && !described && change_count == 0 && !pronoun && !spoken {
        modify -= 1.5;
    }
    if bare && has_domain && !spoken {
        modify -= 2.5;
        deploy += 1.0;
    }
    // "mollie out, stripe in", "mira would rather have mysql": a value for something that exists.
    if named && values && !asked && !problem {
        modify += 0.8;
    }

    // A question.
    match first_class {
        "show" => query += 3.0,
        "wh" if lead.is_some_and(|h| h.at <= 3) => query += 2.8,
        "aux" if opening_question => query += 2.3,
        _ => {}
    }
    if asked && !polite_request && first_class != "want" {
        // "records backups?" names a thing and asks.
        query += if heads.is_empty() { 3.0 } else { 1.5 };
    }
    // "last change to the shop, who and when"; "the log has X in it. what does that mean?"
    let later_question = heads.iter().skip(1).any(|h| matches!(h.class, "wh" | "aux") && r.clause_start(h.at) > 0 && !makes);
    if (lead.is_none() || later_question) && heads.iter().any(|h| h.class == "wh") {
        query += 1.5;
    }
    if r.marks.any("hypothetical") {
        query += 3.0;
        modify -= 1.5;
        trouble -= 0.5;
    }
    if r.marks.any("question_help") && !problem && (infra || pattern || foreign || described || r.tokens.len() < 6) {
        query += if makes && !asked { 0.5 } else { 2.0 };
    }
    if matches!(first_class, "" | "up" | "scale" | "down" | "enable") || lead.is_some_and(|h| h.at > 2) {
        // "logs of the blog", "last change to the shop, who and when"
        let noun_first = (0..r.tokens.len().min(4)).any(|i| {
            r.marks.covers("needs_target", i)
                || [
                    "cost",
                    "price",
                    "costs",
                    "status",
                    "state",
                    "history",
                    "uptime",
                    "usage",
                    "number",
                    "health",
                    "overview",
                    "summary",
                    "spend",
                    "bill",
                    "stats",
                    "inventory",
                    "difference",
                    "differences",
                    "comparison",
                    "unterschied",
                    "diferencia",
                    "cause",
                    "min",
                    "last",
                ]
                .contains(&r.low(i))
        });
        let no_number = !r.tokens.iter().any(|t| matches!(t.kind, Kind::Number(_) | Kind::Decimal)) || r.marks.any("time_range") || asked;
        if noun_first && no_number && !(makes || wants) {
            query += 1.8;
            if !mundane && (0..r.tokens.len().min(4)).any(|i| r.marks.covers("needs_target", i)) {
                outside -= 1.5;
            }
        }
    }
    if r.tokens.iter().any(|t| {
        [
            "cost",
            "costs",
            "costing",
            "price",
            "spend",
            "spent",
            "bill",
            "spending",
            "expensive",
            "cheaper",
            "kostet",
            "kosten",
            "coute",
            "cuesta",
        ]
        .contains(&t.low.as_str())
    }) {
        query += 1.5;
    }

    // A fault.
    if problem {
        trouble += if makes && !named { 0.3 } else { 2.4 };
    }
    if cause {
        trouble += if first_class == "cause" { 3.0 } else { 2.0 };
        query -= if r.marks.any("hypothetical") { 0.0 } else { 1.0 };
    }
    // "why did it drop to one instance?" wants nothing to be dropped.
    if first_class == "cause" && asked && !polite_request && lead.is_some_and(|h| h.at <= 2) {
        modify -= 4.0;
        deploy -= 4.0;
    }
    // A fault that is stated after the question ("did something break? it looks odd") is a fault all the same.
    let first_clause = r.clause_end(0);
    let stated = r.marks.spans("problem").iter().any(|s| s.start > first_clause);
    if opening_question && !cause && problem && !stated {
        // "is the shop down?" asks; "why is the shop down?" wants the cause.
        query += 0.8;
        trouble -= 1.4;
    }
    if problem && lead.is_some_and(|h| changes(r, h)) {
        trouble -= 1.0;
    } else if problem {
        modify -= 1.2;
        deploy -= match (makes || wants, pattern) {
            (true, true) => 0.0,
            (true, false) => 2.5,
            (false, _) => 4.0,
        };
    }

    // Nothing for Swell.
    let tech = values || infra || foreign || described || pattern || has_domain;
    if mundane && !named {
        outside += if pattern && (makes || wants || has_domain) || foreign && (makes || wants || heads.is_empty()) { 0.3 } else { 3.5 };
        if !tech {
            outside += 1.5;
        }
        if !makes && !wants {
            deploy -= 1.5;
            outside += if matches!(first_class, "wh" | "aux" | "show") { 1.0 } else { 0.0 };
        }
    }
    // "upgrade me", "roll me back": people are not deployments.
    if heads.iter().any(|h| {
        changes(r, h)
            && (h.at..h.end + 2).any(|i| ["me", "myself", "yourself", "mich", "moi"].contains(&r.low(i)))
            && !["for", "to", "with"].contains(&r.low(h.end))
    }) {
        outside += 3.0;
    }
    // "shut down your emotions": Swell is no deployment either.
    if !named && !tech && heads.iter().any(|h| changes(r, h) && r.low(h.end) == "your") {
        outside += 3.0;
    }
    if chatter(r) {
        outside += 7.0;
    }
    if wants_credentials(r) {
        outside += 6.0;
    }
    if !tech && !spoken && !r.quoted && change_count == 0 && !problem {
        outside += 2.0;
        // What is wanted has a name that nobody knows ("n8n"), or it is an everyday thing ("a smile").
        let everyday = (0..r.tokens.len())
            .all(|i| r.tokens[i].kind != Kind::Word || r.lexicon.common.contains(r.low(i)) || !r.is_unknown(i))
            && r.tokens.len() < 8;
        if (makes || wants) && !everyday {
            outside -= 1.0;
        } else if makes {
            outside += 2.0;
        }
    }
    // "a summary of yesterday's changes": what happens here, though no thing is named.
    if first_class == "show" && r.marks.any("ops") && !mundane {
        outside -= 2.0;
    }
    // An action on something that is none of ours, or a question about the world at large.
    let about_us = tech && !(pattern && !infra && !foreign && !described && !has_domain)
        || r.marks.any("ops")
        || r.quoted
        || r.marks.any("question_help") && (infra || foreign || described || r.tokens.len() < 5);
    let bounds = (r.marks.any("min") || r.marks.any("max")) && r.tokens.iter().any(|t| t.number().is_some());
    if bounds && !r.marks.any("mundane") {
        outside -= 2.0;
        modify += 1.0;
    }
    if !about_us
        && !spoken
        && !pronoun
        && change_count > 0
        && !makes
        && r.tokens.iter().all(|t| t.kind != Kind::Word || !t.low.contains('-'))
    {
        outside += 1.5;
    }
    if !about_us && !spoken && (matches!(first_class, "wh" | "aux" | "show") || asked) && !wants && !polite_request {
        outside += 2.5;
    } else if tech || problem {
        outside -= 1.0;
    }

    let scores = [deploy, query, modify, trouble, outside];
    let mut order: Vec<usize> = (0..5).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (best, next) = (order.first().copied().unwrap_or(4), order.get(1).copied().unwrap_or(4));
    let intent = match best {
        0 => Some(Intent::Deploy),
        1 => Some(Intent::Query),
        2 => Some(Intent::Modify),
        3 => Some(Intent::Troubleshoot),
        _ => None,
    };
    Decision { intent, margin: scores[best] - scores[next], problem }
}

/// Whether a request wants to be told secrets. One that gives a secret, or sets up something that has one, does not.
pub(super) fn wants_credentials(r: &Reading<'_>) -> bool {
    let given = r.tokens.iter().any(|t| t.kind == Kind::Foreign);
    let reveals = r.text.trim_end().ends_with('?')
        || ["show", "wh", "aux"].iter().any(|c| r.marks.any(c))
        || r.tokens.iter().any(|t| {
            [
                "your", "print", "reveal", "dump", "send", "leak", "export", "expose", "paste", "email", "upload", "post", "give", "deine",
                "tes", "tus",
            ]
            .contains(&t.low.as_str())
        });
    r.marks.any("credentials") && reveals && !given
}

/// Whether a request is nothing but small talk.
pub(super) fn chatter(r: &Reading<'_>) -> bool {
    let words: Vec<usize> = (0..r.tokens.len()).filter(|i| r.tokens[*i].kind == Kind::Word).collect();
    let covered = words.iter().filter(|i| r.marks.covers("chitchat", **i) || r.marks.covers("polite", **i)).count();
    r.marks.any("chitchat") && covered * 10 >= words.len() * 7 && r.tokens.iter().all(|t| matches!(t.kind, Kind::Word | Kind::Punct(_)))
}
