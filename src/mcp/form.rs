//! A form that a server wants to have filled in: the flat, primitive fields that elicitation allows, and nothing else.
//!
//! Titles and descriptions are a stranger's text: cleaned and bounded here, once, so that no face has to think of it.

use serde_json::Value;

use crate::domain::{
    Properties,
    text::{clean, clean_line},
};

/// The most fields, and the most choices of one.
const MAX_FIELDS: usize = 50;
const MAX_CHOICES: usize = 200;

/// The longest text that is sent back for one field, in characters.
const MAX_ANSWER: usize = 10_000;

/// A form.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Its fields, in the server's order.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name, as it is sent back.
    pub name: String,
    /// What it is called. Untrusted text, cleaned.
    pub title: String,
    /// What is to be filled in. Untrusted text, cleaned.
    pub description: String,
    /// Whether the form is nothing without it.
    pub required: bool,
    /// What may be filled in.
    pub kind: Kind,
    /// What stands in it when nothing is filled in.
    pub default: Option<Value>,
}

/// What may be filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Any text within these lengths.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// A number.
    Number {
        /// Only whole ones.
        whole: bool,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Yes or no.
    Flag,
    /// One of these.
    One(Vec<Choice>),
    /// Some of these.
    Some {
        /// Of these.
        choices: Vec<Choice>,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
}

/// One thing to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// As it is sent back.
    pub value: String,
    /// As it is shown. Untrusted text, cleaned.
    pub title: String,
}

impl Form {
    /// Reads the schema of a question. The error says what no form can have.
    pub fn parse(schema: &Value) -> Result<Self, String> {
        let properties = schema.get("properties").and_then(Value::as_object).ok_or("the form has no fields")?;
        if properties.len() > MAX_FIELDS {
            return Err(format!("the form has more than {MAX_FIELDS} fields"));
        }
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let fields = properties.iter().map(|(name, field)| Field::parse(name, field, required.contains(&name.as_str())));
        Ok(Self { fields: fields.collect::<Result<_, _>>()? })
    }

    /// The answer of someone who changes nothing: all defaults.
    pub fn defaults(&self) -> Properties {
        self.fields.iter().filter_map(|f| Some((f.name.clone(), f.default.clone()?))).collect()
    }

    /// Whether values are an answer to this form; the error names the field.
    pub fn check(&self, values: &Properties) -> Result<(), String> {
        if let Some(stranger) = values.keys().find(|name| !self.fields.iter().any(|f| f.name == **name)) {
            return Err(format!("there is no field `{}`", clean_line(stranger, 60)));
        }
        for field in &self.fields {
            match values.get(&field.name) {
                Some(value) => field.check(value).map_err(|e| format!("`{}`: {e}", clean_line(&field.name, 60)))?,
                None if field.required => return Err(format!("`{}` is missing", clean_line(&field.name, 60))),
                None => {}
            }
        }
        Ok(())
    }
}

impl Field {
    fn parse(name: &str, schema: &Value, required: bool) -> Result<Self, String> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
        let size = |key: &str, other: usize| schema.get(key).and_then(Value::as_u64).map_or(other, |n| usize::try_from(n).unwrap_or(other));
        let bound = |key: &str, other: f64| schema.get(key).and_then(Value::as_f64).unwrap_or(other);
        let kind = match (text("type"), choices(schema)?) {
            ("string", Some(choices)) => Kind::One(choices),
            ("string", None) => Kind::Text { min: size("minLength", 0), max: size("maxLength", MAX_ANSWER).min(MAX_ANSWER) },
            (number @ ("number" | "integer"), _) => {
                Kind::Number { whole: number == "integer", min: bound("minimum", f64::MIN), max: bound("maximum", f64::MAX) }
            }
            ("boolean", _) => Kind::Flag,
            ("array", _) => {
                let items = schema.get("items").ok_or("a list without `items`")?;
                let choices = choices(items)?.ok_or("a list of anything")?;
                Kind::Some { min: size("minItems", 0), max: size("maxItems", choices.len()), choices }
            }
            (other, _) => return Err(format!("a field of the type `{}`", clean_line(other, 40))),
        };
        let title = if text("title").is_empty() { name } else { text("title") };
        let mut field = Self {
            name: name.to_owned(),
            title: clean_line(title, 120),
            description: clean(text("description"), 600),
            required,
            kind,
            default: None,
        };
        // A default that the field itself does not take is none.
        field.default = schema.get("default").filter(|v| field.check(v).is_ok()).cloned();
        Ok(field)
    }

    /// Whether a value may stand here.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let among = |choices: &[Choice], v: &Value| v.as_str().is_some_and(|v| choices.iter().any(|c| c.value == v));
        let good = match (&self.kind, value) {
            (Kind::Text { min, max }, Value::String(text)) => (*min..=*max).contains(&text.chars().count()),
            (Kind::Number { whole, min, max }, Value::Number(n)) => {
                (!*whole || n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|n| n.fract() == 0.0))
                    && n.as_f64().is_some_and(|n| n >= *min && n <= *max)
            }
            (Kind::Flag, Value::Bool(_)) => true,
            (Kind::One(choices), v) => among(choices, v),
            (Kind::Some { choices, min, max }, Value::Array(all)) => {
                (*min..=*max).contains(&all.len()) && all.iter().all(|v| among(choices, v))
            }
            _ => false,
        };
        if good { Ok(()) } else { Err(self.wanted()) }
    }

    /// Reads what a person typed. The error says what may be typed.
    pub fn read(&self, typed: &str) -> Result<Value, String> {
        let typed = typed.trim();
        let pick = |choices: &[Choice], word: &str| {
            let by_number = word.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
            let named = choices.iter().find(|c| c.value == word || c.title == word);
            named.or(by_number).map(|c| Value::String(c.value.clone()))
        };
        let value = match &self.kind {
            Kind::Text { .. } => Some(Value::String(typed.to_owned())),
            Kind::Number { whole: true, .. } => typed.parse::<i64>().ok().map(Value::from),
            Kind::Number { .. } => typed.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number),
            Kind::Flag => match typed.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" => Some(Value::Bool(true)),
                "n" | "no" | "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::One(choices) => pick(choices, typed),
            Kind::Some { choices, .. } => typed
                .split(',')
                .map(str::trim)
                .filter(|w| !w.is_empty())
                .map(|w| pick(choices, w))
                .collect::<Option<Vec<_>>>()
                .map(Value::Array),
        };
        let value = value.ok_or_else(|| self.wanted())?;
        self.check(&value).map(|()| value)
    }

    /// What may be filled in, in words.
    pub fn wanted(&self) -> String {
        match &self.kind {
            Kind::Text { min: 0, max } => format!("a text of at most {max} characters"),
            Kind::Text { min, max } => format!("a text of {min} to {max} characters"),
            Kind::Number { whole, min, max } => {
                let what = if *whole { "a whole number" } else { "a number" };
                match (*min > f64::MIN, *max < f64::MAX) {
                    (true, true) => format!("{what} from {min} to {max}"),
                    (true, false) => format!("{what} of at least {min}"),
                    (false, true) => format!("{what} of at most {max}"),
                    (false, false) => what.to_owned(),
                }
            }
            Kind::Flag => "yes or no".to_owned(),
            Kind::One(_) => "one of the choices".to_owned(),
            Kind::Some { min, max, .. } => format!("{min} to {max} of the choices, with commas between them"),
        }
    }
}

/// The choices of a field in each form that the revisions know: `enum` (with `enumNames`), `oneOf` and `anyOf` of constants.
fn choices(schema: &Value) -> Result<Option<Vec<Choice>>, String> {
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    let choice = |value: &Value, title: Option<&Value>| {
        let value = value.as_str().ok_or("a choice that is no text")?.to_owned();
        let title = clean_line(title.and_then(Value::as_str).unwrap_or(&value), 200);
        Ok::<_, String>(Choice { value, title })
    };
    let all: Vec<Choice> = if let Some(values) = list("enum") {
        values.iter().enumerate().map(|(at, v)| choice(v, list("enumNames").and_then(|n| n.get(at)))).collect::<Result<_, _>>()?
    } else if let Some(options) = list("oneOf").or_else(|| list("anyOf")) {
        options.iter().map(|o| choice(o.get("const").unwrap_or(&Value::Null), o.get("title"))).collect::<Result<_, _>>()?
    } else {
        return Ok(None);
    };
    if all.is_empty() || all.len() > MAX_CHOICES {
        return Err(format!("a field with {} choices", all.len()));
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form() -> Form {
        Form::parse(&json!({"type": "object", "required": ["name", "ok"], "properties": {
            "name": {"type": "string", "title": "Your \u{1b}[1mname", "minLength": 2},
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "default": 30},
            "share": {"type": "number", "default": "much"},
            "ok": {"type": "boolean", "default": true},
            "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["small", "large"], "default": "l"},
            "colour": {"type": "string", "oneOf": [{"const": "r", "title": "red"}]},
            "days": {"type": "array", "items": {"anyOf": [{"const": "mo", "title": "Monday"}, {"const": "tu", "title": "Tuesday"}]}, "maxItems": 1},
        }}))
        .unwrap()
    }

    #[test]
    fn defaults_fill_what_nobody_filled_in() {
        assert_eq!(Value::Object(form().defaults()), json!({"age": 30, "ok": true, "size": "l"}));
        assert_eq!(form().fields[0].title, "Your name");
        assert_eq!(form().check(&form().defaults()), Err("`name` is missing".into()));
        let with = |name: &str, value: Value| {
            let mut all = form().defaults();
            all.insert("name".into(), json!("Ada"));
            all.insert(name.into(), value);
            form().check(&all)
        };
        assert_eq!(with("age", json!(31)), Ok(()));
        assert_eq!(with("age", json!(151)), Err("`age`: a whole number from 0 to 150".into()));
        assert_eq!(with("colour", json!("g")), Err("`colour`: one of the choices".into()));
        assert_eq!(with("extra", json!(1)), Err("there is no field `extra`".into()));
    }

    #[test]
    fn what_is_typed_is_read_as_the_field_says() {
        let form = form();
        let read = |name: &str, typed: &str| form.fields.iter().find(|f| f.name == name).unwrap().read(typed);
        assert_eq!(read("name", " Ada "), Ok(json!("Ada")));
        assert_eq!(read("name", "A"), Err("a text of 2 to 10000 characters".into()));
        assert_eq!(read("age", "31"), Ok(json!(31)));
        assert_eq!(read("age", "3.5"), Err("a whole number from 0 to 150".into()));
        assert_eq!(read("share", "0.5"), Ok(json!(0.5)));
        assert_eq!(read("ok", "Yes"), Ok(json!(true)));
        assert_eq!(read("size", "1"), Ok(json!("s")));
        assert_eq!(read("size", "large"), Ok(json!("l")));
        assert_eq!(read("days", "mo"), Ok(json!(["mo"])));
        assert_eq!(read("days", "1, 2"), Err("0 to 1 of the choices, with commas between them".into()));
    }

    #[test]
    fn what_is_no_flat_form_is_refused() {
        for field in [
            json!({"type": "object"}),
            json!({"type": "array", "items": {"type": "string"}}),
            json!({}),
            json!({"type": "string", "enum": []}),
        ] {
            assert!(Form::parse(&json!({"properties": {"x": field}})).is_err(), "{field}");
        }
        assert!(Form::parse(&json!({"type": "object"})).is_err());
    }
}
