//! Numbers in words (English, German, French, Spanish) become number tokens, so that every later step sees digits only.

use super::text::{Kind, Token};

/// The value of a number word below one hundred, or of a round word.
fn unit(word: &str) -> Option<i64> {
    Some(match word {
        "zero" | "null" | "cero" => 0,
        "one" | "eins" | "single" => 1,
        "two" | "zwei" | "deux" | "dos" | "zwo" | "twice" => 2,
        "three" | "drei" | "trois" | "tres" | "thrice" => 3,
        "four" | "vier" | "quatre" | "cuatro" => 4,
        "five" | "funf" | "cinq" | "cinco" => 5,
        "six" | "sechs" | "seis" => 6,
        "seven" | "sieben" | "sept" | "siete" => 7,
        "eight" | "acht" | "huit" | "ocho" => 8,
        "nine" | "neun" | "neuf" | "nueve" => 9,
        "ten" | "zehn" | "dix" | "diez" => 10,
        "eleven" | "elf" | "onze" | "once" => 11,
        "twelve" | "dozen" | "zwolf" | "dutzend" | "douze" | "douzaine" | "doce" | "docena" => 12,
        "thirteen" | "dreizehn" | "treize" | "trece" => 13,
        "fourteen" | "vierzehn" | "quatorze" | "catorce" => 14,
        "fifteen" | "funfzehn" | "quinze" | "quince" => 15,
        "sixteen" | "sechzehn" | "seize" | "dieciseis" => 16,
        "seventeen" | "siebzehn" => 17,
        "eighteen" | "achtzehn" => 18,
        "nineteen" | "neunzehn" => 19,
        "twenty" | "zwanzig" | "vingt" | "veinte" => 20,
        "thirty" | "dreissig" | "trente" | "treinta" => 30,
        "forty" | "fourty" | "vierzig" | "quarante" | "cuarenta" => 40,
        "fifty" | "funfzig" | "cinquante" | "cincuenta" => 50,
        "sixty" | "sechzig" | "soixante" | "sesenta" => 60,
        "seventy" | "siebzig" | "setenta" => 70,
        "eighty" | "achtzig" | "ochenta" => 80,
        "ninety" | "neunzig" | "noventa" => 90,
        _ => return None,
    })
}

fn scale(word: &str) -> Option<i64> {
    Some(match word {
        "hundred" | "hundert" | "cent" | "cien" | "ciento" | "cientos" => 100,
        "thousand" | "tausend" | "mille" | "mil" => 1000,
        _ => return None,
    })
}

/// Words after which `one` is a pronoun and not a number.
fn one_is_pronoun(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|i| tokens.get(i)).map_or("", |t| t.low.as_str());
    let after = tokens.get(at + 1).map_or("", |t| t.low.as_str());
    // "one is enough"
    if after == "is" && tokens.get(at + 2).is_some_and(|t| ["enough", "fine", "plenty", "ok"].contains(&t.low.as_str())) {
        return false;
    }
    let article = at.checked_sub(2).and_then(|i| tokens.get(i)).is_some_and(|t| ["the", "that", "this"].contains(&t.low.as_str()));
    let word = at.checked_sub(1).and_then(|i| tokens.get(i)).is_some_and(|t| t.kind == Kind::Word);
    article && word
        || ["this", "that", "the", "which", "another", "new", "each", "every", "no", "old", "other", "same", "right", "wrong"]
            .contains(&before)
        || ["of", "for", "at", "with", "that", "which", "is", "in", "on", "like"].contains(&after)
}

/// Replaces number words by number tokens; joins "twenty five" and "two hundred and ten".
pub(super) fn read(tokens: Vec<Token>) -> Vec<Token> {
    let mut split = Vec::with_capacity(tokens.len());
    for token in tokens {
        // `three-node`, `twenty-five`
        if token.kind == Kind::Word
            && let Some((head, tail)) = token.low.split_once('-')
            && unit(head).is_some()
            && !tail.is_empty()
        {
            let cut = (token.start + head.len()).min(token.end);
            let (head, tail) = (head.to_owned(), tail.to_owned());
            split.push(Token { low: head, end: cut, ..token.clone() });
            split.push(Token { low: tail, ..token });
        } else if let Some((head, tail)) = compound(&token) {
            let cut = (token.start + token.raw.find('-').unwrap_or(0)).min(token.end);
            split.push(Token { low: head, end: cut, ..token.clone() });
            split.push(Token { low: tail, ..token });
        } else {
            split.push(token);
        }
    }
    let mut out: Vec<Token> = Vec::with_capacity(split.len());
    let mut at = 0;
    while at < split.len() {
        match spelled(&split, at) {
            Some((value, used)) => {
                let last = &split[at + used - 1];
                let mut token = split[at].clone();
                token.end = last.end;
                if used > 1 {
                    token.raw = split[at..at + used].iter().map(|t| t.raw.as_str()).collect::<Vec<_>>().join(" ");
                }
                token.kind = Kind::Number(value);
                token.low = value.to_string();
                out.push(token);
                at += used;
            }
            None => {
                out.push(split[at].clone());
                at += 1;
            }
        }
    }
    below_zero(&mut out);
    out
}

/// "with minus two replicas" says a number below zero, which no count accepts; "five minus two" is left alone.
fn below_zero(tokens: &mut Vec<Token>) {
    for at in (0..tokens.len().saturating_sub(1)).rev() {
        let leads = at == 0
            || matches!(tokens[at - 1].low.as_str(), "with" | "to" | "of" | "at" | "is" | "=" | ":" | "have" | "mit" | "avec" | "con");
        if let (true, "minus" | "negative" | "menos" | "moins", Some(n)) = (leads, tokens[at].low.as_str(), tokens[at + 1].number())
            && n > 0
        {
            let sign = tokens.remove(at);
            tokens[at].kind = Kind::Number(-n);
            tokens[at].low = (-n).to_string();
            tokens[at].start = sign.start;
        }
    }
}

/// `MariaDB-Cluster`, `IoT-Edge`: two capitals make two words; names of deployments are lower case.
fn compound(token: &Token) -> Option<(String, String)> {
    let (first, second) = token.raw.split_once('-')?;
    let capital = |s: &str| s.starts_with(char::is_uppercase);
    let (head, tail) = token.low.split_once('-')?;
    (token.kind == Kind::Word && capital(first) && capital(second) && !tail.contains('-')).then(|| (head.to_owned(), tail.to_owned()))
}

/// The number spelled at a place, and how many tokens it takes.
fn spelled(tokens: &[Token], at: usize) -> Option<(i64, usize)> {
    let low = |i: usize| tokens.get(i).filter(|t| t.kind == Kind::Word).map_or("", |t| t.low.as_str());
    match (low(at), low(at + 1), low(at + 2)) {
        ("half", "a", "dozen") => return Some((6, 3)),
        ("a", "dozen" | "docena", _) => return Some((12, 2)),
        ("a", "couple" | "pair", "of") => return Some((2, 3)),
        ("a", "couple" | "pair", _) | ("ein", "paar", _) => return Some((2, 2)),
        ("a" | "one" | "ein", "hundred" | "hundert", _) => return Some((100, 2)),
        ("a" | "one" | "ein", "thousand" | "tausend", _) => return Some((1000, 2)),
        ("half", "dozen", _) => return Some((6, 2)),
        _ => {}
    }
    let digits = |i: usize| tokens.get(i).and_then(Token::number);
    if let Some(n) = digits(at) {
        // `2 thousand`
        return scale(low(at + 1)).filter(|_| (1..1000).contains(&n)).map(|s| (n * s, 2));
    }
    let first = low(at);
    if first == "one" && one_is_pronoun(tokens, at) {
        return None;
    }
    // `once` is English for "one time" and Spanish for eleven; `single`, `twice` only count things.
    let before = at.checked_sub(1).map_or("", low);
    if first == "single" && ["our", "the", "my", "their", "no", "every", "each", "your"].contains(&before) {
        return None;
    }
    if first == "once" || (first == "null" && at > 0) {
        return None;
    }
    let mut total = 0;
    let mut current = unit(first).or_else(|| scale(first))?;
    let mut used = 1;
    loop {
        let skip = usize::from(matches!(low(at + used), "and" | "y" | "et" | "und") && current >= 100);
        let word = low(at + used + skip);
        if let Some(s) = scale(word).filter(|s| current < *s && skip == 0) {
            current *= s;
            if s == 1000 {
                total += current;
                current = 0;
            }
            used += 1;
        } else if let Some(u) = unit(word)
            && ((current % 100 == 0 && current > 0) || (current % 10 == 0 && current % 100 >= 20 && u < 10) || (current == 0 && total > 0))
        {
            current += u;
            used += 1 + skip;
        } else {
            break;
        }
    }
    Some((total + current, used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::offline::text::tokenize;

    fn numbers(text: &str) -> Vec<i64> {
        read(tokenize(text)).iter().filter_map(Token::number).collect()
    }

    #[test]
    fn reads_words_in_four_languages() {
        assert_eq!(numbers("twenty-five pods and a dozen queues"), [25, 12]);
        assert_eq!(numbers("two hundred and ten sensors"), [210]);
        assert_eq!(numbers("drei Knoten, dos nodos, quatre serveurs"), [3, 2, 4]);
        assert_eq!(numbers("three-node cluster"), [3]);
        assert_eq!(numbers("half a dozen kiosks, two thousand tags"), [6, 2000]);
        assert_eq!(numbers("between two and six"), [2, 6]);
    }

    #[test]
    fn leaves_pronouns_alone() {
        assert_eq!(numbers("one of the boxes, this one, once a day"), Vec::<i64>::new());
        assert_eq!(numbers("one replica"), [1]);
    }
}
