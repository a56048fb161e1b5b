//! Paths into JSON values: `endpoints[0].port`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// A member of an object.
    Key(String),
    /// An element of an array.
    Index(usize),
}

/// A path into a value. The empty path is the value itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PropertyPath(pub Vec<PathStep>);

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a property path, which looks like `endpoints[0].port`")]
pub struct PathError(pub String);

impl PropertyPath {
    /// The path of one top-level member.
    pub fn key(name: impl Into<String>) -> Self {
        Self(vec![PathStep::Key(name.into())])
    }

    /// This path, one member deeper.
    pub fn child(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Key(name.to_owned()));
        Self(steps)
    }

    /// This path, one element deeper.
    pub fn item(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Index(index));
        Self(steps)
    }

    /// The first member's name, if the path begins with one.
    pub fn head(&self) -> Option<&str> {
        match self.0.first() {
            Some(PathStep::Key(k)) => Some(k),
            _ => None,
        }
    }

    /// Looks the path up.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |v, step| match step {
            PathStep::Key(k) => v.get(k),
            PathStep::Index(i) => v.get(i),
        })
    }

    /// Whether this path is `other` or lies inside it.
    pub fn is_under(&self, other: &PropertyPath) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl FromStr for PropertyPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        let fail = || PathError(text.to_owned());
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/')) {
                return Err(fail());
            }
            steps.push(PathStep::Key(key.to_owned()));
            while let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or_else(fail)?;
                steps.push(PathStep::Index(index.parse().map_err(|_| fail())?));
                rest = after;
            }
            if !rest.is_empty() {
                return Err(fail());
            }
        }
        Ok(Self(steps))
    }
}

impl fmt::Display for PropertyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Key(k) if n == 0 => write!(f, "{k}")?,
                PathStep::Key(k) => write!(f, ".{k}")?,
                PathStep::Index(i) => write!(f, "[{i}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for PropertyPath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PropertyPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() { Ok(Self::default()) } else { text.parse().map_err(serde::de::Error::custom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_keys_and_indices() {
        let value = serde_json::json!({"endpoints": [{"port": 80}, {"port": 443}]});
        let path: PropertyPath = "endpoints[1].port".parse().unwrap();
        assert_eq!(path.get(&value), Some(&serde_json::json!(443)));
        assert_eq!(path.to_string(), "endpoints[1].port");
    }

    #[test]
    fn refuses_half_paths() {
        for text in ["", ".a", "a.", "a[", "a[x]", "a[0]b", "a b"] {
            assert!(text.parse::<PropertyPath>().is_err(), "{text}");
        }
    }
}
