//! What a question or a fault is about; it helps to choose the answer and decides whether a target has to be asked for.

use super::reading::Reading;
use crate::intent::Facet;

const WORDS: [(Facet, &[&str]); 11] = [
    (
        Facet::Help,
        &["pattern", "patterns", "help", "can you do", "commands", "parameters", "supported", "muster", "hilfe", "aide", "ayuda"],
    ),
    (Facet::Logs, &["log", "logs", "events", "protokolle", "journaux", "registros", "stdout", "output of the container"]),
    (Facet::Drift, &["drift", "drifted", "out of band", "by hand", "manually", "abweichung", "derive"]),
    (
        Facet::Backups,
        &["backup", "backups", "snapshot", "snapshots", "dump", "restore", "sicherung", "sauvegarde", "sauvegardes", "copias", "respaldo"],
    ),
    (
        Facet::Cost,
        &[
            "cost",
            "costs",
            "price",
            "spend",
            "spent",
            "spending",
            "bill",
            "expensive",
            "cheap",
            "invoice",
            "pay",
            "money",
            "kosten",
            "kostet",
            "coute",
            "cout",
            "cuesta",
            "coste",
        ],
    ),
    (
        Facet::Endpoints,
        &[
            "url",
            "urls",
            "endpoint",
            "endpoints",
            "address",
            "addresses",
            "ip",
            "port",
            "ports",
            "outputs",
            "output",
            "hostname",
            "link",
            "reach",
            "adresse",
            "direccion",
            "connect to",
            "login",
        ],
    ),
    (
        Facet::Metrics,
        &[
            "cpu",
            "memory",
            "ram",
            "load",
            "traffic",
            "requests",
            "connections",
            "usage",
            "utilisation",
            "utilization",
            "throughput",
            "latency",
            "metrics",
            "chart",
            "graph",
            "visitors",
            "disk",
            "bandwidth",
        ],
    ),
    (
        Facet::History,
        &[
            "changed",
            "change",
            "changes",
            "history",
            "who",
            "when",
            "last",
            "yesterday",
            "deployed",
            "rolled",
            "roll",
            "rollback",
            "audit",
            "recent",
            "historique",
            "historial",
            "geandert",
            "wann",
            "quand",
            "cuando",
        ],
    ),
    (Facet::Servers, &["servers", "mcp", "tools", "connected", "registered"]),
    (
        Facet::Configuration,
        &[
            "version",
            "replicas",
            "instances",
            "min",
            "max",
            "configured",
            "config",
            "configuration",
            "settings",
            "setting",
            "engine",
            "encrypted",
            "encryption",
            "processor",
            "provider",
            "retention",
            "schedule",
            "devices",
            "sites",
            "stack",
            "cache",
            "broker",
            "domain",
            "differently",
            "replikas",
            "instanzen",
            "knoten",
            "verschlusselt",
            "einstellungen",
            "repliques",
            "noeuds",
            "chiffre",
            "instancias",
            "nodos",
            "cifrado",
            "configuracion",
            "difference",
            "parameters",
            "nodes",
        ],
    ),
    (
        Facet::Status,
        &[
            "status",
            "running",
            "up",
            "down",
            "healthy",
            "unhealthy",
            "state",
            "health",
            "alive",
            "online",
            "deployments",
            "degraded",
            "lauft",
            "actifs",
            "estado",
            "etat",
        ],
    ),
];

/// The facet of a query or troubleshoot.
pub(super) fn of(r: &Reading<'_>) -> Facet {
    if r.marks.any("hypothetical") {
        let money = r.tokens.iter().any(|t| matches!(t.low.as_str(), "cost" | "costs" | "price" | "expensive" | "bill"));
        return if money { Facet::Cost } else { Facet::Impact };
    }
    let text = format!(" {} ", r.tokens.iter().map(|t| t.low.as_str()).collect::<Vec<_>>().join(" "));
    WORDS.iter().find(|(_, words)| words.iter().any(|w| text.contains(&format!(" {w} ")))).map_or(Facet::Other, |(facet, _)| *facet)
}

/// Whether a question is about everything rather than one deployment.
pub(super) fn is_general(r: &Reading<'_>) -> bool {
    r.marks.any("all") || r.tokens.iter().any(|t| GENERAL.contains(&t.low.as_str()))
}

/// Words of questions about everything.
const GENERAL: [&str; 18] = [
    "any",
    "which",
    "deployments",
    "anything",
    "we",
    "anyone",
    "everything",
    "servers",
    "many",
    "total",
    "overall",
    "there",
    "databases",
    "environments",
    "sites",
    "pattern",
    "patterns",
    "you",
];

/// Whether an answer about this facet is of no use without knowing which deployment is meant.
pub(super) fn needs_target(facet: Facet, r: &Reading<'_>) -> bool {
    let general = is_general(r);
    matches!(facet, Facet::Logs | Facet::Endpoints | Facet::Metrics) && !general
        || (r.marks.any("pronoun")
            && matches!(facet, Facet::Status | Facet::Configuration | Facet::Backups | Facet::Drift)
            && !general
            && r.tokens.len() < 8)
}
