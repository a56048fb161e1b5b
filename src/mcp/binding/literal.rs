//! Python literals and tables: what servers print when nobody asked them for JSON.

use serde_json::{Map, Number, Value};

/// How deep a literal may be nested.
const MAX_DEPTH: usize = 64;

/// Reads the `repr` of a Python value: dicts, lists, tuples, texts, numbers, `True`, `False`, `None`. A call such as
/// `datetime.datetime(2026, 1, 1)` becomes its text.
pub(super) fn python(text: &str) -> Result<Value, String> {
    let mut reader = Python { rest: text.trim() };
    let value = reader.value(0)?;
    match reader.rest.trim_start() {
        "" => Ok(value),
        _ => Err("there is more after the Python value".to_owned()),
    }
}

struct Python<'a> {
    rest: &'a str,
}

impl Python<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.rest = &self.rest[c.len_utf8()..];
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("the Python value is nested too deep".to_owned());
        }
        match self.peek() {
            Some('{') => self.map(depth),
            Some('[') => self.items(']', depth).map(Value::Array),
            Some('(') => self.items(')', depth).map(Value::Array),
            Some('\'' | '"') => self.text().map(Value::String),
            Some(_) => self.word(),
            None => Err("the Python value ends early".to_owned()),
        }
    }

    fn items(&mut self, end: char, depth: usize) -> Result<Vec<Value>, String> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.value(depth + 1)?);
            if !self.eat(',') && self.peek() != Some(end) {
                return Err(format!("a `,` or `{end}` is missing in the Python value"));
            }
        }
        Ok(items)
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        self.rest = &self.rest[1..];
        let mut map = Map::new();
        while !self.eat('}') {
            let key = match self.value(depth + 1)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            if !self.eat(':') {
                return Err("a `:` is missing in the Python dict".to_owned());
            }
            map.insert(key, self.value(depth + 1)?);
            if !self.eat(',') && self.peek() != Some('}') {
                return Err("a `,` or `}` is missing in the Python dict".to_owned());
            }
        }
        Ok(Value::Object(map))
    }

    fn text(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let Some((_, quote)) = chars.next() else { return Err("a Python text is missing".to_owned()) };
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(kind @ ('x' | 'u' | 'U')) => {
                        let width = match kind {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let code: String = chars.by_ref().take(width).map(|(_, c)| c).collect();
                        out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                    }
                    Some(c) => out.push(c),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("a Python text is not closed".to_owned())
    }

    fn word(&mut self) -> Result<Value, String> {
        let end = self.rest.find([',', ']', '}', ')', ':', '(']).unwrap_or(self.rest.len());
        if self.rest[end..].starts_with('(') {
            // A constructor: what it makes cannot be known, so its text stands for it.
            let (mut depth, mut close) = (0usize, None);
            for (at, c) in self.rest[end..].char_indices() {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    close = Some(end + at + 1);
                    break;
                }
            }
            let close = close.ok_or("a call in the Python value is not closed")?;
            let text = self.rest[..close].trim().to_owned();
            self.rest = &self.rest[close..];
            return Ok(Value::String(text));
        }
        let word = self.rest[..end].trim();
        self.rest = &self.rest[end..];
        Ok(match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            _ => match (word.parse::<i64>(), word.parse::<f64>().ok().and_then(Number::from_f64)) {
                (Ok(n), _) => n.into(),
                (Err(_), Some(n)) => Value::Number(n),
                _ => return Err(format!("`{}` is no Python value", crate::domain::text::clean_line(word, 40))),
            },
        })
    }
}

/// Reads a table with a header line: one map per row, by the columns' headings. Columns begin where their headings do.
pub(super) fn table(text: &str) -> Vec<Value> {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let Some(header) = lines.next() else { return Vec::new() };
    let header: Vec<char> = header.chars().collect();
    let mut starts = Vec::new();
    let gap = |at: usize| header.get(at).is_none_or(|c| *c == ' ');
    for at in 0..header.len() {
        // One space is part of a heading (`NOMINATED NODE`), two are not.
        if !gap(at) && (at == 0 || (gap(at - 1) && (at == 1 || gap(at - 2)))) {
            starts.push(at);
        }
    }
    let cell = |line: &[char], n: usize| -> String {
        let from = starts[n].min(line.len());
        let to = starts.get(n + 1).map_or(line.len(), |next| (*next).min(line.len()));
        line[from..to].iter().collect::<String>().trim().to_owned()
    };
    let names: Vec<String> = (0..starts.len()).map(|n| cell(&header, n)).collect();
    lines
        .map(|line| {
            let line: Vec<char> = line.chars().collect();
            Value::Object(names.iter().enumerate().map(|(n, name)| (name.clone(), Value::String(cell(&line, n)))).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_python() {
        let text = "{'a': [1, 2.5, -3], \"b\": ('x', None), 'c': True, 'd': datetime.date(2026, 1, 1), 'e': 'it\\'s \\u00e9', 1: {}}";
        let wanted = json!({"a": [1, 2.5, -3], "b": ["x", null], "c": true, "d": "datetime.date(2026, 1, 1)", "e": "it's é", "1": {}});
        assert_eq!(python(text), Ok(wanted));
        for bad in ["{'a': ", "[1 2]", "'x", "nope", "[1] 2", "{'a' 1}", "f(", &"[".repeat(100)] {
            assert!(python(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_tables_by_their_headings() {
        let text = "NAME    READY   NOMINATED NODE\na-long  1/1     <none>\nb\n";
        let wanted = json!([
            {"NAME": "a-long", "READY": "1/1", "NOMINATED NODE": "<none>"},
            {"NAME": "b", "READY": "", "NOMINATED NODE": ""},
        ]);
        assert_eq!(Value::Array(table(text)), wanted);
        assert!(table("").is_empty());
    }
}
