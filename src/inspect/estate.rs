//! What is deployed, and which of it a request means: deployments by name, resources by name, by type, or by what they are called.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName, name::nearest, text::clean_line},
    intent::{Frame, Target},
    store::{DeploymentSummary, Gone, Recorded, Snapshot},
};

use super::words::{apart, says, tokens};

/// Every deployment with its latest snapshot.
pub(super) struct Estate {
    /// By name. A deployment whose first run failed has no snapshot.
    pub(super) all: Vec<(DeploymentSummary, Option<Snapshot>)>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// No one thing.
    Everything,
    /// These deployments.
    Deployments(Vec<DeploymentName>),
    /// These resources of them.
    Resources {
        /// Each with its deployment.
        found: Vec<(DeploymentName, Address)>,
        /// How they were called.
        called: String,
        /// They were named, not described by what they are.
        by_name: bool,
    },
    /// Something that is not there.
    Nothing {
        /// As it was said.
        word: String,
        /// Names that are near.
        near: Vec<String>,
    },
}

/// What people call things: words, what the type must hold, and images or parts of names that say it for workloads.
const NOUNS: [(&[&str], &[&str], &[&str]); 15] = [
    (&["load balancer", "loadbalancer", "lb", "balancer"], &["loadbalancer", "haproxy"], &["haproxy", "traefik", "lb"]),
    (
        &["database", "db", "databases", "dbs", "db tier", "database tier"],
        &["rds:", "database"],
        &["postgres", "mariadb", "mysql", "mongo", "db"],
    ),
    (&["cache"], &["elasticache"], &["redis", "valkey", "memcached", "cache"]),
    (&["broker"], &[], &["mosquitto", "emqx", "broker", "mqtt"]),
    (&["web tier", "web server", "web container", "web instance", "frontend server"], &[], &["web", "wordpress", "nginx", "httpd"]),
    (&["certificate", "cert", "tls"], &["certificate"], &[]),
    (&["dns", "dns record", "dns name"], &["dns:", "route53:"], &[]),
    (&["firewall", "firewall rule"], &["firewall:", "securitygroup"], &[]),
    (&["vlan"], &["vlan"], &[]),
    (&["network"], &["network", "vpc:"], &[]),
    (&["bucket"], &["s3:"], &[]),
    (&["volume", "disk"], &["volume"], &[]),
    (&["container"], &["container:"], &[]),
    (&["server", "instance", "vm"], &["ec2:instance", "autoscaling"], &[]),
    (&["pod"], &["deployment", "statefulset"], &[]),
];

/// Types that run something, whose image or name tells what it is.
const WORKLOADS: [&str; 5] = ["container", "deployment", "statefulset", "ec2:instance", "autoscaling"];

impl Estate {
    /// Reads the record.
    pub(super) async fn load(app: &App) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for summary in app.store().deployments(Gone::Hidden).await? {
            let snapshot = app.store().latest(&summary.name).await?;
            all.push((summary, snapshot));
        }
        Ok(Self { all })
    }

    /// Names of all deployments.
    pub(super) fn names(&self) -> Vec<&DeploymentName> {
        self.all.iter().map(|(d, _)| &d.name).collect()
    }

    /// A deployment by name.
    pub(super) fn get(&self, name: &DeploymentName) -> Option<&(DeploymentSummary, Option<Snapshot>)> {
        self.all.iter().find(|(d, _)| d.name == *name)
    }

    /// Every recorded resource.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&DeploymentName, &Recorded)> {
        self.all.iter().flat_map(|(d, s)| s.iter().flat_map(move |s| s.resources.values().map(move |r| (&d.name, r))))
    }

    /// Which of it a request means.
    pub(super) fn meant(&self, app: &App, frame: &Frame, text: &str) -> Meant {
        let request = tokens(text);
        let named: Vec<String> = match &frame.target {
            Target::None => Vec::new(),
            Target::One(name) => vec![name.clone()],
            Target::Many(names) => names.clone(),
        };
        let deployments: Vec<DeploymentName> =
            self.names().into_iter().filter(|n| named.iter().any(|w| w.eq_ignore_ascii_case(n.as_str()))).cloned().collect();
        let within = |d: &DeploymentName| deployments.is_empty() || deployments.contains(d);

        // A resource's own name is plainer than anything else, unless a deployment has the same.
        let mut said: BTreeSet<String> = request.iter().cloned().collect();
        said.extend(named.iter().chain(&frame.part).map(|w| w.to_lowercase()));
        let is_deployment = |w: &str| self.names().iter().any(|n| n.as_str().eq_ignore_ascii_case(w));
        let by_name = |r: &Recorded| {
            let (name, address) = (r.address.name.as_str().to_lowercase(), r.address.to_string().to_lowercase());
            said.contains(&address) || said.contains(&name) && !is_deployment(&name)
        };
        let mut found = self.pick(|d, r| within(d) && by_name(r));
        if found.is_empty() {
            found = self.pick(|_, r| by_name(r));
        }
        if let Some((_, first)) = found.first() {
            let called = first.name.to_string();
            return Meant::Resources { found, called, by_name: true };
        }
        if let Some(word) = named.iter().find(|w| !is_deployment(w)).filter(|_| deployments.is_empty()) {
            return self.described(&tokens(word), |_| true).unwrap_or_else(|| self.nothing(word));
        }
        if let Some(described) = self.described(&request, within) {
            return described;
        }
        if !deployments.is_empty() {
            return Meant::Deployments(deployments);
        }
        match self.stranger(app, &request) {
            Some(word) => self.nothing(&word),
            None => Meant::Everything,
        }
    }

    fn pick(&self, fits: impl Fn(&DeploymentName, &Recorded) -> bool) -> Vec<(DeploymentName, Address)> {
        self.resources().filter(|(d, r)| fits(d, r)).map(|(d, r)| (d.clone(), r.address.clone())).collect()
    }

    /// Resources by what they are: "the load balancer", "security groups", "containers".
    fn described(&self, request: &[String], within: impl Fn(&DeploymentName) -> bool) -> Option<Meant> {
        for (words, kinds, hints) in NOUNS {
            let Some(word) = words.iter().find(|w| says(request, w)) else { continue };
            let found = self.pick(|d, r| within(d) && is_a(r, kinds, hints));
            if !found.is_empty() {
                return Some(Meant::Resources { found, called: (*word).to_owned(), by_name: false });
            }
        }
        // The last segment of any type, as people say it: `securityGroup` is "security group".
        let kinds: BTreeSet<String> =
            self.resources().filter_map(|(_, r)| r.address.kind.as_str().rsplit(':').next().map(str::to_owned)).collect();
        let kind = kinds.into_iter().filter(|k| !matches!(k.as_str(), "run" | "build" | "rule")).find(|k| says(request, &apart(k)))?;
        let found = self.pick(|d, r| within(d) && r.address.kind.as_str().rsplit(':').next() == Some(&kind));
        (!found.is_empty()).then(|| Meant::Resources { found, called: apart(&kind), by_name: false })
    }

    /// A word that stands where a name stands and is none that we know.
    fn stranger(&self, app: &App, request: &[String]) -> Option<String> {
        let catalog = app.catalog().entries();
        let known = |w: &str| {
            region(w)
                || catalog.iter().any(|e| e.name == w || e.words.iter().any(|x| x == w || x.replace(' ', "-") == w))
                || app.servers().names().any(|s| s.as_str() == w)
        };
        const COMMON: [&str; 12] = [
            "up-to-date",
            "multi-az",
            "high-availability",
            "out-of-band",
            "out-of-date",
            "real-time",
            "set-up",
            "e-mail",
            "on-call",
            "read-only",
            "so-called",
            "well-known",
        ];
        let named = request.iter().find(|w| {
            let identifier = w.contains('-') || w.matches(':').count() >= 2;
            identifier && !COMMON.contains(&w.as_str()) && !known(w) && !w.starts_with(|c: char| c.is_ascii_digit())
        });
        // "is shop up?"
        const STATES: [&str; 9] = ["up", "down", "running", "healthy", "ok", "okay", "alive", "online", "deployed"];
        const GENERAL: [&str; 14] =
            ["it", "they", "everything", "all", "anything", "there", "that", "this", "things", "still", "currently", "what", "we", "which"];
        let asked = match request {
            [is, word, state, ..] if (is == "is" || is == "are") && STATES.contains(&state.as_str()) => Some(word),
            [is, the, word, state, ..]
                if is == "is" && matches!(the.as_str(), "the" | "our" | "my") && STATES.contains(&state.as_str()) =>
            {
                Some(word)
            }
            _ => None,
        };
        // A pattern's word stands for a deployment of that pattern; with none of it deployed, it names nothing.
        let server = |w: &str| app.servers().names().any(|s| s.as_str() == w);
        named.or(asked.filter(|w| !GENERAL.contains(&w.as_str()) && !server(w))).cloned()
    }

    fn nothing(&self, word: &str) -> Meant {
        let mut names: BTreeSet<String> = self.names().iter().map(ToString::to_string).collect();
        names.extend(self.resources().map(|(_, r)| r.address.name.to_string()));
        let mut near = Vec::new();
        while near.len() < 3 {
            let Some(one) = nearest(word, names.iter().map(String::as_str)).map(str::to_owned) else { break };
            names.remove(&one);
            near.push(one);
        }
        Meant::Nothing { word: clean_line(word, 80), near }
    }
}

fn is_a(r: &Recorded, kinds: &[&str], hints: &[&str]) -> bool {
    let kind = format!("{}:{}:", r.address.server, r.address.kind).to_lowercase();
    if kinds.iter().any(|k| kind.contains(k)) {
        return true;
    }
    if !WORKLOADS.iter().any(|w| kind.contains(w)) {
        return false;
    }
    let image = r.properties.get("image").or_else(|| r.sent.get("image")).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let image = image.split([':', '@']).next().unwrap_or_default();
    let name = r.address.name.as_str().to_lowercase();
    // What makes copies of a thing brings that thing's tools, and is not one of them.
    let copies = name.split(['-', '_']).any(|part| part == "backup" || part == "backups");
    hints.iter().any(|h| {
        h.len() > 3 && !copies && image.contains(h)
            || name.split(['-', '_']).any(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()) == *h)
    })
}

/// Whether a word is a region of a cloud: `us-east-1`, `europe-west4`.
pub(super) fn region(word: &str) -> bool {
    const PLACES: [&str; 12] =
        ["east", "west", "north", "south", "central", "northeast", "northwest", "southeast", "southwest", "eastus", "westus", "gov"];
    let parts: Vec<&str> = word.split('-').collect();
    let digit = word.ends_with(|c: char| c.is_ascii_digit());
    parts.len() >= 2 && digit && parts.iter().skip(1).any(|p| PLACES.contains(&p.trim_end_matches(|c: char| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_names() {
        assert!(["us-east-1", "eu-central-1", "ap-southeast-2", "europe-west4", "us-gov-west-1"].iter().all(|r| region(r)));
        assert!(!["blog-db-1", "trip-web", "web-1", "east-wing"].iter().any(|r| region(r)));
    }
}
