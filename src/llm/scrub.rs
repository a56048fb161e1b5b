//! Finds what looks like a secret in a text, so that it can be left out before anything is sent, logged or recorded.
//!
//! A detector, not a proof: it knows the usual shapes and prefers to hide too much. Secrets that Swell itself keeps are
//! references and never get this far.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// What stands where a secret was.
pub const HOLE: &str = "‹secret›";

/// A stretch of a text that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its kind: `a password`, `a private key`.
    pub what: &'static str,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// The text with [`HOLE`]s.
    pub text: String,
    /// The kinds of what was left out, in order.
    pub found: Vec<&'static str>,
}

/// Shapes that are secrets wherever they stand. A group, if there is one, is the secret within the match.
static SHAPES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    compile(&[
        ("a private key", r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)"),
        ("a signed token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
        ("an AWS access key", r"\b(?:AKIA|ASIA|AGPA|AROA)[0-9A-Z]{16}\b"),
        (
            "an API key",
            r"\b(?:sk-[A-Za-z0-9_-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{30,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{20,}|dop_v1_[a-f0-9]{32,}|AGE-SECRET-KEY-1[0-9A-Z]{20,})",
        ),
        ("a password in a URL", r"://[^\s/:@]*:([^\s/@]+)@"),
        ("an authorization header", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9+/._~=-]{16,})"),
    ])
});

/// A word for a secret, maybe something between, and a value.
static NAMED: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let value = r#"(?P<value>"[^"]+"|'[^']+'|`[^`]+`|[^\s"'`]\S*)"#;
    let between = r"(?P<between>\s*(?:=|:=|:|->|=>)\s*|\s+(?:is|as|ist|lautet|est|es|to|auf|von|of)\s+|\s+)";
    let password = r"pass\s?word|passwd|pass\s?phrase|pwd|pw|passwort|kennwort|mot de passe|mdp|contraseña|clave";
    let token = r"secret(?:[ _-]?key)?|token|api[ _-]?key|access[ _-]?key(?:[ _-]?id)?|private[ _-]?key|auth[ _-]?key|credentials?";
    compile(&[
        ("a password", &format!(r"(?i)(?:\b|_)(?:{password})s?{between}{value}")),
        ("a token", &format!(r"(?i)(?:\b|_)(?:{token})s?{between}{value}")),
    ])
});

static LONG_WORD: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| compile(&[("a random string", r"[A-Za-z0-9+/_=-]{20,}")]));

static REFERENCE: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| compile(&[("a reference", r"\$\{[^}\s]*\}")]));

fn compile(rules: &[(&'static str, &str)]) -> Vec<(&'static str, Regex)> {
    rules.iter().filter_map(|(what, rule)| Some((*what, Regex::new(rule).ok()?))).collect()
}

/// Words that follow "password is" without being one.
const NOT_A_VALUE: &[&str] = &[
    "a",
    "an",
    "and",
    "auth",
    "authentication",
    "bad",
    "being",
    "broken",
    "changed",
    "correct",
    "empty",
    "expired",
    "expiring",
    "for",
    "from",
    "generated",
    "in",
    "incorrect",
    "invalid",
    "it",
    "leaked",
    "lost",
    "missing",
    "my",
    "needed",
    "none",
    "not",
    "null",
    "old",
    "on",
    "or",
    "policy",
    "protected",
    "protection",
    "rejected",
    "required",
    "reset",
    "rotated",
    "rotation",
    "set",
    "still",
    "stored",
    "that",
    "the",
    "this",
    "too",
    "unknown",
    "used",
    "weak",
    "what",
    "with",
    "wrong",
    "your",
];

/// Every stretch that looks like a secret, in order, without overlaps.
pub fn find(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    for (what, shape) in SHAPES.iter() {
        for m in shape.captures_iter(text) {
            if let Some(part) = m.get(1).or_else(|| m.get(0)) {
                all.push(Found { what, range: part.range() });
            }
        }
    }
    for (what, shape) in NAMED.iter() {
        let mut from = 0;
        while let Some(m) = shape.captures_at(text, from) {
            let (Some(whole), Some(between), Some(value)) = (m.get(0), m.name("between"), m.name("value")) else { break };
            // The value itself may be the next word for a secret ("the password token is …"), so go on from its start.
            from = value.start().max(whole.start() + 1);
            if is_value(value.as_str(), between.as_str(), *what == "a password") {
                let value = trimmed(text, value.range());
                from = value.end;
                all.push(Found { what, range: value });
            }
        }
    }
    for (what, shape) in LONG_WORD.iter() {
        all.extend(shape.find_iter(text).filter(|m| is_random(m.as_str())).map(|m| Found { what, range: m.range() }));
    }
    // `${secret:NAME}` is the opposite of a secret.
    let references: Vec<_> = REFERENCE.iter().flat_map(|(_, r)| r.find_iter(text)).map(|m| m.range()).collect();
    all.retain(|f| !references.iter().any(|r| r.start <= f.range.start && f.range.start < r.end));
    all.sort_by_key(|f| (f.range.start, std::cmp::Reverse(f.range.end)));
    let mut out: Vec<Found> = Vec::new();
    for found in all {
        match out.last_mut() {
            Some(last) if found.range.start < last.range.end => last.range.end = last.range.end.max(found.range.end),
            _ => out.push(found),
        }
    }
    out
}

/// Leaves every secret out.
pub fn scrub(text: &str) -> Scrubbed {
    let found = find(text);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for f in &found {
        out.push_str(&text[at..f.range.start]);
        out.push_str(HOLE);
        at = f.range.end;
    }
    out.push_str(&text[at..]);
    Scrubbed { text: out, found: found.into_iter().map(|f| f.what).collect() }
}

/// Leaves every secret out of the strings of a JSON value; keys stay.
pub fn scrub_json(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(scrub(text).text),
        Value::Array(items) => Value::Array(items.iter().map(scrub_json).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, v)| {
                    // `password: hunter` is only a secret beside its key.
                    let v = match v {
                        Value::String(text) if names_a_secret(key) && !text.starts_with("${secret:") => Value::String(HOLE.to_owned()),
                        other => scrub_json(other),
                    };
                    (key.clone(), v)
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether a key such as `db_password` holds a secret by its name.
pub fn names_a_secret(key: &str) -> bool {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    ["password", "passwd", "passphrase", "secretkey", "apikey", "accesskey", "privatekey", "authtoken", "accesstoken"]
        .iter()
        .any(|w| key.ends_with(w))
        || matches!(key.as_str(), "secret" | "token" | "pw" | "pwd")
}

/// Characters that a person cannot see: controls, zero-width, bidirectional, tags. Line feed and tab are not among them.
pub fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let value = &text[range.clone()];
    let value = value.trim_end_matches([',', ';', '.', ')']);
    range.start..range.start + value.len()
}

fn is_value(value: &str, between: &str, password: bool) -> bool {
    let quoted = value.starts_with(['"', '\'', '`']);
    let bare = value.trim_matches(['"', '\'', '`', ',', ';', '.', '?', '!', ')']);
    if bare.is_empty() || bare.starts_with("${") || bare.contains(HOLE) || NOT_A_VALUE.contains(&bare.to_lowercase().as_str()) {
        return false;
    }
    if between.contains(['=', ':']) || quoted {
        return true;
    }
    if between.trim().is_empty() || !password || matches!(between.trim(), "to" | "of" | "von" | "as") {
        // Only a space between: it must look like one.
        let long_enough = bare.chars().count() >= if password { 4 } else { 12 };
        return long_enough && (classes(bare) >= 2 || password && bare.chars().all(|c| c.is_ascii_digit()));
    }
    true
}

/// How many of: small letters, capitals within the word, digits, symbols that do not occur in names.
fn classes(word: &str) -> usize {
    let any = |test: fn(char) -> bool| usize::from(word.chars().any(test));
    let capitals = usize::from(word.chars().skip(1).any(char::is_uppercase));
    any(char::is_lowercase)
        + capitals
        + any(|c| c.is_ascii_digit())
        + any(|c| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | '.' | '/' | ','))
}

fn is_random(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    digits >= 1 && word.chars().any(|c| c.is_ascii_uppercase()) && word.chars().any(|c| c.is_ascii_lowercase()) && entropy(word) >= 4.0
}

/// Shannon entropy in bits per character.
fn entropy(word: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for b in word.bytes() {
        counts[usize::from(b)] += 1;
    }
    let n = word.len() as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles() {
        assert_eq!((SHAPES.len(), NAMED.len(), LONG_WORD.len(), REFERENCE.len()), (6, 2, 1, 1));
    }

    #[test]
    fn secrets_are_left_out() {
        for (text, want) in [
            ("mysql cluster, 3 replicas, root pw S3cr3t!pw-42", "mysql cluster, 3 replicas, root pw ‹secret›"),
            ("DB_PASSWORD=hunter, then go", "DB_PASSWORD=‹secret›, then go"),
            ("set the password to \"open sesame\" please", "set the password to ‹secret› please"),
            ("das Passwort ist Sommer24", "das Passwort ist ‹secret›"),
            ("password: swordfish", "password: ‹secret›"),
            ("key AKIAIOSFODNN7EXAMPLE in us-east-1", "key ‹secret› in us-east-1"),
            ("postgres://app:pa55@db.example/x", "postgres://app:‹secret›@db.example/x"),
            ("use token ghp_abcdefghijklmnopqrstuvwx0123", "use token ‹secret›"),
            ("api key = 12345", "api key = ‹secret›"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln now", "jwt ‹secret› now"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- x", "‹secret› x"),
            ("-----BEGIN PRIVATE KEY-----\ncut off", "‹secret›"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY it is", "‹secret› it is"),
        ] {
            assert_eq!(scrub(text).text, want);
        }
    }

    #[test]
    fn plain_talk_stays() {
        for text in [
            "what's the API token you use to talk to the cloud?",
            "the password is expired on bookings-pg",
            "rotate the api key for rx-shop",
            "create a kubernetes secret app-tls in production",
            "password protection for the staging site",
            "deploy WordPress with HA on blog.example.org, 3 replicas",
            "use ${secret:DB_PASSWORD} as password ${secret:DB_PASSWORD}",
            "failover the production site to us-west-2",
            "sha256:9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c1a9f2c",
        ] {
            assert_eq!(scrub(text).text, text);
        }
    }

    #[test]
    fn values_beside_a_telling_key_are_left_out() {
        let v = serde_json::json!({"dbPassword": "plain", "tokens": 3, "note": "pw: x", "ref": {"password": "${secret:A}"}});
        assert_eq!(
            scrub_json(&v),
            serde_json::json!({"dbPassword": "‹secret›", "tokens": 3, "note": "pw: ‹secret›", "ref": {"password": "${secret:A}"}})
        );
    }

    #[test]
    fn scrubbing_twice_changes_nothing() {
        let once = scrub("pw: abc, token = xyz, password hunter2").text;
        assert_eq!(scrub(&once).text, once);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scrubbed_without_a_crash_and_in_order(text in "(pw|token=|password is |AKIA|://|:|@|é|‹| |[A-Za-z0-9]{1,30}|\\PC){0,20}") {
            let found = find(&text);
            for pair in found.windows(2) {
                assert!(pair[0].range.end <= pair[1].range.start);
            }
            let clean = scrub(&text);
            assert_eq!(clean.found.len(), found.len());
            for f in &found {
                assert!(text.get(f.range.clone()).is_some_and(|secret| !secret.is_empty()));
            }
        }
    }
}
