//! Dialogue: the plan that waits for a yes is a frame, and what the person says next edits it, drops it, or asks about it.

use super::catalog::Compiled;
use super::reading::Reading;
use super::text::Kind;
use crate::intent::{Frame, Holds, Target};

/// How the next turn relates to a pending frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Drop it.
    Cancel,
    /// Nothing but a yes. The approval is made elsewhere; the frame stays as it is.
    Confirm,
    /// Anything else.
    Other,
}

/// Reads a turn against a pending frame or a plan that was talked about.
pub(super) fn turn(r: &Reading<'_>) -> Turn {
    let words: Vec<usize> = (0..r.tokens.len()).filter(|i| !matches!(r.tokens[*i].kind, Kind::Punct(_))).collect();
    if words.is_empty() || words.iter().any(|i| !matches!(r.tokens[*i].kind, Kind::Word)) {
        return Turn::Other;
    }
    let filler = |i: usize| {
        r.marks.covers("polite", i)
            || r.marks.covers("pronoun", i)
            || r.marks.covers("correction", i)
            || r.is_filler(i)
            || matches!(r.low(i), "plan" | "all" | "thing" | "for" | "everything" | "same" | "actually")
    };
    let share = |class: &str| {
        let covered = words.iter().filter(|i| r.marks.covers(class, **i)).count();
        let rest = words.iter().filter(|i| !r.marks.covers(class, **i) && !filler(**i)).count();
        (covered, rest)
    };
    let (cancel, rest) = share("cancel");
    if cancel > 0 && rest <= cancel / 3 {
        return Turn::Cancel;
    }
    // "no, I changed my mind about the whole thing": begins with a cancel of two words or more.
    let strong = r.marks.spans("cancel").iter().any(|s| {
        s.end - s.start >= 2 && s.start <= 3
            || s.end - s.start == 1
                && s.start <= 1
                && matches!(r.low(s.start), "cancel" | "abort" | "nevermind" | "nvm" | "abbrechen" | "annule" | "cancela")
    });
    let value_words = words.len() > 7 || r.tokens.iter().any(|t| t.number().is_some() || t.kind == Kind::Domain);
    if strong && !value_words && rest <= 3 {
        return Turn::Cancel;
    }
    let (confirm, rest) = share("confirm");
    if confirm > 0 && rest == 0 { Turn::Confirm } else { Turn::Other }
}

/// "scrap it", "hmm no, bin that": said of a plan for something new, it drops the plan; there is nothing else to destroy.
pub(super) fn discards(r: &Reading<'_>) -> bool {
    let mut words = (0..r.tokens.len()).filter(|i| r.tokens[*i].kind == Kind::Word);
    r.marks.any("destroy")
        && words.all(|i| {
            ["destroy", "pronoun", "polite", "correction", "cancel", "particle"].iter().any(|class| r.marks.covers(class, i))
                || r.is_filler(i)
                || matches!(r.low(i), "plan" | "thing" | "again" | "actually" | "whole" | "all")
        })
        && r.tokens.iter().all(|t| matches!(t.kind, Kind::Word | Kind::Punct(_)))
}

/// "whatever is usual", "you decide", "no idea": whoever was asked leaves it to the pattern.
pub(super) fn indifferent(r: &Reading<'_>) -> bool {
    let mut words = (0..r.tokens.len()).filter(|i| r.tokens[*i].kind == Kind::Word);
    let known = |i: usize| {
        ["indifferent", "polite", "pronoun", "confirm", "correction"].iter().any(|class| r.marks.covers(class, i)) || r.is_filler(i)
    };
    r.marks.any("indifferent")
        && words.clone().count() <= 9
        && words.all(|i| {
            known(i) || matches!(r.low(i), "is" | "are" | "works" | "with" | "go" | "fine" | "me" | "i" | "then" | "be" | "will" | "do")
        })
}

/// Whether an assistant's turn says that the plan has been carried out.
pub(super) fn was_applied(text: &str) -> bool {
    let low = super::text::fold(text);
    let asks = low.contains('?') || low.contains("plan") || low.contains("ready");
    !asks
        && [
            "applied",
            "done",
            "created",
            "deployed",
            "complete",
            "succeeded",
            "finished",
            "is up",
            "is live",
            "running",
            "destroyed",
            "scaled",
            "erledigt",
            "fertig",
            "termine",
            "listo",
            "hecho",
        ]
        .iter()
        .any(|w| low.contains(w))
}

/// Whether a frame can wait for more words: it is a change that was not refused.
pub(super) fn can_wait(frame: &Frame) -> bool {
    matches!(frame.intent, Some(crate::intent::Intent::Deploy | crate::intent::Intent::Modify)) && !frame.out_of_scope
}

/// The name of what a frame is about, for a cancel.
pub(super) fn subject(frame: &Frame) -> Target {
    frame.target.clone()
}

/// Fills the asked parameter from a bare answer: "rails", "ledger", "Oslo and Bergen", "3".
pub(super) fn bare_answer(r: &Reading<'_>, c: &Compiled, missing: &[String]) -> Option<(String, crate::intent::Said)> {
    let p = missing.iter().find_map(|m| c.param(m))?;
    let mut start = 0;
    while start < r.tokens.len()
        && (r.marks.covers("polite", start)
            || r.is_filler(start)
            || [
                "it", "is", "use", "take", "with", "at", "in", "on", "for", "to", "from", "should", "be", "they", "are", "we", "would",
                "say", "let", "us", "have", "our", "make",
            ]
            .contains(&r.low(start))
            || r.tokens[start].kind == Kind::Punct(','))
    {
        start += 1;
    }
    let end = r.clause_end(start);
    match p.holds() {
        Holds::Sites => {
            if let Some(n) = r.tokens.get(start).and_then(|t| t.number()) {
                return Some((p.name().to_owned(), r.said(n, start, start + 1)));
            }
            let mut names = Vec::new();
            let mut word = String::new();
            for i in start..=r.tokens.len() {
                let token = r.tokens.get(i);
                let breaks = token.is_none_or(|t| t.kind != Kind::Word || matches!(t.low.as_str(), "and" | "und" | "et" | "y"));
                if breaks {
                    if !word.is_empty() {
                        names.push(super::text::slug(&word));
                        word.clear();
                    }
                } else if let Some(t) = token {
                    word.push_str(&t.raw);
                    word.push(' ');
                }
            }
            let ok = !names.is_empty() && names.len() < 40 && names.iter().all(|n| n.split('-').count() <= 3);
            ok.then(|| (p.name().to_owned(), r.said(names, start, r.tokens.len())))
        }
        Holds::Choice if p.open => {
            let token = r.tokens.get(start).filter(|t| t.kind == Kind::Word && end == start + 1 && r.is_unknown(start))?;
            Some((p.name().to_owned(), r.said(super::text::slug(&token.raw), start, end)))
        }
        Holds::Name => {
            let token = r.tokens.get(start).filter(|t| t.kind == Kind::Word && end == start + 1)?;
            Some((p.name().to_owned(), r.said(super::text::slug(&token.raw), start, end)))
        }
        Holds::Count | Holds::Min | Holds::Max => {
            let n = r.tokens.get(start)?.number()?;
            Some((p.name().to_owned(), r.said(n, start, start + 1)))
        }
        Holds::Version => {
            let token = r.tokens.get(start).filter(|t| matches!(t.kind, Kind::Number(_) | Kind::Decimal))?;
            Some((p.name().to_owned(), r.said(token.low.clone(), start, start + 1)))
        }
        _ => None,
    }
}
