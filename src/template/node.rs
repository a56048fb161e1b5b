//! YAML and JSON as a tree in which everything knows its place in the file.
//!
//! The tree is interpreted by hand in `parse`, so that every problem of a file is found and not only the first. Duplicate keys are kept
//! here for the same reason. Depth, nodes, aliases and documents are bounded; what breaks a bound is a diagnostic.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value};
use serde_saphyr::{Error, MessageFormatter, Spanned, UserMessageFormatter, budget::BudgetBreach, options::DuplicateKeyPolicy};

use super::Span;
use crate::diagnostic::{Diagnostic, Source};

/// The deepest nesting of a template.
const MAX_DEPTH: usize = 64;

/// The most values in a template, with aliases expanded.
const MAX_NODES: usize = 400_000;

/// The most bytes of text in a template, with aliases expanded.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// What the reader's thread gets; memory that is not used costs nothing.
const READER_STACK: usize = 32 * 1024 * 1024;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it is written. For an alias: where it is used.
    pub span: Span,
    /// What it is.
    pub tree: Tree,
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// Where it is written.
    pub span: Span,
    /// Its text.
    pub text: String,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// The kind of value, for "… is a list".
    pub fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Null => "empty",
            Tree::Bool(_) => "a true-or-false value",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "a text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }
}

/// Reads a whole file. The error says where it is not YAML (or JSON).
pub(super) fn read(file: &str, text: &str) -> Result<Node, Box<Diagnostic>> {
    let written = text;
    let text = without_script_comments(written);
    if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        let problem = Diagnostic::error("template::empty", "The template is empty")
            .detail(format!("`{file}` has no content. A template is a list of resources."))
            .state("Nothing was planned.")
            .hint_command("To see a small one, run:", "swell patterns render dev-environment");
        return Err(Box::new(problem));
    }
    // The reader calls itself for each level of nesting, and its frames are large: 64 levels do not fit the stack of every thread.
    let read = || serde_saphyr::from_str_with_options::<Node>(&text, options()).map_err(|e| Box::new(syntax(file, written, &e)));
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(READER_STACK).spawn_scoped(scope, read) {
        Ok(reader) => reader.join().unwrap_or_else(|_| {
            Err(Box::new(Diagnostic::bug("template::bug", format!("The YAML reader gave up on `{file}`.")).state("Nothing was planned.")))
        }),
        Err(e) => {
            let problem = Diagnostic::error("template::no-thread", "The template could not be read")
                .detail(format!("The system gave no thread to read `{file}` with: {e}."));
            Err(Box::new(problem.state("Nothing was planned.")))
        }
    })
}

/// What the reader allows.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 32,
        },
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
            max_documents: 1,
            max_total_scalar_bytes: MAX_TEXT,
        },
    }
}

/// Blanks `//` and `/* */` comments of a file that is written as JSON or as an object of a script, so that such a file can be read as it
/// stands. Every other byte keeps its place.
fn without_script_comments(text: &str) -> Cow<'_, str> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with(['{', '[']) && !start.starts_with("//") && !start.starts_with("/*")
        || !text.contains("//") && !text.contains("/*")
    {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    // A quote or a comment opens only after a space or a bracket; `http://x` and `it's` are plain text.
    let mut fresh = true;
    let mut colon = false;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match bytes[at] {
            quote @ (b'"' | b'\'') if fresh || colon => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != quote {
                    end += if bytes[end] == b'\\' && quote == b'"' { 2 } else { 1 };
                }
                (end + 1).min(bytes.len())
            }
            b'#' if fresh => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            b'/' if fresh && rest.starts_with(b"//") => {
                let end = at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                out[at..end].fill(b' ');
                end
            }
            b'/' if fresh && rest.starts_with(b"/*") => {
                let end = at + rest.windows(2).position(|w| w == b"*/").map_or(rest.len(), |n| n + 2);
                out[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
                end
            }
            b => {
                fresh = b.is_ascii_whitespace() || matches!(b, b'{' | b'}' | b'[' | b']' | b',');
                colon = b == b':';
                at += 1;
                continue;
            }
        };
        fresh = true;
        at = end;
    }
    // Only whole comments were blanked, so this is still UTF-8; if not, the text stands as it was.
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Says what is wrong with a file that cannot be read as a tree.
fn syntax(file: &str, text: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let offset = error.location().map_or(0, |l| offset(text, &l));
    let at = |label: &str| Some(Source::locate(file, text, offset, 1, label));
    let syntax = Diagnostic::error("template::syntax", "The template cannot be read").state("Nothing was planned.");
    let limit = |label: &str, detail: String| {
        Diagnostic::error("template::limit", "The template breaks a limit").source(at(label)).detail(detail).state("Nothing was planned.")
    };
    let inner = match error {
        Error::AliasError { error, .. } => error.without_snippet(),
        other => other,
    };
    match inner {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            limit("too deep", format!("Values in a template may be nested {MAX_DEPTH} deep."))
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => syntax
            .source(at("a second document begins here"))
            .detail("A template is one YAML document, and this file has several (they are parted by `---`).")
            .hint("Give each deployment a file of its own."),
        Error::Budget { breach: BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. }, .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            limit("the limit is reached here", "Its YAML aliases (`*name`) stand for more values than a template may have.".into())
        }
        Error::Budget { .. } => limit("the limit is reached here", format!("A template may have {MAX_NODES} values at most.")),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            syntax.source(at("this alias stands inside its own anchor")).detail("A YAML alias refers to a value that contains it.")
        }
        other => {
            let mut reason = UserMessageFormatter.format_message(other).into_owned();
            if reason.to_ascii_lowercase().contains("recursi") && reason.to_ascii_lowercase().contains("limit") {
                return limit("too deep", format!("Values in a template may be nested {MAX_DEPTH} deep."));
            }
            reason.truncate(reason.floor_char_boundary(200));
            let source = at(&reason);
            let line = source.as_ref().map_or("", |s| s.text.as_str());
            let json = file.ends_with(".json");
            let syntax = syntax.detail(format!("Swell could not make sense of this as {}.", if json { "JSON" } else { "YAML" }));
            let syntax = if line.contains("${") && line.contains(['{', '[']) {
                syntax.hint("Inside `{ }` and `[ ]` a reference needs quotes: `\"${server:type:name.output}\"`.")
            } else if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
                syntax.hint("YAML is indented with spaces. This line has a tab.")
            } else {
                syntax
            };
            syntax.source(source)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self { span: span(&spanned.referenced), tree: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

fn span(location: &serde_saphyr::Location) -> Span {
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let span = location.span();
    Span { offset: number(span.byte_offset()).unwrap_or(0), len: number(span.byte_len()).unwrap_or(0) }
}

/// The byte at which an error stands. Errors of the scanner know only their line and column.
fn offset(text: &str, location: &serde_saphyr::Location) -> usize {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    if let Some(offset) = location.span().byte_offset() {
        return number(offset);
    }
    let start: usize = text.split_inclusive('\n').take(number(location.line()).saturating_sub(1)).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    start + line.char_indices().nth(number(location.column()).saturating_sub(1)).map_or(line.len(), |(n, _)| n)
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
        Ok(Tree::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
        Ok(Tree::Number(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Tree, E> {
        Number::from_f64(v).map(Tree::Number).ok_or_else(|| E::custom("this is not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
        Ok(Tree::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Tree, E> {
        Ok(Tree::Text(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Node>()? {
            let text = match key.tree {
                Tree::Text(text) => text,
                Tree::Null => "null".to_owned(),
                Tree::Bool(b) => b.to_string(),
                Tree::Number(n) => n.to_string(),
                Tree::List(_) | Tree::Map(_) => return Err(A::Error::custom("a key must be a text, not a list or a map")),
            };
            entries.push((Key { span: key.span, text }, map.next_value::<Node>()?));
        }
        Ok(Tree::Map(entries))
    }
}

/// The plain value of a node. Of keys that stand twice the last one wins; `parse` reports them before.
pub(super) fn plain(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(b) => Value::Bool(*b),
        Tree::Number(n) => Value::Number(n.clone()),
        Tree::Text(t) => Value::String(t.clone()),
        Tree::List(items) => Value::Array(items.iter().map(plain).collect()),
        Tree::Map(entries) => Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), plain(v))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        fn walk(text: &str, node: &Node, out: &mut Vec<String>) {
            let at = |s: Span| &text[s.offset..s.offset + s.len];
            match &node.tree {
                Tree::List(items) => items.iter().for_each(|n| walk(text, n, out)),
                Tree::Map(entries) => entries.iter().for_each(|(k, v)| {
                    out.push(format!("{}={}", k.text, at(k.span)));
                    walk(text, v, out);
                }),
                _ => out.push(at(node.span).to_owned()),
            }
        }
        let mut out = Vec::new();
        walk(text, &read("t.yaml", text).unwrap(), &mut out);
        out
    }

    #[test]
    fn knows_where_everything_stands() {
        assert_eq!(shown("a: [1, \"x y\"]\nb:\n  'ü': true\n"), ["a=a", "1", "\"x y\"", "b=b", "ü='ü'", "true"]);
        assert_eq!(shown("\u{feff}a: 1\nb: 2"), ["a=a", "1", "b=b", "2"]);
    }

    #[test]
    fn an_object_of_a_script_is_read_as_it_stands() {
        let text = "// the app\n{a: 1, // it's\n b: 'x//y', \"c\":\"/* no */\", d: http://x/ /* yes\n */, e: [2,],}";
        assert_eq!(
            plain(&read("t.json", text).unwrap()),
            serde_json::json!({"a": 1, "b": "x//y", "c": "/* no */", "d": "http://x/", "e": [2]})
        );
    }

    #[test]
    fn json_is_read_whole() {
        let text = "{\n\t\"a\": \"\\ud83d\\ude00\",\n\t\"b\\/\":\t[1e3, -2, null,\n\t{}]\n}";
        assert_eq!(plain(&read("t.json", text).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    /// What is meant to hurt: each is a diagnostic, none a crash, none takes long.
    #[test]
    fn hostile_files_are_refused() {
        let alias = |n: u8| (b'b' + n) as char;
        let laughs: String =
            (0..9).map(|n| format!("{0}: &{0} [{1}]\n", alias(n), vec![format!("*{}", (b'a' + n) as char); 10].join(","))).collect();
        for (text, code) in [
            ("[".repeat(100_000), "template::limit"),
            ("{a: ".repeat(100_000), "template::limit"),
            ((0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect(), "template::limit"),
            ("- ".repeat(10_000), "template::limit"),
            ("? ".repeat(10_000), "template::limit"),
            ("&a ".repeat(10_000), "template::syntax"),
            ("!!a ".repeat(10_000), "template::syntax"),
            ("a: &x [*x]".into(), "template::syntax"),
            ("a: 1\n---\nb: 2".into(), "template::syntax"),
            ("\u{1}\u{2}".into(), "template::syntax"),
            ("a:\n\tb: 1".into(), "template::syntax"),
            ("? [a]\n: b".into(), "template::syntax"),
            ("a: .nan".into(), "template::syntax"),
            ("\n  \n# nothing\n".into(), "template::empty"),
            (format!("a: &a [x,x,x,x,x,x,x,x,x,x]\n{laughs}"), "template::limit"),
        ] {
            assert_eq!(read("t.yaml", &text).unwrap_err().code, code, "{}", &text[..text.len().min(40)]);
        }
    }
}
