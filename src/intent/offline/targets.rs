//! Which deployment is meant: by name, by a part of its name, by its domain, by what it is, by what was spoken of before.
//!
//! The strongest kind of mention decides; weaker kinds only break ties. What stays tied is asked, never guessed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::catalog::Compiled;
use super::lexicon::Lexicon;
use super::reading::Reading;
use super::text::{Kind, fold, phrase_key};
use crate::intent::{KnownDeployment, World};

/// How a deployment was mentioned; a later kind is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    /// Not at all.
    None,
    /// By what kind of thing it is ("the database").
    Noun,
    /// By one of its parameters ("the postgres", "the north site").
    Value,
    /// By a telling part of its name or of its domain ("the forum").
    Part,
    /// By its domain or its name.
    Name,
}

/// Which deployments a request is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resolved {
    /// The deployments, in the order in which the world lists them.
    pub names: Vec<String>,
    /// Several fit and the words do not say which.
    pub unclear: bool,
    /// Everything was meant.
    pub all: bool,
    /// How it was mentioned.
    pub tier: Tier,
    /// Deployments that were named as a model to copy ("like X", "same as X").
    pub like: Vec<String>,
    /// Tokens that name deployments.
    pub spans: Vec<(usize, usize)>,
    /// The strongest mentions, in order.
    pub at: Vec<(usize, usize)>,
}

impl Resolved {
    /// The one deployment that is meant.
    pub fn one(&self) -> Option<&str> {
        if self.unclear || self.names.len() != 1 { None } else { self.names.first().map(String::as_str) }
    }

    /// Nothing was mentioned.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.all
    }
}

/// A mention: where, and how strong.
#[derive(Debug, Clone, Copy)]
struct Mention {
    deployment: usize,
    tier: Tier,
    start: usize,
    end: usize,
}

/// Parts of a deployment's name that tell it from others.
fn telling_parts(name: &str, lexicon: &Lexicon) -> Vec<String> {
    let parts: Vec<String> = phrase_key(&name.replace('_', "-")).split(' ').map(str::to_owned).collect();
    let telling: Vec<String> = parts.iter().filter(|p| p.len() > 2 && !lexicon.is("generic_part", p)).cloned().collect();
    telling
}

fn same_word(a: &str, b: &str) -> bool {
    a == b || (a.len() > 3 && b.len() > 3 && a.trim_end_matches('s') == b.trim_end_matches('s'))
}

/// The words of a deployment's parameters: engines, stacks, sites, region, status.
fn value_words(d: &KnownDeployment, pattern: Option<&Compiled>) -> BTreeSet<String> {
    fn walk(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::String(s) if s.len() > 1 && !s.contains('.') => {
                out.insert(phrase_key(s));
            }
            Value::Array(list) => list.iter().for_each(|v| walk(v, out)),
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    for (name, value) in &d.params {
        walk(value, &mut out);
        let synonyms = pattern
            .and_then(|p| p.param(name))
            .map(|p| p.terms.iter().filter(|(_, v)| out.contains(&phrase_key(v))).map(|(k, _)| k.clone()).collect::<Vec<_>>());
        out.extend(synonyms.unwrap_or_default());
    }
    out.remove("none");
    out.remove("daily");
    out.remove("weekly");
    out.remove("hourly");
    out.extend(d.region.iter().map(|r| phrase_key(r)));
    out
}

/// Finds what a request is about.
pub(super) fn resolve(r: &Reading<'_>, world: &World, catalog: &[Compiled]) -> Resolved {
    let mut mentions = Vec::new();
    let windows = super::lexicon::windows(&r.tokens).collect::<Vec<_>>();
    for (index, d) in world.deployments.iter().enumerate() {
        let pattern = d.pattern.as_deref().and_then(|p| catalog.iter().find(|c| c.name() == p));
        let key = phrase_key(&d.name.replace('_', "-"));
        let domain = d.params.get("domain").and_then(Value::as_str).map(fold);
        let parts = telling_parts(&d.name, r.lexicon);
        let labels: Vec<String> = domain
            .iter()
            .flat_map(|x| x.split('.').rev().skip(1).map(str::to_owned).collect::<Vec<_>>())
            .filter(|l| l.len() > 2 && !r.lexicon.is("generic_part", l))
            .collect();
        let kinds: Vec<String> = phrase_key(&d.name.replace('_', "-"))
            .split(' ')
            .filter(|p| p.len() > 2 && r.lexicon.is("generic_part", p))
            .map(str::to_owned)
            .collect();
        let values = value_words(d, pattern);
        let mut add = |tier, start, end| mentions.push(Mention { deployment: index, tier, start, end });
        for (start, end, words) in &windows {
            if *words == key {
                add(Tier::Name, *start, *end);
            } else if end - start == 2 && key.split(' ').count() == 2 && key.split(' ').rev().eq(words.split(' ')) {
                // "the eu shop" is shop-eu
                add(Tier::Name, *start, *end);
            } else if pattern.is_some_and(|p| p.words.contains(words.as_str())) {
                // "3 db replicas" counts, and speaks of no database.
                let counts = ["alike_replica", "alike_instance"].iter().any(|class| r.lexicon.is(class, r.low(*end)));
                // "is the blog encrypted?" asks after a setting.
                let setting = pattern.is_some_and(|p| p.params.iter().any(|q| q.on.contains(words.as_str())));
                if !counts && !setting {
                    add(Tier::Noun, *start, *end);
                }
            } else if values.contains(words) {
                add(Tier::Value, *start, *end);
            }
        }
        for (i, token) in r.tokens.iter().enumerate() {
            match &token.kind {
                Kind::Domain if domain.as_deref() == Some(token.low.as_str()) => add(Tier::Name, i, i + 1),
                Kind::Word => {
                    let exact = world.deployments.iter().any(|d| fold(&d.name) == token.low);
                    let near =
                        !exact && token.low.len() >= 6 && token.low.contains('-') && strsim::osa_distance(&token.low, &fold(&d.name)) <= 1;
                    if near {
                        add(Tier::Name, i, i + 1);
                    }
                    if !token.low.contains('-')
                        && !speaks_of_people(r, i)
                        && (parts.iter().any(|p| same_word(p, &token.low))
                            || labels.iter().any(|l| {
                                same_word(l, &token.low)
                                    || l.split('-').any(|x| x.len() > 3 && same_word(x, &token.low) && !r.lexicon.is("generic_part", x))
                            }))
                    {
                        add(Tier::Part, i, i + 1);
                    } else if token.low.contains('-') && d.resources.iter().any(|a| names_resource(a, &token.low)) {
                        // One of its resources stands for it.
                        add(Tier::Part, i, i + 1);
                    } else if token.low.len() == 2
                        && matches!(r.before(i, 1), "the" | "in" | "our")
                        && (matches!(r.low(i + 1), "one" | "") || r.lexicon.is("generic_part", r.low(i + 1)))
                        && key.split(' ').any(|p| p == token.low && !r.lexicon.is("generic_part", p))
                    {
                        // "the us one"
                        add(Tier::Part, i, i + 1);
                    } else if kinds.iter().any(|k| same_word(k, &token.low)) {
                        // "the shop" may be any of the deployments that are called a shop.
                        add(Tier::Noun, i, i + 1);
                    }
                }
                _ => {}
            }
        }
    }
    choose(r, world, mentions)
}

/// Whether a word is the name of the resource at an address.
pub(super) fn names_resource(address: &str, word: &str) -> bool {
    address.rsplit(':').next().is_some_and(|name| name.eq_ignore_ascii_case(word))
}

/// "customers can't pay": people who meet a fault, and not the deployment that is called after them.
fn speaks_of_people(r: &Reading<'_>, at: usize) -> bool {
    r.lexicon.is("people", r.low(at))
        && (at + 1..(at + 6).min(r.clause_end(at))).any(|i| {
            [
                "can",
                "could",
                "are",
                "get",
                "see",
                "report",
                "complain",
                "complaining",
                "say",
                "wait",
                "lose",
                "cannot",
                "keep",
                "still",
                "have",
                "do",
                "will",
                "trying",
            ]
            .contains(&r.low(i))
        })
}

/// Whether a mention is a model to copy rather than a target.
fn is_like(r: &Reading<'_>, start: usize) -> bool {
    let wish = (start.saturating_sub(3)..start)
        .any(|i| r.low(i) == "like" && ["would", "i", "we", "they", "d", "should"].contains(&r.before(i, 1)));
    if wish {
        return false;
    }
    (start.saturating_sub(3)..start).any(|i| {
        r.marks.covers("like", i) && r.low(i) != "wie"
            || matches!(r.low(i), "as" | "als") && (start.saturating_sub(5)..start).any(|j| matches!(r.low(j), "same" | "just"))
    })
}

/// Whether a mention is one to leave alone ("keep X", "everything but X", "X stays").
fn is_kept(r: &Reading<'_>, start: usize, end: usize) -> bool {
    let clause = r.clause_start(start);
    // "keep the shop's backups for a year" keeps something of it.
    let owner = r.tokens.get(end - 1).and_then(|t| r.text.get(t.end..)).is_some_and(|rest| rest.starts_with(['\'', '’']));
    if owner {
        return false;
    }
    let kept = (clause..start).rev().find(|i| r.marks.covers("keep", *i)).is_some_and(|k| {
        // "keep dev-a and drop dev-b": another verb in between takes over.
        let word = r.low(k);
        // "how long do we keep backups of X" is no instruction.
        let told = matches!(word, "keep" | "leave" | "spare")
            && ["we", "i", "you", "they", "it", "to", "does", "do", "which", "who"].contains(&r.before(k, 1));
        let negated = told
            || matches!(word, "not" | "manten")
                && ["do", "does", "is", "can", "should", "could", "did", "why", "are", "will"].contains(&r.before(k, 1));
        let value_follows = matches!(word, "keep" | "leave")
            && (end..r.clause_end(end)).any(|i| r.tokens[i].number().is_some() || r.marks.covers("day", i));
        let verb_between = (k + 1..start).any(|i| {
            r.marks.covers("destroy", i) || r.marks.covers("restart", i) || r.marks.covers("stop", i) || r.marks.covers("scale", i)
        });
        !verb_between && !negated && !value_follows && start - k <= 5
    });
    // "X stays", "X must stay", "X should not", "X is to be kept"
    let mut after = end;
    while after < end + 4
        && ["must", "should", "has", "have", "needs", "to", "can", "shall", "will", "is", "be", "soll", "muss", "doit", "debe"]
            .contains(&r.low(after))
    {
        after += 1;
    }
    let stays = [
        "stays", "stay", "remains", "remain", "kept", "survives", "survive", "bleibt", "bleiben", "reste", "rester", "queda", "quedarse",
        "queda",
    ];
    kept || stays.contains(&r.low(after)) && (after > end || r.low(after) != "kept")
        || r.low(after) == "not" && ["must", "should", "shall"].contains(&r.before(after, 1))
}

/// Whether everything that is deployed is meant: "everything", "all of it", "all my stuff", "the whole lot".
fn means_everything(r: &Reading<'_>) -> bool {
    let last = [
        "everything",
        "deployments",
        "deployment",
        "them",
        "it",
        "alles",
        "todo",
        "tout",
        "lot",
        "infrastructure",
        "estate",
        "have",
        "all",
        "every",
        "todos",
    ];
    // "all of it is slow" speaks of all; "most of all", "at all", "after all" do not.
    let spoken = |at: usize| {
        let before = r.before(at, 1);
        !(before == "of" && r.before(at, 2) != "rid" || matches!(before, "at" | "after" | "above" | "first"))
    };
    let told = r.marks.spans("all").iter().find(|s| last.contains(&r.low(s.end.saturating_sub(1)))).is_some_and(|s| {
        let next = r.low(s.end);
        // "everything encrypted" says how, not what.
        let how = next.ends_with("ed") || ["else", "on", "about", "verschlusselt", "chiffre", "cifrado"].contains(&next);
        let whole = matches!(r.low(s.start), "everything" | "alles" | "todo" | "tout") && !how
            || ["deployments", "deployment", "", "of", "environments", "resources", "apps", "down", "now"].contains(&next)
            || matches!(r.low(s.end.saturating_sub(1)), "deployments" | "deployment" | "them");
        spoken(s.start) && whole
    });
    let acts = ["destroy", "stop", "start", "restart", "rollback", "backup"].iter().any(|class| r.marks.any(class));
    told || acts
        && (0..r.tokens.len()).any(|i| {
            let quantity = matches!(r.low(i), "all" | "every" | "whole" | "entire" | "complete" | "ganze" | "gesamte" | "toute" | "toda");
            let mut noun = i + 1;
            while noun < i + 4 && (r.is_filler(noun) || matches!(r.low(noun), "of" | "these" | "those" | "this" | "that")) {
                noun += 1;
            }
            quantity && spoken(i) && r.lexicon.is("whole", r.low(noun)) && !r.tokens[i..noun].iter().any(|t| t.ends_clause())
        })
}

fn choose(r: &Reading<'_>, world: &World, mentions: Vec<Mention>) -> Resolved {
    let name = |i: usize| world.deployments.get(i).map(|d| d.name.clone()).unwrap_or_default();
    let mut kept = BTreeSet::new();
    let mut like = Vec::new();
    let mut live: Vec<Mention> = Vec::new();
    for m in mentions {
        if m.tier >= Tier::Part && is_kept(r, m.start, m.end) {
            kept.insert(m.deployment);
        } else if m.tier >= Tier::Part && is_like(r, m.start) {
            if !like.contains(&name(m.deployment)) {
                like.push(name(m.deployment));
            }
        } else {
            live.push(m);
        }
    }
    live.retain(|m| !kept.contains(&m.deployment));
    let top = live.iter().map(|m| m.tier).max().unwrap_or(Tier::None);
    let everything = means_everything(r);
    let spans: Vec<(usize, usize)> = live.iter().filter(|m| m.tier >= Tier::Part).map(|m| (m.start, m.end)).collect();
    if everything && top < Tier::Part {
        let names: Vec<String> =
            if kept.is_empty() { Vec::new() } else { (0..world.deployments.len()).filter(|i| !kept.contains(i)).map(name).collect() };
        return Resolved { all: names.is_empty(), names, unclear: false, tier: Tier::Name, like, spans, at: Vec::new() };
    }
    if top == Tier::None {
        return Resolved { names: Vec::new(), unclear: false, all: false, tier: top, like, spans, at: Vec::new() };
    }
    // Of one phrase, the mention that uses the most words counts.
    let strongest: Vec<&Mention> = live
        .iter()
        .filter(|m| {
            m.tier == top
                && !live.iter().any(|o| o.tier == top && o.start <= m.start && o.end >= m.end && (o.end - o.start) > (m.end - m.start))
        })
        .collect();
    let places: BTreeSet<usize> = strongest.iter().map(|m| m.start).collect();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let mut unclear = false;
    let plural = |m: &Mention| {
        let end = m.end;
        let words = (m.start..(end + 2).min(r.tokens.len())).any(|i| {
            [
                "pages",
                "sites",
                "apps",
                "environments",
                "envs",
                "boxes",
                "databases",
                "dbs",
                "clusters",
                "shops",
                "stores",
                "deployments",
                "ones",
                "umgebungen",
                "blogs",
                "websites",
                "sandboxes",
            ]
            .contains(&r.low(i))
        });
        let both = (m.start.saturating_sub(3)..m.start).any(|i| r.marks.covers("both", i) || r.tokens[i].number().is_some_and(|n| n > 1));
        let singled = (m.start.saturating_sub(4)..m.start).any(|i| matches!(r.low(i), "one" | "which" | "either" | "eine" | "une" | "una"));
        (words || both) && !singled
    };
    for place in &places {
        let here: Vec<usize> = strongest.iter().filter(|m| m.start == *place).map(|m| m.deployment).collect();
        let here: Vec<usize> = here.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        if here.len() == 1 {
            chosen.extend(here);
            continue;
        }
        // Weaker mentions break the tie.
        let score = |d: usize| -> usize {
            let kinds: BTreeSet<(Tier, usize)> =
                live.iter().filter(|m| m.deployment == d && m.start != *place).map(|m| (m.tier, m.start)).collect();
            kinds
                .iter()
                .map(|(tier, _)| match tier {
                    Tier::Name => 1000,
                    Tier::Part => 100,
                    Tier::Value => 10,
                    _ => 1,
                })
                .sum()
        };
        let best = here.iter().map(|d| score(*d)).max().unwrap_or(0);
        let top: Vec<usize> = here.iter().copied().filter(|d| score(*d) == best).collect();
        let many = strongest.iter().find(|m| m.start == *place).is_some_and(|m| plural(m));
        if top.len() == 1 && !many {
            chosen.extend(top);
        } else if many {
            chosen.extend(here);
        } else {
            chosen.extend(top);
            unclear = true;
        }
    }
    // A part and a noun for different things ("the forum database") are settled by the part; two unclear nouns narrow each other.
    if top < Tier::Part && places.len() > 1 {
        let fits: Vec<usize> = chosen
            .iter()
            .copied()
            .filter(|d| places.iter().all(|p| strongest.iter().any(|m| m.start == *p && m.deployment == *d)))
            .collect();
        if fits.len() == 1 {
            chosen = fits.into_iter().collect();
            unclear = false;
        } else if chosen.len() > 1 {
            unclear = true;
        }
    }
    let mut at: Vec<(usize, usize)> = strongest.iter().map(|m| (m.start, m.end)).collect();
    at.sort_unstable();
    Resolved { names: chosen.into_iter().map(name).collect(), unclear, all: false, tier: top, like, spans, at }
}

/// The deployment that was spoken of last.
pub(super) fn last_spoken(world: &World, lexicon: &Lexicon, catalog: &[Compiled]) -> Option<String> {
    for turn in world.history.iter().rev() {
        let clean = super::guard::clean(&turn.text);
        let tokens = super::numbers::read(super::text::tokenize(&clean.text));
        let r = Reading::new(&clean.text, tokens, lexicon);
        let found = resolve(&r, world, catalog);
        if found.tier >= Tier::Part
            && let Some(one) = found.one()
        {
            return Some(one.to_owned());
        }
    }
    None
}
