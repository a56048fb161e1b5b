//! Text to tokens: what a person typed, cut into words, numbers, domains and punctuation, folded to plain lower case.
//!
//! Nothing here knows what a word means. Secrets, foreign quotations and shell text are cut out before (`guard`), so no token can carry them.

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A word, possibly hyphenated (`load-balanced`, `dev-anna`).
    Word,
    /// A whole number.
    Number(i64),
    /// A number with a point (`10.6`), as written.
    Decimal,
    /// A domain name.
    Domain,
    /// One punctuation mark.
    Punct(char),
    /// Text that was quoted from somewhere else, or left out; its words are not the person's.
    Foreign,
    /// A five-field cron line.
    Cron,
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// As written.
    pub raw: String,
    /// Folded: lower case, no accents, typos repaired.
    pub low: String,
    /// What it is.
    pub kind: Kind,
    /// Byte offset of its first character in the cleaned text.
    pub start: usize,
    /// Byte offset after its last character.
    pub end: usize,
    /// It stood in quotes that name something (`called "atlas"`).
    pub quoted: bool,
}

impl Token {
    /// Whether it is this punctuation mark.
    pub fn is_punct(&self, mark: char) -> bool {
        self.kind == Kind::Punct(mark)
    }

    /// Its whole number, if it is one.
    pub fn number(&self) -> Option<i64> {
        if let Kind::Number(n) = self.kind { Some(n) } else { None }
    }

    /// Whether it ends a clause.
    pub fn ends_clause(&self) -> bool {
        matches!(self.kind, Kind::Punct(',' | '.' | ';' | '!' | '?' | '\n'))
    }
}

/// Folds one character: lower case without accents.
fn fold_char(c: char, out: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' => out.push('a'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'ñ' | 'ń' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => out.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'š' => out.push('s'),
            'ž' => out.push('z'),
            'ł' => out.push('l'),
            'ß' => out.push_str("ss"),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            '’' | '‘' | '`' | '´' => out.push('\''),
            '\u{300}'..='\u{36f}' => {}
            other => out.push(other),
        }
    }
}

/// Folds a text: lower case, no accents, straight apostrophes.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        fold_char(c, &mut out);
    }
    out
}

/// Folds a phrase to the form in which the lexicon stores it: hyphens and apostrophes are spaces.
pub(super) fn phrase_key(text: &str) -> String {
    let folded = fold(text);
    if folded.trim() == "-" {
        return "-".to_owned();
    }
    folded.replace(['-', '\''], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Turns words into a name: lower case, `-` between.
pub(super) fn slug(text: &str) -> String {
    let folded = fold(text);
    let mut out = String::new();
    for c in folded.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// Whether a word with dots is a file or a framework rather than a host.
fn is_not_a_tld(last: &str) -> bool {
    ["js", "md", "yaml", "yml", "json", "py", "rs", "log", "txt", "conf", "html", "css", "exe", "toml", "xml", "csv", "jar", "zip", "ini"]
        .contains(&last)
}

/// Whether a word is a domain name.
pub(super) fn is_domain(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let Some(last) = labels.last() else { return false };
    if labels.len() < 2 || word.len() > 253 || last.chars().count() < 2 || is_not_a_tld(last) || !last.chars().all(char::is_alphabetic) {
        return false;
    }
    // `up.Then` is the end of one sentence and the start of the next.
    let first = labels.first().copied().unwrap_or_default();
    if last.starts_with(char::is_uppercase) && !first.chars().all(char::is_uppercase) && labels.len() == 2 {
        return false;
    }
    labels.iter().all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    }) && !matches!(word.to_ascii_lowercase().as_str(), "e.g" | "i.e" | "a.m" | "p.m")
}

/// Cuts a cleaned text into tokens.
pub(super) fn tokenize(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut at = 0;
    while at < chars.len() {
        let (start, c) = chars[at];
        if c == FOREIGN {
            push(&mut out, text, start, start + c.len_utf8(), Kind::Foreign);
            at += 1;
        } else if c == '\n' {
            push(&mut out, text, start, start + 1, Kind::Punct('\n'));
            at += 1;
        } else if c.is_whitespace() {
            at += 1;
        } else if let Some(used) = cron(&chars[at..]) {
            let end = chars.get(at + used).map_or(text.len(), |x| x.0);
            push(&mut out, text, start, end, Kind::Cron);
            at += used;
        } else if is_word_char(c)
            || (matches!(c, '.' | '-') && chars.get(at + 1).is_some_and(|x| x.1.is_alphanumeric()) && starts_word(&chars, at))
        {
            let mut to = at + 1;
            while to < chars.len() {
                let c = chars[to].1;
                let next = chars.get(to + 1).map(|x| x.1);
                let inner = matches!(c, '.' | '-' | '\'' | '’' | ',' | '#' | '+')
                    && match c {
                        ',' => chars[to - 1].1.is_ascii_digit() && thousands(&chars, to),
                        '#' => !next.is_some_and(is_word_char) && chars[to - 1].1.eq_ignore_ascii_case(&'c'),
                        '+' => {
                            chars[to - 1].1.eq_ignore_ascii_case(&'c') && next == Some('+')
                                || chars[to - 1].1 == '+' && to >= 2 && chars[to - 2].1.eq_ignore_ascii_case(&'c')
                        }
                        // `3..7`
                        '.' if next == Some('.') => {
                            chars[to - 1].1.is_ascii_digit() && chars.get(to + 2).is_some_and(|x| x.1.is_ascii_digit())
                        }
                        _ => next.is_some_and(is_word_char),
                    };
                if is_word_char(c) || inner { to += 1 } else { break }
            }
            let end = chars.get(to).map_or(text.len(), |x| x.0);
            word(&mut out, text, start, end);
            at = to;
        } else if c == '-' && chars.get(at + 1).is_some_and(|x| x.1 == '>') || c == '=' && chars.get(at + 1).is_some_and(|x| x.1 == '>') {
            push_low(&mut out, text, start, chars.get(at + 2).map_or(text.len(), |x| x.0), Kind::Word, "->");
            at += 2;
        } else if c == '→' {
            push_low(&mut out, text, start, start + c.len_utf8(), Kind::Word, "->");
            at += 1;
        } else if matches!(c, '&' | '+') {
            push_low(&mut out, text, start, start + 1, Kind::Word, "and");
            at += 1;
        } else {
            let mark = if matches!(c, '–' | '—' | '…') { '-' } else { c };
            push(&mut out, text, start, start + c.len_utf8(), Kind::Punct(mark));
            at += 1;
        }
    }
    out
}

/// Stands where foreign text was cut out.
pub(super) const FOREIGN: char = '\u{fffc}';

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A leading `.` or `-` belongs to a word only in `.net` and `-2`.
fn starts_word(chars: &[(usize, char)], at: usize) -> bool {
    let before = at.checked_sub(1).map(|i| chars[i].1);
    before.is_none_or(char::is_whitespace)
        && if chars[at].1 == '.' { chars[at + 1].1.is_alphabetic() } else { chars[at + 1].1.is_ascii_digit() }
}

/// Whether the comma at `at` groups thousands: exactly three digits follow.
fn thousands(chars: &[(usize, char)], at: usize) -> bool {
    let digit = |i: usize| chars.get(i).is_some_and(|x| x.1.is_ascii_digit());
    digit(at + 1) && digit(at + 2) && digit(at + 3) && !digit(at + 4)
}

/// The length in characters of a five-field cron line.
fn cron(chars: &[(usize, char)]) -> Option<usize> {
    if !chars.first().is_some_and(|x| x.1.is_ascii_digit() || x.1 == '*') {
        return None;
    }
    let mut at = 0;
    let mut stars = 0;
    for field in 0..5 {
        let from = at;
        while at < chars.len() && (chars[at].1.is_ascii_digit() || matches!(chars[at].1, '*' | '/' | ',' | '-')) {
            stars += usize::from(chars[at].1 == '*');
            at += 1;
        }
        if at == from {
            return None;
        }
        while field == 4 && at > from + 1 && matches!(chars[at - 1].1, ',' | '-' | '/') {
            at -= 1;
        }
        if field < 4 {
            if chars.get(at).is_none_or(|x| x.1 != ' ') {
                return None;
            }
            at += 1;
        }
    }
    (stars > 0).then_some(at)
}

fn push(out: &mut Vec<Token>, text: &str, start: usize, end: usize, kind: Kind) {
    let low = fold(&text[start..end]);
    push_low(out, text, start, end, kind, &low);
}

fn push_low(out: &mut Vec<Token>, text: &str, start: usize, end: usize, kind: Kind, low: &str) {
    out.push(Token { raw: text[start..end].to_owned(), low: low.to_owned(), kind, start, end, quoted: false });
}

/// Cuts one run of word characters further: contractions, glued numbers, ranges.
fn word(out: &mut Vec<Token>, text: &str, start: usize, end: usize) {
    let raw = &text[start..end];
    let low = fold(raw);
    if is_domain(raw) {
        return push_low(out, text, start, end, Kind::Domain, &low);
    }
    if let Some(kind) = number(&low) {
        return push_low(out, text, start, end, kind, &low);
    }
    // `3-7`, `2..4`
    for mark in ["-", ".."] {
        if let Some((a, b)) = low.split_once(mark)
            && let (Some(x @ Kind::Number(_)), Some(y @ Kind::Number(_))) = (number(a), number(b))
            && !a.is_empty()
        {
            push_low(out, text, start, start + a.len(), x, a);
            push_low(out, text, start + a.len(), start + a.len() + mark.len(), Kind::Word, "-");
            return push_low(out, text, start + a.len() + mark.len(), end, y, b);
        }
    }
    // `2x`, `14d`, `10k`, `v16`, `x3`
    let digits = low.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && low.len() == raw.len() {
        let (n, unit) = low.split_at(digits);
        // `3-node` is a number and its noun.
        let dash = usize::from(unit.starts_with('-'));
        let unit = &unit[dash..];
        if unit.len() <= 14 && unit.chars().all(|c| c.is_ascii_alphabetic()) && !unit.is_empty() {
            if unit == "k"
                && let Ok(n) = n.parse::<i64>()
            {
                return push_low(out, text, start, end, Kind::Number(n.saturating_mul(1000)), &low);
            }
            if let Some(kind) = number(n) {
                push_low(out, text, start, start + digits, kind, n);
                return push_low(out, text, start + digits + dash, end, Kind::Word, unit);
            }
        }
    }
    if let Some(rest) = low.strip_prefix(['v', 'x'])
        && let Some(kind) = number(rest)
        && low.len() == raw.len()
    {
        push_low(out, text, start, start + 1, Kind::Word, &low[..1]);
        return push_low(out, text, start + 1, end, kind, rest);
    }
    let typed = BARE_CONTRACTIONS.iter().find(|(bare, _)| *bare == low).map(|(_, with)| *with);
    if let Some(with) = typed {
        return contraction(out, text, start, end, with);
    }
    if low.contains('\'') || low == "cannot" {
        return contraction(out, text, start, end, &low);
    }
    push_low(out, text, start, end, Kind::Word, &low);
}

/// Contractions as people type them in a hurry.
const BARE_CONTRACTIONS: [(&str, &str); 20] = [
    ("dont", "don't"),
    ("doesnt", "doesn't"),
    ("didnt", "didn't"),
    ("cant", "can't"),
    ("wont", "won't"),
    ("isnt", "isn't"),
    ("arent", "aren't"),
    ("wasnt", "wasn't"),
    ("werent", "weren't"),
    ("hasnt", "hasn't"),
    ("havent", "haven't"),
    ("couldnt", "couldn't"),
    ("shouldnt", "shouldn't"),
    ("wouldnt", "wouldn't"),
    ("whats", "what's"),
    ("thats", "that's"),
    ("hows", "how's"),
    ("wheres", "where's"),
    ("whos", "who's"),
    ("theres", "there's"),
];

/// `don't` → do not; `what's` → what is; `anna's` → anna; `l'app` → app.
fn contraction(out: &mut Vec<Token>, text: &str, start: usize, end: usize, low: &str) {
    let mut add = |low: &str| push_low(out, text, start, end, Kind::Word, low);
    match low {
        "cannot" | "can't" => return ["can", "not"].into_iter().for_each(add),
        "won't" => return ["will", "not"].into_iter().for_each(add),
        "let's" => return ["let", "us"].into_iter().for_each(add),
        _ => {}
    }
    let Some((head, tail)) = low.split_once('\'') else { return add(low) };
    match tail {
        "t" if head.ends_with('n') => {
            add(&head[..head.len() - 1]);
            add("not");
        }
        "s" if ["what", "who", "where", "how", "it", "that", "there", "when", "why", "he", "she"].contains(&head) => {
            add(head);
            add("is");
        }
        "s" | "" => {
            // The raw text of a possessive is the name without its ending, so that a name is never taken with `'s`.
            let cut = text[start..end].find(['\'', '’', '‘', '`', '´']).map_or(end, |i| start + i);
            push_low(out, text, start, cut, Kind::Word, head);
        }
        "d" => {
            add(head);
            add("would");
        }
        "ll" => {
            add(head);
            add("will");
        }
        "re" => {
            add(head);
            add("are");
        }
        "ve" => {
            add(head);
            add("have");
        }
        "m" => {
            add(head);
            add("am");
        }
        _ if ["l", "d", "qu", "j", "n", "s", "c", "m", "t"].contains(&head) => {
            if head != "l" {
                add(head);
            }
            let cut = text[start..end].find(['\'', '’']).map_or(start, |i| start + i);
            let from = text[cut..end].char_indices().nth(1).map_or(start, |x| cut + x.0);
            word(out, text, from, end);
        }
        _ => add(low),
    }
}

/// Reads a word of digits: `12`, `1,250`, `1.000`, `-2`, `10.6`.
fn number(word: &str) -> Option<Kind> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.len() > 18 {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok().map(Kind::Number);
    }
    let grouped = |mark: char| {
        let mut groups = digits.split(mark);
        groups.next().is_some_and(|g| (1..=3).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_digit()) && !g.starts_with('0'))
            && groups.clone().count() > 0
            && groups.all(|g| g.len() == 3 && g.bytes().all(|b| b.is_ascii_digit()))
    };
    if grouped(',') || grouped('.') {
        return word.replace([',', '.'], "").parse().ok().map(Kind::Number);
    }
    (digits.split('.').count() <= 4 && digits.split('.').all(|g| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit())))
        .then_some(Kind::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lows(text: &str) -> Vec<String> {
        tokenize(text).into_iter().map(|t| t.low).collect()
    }

    #[test]
    fn cuts_ranges_glued_numbers_and_contractions() {
        assert_eq!(lows("3-7 nodes"), ["3", "-", "7", "nodes"]);
        assert_eq!(lows("keep 14d, v16"), ["keep", "14", "d", ",", "v", "16"]);
        assert_eq!(lows("don't touch Anna's box"), ["do", "not", "touch", "anna", "box"]);
        assert_eq!(lows("l'application d'Anna"), ["application", "d", "anna"]);
        assert_eq!(lows("redis+mysql"), ["redis", "and", "mysql"]);
    }

    #[test]
    fn tells_domains_from_files_versions_and_sentences() {
        let kinds = |text: &str| tokenize(text).into_iter().map(|t| t.kind).collect::<Vec<_>>();
        assert_eq!(kinds("shop.example.org"), [Kind::Domain]);
        assert_eq!(kinds("10.6"), [Kind::Decimal]);
        assert_eq!(kinds("1,250"), [Kind::Number(1250)]);
        assert!(!is_domain("node.js"));
        assert!(!is_domain("up.Then"));
        assert!(is_domain("bäckerei.example"));
    }

    #[test]
    fn finds_cron_lines() {
        assert_eq!(tokenize("0 2 * * *")[0].kind, Kind::Cron);
        assert_eq!(tokenize("backups 30 1 * * 0 please")[1].raw, "30 1 * * 0");
    }

    #[test]
    fn folds_accents() {
        assert_eq!(fold("Réplicas für Straße"), "replicas fur strasse");
        assert_eq!(slug("São Paulo"), "sao-paulo");
    }
}
