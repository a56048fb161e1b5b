//! Schedules ("nightly", "every 6 hours", a cron line) and spans ("two weeks", "90d").

use super::catalog::Compiled;
use super::reading::Reading;
use super::slots::{Mode, Slots};
use super::text::Kind;
use crate::intent::Holds;

/// Reads the schedule and the retention of a pattern that has them.
pub(super) fn read(r: &Reading<'_>, c: &Compiled, _mode: Mode, slots: &mut Slots) {
    let windows = r.windows();
    let backs_up =
        |p: &&super::catalog::Param| matches!(p.holds(), Holds::Switch | Holds::Schedule | Holds::Retention) && p.name().contains('.');
    let mentions = r.marks.any("backup")
        || windows.iter().any(|(_, _, key)| c.params.iter().filter(backs_up).any(|p| p.named_by(key) || p.on.contains(key)));
    let off = slots.values.iter().any(|(k, v)| k.ends_with(".enabled") && v.value == false);
    let schedule = c.holding(Holds::Schedule).filter(|_| mentions && !off).and_then(|p| find_schedule(r, slots).map(|found| (p, found)));
    if let Some((p, (value, start, end))) = &schedule {
        slots.put(p.name(), r.said(value.clone(), *start, *end));
    }
    if let Some(p) = c.holding(Holds::Retention).filter(|_| !off) {
        let named = (0..r.tokens.len()).any(|i| p.named_by(r.low(i)));
        if (mentions || named)
            && let Some((days, start, end)) = find_span(r, slots)
        {
            slots.put(p.name(), r.said(format!("{days}d"), start, end));
        }
    }
    // A schedule or a span says that it is on, unless it was said to be off.
    for p in c.params.iter().filter(|p| p.holds() == Holds::Switch) {
        let Some((head, "enabled")) = p.name().rsplit_once('.') else { continue };
        let implied = slots.values.iter().find(|(k, _)| k.starts_with(head) && *k != p.name()).map(|(_, v)| v.clone());
        if let Some(mut said) = implied
            && !slots.values.contains_key(p.name())
        {
            said.value = true.into();
            slots.put(p.name(), said);
        }
    }
}

fn every(word: &str) -> bool {
    matches!(word, "every" | "each" | "alle" | "cada" | "toutes" | "les")
}

/// A clock time such as "at 2am", "at 03:30", "um 4 uhr": hour, minute, end.
fn clock(r: &Reading<'_>, from: usize, slots: &mut Slots) -> Option<(i64, i64, usize)> {
    for i in from..(from + 4).min(r.tokens.len()) {
        let Some(hour) = r.tokens[i].number().filter(|h| (0..24).contains(h)) else { continue };
        let at = matches!(r.before(i, 1), "at" | "um" | "@" | "a" | "las" | "around");
        let minute = r.tokens.get(i + 1).filter(|t| t.is_punct(':')).and_then(|_| r.tokens.get(i + 2)).and_then(|t| t.number());
        let suffix = if minute.is_some() { i + 3 } else { i + 1 };
        let (hour, end) = match r.low(suffix) {
            "pm" | "p.m" => (if hour < 12 { hour + 12 } else { hour }, suffix + 1),
            "am" | "a.m" => (hour % 12, suffix + 1),
            "uhr" | "h" | "oclock" => (hour, suffix + 1),
            _ if minute.is_some() || at => (hour, suffix),
            _ => return None,
        };
        slots.used[i] = true;
        if minute.is_some() {
            slots.used[i + 2] = true;
        }
        return Some((hour, minute.unwrap_or(0), end));
    }
    None
}

fn find_schedule(r: &Reading<'_>, slots: &mut Slots) -> Option<(String, usize, usize)> {
    let mut best: Option<(String, usize, usize)> = None;
    for (i, token) in r.tokens.iter().enumerate() {
        if r.shut[i] {
            continue;
        }
        let found = if token.kind == Kind::Cron {
            Some((token.raw.clone(), i, i + 1))
        } else if let Some(n) = token.number().filter(|n| *n > 0 && (every(r.before(i, 1)) || r.before(i, 2) == "toutes")) {
            let unit = r.low(i + 1);
            let value = match unit {
                "hours" | "hour" | "h" | "hrs" | "stunden" | "heures" | "horas" if n < 24 => {
                    Some(if n == 1 { "hourly".to_owned() } else { format!("0 */{n} * * *") })
                }
                "hours" | "h" | "stunden" | "heures" | "horas" if n == 24 => Some("daily".to_owned()),
                "minutes" | "minute" | "min" | "minuten" | "minutos" if n < 60 => Some(format!("*/{n} * * * *")),
                _ if r.marks.covers("day", i + 1) => Some(if n == 1 { "daily".to_owned() } else { format!("0 0 */{n} * *") }),
                _ if r.marks.covers("week", i + 1) && n == 1 => Some("weekly".to_owned()),
                _ => None,
            };
            value.map(|v| {
                slots.used[i] = true;
                (v, i - 1, i + 2)
            })
        } else {
            [("daily", "daily"), ("hourly", "hourly"), ("weekly", "weekly"), ("monthly", "monthly")]
                .iter()
                .find_map(|(class, value)| r.marks.at(class, i).map(|end| ((*value).to_owned(), i, end)))
        };
        let Some((mut value, start, mut end)) = found else { continue };
        if value == "daily"
            && let Some((hour, minute, stop)) = clock(r, end, slots)
        {
            value = format!("{minute} {hour} * * *");
            end = stop;
        }
        if best.is_none() || r.corrected_between(0, start) {
            best = Some((value, start, end));
        }
    }
    best
}

/// A span in days: "two weeks", "30 days", "90d", "a year".
fn find_span(r: &Reading<'_>, slots: &mut Slots) -> Option<(i64, usize, usize)> {
    let mut best: Option<(i64, usize, usize)> = None;
    let unit = |i: usize| {
        if ["fortnight", "fortnights"].contains(&r.low(i)) {
            return Some(14);
        }
        [("day", 1), ("week", 7), ("month", 30), ("year", 365)].iter().find_map(|(class, days)| r.marks.at(class, i).map(|_| *days))
    };
    for i in 0..r.tokens.len() {
        if r.shut[i] {
            continue;
        }
        let Some(days) = unit(i) else { continue };
        let (n, start) = match i.checked_sub(1).and_then(|b| r.tokens[b].number().map(|n| (n, b))) {
            Some((n, b)) if !slots.used[b] => (n, b),
            Some(_) => continue,
            None if ["a", "one", "ein", "eine", "einen", "un", "une", "una"].contains(&r.before(i, 1)) && r.low(i).len() > 2 => (1, i - 1),
            None => continue,
        };
        let (days, start) = if n == 1 && r.before(start, 1) == "half" { (days / 2, start - 1) } else { (days, start) };
        if n <= 0 {
            slots.invalid.push(("retention".to_owned(), format!("{n} days")));
        }
        let skip = every(r.before(start, 1))
            || r.before(start, 2) == "toutes"
            || ["last", "past", "in", "within", "next", "once", "twice", "every"].contains(&r.before(start, 1))
            || matches!(r.low(i + 1), "ago" | "old");
        if skip || n <= 0 {
            continue;
        }
        if r.tokens[start].number().is_some() {
            slots.used[start] = true;
        }
        if best.is_none() || r.corrected_between(0, i) {
            best = Some((n.saturating_mul(days), start, i + 1));
        }
    }
    best
}
