//! A type per kind of name, so that a server's name cannot be passed where a tool's is meant.
//!
//! Names come from files, chats and servers, so each is checked when it is made and never again.
//!
//! ```compile_fail
//! use swell::domain::{ServerName, DeploymentName};
//! fn lock(_: &DeploymentName) {}
//! let server: ServerName = "docker".parse().unwrap();
//! lock(&server); // a server is not a deployment
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of any kind, in bytes.
pub const MAX_NAME: usize = 128;

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {kind}: {reason}", shown(text))]
pub struct NameError {
    /// The kind of name that was wanted, such as "server name".
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Makes a rejected text safe to print: control characters escaped, at most 60 characters.
fn shown(text: &str) -> String {
    let mut out: String =
        text.chars().take(60).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if text.chars().count() > 60 {
        out.push('…');
    }
    out
}

fn check_word(kind: &'static str, text: &str) -> Result<(), NameError> {
    let fail = |reason| Err(NameError { kind, text: text.to_owned(), reason });
    if text.is_empty() {
        return fail("it is empty");
    }
    if text.len() > MAX_NAME {
        return fail("it is longer than 128 bytes");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return fail("it must begin with a letter or a digit");
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return fail("only letters, digits, `-` and `_` are allowed");
    }
    Ok(())
}

fn check_free(kind: &'static str, text: &str) -> Result<(), NameError> {
    let fail = |reason| Err(NameError { kind, text: text.to_owned(), reason });
    if text.is_empty() {
        return fail("it is empty");
    }
    if text.len() > MAX_NAME {
        return fail("it is longer than 128 bytes");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return fail("it has a space or a control character");
    }
    Ok(())
}

fn check_type(kind: &'static str, text: &str) -> Result<(), NameError> {
    for segment in text.split(':') {
        check_word(kind, segment).map_err(|e| NameError { text: text.to_owned(), ..e })?;
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Checks a text and makes the name.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check($kind, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{}`", self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(d)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name under which an MCP server is registered, such as `docker`.
    ServerName, "server name", check_word
);
name!(
    /// A named instance of a template: the unit of state and of the lock.
    DeploymentName, "deployment name", check_word
);
name!(
    /// The last segment of an address.
    ResourceName, "resource name", check_word
);
name!(
    /// A pattern of the library, such as `wordpress-ha`.
    PatternName, "pattern name", check_word
);
name!(
    /// A parameter of a pattern, such as `dbReplicas`.
    ParameterName, "parameter name", check_word
);
name!(
    /// A tool as an MCP server names it.
    ToolName, "tool name", check_free
);
name!(
    /// A type of resource of one server; one or more segments, such as `network:vlan`.
    ResourceType, "resource type", check_type
);

impl ResourceType {
    /// Whether this type is `other` or begins with all of its segments: `image:build` is under `image`.
    pub fn is_under(&self, other: &ResourceType) -> bool {
        self.0 == other.0 || self.0.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with(':'))
    }
}

/// `server:type:name`, the identity of a resource within a deployment.
///
/// ```
/// use swell::domain::Address;
/// let a: Address = "opnsense:network:vlan:app".parse().unwrap();
/// assert_eq!((a.server.as_str(), a.kind.as_str(), a.name.as_str()), ("opnsense", "network:vlan", "app"));
/// assert_eq!(a.to_string(), "opnsense:network:vlan:app");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The first segment.
    pub server: ServerName,
    /// All segments between the first and the last (the field `type` of a template).
    pub kind: ResourceType,
    /// The last segment.
    pub name: ResourceName,
}

impl Address {
    /// Puts an address together from its parts.
    pub fn new(server: ServerName, kind: ResourceType, name: ResourceName) -> Self {
        Self { server, kind, name }
    }
}

impl FromStr for Address {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = || NameError { kind: "resource address", text: text.to_owned(), reason: "an address is `server:type:name`" };
        let (server, rest) = text.split_once(':').ok_or_else(fail)?;
        let (kind, name) = rest.rsplit_once(':').ok_or_else(fail)?;
        Ok(Self { server: server.parse()?, kind: kind.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}:{}", self.server, self.kind, self.name))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Picks the candidate that a person most likely meant, or none when nothing is near.
///
/// Used by every "did you mean" of the program, so that all are equally bold.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&given, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_needs_three_segments() {
        assert!("docker:web".parse::<Address>().is_err());
        assert!("docker".parse::<Address>().is_err());
        assert!("docker:container:run:web".parse::<Address>().is_ok());
    }

    #[test]
    fn a_rejected_name_is_printed_without_its_control_characters() {
        let error = DeploymentName::new("a\u{1b}[2Jb").unwrap_err();
        assert_eq!(error.to_string(), "`a\\u{1b}[2Jb` is not a deployment name: only letters, digits, `-` and `_` are allowed");
    }

    #[test]
    fn a_type_is_under_its_leading_segments() {
        let t = |s: &str| s.parse::<ResourceType>().unwrap();
        assert!(t("image:build").is_under(&t("image")));
        assert!(!t("imagex:build").is_under(&t("image")));
        assert!(t("image").is_under(&t("image")));
    }

    #[test]
    fn nearest_is_silent_when_nothing_is_near() {
        assert_eq!(nearest("replica", ["replicas", "domain"]), Some("replicas"));
        assert_eq!(nearest("zzz", ["replicas", "domain"]), None);
    }
}
