//! What a server says about one of its types: the properties, what forces a replace, what is secret.

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

    /// Whether the top-level property or output is secret.
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.sensitive.iter().any(|s| s == name)
    }
}

fn names(schema: &Value) -> Vec<&str> {
    schema.get("properties").and_then(Value::as_object).map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default()
}
