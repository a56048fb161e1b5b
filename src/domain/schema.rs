//! What a server says about one of its types: the properties, what forces a replace, what is secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ResourceType;

/// A type of resource, as its server (or the binding in front of it) describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeDef {
    /// Such as `network:vlan`.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// JSON Schema (2020-12) of the properties that we set.
    pub properties: Value,
    /// JSON Schema of the outputs that the server returns.
    #[serde(default)]
    pub outputs: Value,
    /// Top-level properties whose change needs a new resource.
    #[serde(default)]
    pub force_replace: Vec<String>,
    /// Top-level properties and outputs that hold secrets.
    #[serde(default)]
    pub sensitive: Vec<String>,
    /// Deleting one loses data that no plan can bring back.
    #[serde(default)]
    pub holds_data: bool,
    /// An interrupted create can be found again by its name. If not, the type is `blind`.
    #[serde(default = "yes")]
    pub findable: bool,
    /// Two of the same name can exist for a while, so a replacement can be made before the old one goes.
    #[serde(default)]
    pub many_per_name: bool,
    /// Seconds to wait for a resource of this type to become ready, unless the template says otherwise.
    #[serde(default = "default_ready")]
    pub ready_timeout: u64,
    /// Top-level properties that hold a list of the whole thing where order does not matter.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// What the server cannot do with it.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// What a server cannot do with a type, so that a plan says it before anything runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Top-level properties that the server never shows: what was sent last counts as what is there.
    pub unreadable: Vec<String>,
    /// Top-level properties that the server cannot set, with the reason: a template that asks for one is refused.
    pub refused: BTreeMap<String, String>,
    /// Top-level properties that the server cannot set and that a resource can do without: left out, with a warning that says why.
    pub without: BTreeMap<String, String>,
    /// Top-level properties that the server is known to take without doing anything, with the reason: said in the review, and read back.
    pub doubtful: BTreeMap<String, String>,
    /// Verbs (`create`, `update`, `delete`) that the server does not have, with the reason.
    pub missing: BTreeMap<String, String>,
}

impl Limits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn yes() -> bool {
    true
}

fn default_ready() -> u64 {
    300
}

impl TypeDef {
    /// Names of the properties that the schema declares.
    pub fn property_names(&self) -> Vec<&str> {
        names(&self.properties)
    }

    /// Names of the outputs that the schema declares, and of the properties, since both can be referred to.
    pub fn output_names(&self) -> Vec<&str> {
        let mut all = names(&self.outputs);
        all.extend(self.property_names());
        all.extend(["id", "name"]);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the server never shows the top-level property.
    pub fn is_unseen(&self, name: &str) -> bool {
        self.limits.unreadable.iter().any(|u| u == name)
    }

    /// Whether the top-level property or output is secret.
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.sensitive.iter().any(|s| s == name)
    }
}

fn names(schema: &Value) -> Vec<&str> {
    schema.get("properties").and_then(Value::as_object).map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default()
}
