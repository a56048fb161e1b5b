//! A symptom in words ("slow", "429", "disk full"): what of the servers' evidence speaks of it, and honesty where nothing does.

use super::super::words::says;

/// A symptom: what people say, and what logs say when it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symptom {
    /// As it is called in the answer.
    pub(super) name: &'static str,
    said: &'static [&'static str],
    logged: &'static [&'static str],
}

const SYMPTOMS: [Symptom; 9] = [
    Symptom {
        name: "429",
        said: &["429", "rate limit", "rate limited", "too many requests", "throttled", "throttling"],
        logged: &["429", "too many requests", "rate limit", "rate exceeded", "throttl"],
    },
    Symptom {
        name: "disk full",
        said: &["disk full", "disk", "no space", "out of space", "out of disk", "storage full"],
        logged: &["no space left", "disk full", "enospc", "disk quota"],
    },
    Symptom {
        name: "server errors",
        said: &["500", "502", "503", "504", "5xx", "internal server error", "bad gateway", "gateway timeout"],
        logged: &[" 500 ", " 502 ", " 503 ", " 504 ", "internal server error", "bad gateway", "no server available"],
    },
    Symptom {
        name: "memory",
        said: &["memory", "oom", "ram", "out of memory"],
        logged: &["oom", "out of memory", "cannot allocate memory"],
    },
    Symptom {
        name: "certificate",
        said: &["certificate", "tls", "ssl", "expired", "not secure"],
        logged: &["certificate", "x509", "tls handshake", "ssl"],
    },
    Symptom {
        name: "access denied",
        said: &["401", "403", "access denied", "permission denied", "forbidden", "cannot log in", "login"],
        logged: &["access denied", "permission denied", "authentication failed", "unauthorized", "forbidden"],
    },
    Symptom {
        name: "not reachable",
        said: &["unreachable", "connection refused", "cannot connect", "can't connect", "cant connect", "refused", "dns"],
        logged: &["connection refused", "econnrefused", "no route to host", "could not resolve", "nxdomain"],
    },
    Symptom { name: "CPU load", said: &["cpu", "high load", "overloaded"], logged: &[] },
    Symptom {
        name: "slow",
        said: &["slow", "slowly", "sluggish", "lag", "latency", "laggy", "crawling", "timeout", "timeouts", "times out", "timing out"],
        logged: &["slow query", "timed out", "timeout", "deadline exceeded"],
    },
];

/// The symptom that a request names.
pub(super) fn symptom(request: &[String]) -> Option<Symptom> {
    SYMPTOMS.into_iter().find(|s| s.said.iter().any(|w| says(request, w)))
}

impl Symptom {
    /// Whether a line of evidence speaks of it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let text = format!(" {} ", text.to_lowercase());
        self.logged.iter().any(|w| text.contains(w))
    }
}

/// What Swell has no eyes for.
pub(super) const BLIND: &str = "Swell cannot see traffic, response codes, latency, CPU, memory or disk usage: only what servers say of a resource, and the last lines of their logs.";

/// Whether a text says that a process was killed for want of memory.
pub(super) fn speaks_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    let word = super::super::words::mentions(&text, "oom");
    word || ["oomkilled", "oom-kill", "out of memory", "cannot allocate memory"].iter().any(|w| text.contains(w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::words::tokens;

    #[test]
    fn symptoms_are_read_from_words() {
        let name = |t: &str| symptom(&tokens(t)).map(|s| s.name);
        assert_eq!(name("Why is the blog so slow?"), Some("slow"));
        assert_eq!(name("visitors get 429 from shop"), Some("429"));
        assert_eq!(name("disk full on blog"), Some("disk full"));
        assert_eq!(name("blog answers 502"), Some("server errors"));
        assert_eq!(name("why is blog unhealthy"), None);
    }

    #[test]
    fn memory_is_not_in_a_room() {
        assert!(speaks_of_memory("OOM: killed process 12") && speaks_of_memory("reason OOMKilled"));
        assert!(!speaks_of_memory("the room is full"));
    }
}
