//! Who uses a value of a resource.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, DeploymentName};

/// A resource, or an output of a deployment, whose expression uses a value of another resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dependant {
    /// The deployment in which it stands.
    pub deployment: DeploymentName,
    /// The resource; none if it is the deployment's own output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The deployment's output; none if it is a resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl Dependant {
    /// A resource.
    pub fn resource(deployment: &DeploymentName, address: &Address) -> Self {
        Self { deployment: deployment.clone(), address: Some(address.clone()), output: None }
    }

    /// An output of a deployment.
    pub fn output(deployment: &DeploymentName, name: &str) -> Self {
        Self { deployment: deployment.clone(), address: None, output: Some(name.to_owned()) }
    }

    /// In a few words, seen from a deployment: what stands in another one is named with it.
    pub fn seen_from(&self, here: Option<&DeploymentName>) -> String {
        let what = match (&self.address, &self.output) {
            (Some(address), _) => address.to_string(),
            (None, Some(name)) => format!("output {name}"),
            (None, None) => String::new(),
        };
        if here == Some(&self.deployment) { what } else { format!("{what} of {}", self.deployment) }
    }
}

impl fmt::Display for Dependant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.seen_from(None))
    }
}
