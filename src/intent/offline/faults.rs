//! Faults: what a request says is going wrong, in listed words, in refused verbs, in measures, and in status codes.
//!
//! A fault that is only supposed ("if a server dies") or that is not to be ("must not go down") is none.

use super::reading::Reading;
use super::text::Kind;

/// "does not go offline", "never crashes", "so that it must not fail": a fault that is not to be.
fn refused(r: &Reading<'_>, at: usize) -> bool {
    let mut i = at;
    while i > 0 && at - i < 3 && ["go", "be", "get", "ever", "just", "simply", "really"].contains(&r.low(i - 1)) {
        i -= 1;
    }
    ["not", "never", "cannot"].contains(&r.before(i, 1))
        && !["not", "no"].contains(&r.low(at))
        && !["respond", "responding", "working"].contains(&r.low(at))
}

/// The faults that a request mentions, without those that it only wants to be safe from.
pub(super) fn faults(r: &Reading<'_>) -> usize {
    let action = |start: usize, end: usize| {
        ["destroy", "stop", "down", "scale", "up", "restart", "start", "not", "rollback", "disable", "enable", "safe_problem"]
            .iter()
            .any(|c| r.marks.spans(c).iter().any(|s| s.start <= start && s.end >= end && s.end - s.start > end - start))
    };
    let spans = r.marks.spans("problem").iter().filter(|s| {
        if refused(r, s.start) || action(s.start, s.end) || r.marks.covers("particle", s.start) || r.in_failure(s.start) {
            return false;
        }
        if r.tokens[s.start].number().is_some() {
            let before = r.before(s.start, 1);
            if bare_code(r, s.start) {
                return true;
            }
            return [
                "http", "still", "now", "just", "again", "einen", "un", "une", "error", "code", "status", "a", "returns", "return", "get",
                "gets", "getting", "us", "gives", "give", "says", "say", "throws", "shows", "with", "https", "of", "many", "erreur",
                "error:", "fehler", "only", "always",
            ]
            .contains(&before)
                && !r.tokens.get(s.start + 1).is_some_and(|t| {
                    t.kind == Kind::Word && t.low.len() > 3 && t.low.ends_with('s') && t.low != "errors" && t.low != "responses"
                });
        }
        let reported = r.marks.spans("says").iter().any(|m| m.start > 0 && m.end <= s.start && m.start >= r.clause_start(s.start));
        if r.low(s.start) == "missing" && reported {
            return true;
        }
        if r.low(s.start) == "keeps" || r.low(s.start) == "missing" && r.low(s.start + 1).is_empty() {
            return (s.end..(s.end + 3).min(r.tokens.len())).any(|i| r.low(i).ends_with("ing"));
        }
        true
    });
    // "gives 413": an HTTP status that nobody listed.
    let codes = (1..r.tokens.len()).filter(|i| {
        r.tokens[*i].number().is_some_and(|n| (400..=599).contains(&n))
            && !r.marks.covers("problem", *i)
            && (bare_code(r, *i)
                || [
                    "http", "https", "gives", "give", "returns", "return", "throws", "throw", "get", "gets", "getting", "error", "status",
                    "code", "still", "answers", "says", "responds",
                ]
                .contains(&r.before(*i, 1)))
    });
    spans.count() + codes.count() + usize::from(repeated(r)) + usize::from(negated_fact(r)) + usize::from(symptom(r))
}

/// "taproom 503": a status and nothing else but a name.
fn bare_code(r: &Reading<'_>, at: usize) -> bool {
    r.tokens.len() <= 4
        && at + 1 == r.tokens.len()
        && !["scale", "up", "down", "max", "min", "update"].iter().any(|c| r.marks.any(c))
        && !["to", "=", ":"].contains(&r.before(at, 1))
}

/// A measure that has gone wrong: "takes 20 seconds", "cpu at 100 %", "disk almost full", "memory keeps growing".
fn symptom(r: &Reading<'_>) -> bool {
    let measure = |i: usize| {
        [
            "cpu",
            "memory",
            "ram",
            "disk",
            "disks",
            "load",
            "heap",
            "swap",
            "storage",
            "latency",
            "queue",
            "volume",
            "inodes",
            "speicher",
            "platte",
            "festplatte",
            "memoire",
            "memoria",
            "disque",
            "disco",
        ]
        .contains(&r.low(i))
    };
    let grown = [
        "full",
        "pinned",
        "maxed",
        "growing",
        "grows",
        "climbing",
        "climbs",
        "rising",
        "rises",
        "jumped",
        "exploding",
        "exploded",
        "high",
        "eating",
        "eaten",
        "swamped",
        "roof",
        "voll",
        "plein",
        "pleine",
        "lleno",
        "llena",
    ];
    (0..r.tokens.len()).any(|i| {
        let clause = || r.clause_start(i)..r.clause_end(i);
        let asked = r.lexicon.is("wh", r.low(r.clause_start(i))) || r.lexicon.is("aux", r.low(r.clause_start(i)));
        if measure(i) {
            let percent = clause().any(|j| {
                r.tokens[j].number().is_some_and(|n| (80..=100).contains(&n))
                    && (r.tokens.get(j + 1).is_some_and(|t| t.is_punct('%')) || matches!(r.low(j + 1), "percent" | "prozent"))
            });
            return percent && !asked || clause().any(|j| grown.contains(&r.low(j)));
        }
        // "takes 20 seconds", "needs half a minute", "took ages"
        let slow = ["takes", "taking", "took", "braucht", "dauert", "prend", "met", "tarda", "needs"].contains(&r.low(i));
        slow && !asked
            && (i + 1..(i + 4).min(r.tokens.len())).any(|j| {
                [
                    "seconds", "sec", "secs", "s", "ms", "minutes", "minute", "mins", "ages", "forever", "long", "eternity", "sekunden",
                    "minuten", "ewig", "secondes", "segundos", "minutos", "siglos",
                ]
                .contains(&r.low(j))
            })
    })
}

/// "reboots itself", "drops every few minutes", "dies constantly": what goes wrong again and again.
fn repeated(r: &Reading<'_>) -> bool {
    let breaks = [
        "restarts",
        "reboots",
        "dies",
        "crashes",
        "drops",
        "flaps",
        "disconnects",
        "resets",
        "freezes",
        "hangs",
        "vanishes",
        "disappears",
        "reconnects",
        "restarting",
        "rebooting",
        "dying",
        "crashing",
        "dropping",
        "flapping",
        "disconnecting",
    ];
    (1..r.tokens.len()).filter(|i| breaks.contains(&r.low(*i))).any(|i| {
        let asked = ["wh", "aux"].iter().any(|class| r.lexicon.is(class, r.low(r.clause_start(i))));
        let again = (i + 1..r.clause_end(i)).any(|j| {
            ["itself", "themselves", "constantly", "repeatedly", "randomly", "continuously", "again"].contains(&r.low(j))
                || r.low(j) == "every"
                    && (j + 1..j + 4).any(|k| ["minute", "minutes", "seconds", "second", "hour", "hours", "time"].contains(&r.low(k)))
        });
        again && !asked
    })
}

/// "the sensors do not send anything", "los sensores no envían datos": something is stated not to do what it should.
fn negated_fact(r: &Reading<'_>) -> bool {
    let people = [
        "i", "we", "you", "please", "and", "but", "to", "they", "wir", "ich", "nous", "je", "on", "y", "so", "us", "should", "must", "can",
        "if",
    ];
    (1..r.tokens.len()).any(|i| {
        let english = ["do", "does", "did", "is", "are", "was", "were", "has", "have", "will"].contains(&r.low(i))
            && matches!(r.low(i + 1), "not" | "never" | "no");
        let other = matches!(r.low(i), "no" | "ne" | "n") && r.lexicon.is("romance_subject", r.before(i, 1));
        if !(english || other) || r.marks.covers("safe_problem", i) {
            return false;
        }
        let subject =
            r.tokens.get(i - 1).is_some_and(|t| t.kind == Kind::Word || t.kind == Kind::Domain) && !people.contains(&r.before(i, 1));
        let verb = if english { i + 2 } else { i + 1 };
        let wanted = [
            "need",
            "needs",
            "want",
            "require",
            "matter",
            "use",
            "run",
            "encrypted",
            "monitored",
            "needed",
            "necessary",
            "too",
            "allowed",
            "listed",
            "mentioned",
            "important",
        ];
        let safe = r.marks.spans("problem").iter().any(|s| s.start >= verb && s.start <= verb + 2 && refused(r, s.start));
        // "the backups did not run" reports; "we do not run Redis" does not.
        let reports = matches!(r.low(i), "did" | "has" | "have") && matches!(r.low(verb), "run" | "use");
        subject && !safe && r.tokens.get(verb).is_some_and(|t| t.kind == Kind::Word && (reports || !wanted.contains(&t.low.as_str())))
    })
}
