//! Leaves secrets out of a request before anyone looks at it, and tells the person.
//!
//! The detector is [`crate::llm::scrub`], which recordings use as well; both parsers come through here.

pub use crate::llm::scrub::{Found, HOLE, Scrubbed, find, is_invisible, names_a_secret, scrub, scrub_json};

/// What the person is told when something was left out.
pub fn note(found: &[&'static str]) -> Option<String> {
    let mut kinds: Vec<&str> = Vec::new();
    for kind in found {
        if !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    let kinds = match kinds.as_slice() {
        [] => return None,
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    };
    Some(format!("What looks like {kinds} was left out of the request. Give secrets as `${{secret:NAME}}`."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_kinds_once_and_never_values() {
        assert_eq!(note(&[]), None);
        let text = note(&scrub("pw: a1, pw: b2, AKIAIOSFODNN7EXAMPLE").found).unwrap();
        assert!(text.starts_with("What looks like a password and an AWS access key was left out"), "{text}");
    }
}
