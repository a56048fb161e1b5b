//! Reading the tree of a binding file: every problem is kept with its place, and nothing stops at the first.

use serde_json::Value;

use super::{
    decode::{Step, StepKind, WORDS},
    expression::Expression,
    shape::{Each, Shape},
};
use crate::{
    diagnostic::{Diagnostic, Source},
    domain::name::nearest,
    template::Span,
    yaml::{Entry, Kind, Node},
};

/// Reads one file.
pub(super) struct Reader<'f> {
    pub file: &'f str,
    pub text: &'f str,
    pub problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Notes an error.
    pub fn error(
        &mut self,
        code: &'static str,
        summary: &'static str,
        span: Span,
        label: &str,
        detail: impl Into<String>,
    ) -> &mut Diagnostic {
        let source = Source::locate(self.file, self.text, span.offset, span.len, label);
        let problem = Diagnostic::error(code, summary).source(Some(source)).detail(detail).state("The binding is not used.");
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Notes that a node is of the wrong kind.
    pub fn wrong(&mut self, node: &Node, wanted: &str) {
        let word = node.kind_word();
        self.error(
            "binding::value",
            "A value cannot be used",
            node.span,
            &format!("this is {word}"),
            format!("Here stands {word}, and {wanted} is needed."),
        );
    }

    /// The entries of a map; any key that is not known is a problem.
    pub fn map<'n>(&mut self, node: &'n Node, known: &[&str]) -> &'n [Entry] {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong(node, "a map");
        }
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                let near = nearest(&entry.key, known.iter().copied());
                let problem = self.error(
                    "binding::unknown-key",
                    "Unknown key",
                    entry.key_span,
                    "no such key",
                    format!("`{}` means nothing here. There is: {}.", crate::domain::text::clean_line(&entry.key, 60), known.join(", ")),
                );
                if let Some(near) = near {
                    *problem = problem.clone().hint(format!("Did you mean `{near}`?"));
                }
            }
        }
        node.entries()
    }

    /// A member that must be there.
    pub fn need<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() {
            self.error("binding::missing-key", "A key is missing", node.span, "here", format!("`{key}` is missing."));
        }
        found
    }

    /// A text.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.wrong(node, "a text");
        }
        text
    }

    /// A text that may not be there.
    pub fn optional_text(&mut self, node: &Node, key: &str) -> Option<String> {
        node.get(key).and_then(|n| self.text(n))
    }

    /// A list of texts, or one text.
    pub fn texts(&mut self, node: &Node) -> Vec<String> {
        match &node.kind {
            Kind::Text(text) => vec![text.clone()],
            Kind::List(items) => items.iter().filter_map(|i| self.text(i)).collect(),
            _ => {
                self.wrong(node, "a list of texts");
                Vec::new()
            }
        }
    }

    /// A whole number.
    pub fn number(&mut self, node: &Node, key: &str, default: u64) -> u64 {
        let Some(found) = node.get(key) else { return default };
        match &found.kind {
            Kind::Plain(Value::Number(n)) if n.is_u64() => n.as_u64().unwrap_or(default),
            _ => {
                self.wrong(found, "a whole number");
                default
            }
        }
    }

    /// True or false.
    pub fn flag(&mut self, node: &Node, key: &str, default: Flag) -> bool {
        let Some(found) = node.get(key) else { return default == Flag::On };
        match &found.kind {
            Kind::Plain(Value::Bool(b)) => *b,
            _ => {
                self.wrong(found, "true or false");
                default == Flag::On
            }
        }
    }

    /// A pattern.
    pub fn regex(&mut self, node: &Node) -> Option<regex::Regex> {
        let text = self.text(node)?;
        match regex::RegexBuilder::new(&text).size_limit(1 << 20).build() {
            Ok(regex) => Some(regex),
            Err(e) => {
                let why = e.to_string();
                let last = why.lines().last().unwrap_or_default().to_owned();
                self.error(
                    "binding::pattern",
                    "A pattern cannot be used",
                    node.span,
                    "here",
                    format!("It is no regular expression: {last}."),
                );
                None
            }
        }
    }

    /// An expression, or a condition (which may stand without braces).
    pub fn expression(&mut self, node: &Node, condition: Style) -> Option<Expression> {
        let text = match &node.kind {
            Kind::Plain(Value::Bool(b)) => b.to_string(),
            _ => self.text(node)?,
        };
        let made = if condition == Style::Condition { Expression::condition(&text, node.span) } else { Expression::new(&text, node.span) };
        match made {
            Ok(expression) => Some(expression),
            Err(why) => {
                self.error(
                    "binding::expression",
                    "An expression cannot be used",
                    node.span,
                    "here",
                    format!("It cannot be compiled: {why}."),
                );
                None
            }
        }
    }

    /// A member that is an expression.
    pub fn optional(&mut self, node: &Node, key: &str, style: Style) -> Option<Expression> {
        node.get(key).and_then(|n| self.expression(n, style))
    }

    /// A tree that becomes a value.
    pub fn shape(&mut self, node: &Node) -> Option<Shape> {
        match &node.kind {
            Kind::Plain(value) => Some(Shape::Constant(value.clone())),
            Kind::Text(text) if text.contains("{{") || text.contains("{%") => self.expression(node, Style::Value).map(Shape::Expression),
            Kind::Text(text) => Some(Shape::Constant(Value::String(text.clone()))),
            Kind::List(items) => Some(Shape::List(items.iter().filter_map(|i| self.shape(i)).collect())),
            Kind::Map(entries) if entries.iter().any(|e| e.key.starts_with('$')) => self.special(node),
            Kind::Map(entries) => Some(Shape::Map(entries.iter().filter_map(|e| Some((e.key.clone(), self.shape(&e.value)?))).collect())),
        }
    }

    fn special(&mut self, node: &Node) -> Option<Shape> {
        let boxed = |s: Option<Shape>| s.map(Box::new);
        match node.entries().first().map(|e| e.key.as_str()) {
            Some("$each") => {
                self.map(node, &["$each", "$as", "$key", "$value"]);
                let over = self.need(node, "$each")?;
                let over = self.expression(over, Style::Value)?;
                let variable = self.optional_text(node, "$as").unwrap_or_else(|| "each".to_owned());
                let key = self.optional(node, "$key", Style::Value);
                let value = self.need(node, "$value")?;
                let value = self.shape(value)?;
                Some(Shape::Each(Box::new(Each { over, variable, key, value })))
            }
            Some("$when") => {
                self.map(node, &["$when", "$value", "$else"]);
                let condition = self.need(node, "$when")?;
                let condition = self.expression(condition, Style::Condition)?;
                let value = self.need(node, "$value")?;
                let value = boxed(self.shape(value))?;
                let otherwise = node.get("$else").and_then(|n| boxed(self.shape(n)));
                Some(Shape::When { condition, value, otherwise })
            }
            Some("$yaml") => {
                self.map(node, &["$yaml"]);
                Some(Shape::Yaml(boxed(self.shape(node.get("$yaml")?))?, node.span))
            }
            Some("$json") => {
                self.map(node, &["$json"]);
                Some(Shape::Json(boxed(self.shape(node.get("$json")?))?))
            }
            Some("$command") => {
                self.map(node, &["$command"]);
                Some(Shape::Command(boxed(self.shape(node.get("$command")?))?))
            }
            Some("$merge") => {
                self.map(node, &["$merge"]);
                let parts = node.get("$merge")?.items().iter().filter_map(|i| self.shape(i)).collect();
                Some(Shape::Merge(parts, node.span))
            }
            Some("$options") => {
                self.map(node, &["$options"]);
                let members = node.get("$options")?.entries();
                Some(Shape::Options(members.iter().filter_map(|e| Some((e.key.clone(), self.shape(&e.value)?))).collect()))
            }
            _ => {
                self.map(node, &["$each", "$when", "$yaml", "$json", "$command", "$options", "$merge"]);
                None
            }
        }
    }

    /// The steps that read a result.
    pub fn steps(&mut self, node: &Node) -> Vec<Step> {
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(|i| self.step(i)).collect(),
            _ => self.step(node).into_iter().collect(),
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        const KEYS: [&str; 7] = ["regex", "regex_all", "after", "path", "nested", "each", "first_of"];
        let kind = match &node.kind {
            Kind::Text(word) => match word.as_str() {
                "json" => StepKind::Json,
                "structured" => StepKind::Structured,
                "text" => StepKind::Text,
                "blocks" => StepKind::Blocks,
                "yaml" => StepKind::Yaml,
                "python" => StepKind::Python,
                "table" => StepKind::Table,
                "lines" => StepKind::Lines,
                other => {
                    let near = nearest(other, WORDS.into_iter().chain(KEYS)).map(str::to_owned);
                    let detail = format!("There is: {}; and {} with a value.", WORDS.join(", "), KEYS.join(", "));
                    let problem = self.error("binding::decoder", "Unknown way to read a result", node.span, "no such way", detail);
                    if let Some(near) = near {
                        *problem = problem.clone().hint(format!("Did you mean `{near}`?"));
                    }
                    return None;
                }
            },
            _ => {
                let entry = self.map(node, &KEYS).first()?;
                match entry.key.as_str() {
                    "regex" => StepKind::Regex(self.regex(&entry.value)?),
                    "regex_all" => StepKind::RegexAll(self.regex(&entry.value)?),
                    "after" => StepKind::After(self.regex(&entry.value)?),
                    "path" => StepKind::Path(self.text(&entry.value)?),
                    "nested" => StepKind::Nested(self.text(&entry.value)?),
                    "each" => StepKind::Each(self.steps(&entry.value)),
                    "first_of" => StepKind::First(entry.value.items().iter().map(|i| self.steps(i)).collect()),
                    _ => return None,
                }
            }
        };
        Some(Step { kind, span: node.span })
    }
}

/// How an expression is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `{{ … }}`, or text with such in it.
    Value,
    /// True or false; the braces may be left out.
    Condition,
}

/// The default of a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// True.
    On,
    /// False.
    Off,
}
