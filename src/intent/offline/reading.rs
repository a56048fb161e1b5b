//! One request under the reader's eye: its tokens, where the word classes lie, and which tokens are already spoken for.

use serde_json::Value;

use super::lexicon::{Lexicon, Marks, windows};
use super::text::{FOREIGN, Kind, Token};
use crate::intent::{Provenance, Said};

/// A request taken apart.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The cleaned text.
    pub text: &'a str,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Where each word class lies.
    pub marks: Marks,
    /// The word classes.
    pub lexicon: &'a Lexicon,
    /// Tokens from which no value may be read: names of deployments, clauses that say what to leave alone.
    pub shut: Vec<bool>,
    /// A fault was quoted ("it says 'no space left'").
    pub quoted_fault: bool,
    /// Something was quoted.
    pub quoted: bool,
}

/// Verbs whose particle stands apart: "shut the shop down", "turn it off", "roll the blog back".
const SEPARABLE: [(&str, &str, &str); 42] = [
    ("throw", "away", "destroy"),
    ("chuck", "out", "destroy"),
    ("nimm", "weg", "destroy"),
    ("put", "sleep", "stop"),
    ("send", "sleep", "stop"),
    ("was", "los", "cause"),
    ("hau", "weg", "destroy"),
    ("wirf", "weg", "destroy"),
    ("raum", "weg", "destroy"),
    ("baue", "ab", "destroy"),
    ("bau", "ab", "destroy"),
    ("fahre", "hoch", "start"),
    ("bring", "online", "start"),
    ("bring", "back", "start"),
    ("stelle", "um", "update"),
    ("stelle", "wieder", "restore"),
    ("shut", "down", "stop"),
    ("take", "down", "destroy"),
    ("tear", "down", "destroy"),
    ("turn", "off", "stop"),
    ("switch", "off", "stop"),
    ("power", "off", "stop"),
    ("turn", "on", "start"),
    ("switch", "on", "start"),
    ("power", "on", "start"),
    ("power", "up", "start"),
    ("bring", "up", "start"),
    ("wake", "up", "start"),
    ("roll", "back", "rollback"),
    ("put", "back", "rollback"),
    ("take", "back", "rollback"),
    ("move", "back", "rollback"),
    ("back", "up", "backup"),
    ("spin", "up", "make"),
    ("set", "up", "make"),
    ("stand", "up", "make"),
    ("scale", "up", "up"),
    ("scale", "out", "up"),
    ("scale", "down", "down"),
    ("fail", "over", "failover"),
    ("schalte", "aus", "stop"),
    ("fahre", "herunter", "stop"),
];

/// Marks separable verbs, and their particles so that "down" is not taken for a fault.
fn separable(tokens: &[Token], marks: &mut Marks) {
    for (i, token) in tokens.iter().enumerate() {
        for (verb, particle, class) in SEPARABLE {
            if token.kind != Kind::Word || token.low != verb {
                continue;
            }
            let within = tokens.iter().enumerate().skip(i + 2).take(5).take_while(|(_, t)| !t.ends_clause());
            if let Some((j, _)) = within.into_iter().find(|(_, t)| t.low == particle) {
                marks.add(class, i, i + 1);
                marks.add("particle", j, j + 1);
            }
        }
    }
}

impl<'a> Reading<'a> {
    /// Takes a token list under the eye.
    pub fn new(text: &'a str, tokens: Vec<Token>, lexicon: &'a Lexicon) -> Self {
        let mut marks = lexicon.mark(&tokens);
        separable(&tokens, &mut marks);
        // "14 … no, 15"
        for i in 1..tokens.len().saturating_sub(1) {
            let refused = ["no", "nein", "non", "nope"].contains(&tokens[i].low.as_str());
            if refused && matches!(tokens[i - 1].kind, Kind::Punct(_)) && tokens[i + 1].is_punct(',') {
                marks.add("correction", i, i + 1);
            }
        }
        let shut = vec![false; tokens.len()];
        Self { text, tokens, marks, lexicon, shut, quoted_fault: false, quoted: false }
    }

    /// The folded word at a place, or nothing.
    pub fn low(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| t.low.as_str())
    }

    /// The folded word before a place, or nothing.
    pub fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |i| self.low(i))
    }

    /// The first token of the clause that a token is in.
    pub fn clause_start(&self, at: usize) -> usize {
        (0..at.min(self.tokens.len())).rev().find(|i| self.tokens[*i].ends_clause()).map_or(0, |i| i + 1)
    }

    /// One past the last token of the clause that a token is in.
    pub fn clause_end(&self, at: usize) -> usize {
        (at..self.tokens.len()).find(|i| self.tokens[*i].ends_clause()).unwrap_or(self.tokens.len())
    }

    /// The words from one token to another, as the person wrote them.
    pub fn words(&self, start: usize, end: usize) -> String {
        let (Some(first), Some(last)) = (self.tokens.get(start), end.checked_sub(1).and_then(|i| self.tokens.get(i))) else {
            return String::new();
        };
        self.text.get(first.start..last.end).unwrap_or_default().replace(FOREIGN, "").trim().to_owned()
    }

    /// A value with the words that gave it.
    pub fn said(&self, value: impl Into<Value>, start: usize, end: usize) -> Said {
        Said { value: value.into(), provenance: Provenance::Said { words: self.words(start, end) } }
    }

    /// All windows of open tokens, longest first per start, with their phrase keys.
    pub fn windows(&self) -> Vec<(usize, usize, String)> {
        windows(&self.tokens).filter(|(s, e, _)| !self.shut[*s..*e].iter().any(|x| *x)).collect()
    }

    /// Whether a token lies in a clause that says of a number that it does not do ("2 is too few", "3 are not enough").
    pub fn in_complaint(&self, at: usize) -> bool {
        (at..self.clause_end(at)).any(|i| {
            let next = self.low(i + 1);
            // "five is stingy", "two are risky"
            let judged = matches!(self.low(i), "is" | "are" | "seems" | "feels" | "sounds" | "looks")
                && i > 0
                && self.tokens[i - 1].number().is_some()
                && [
                    "stingy",
                    "tight",
                    "overkill",
                    "excessive",
                    "wasteful",
                    "silly",
                    "ridiculous",
                    "nonsense",
                    "wrong",
                    "insufficient",
                    "inadequate",
                    "low",
                    "high",
                    "small",
                    "large",
                    "cramped",
                    "generous",
                    "risky",
                    "little",
                    "thin",
                    "crazy",
                    "mad",
                ]
                .contains(&next);
            judged
                || self.low(i) == "too" && ["few", "many", "little", "much", "small", "big", "expensive", "low", "high"].contains(&next)
                || self.low(i) == "not" && ["enough", "sufficient"].contains(&next)
                || self.low(i) == "zu" && ["wenig", "wenige", "viel", "viele"].contains(&next)
        })
    }

    /// Whether a token lies in a clause about what may go wrong ("if one server dies", "wenn ein Knoten ausfällt").
    pub fn in_failure(&self, at: usize) -> bool {
        let end = self.clause_end(at);
        let start = (self.clause_start(at)..=at.min(self.tokens.len().saturating_sub(1))).rev().find(|i| {
            ["if", "when", "should", "falls", "wenn", "si", "cuando", "quand", "even", "survive", "survives", "lose", "losing"]
                .contains(&self.low(*i))
        });
        start.is_some_and(|s| {
            let breaks = [
                "dies", "die", "fails", "fail", "crashes", "crash", "breaks", "goes", "lose", "losing", "lost", "dying", "failing",
                "ausfallt", "stirbt", "tombe", "falla", "muere", "cae", "survive", "survives", "burns",
            ];
            // "if a server dies" supposes; "if I open it, it dies" reports.
            let any = ["a", "an", "any", "one", "1", "either", "something", "ein", "eine", "einer", "un", "une", "una", "uno"];
            (s..end).any(|i| breaks.contains(&self.low(i))) && (s..end).any(|i| any.contains(&self.low(i)))
        })
    }

    /// Whether a correction ("no wait", "sorry") stands between two tokens.
    pub fn corrected_between(&self, from: usize, to: usize) -> bool {
        self.marks.spans("correction").iter().any(|s| s.start >= from && s.end <= to)
    }

    /// Whether a token is a word that neither the lexicon nor the frequent words know.
    pub fn is_unknown(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|t| t.kind == Kind::Word && !self.lexicon.knows(&t.low))
    }

    /// Whether a token is an article or another word that may stand between a number or a verb and its noun.
    pub fn is_filler(&self, at: usize) -> bool {
        [
            "the", "a", "an", "any", "some", "of", "my", "our", "its", "their", "his", "her", "your", "der", "die", "das", "den", "dem",
            "ein", "eine", "einen", "unser", "unsere", "le", "la", "les", "l", "un", "une", "des", "du", "de", "d", "notre", "el", "los",
            "las", "una", "del", "nuestro", "nuestra", "mi", "mon", "mein", "meine",
        ]
        .contains(&self.low(at))
    }
}
