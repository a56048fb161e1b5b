//! What a request tells Swell to do: the action words at the heads of its clauses, and which action of a modify they mean.

use super::reading::Reading;
use super::slots::Slots;
use super::targets::{Resolved, Tier};
use super::text::Kind;
use crate::intent::Verb;

/// What a clause begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The word class.
    pub class: &'static str,
    /// Where its phrase begins.
    pub at: usize,
    /// One past its last token.
    pub end: usize,
}

/// Word classes that a clause can begin with, strongest first: longer phrases and rarer words before common ones.
const HEADS: [&str; 20] = [
    "failover", "rollback", "restore", "backup", "restart", "destroy", "upgrade", "cause", "scale", "up", "down", "disable", "enable",
    "stop", "start", "show", "wh", "make", "update", "aux",
];

/// Whether a token is a politeness or an opening that can be skipped.
fn skippable(r: &Reading<'_>, at: usize) -> Option<usize> {
    for class in ["can_you", "polite"] {
        if let Some(end) = r.marks.at(class, at) {
            return Some(end);
        }
    }
    let token = r.tokens.get(at)?;
    let skip = matches!(token.kind, Kind::Punct(_))
        || [
            "and", "but", "then", "und", "et", "y", "you", "i", "we", "us", "me", "can", "would", "could", "to", "want", "need", "like",
            "should", "will", "of", "in", "case",
        ]
        .contains(&token.low.as_str());
    skip.then_some(at + 1)
}

/// The first thing that the clause beginning at a place says.
fn head_at(r: &Reading<'_>, start: usize, end: usize) -> Option<Head> {
    let mut at = start;
    // A clause with a subject of its own states something: "we have" is no question, "could you" is.
    let mut subject = false;
    loop {
        if let Some(next) = r.marks.at("can_you", at).filter(|next| *next < end) {
            // "could you set up …": what follows is wanted; "can we do …": nothing more is said yet.
            let next = if matches!(r.low(next), "do" | "have" | "also" | "maybe" | "just" | "please") { next + 1 } else { next };
            if let Some(head) = head_at(r, next, end).filter(|h| !matches!(h.class, "wh" | "aux") && h.at <= next + 3) {
                return Some(head);
            }
        }
        // The longest phrase wins; among equals the order of HEADS.
        let mut best: Option<Head> = None;
        for class in HEADS {
            // "I don't know" refuses nothing.
            if subject && (class == "aux" || class == "disable" && r.low(at) == "do") {
                continue;
            }
            if let Some(stop) = r.marks.at(class, at)
                && best.is_none_or(|b| stop > b.end)
            {
                best = Some(Head { class, at, end: stop });
            }
        }
        if let Some(stop) = r.marks.at("want", at)
            && best.is_none_or(|b| stop > b.end)
        {
            best = Some(Head { class: "want", at, end: stop });
        }
        // "make it so", "please go ahead": a politeness that is longer than the action in it is none.
        let idle = r.marks.at("polite", at).is_some_and(|stop| best.is_some_and(|b| stop > b.end));
        if best.is_some() && !idle {
            return best;
        }
        subject |= ["i", "we", "us", "wir", "ich", "nous", "je"].contains(&r.low(at));
        at = skippable(r, at).filter(|next| *next < end)?;
    }
}

/// "the accountants want their ledger …": a wish with a subject before it.
fn wish(r: &Reading<'_>, start: usize) -> Option<Head> {
    let end = r.clause_end(start).min(start + 6);
    let at = (start + 1..end).find(|i| ["want", "wants", "need", "needs", "require", "requires", "wish", "wishes"].contains(&r.low(*i)))?;
    let refused = ["not", "no", "never", "longer"].contains(&r.before(at, 1));
    let plain = (start..at).all(|i| r.tokens[i].kind == Kind::Word && r.low(i) != "to");
    // "we do not need it any more"
    let over = (at..r.clause_end(at)).any(|i| {
        r.low(i) == "anymore"
            || r.low(i) == "any" && matches!(r.low(i + 1), "more" | "longer")
            || r.low(i) == "longer" && r.before(i, 1) == "no"
    }) || r.before(at, 1) == "longer";
    if refused && over {
        return Some(Head { class: "destroy", at, end: at + 1 });
    }
    (plain && !refused).then_some(Head { class: "want", at, end: at + 1 })
}

/// The heads of all clauses. A clause begins after punctuation, or after "and"/"but"/"then" when an action follows.
pub(super) fn heads(r: &Reading<'_>) -> Vec<Head> {
    let mut out: Vec<Head> = Vec::new();
    let n = r.tokens.len();
    let mut starts = vec![0];
    for i in 0..n {
        let opens = r.tokens[i].ends_clause()
            || matches!(r.tokens[i].kind, Kind::Punct('-' | ':' | '(' | ')'))
            || ["and", "but", "then", "please", "und", "et", "y", "so", "bitte", "pls"].contains(&r.low(i));
        if opens && i + 1 < n {
            starts.push(i + 1);
        }
    }
    for start in starts {
        let wish = wish(r, start);
        let head = wish.filter(|w| w.class == "destroy").or_else(|| head_at(r, start, n)).or(wish);
        if let Some(head) = head
            && !out.iter().any(|h| h.at == head.at)
        {
            out.push(head);
        }
    }
    out
}

/// Whether a class of heads is among the clauses.
pub(super) fn has(heads: &[Head], classes: &[&str]) -> bool {
    heads.iter().any(|h| classes.contains(&h.class))
}

/// The action of a modify.
pub(super) fn of_modify(r: &Reading<'_>, heads: &[Head], slots: &Slots, target: &Resolved) -> Verb {
    let values: Vec<&str> = slots.values.keys().map(String::as_str).collect();
    let only_numbers = !values.is_empty() && values.iter().all(|k| is_count_name(k, slots));
    let unresolved_count = !slots.unresolved.is_empty();
    let settings = values.iter().any(|k| !is_count_name(k, slots) && *k != "version");
    let version = slots.values.contains_key("version");
    let has = |classes: &[&str]| has(heads, classes);
    let anywhere = |class: &str| r.marks.any(class);
    if (has(&["failover"]) || anywhere("failover")) && !has(&["rollback"]) {
        return Verb::Failover;
    }
    if has(&["rollback"]) || (anywhere("rollback") && !has(&["destroy", "scale", "update", "restart"])) {
        return Verb::Rollback;
    }
    if has(&["restore"]) || (anywhere("restore") && !settings) {
        return Verb::Restore;
    }
    let backup_object =
        r.marks.spans("backup").iter().any(|s| s.end - s.start > 1 || heads.iter().any(|h| h.at == s.start) && target.tier >= Tier::Noun);
    if backup_object
        && !slots.values.keys().any(|k| k.ends_with("schedule") || k.ends_with("retention"))
        && !has(&["enable", "disable", "stop", "destroy"])
    {
        return Verb::Backup;
    }
    if has(&["restart"]) || anywhere("restart") && !settings && !only_numbers {
        return Verb::Restart;
    }
    if version && (has(&["upgrade", "update", "scale", "up", "want", "make"]) || !settings) {
        return Verb::Upgrade;
    }
    // "stop monitoring X", "remove redis from X": the object is a setting, so it is an update.
    if has(&["destroy", "stop", "start", "disable", "enable"]) && settings {
        return Verb::Update;
    }
    if has(&["destroy"]) && (only_numbers || unresolved_count) && target.tier > Tier::None {
        return Verb::Scale;
    }
    if has(&["destroy"]) && for_a_while(r, heads) {
        return Verb::Stop;
    }
    if has(&["destroy"]) || (anywhere("destroy") && values.is_empty()) {
        return Verb::Destroy;
    }
    if has(&["upgrade"]) && !settings && !only_numbers {
        return Verb::Upgrade;
    }
    if only_numbers || unresolved_count {
        return Verb::Scale;
    }
    if settings {
        return Verb::Update;
    }
    if has(&["stop"]) || anywhere("stop") && !has(&["update", "scale"]) {
        return Verb::Stop;
    }
    if has(&["scale"]) || has(&["up", "down"]) && !has(&["update"]) {
        return Verb::Scale;
    }
    if has(&["start", "enable"]) || anywhere("start") && !has(&["update", "scale"]) {
        return Verb::Start;
    }
    Verb::Update
}

/// "take it down for maintenance": what is taken down for a while is stopped, not destroyed.
fn for_a_while(r: &Reading<'_>, heads: &[Head]) -> bool {
    let mild = heads.iter().any(|h| h.class == "destroy" && matches!(r.low(h.at), "take" | "shut" | "bring" | "nimm"));
    let brief = [
        "maintenance",
        "tonight",
        "until",
        "weekend",
        "temporarily",
        "holidays",
        "while",
        "wartung",
        "wochenende",
        "overnight",
        "briefly",
        "moment",
    ];
    mild && ((0..r.tokens.len()).any(|i| brief.contains(&r.low(i))) || r.marks.any("start"))
}

/// Whether a value is a number of something, so that changing it alone is a scale.
pub(super) fn is_count_name(name: &str, slots: &Slots) -> bool {
    slots.values.get(name).is_some_and(|s| s.value.is_i64() || s.value.is_u64()) && name != "version"
}
