//! Names that a person would take for one another: `docker` and `dосker` with Cyrillic letters, `my-db` and `my_db`.
//!
//! A skeleton, not the whole of Unicode: small letters, `-` and `_` as one, and the homoglyphs that are seen in the wild. It only flags.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::text::is_hidden;

/// What a name looks like. Names with the same skeleton look alike.
pub fn skeleton(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().filter(|c| !is_hidden(*c)) {
        match c {
            // Full-width forms are ASCII, shifted.
            '\u{ff01}'..='\u{ff5e}' => fold(char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c), &mut out),
            c => fold(c, &mut out),
        }
    }
    out.replace("rn", "m").replace("vv", "w")
}

fn fold(c: char, out: &mut String) {
    for c in c.to_lowercase() {
        out.push(match c {
            '_' | ' ' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}' | '\u{b7}' => '-',
            '0' | 'о' | 'ο' | 'օ' => 'o',
            '1' | 'і' | 'ι' | 'ı' | 'ӏ' | '|' | 'i' | 'ï' | 'í' => 'l',
            '5' | 'ѕ' => 's',
            'а' | 'α' | 'à' | 'á' | 'ä' | 'ɑ' => 'a',
            'с' | 'ϲ' | 'ç' => 'c',
            'ԁ' => 'd',
            'е' | 'є' | 'ε' | 'é' | 'è' | 'ё' => 'e',
            'ɡ' => 'g',
            'һ' => 'h',
            'ј' => 'j',
            'к' | 'κ' => 'k',
            'м' => 'm',
            'п' | 'η' => 'n',
            'р' | 'ρ' => 'p',
            'ԛ' => 'q',
            'г' => 'r',
            'т' | 'τ' => 't',
            'υ' | 'ս' => 'u',
            'ν' | 'ѵ' => 'v',
            'ԝ' | 'ѡ' => 'w',
            'х' | 'χ' => 'x',
            'у' | 'γ' => 'y',
            c => c,
        });
    }
}

/// Groups of names that differ and look alike. The same name twice is no group.
pub fn groups<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Vec<&'n str>> {
    let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        all.entry(skeleton(name)).or_default().insert(name);
    }
    all.into_values().filter(|g| g.len() > 1).map(|g| g.into_iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_has_one_skeleton() {
        for (a, b) in [
            ("docker", "d\u{43e}\u{441}ker"),
            ("my-db", "my_db"),
            ("paypal", "paypaI"),
            ("modern", "modem"),
            ("docker", "docker\u{200b}"),
            ("docker", "ＤＯＣＫＥＲ"),
            ("list0", "listo"),
        ] {
            assert_eq!(skeleton(a), skeleton(b), "{a} {b}");
        }
        assert_ne!(skeleton("docker"), skeleton("docket"));
        assert_eq!(groups(["a", "a", "b"]), Vec::<Vec<&str>>::new());
        assert_eq!(groups(["read_file", "read-file", "x"]), [["read-file", "read_file"]]);
    }
}
