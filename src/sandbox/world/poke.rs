//! Changes behind the servers' backs: what an operator at a console or bad luck would do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Condition, Object, State};
use super::{World, WorldError};

/// Something that happens to an object without any tool being called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poke {
    /// A property has another value now. Null takes it away.
    SetProperty {
        /// Top-level property.
        property: String,
        /// Its new value.
        value: Value,
    },
    /// A container, instance or pod dies.
    Kill,
    /// It is gone, whatever still needs it.
    Delete,
    /// It is started again.
    Restart,
}

impl World {
    /// Does something behind the servers' backs. No check is made, as nobody checks bad luck.
    pub fn poke(&self, server: &str, kind: &str, name: &str, poke: Poke) -> Result<(), WorldError> {
        self.write(|tx| {
            let found = tx.state().find(&format!("{server}/{kind}"), name).cloned();
            let Some(mut object) = found else {
                return Err(WorldError::NoSuchObject { server: server.into(), kind: kind.into(), name: name.into() });
            };
            if poke == Poke::Delete {
                return tx.remove(&object.key());
            }
            let now = tx.now();
            apply(&mut object, &poke, &now);
            tx.put(object)
        })
    }
}

fn apply(object: &mut Object, poke: &Poke, now: &str) {
    match poke {
        Poke::SetProperty { property, value: Value::Null } => drop(object.properties.shift_remove(property)),
        Poke::SetProperty { property, value } => {
            object.properties.insert(property.clone(), value.clone());
            // Where the same word is an output too, the server reports the new value there as well.
            if object.outputs.contains_key(property) {
                object.outputs.insert(property.clone(), value.clone());
            }
        }
        Poke::Kill => {
            object.condition = Condition::Dead { exit_code: 137, at: now.to_owned() };
            for (source, text) in last_words(object) {
                object.note(source, now, text);
            }
        }
        Poke::Restart => {
            object.condition = Condition::Running;
            object.restarts += 1;
            object.note("event", now, "Started");
        }
        Poke::Delete => {}
    }
}

/// What logs and events show of a death.
fn last_words(object: &Object) -> Vec<(&'static str, String)> {
    match (object.server.as_str(), object.kind.as_str()) {
        ("docker", _) => vec![
            ("log", "[Note] received signal 9, stopping".to_owned()),
            ("event", format!("container die {} (exitCode=137, image={}, name={})", short(&object.id), object.text("image"), object.name)),
        ],
        ("kubernetes", _) => vec![
            ("event", format!("Warning  OOMKilled  pod/{}-0  Container {} exceeded its memory limit", object.name, object.name)),
            ("event", format!("Warning  BackOff  pod/{}-0  Back-off restarting failed container {}", object.name, object.name)),
            ("log", "runtime: out of memory: cannot allocate memory".to_owned()),
        ],
        ("aws", "autoscaling:group") => vec![(
            "event",
            "Terminating EC2 instance: an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped.".to_owned(),
        )],
        ("aws", "ec2:instance") => vec![("event", format!("{}: state changed from running to stopped (Server.SpotInstanceShutdown)", object.id))],
        ("aws", "rds:cluster") => vec![
            ("event", format!("DB cluster {}: failover started; writer instance is not available", object.name)),
            ("log", "FATAL: the database system is shutting down".to_owned()),
        ],
        _ => vec![("event", format!("{} stopped", object.name))],
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Whether any object of a server cannot be read, in the words of an error.
pub(crate) fn damage(state: &State, server: &str) -> Option<String> {
    let prefix = format!("{server}/");
    let (_, reason) = state.broken.range(prefix.clone()..).next().filter(|(key, _)| key.starts_with(&prefix))?;
    Some(format!(
        "a file of the simulated world is damaged: {reason}. Remove the file, or begin anew with `swell sandbox reset`. Nothing was changed"
    ))
}
