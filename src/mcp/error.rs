//! Why a server cannot be reached, and how that and a failed call are said to a person.

use std::time::Duration;

use super::{CallError, auth::Challenge};
use crate::{
    diagnostic::{Diagnostic, Explain},
    domain::{ServerName, text::clean_line},
};

/// How many of a program's last lines on stderr stand in a diagnostic; `servers doctor` shows all that are kept.
const STDERR_SHOWN: usize = 12;

/// Why there is no connection to a server. Texts of the server inside are already cleaned and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The program could not be started.
    #[error("`{command}` could not be started: {reason}")]
    Spawn {
        /// Which server.
        server: ServerName,
        /// The program.
        command: String,
        /// The words of the operating system.
        reason: String,
    },
    /// The program ended before it had said hello.
    #[error("the program ended ({status}) before the handshake was done")]
    Exited {
        /// Which server.
        server: ServerName,
        /// Exit code or signal, in words.
        status: String,
        /// Its last lines on stderr. Untrusted text, cleaned.
        stderr: Vec<String>,
    },
    /// It was silent for too long.
    #[error("no answer to the handshake within {} s", after.as_secs_f64())]
    Timeout {
        /// Which server.
        server: ServerName,
        /// How long we waited.
        after: Duration,
        /// Its last lines on stderr. Untrusted text, cleaned.
        stderr: Vec<String>,
    },
    /// It answered, and not as an MCP server that we can talk to.
    #[error("the handshake failed: {reason}")]
    Handshake {
        /// Which server.
        server: ServerName,
        /// What was wrong, with the server's words cleaned.
        reason: String,
        /// Its last lines on stderr. Untrusted text, cleaned.
        stderr: Vec<String>,
    },
    /// The address cannot be reached, or did not answer as it should.
    #[error("{url} cannot be used: {reason}")]
    Http {
        /// Which server.
        server: ServerName,
        /// The address, without user, password and query.
        url: String,
        /// Why.
        reason: String,
    },
    /// It wants to know who we are.
    #[error("{url} wants authorization{}", login.words(server))]
    Auth {
        /// Which server.
        server: ServerName,
        /// The address, without user, password and query.
        url: String,
        /// What it said, if it sent a `WWW-Authenticate` header.
        challenge: Option<Challenge>,
        /// Whether a person's login can help.
        login: Login,
    },
}

/// Whether a person's login can help where a server wants authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Nobody has logged in yet, or what was given then holds no longer.
    Needed,
    /// The configuration has a fixed authorization, which the server does not take.
    Fixed,
}

impl Login {
    /// What is to be done, behind the words that authorization is wanted.
    fn words(self, server: &ServerName) -> String {
        match self {
            Login::Needed => format!(" (run `swell servers login {server}`)"),
            Login::Fixed => " and does not take what is configured for it".to_owned(),
        }
    }
}

impl ConnectError {
    /// Which server it is about.
    pub fn server(&self) -> &ServerName {
        match self {
            ConnectError::Spawn { server, .. }
            | ConnectError::Exited { server, .. }
            | ConnectError::Timeout { server, .. }
            | ConnectError::Handshake { server, .. }
            | ConnectError::Http { server, .. }
            | ConnectError::Auth { server, .. } => server,
        }
    }

    /// One sentence for the reason of a call that could not be sent.
    pub(crate) fn in_brief(&self) -> String {
        let last = last_words(self.stderr()).map(|words| format!("; its last words on stderr: {words}")).unwrap_or_default();
        format!("there is no connection: {self}{last}")
    }

    /// The last lines that the program wrote on stderr.
    pub fn stderr(&self) -> &[String] {
        match self {
            ConnectError::Exited { stderr, .. } | ConnectError::Timeout { stderr, .. } | ConnectError::Handshake { stderr, .. } => stderr,
            ConnectError::Spawn { .. } | ConnectError::Http { .. } | ConnectError::Auth { .. } => &[],
        }
    }
}

/// What a program said last on stderr, in one line: an error is often broken over several, and the last one alone says little.
pub(super) fn last_words(stderr: &[String]) -> Option<String> {
    let from = stderr.len().saturating_sub(3);
    let words: Vec<&str> = stderr[from..].iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" / "))
}

impl Explain for ConnectError {
    fn explain(&self) -> Diagnostic {
        let server = self.server();
        let (code, summary) = match self {
            ConnectError::Spawn { .. } => ("mcp::spawn", "A server could not be started"),
            ConnectError::Exited { .. } => ("mcp::exited", "A server ended at once"),
            ConnectError::Timeout { .. } => ("mcp::timeout", "A server does not answer"),
            ConnectError::Handshake { .. } => ("mcp::handshake", "A server does not speak as an MCP server should"),
            ConnectError::Http { .. } => ("mcp::http", "A server cannot be reached"),
            ConnectError::Auth { .. } => ("mcp::auth", "A server wants authorization"),
        };
        let mut d = Diagnostic::error(code, summary).server(server).fact("server", server.to_string());
        if let ConnectError::Auth { challenge: Some(challenge), .. } = self {
            d = d.fact("it says", clean_line(&challenge.header, 300));
        }
        // The end of a stack trace says where it happened; the page is not for the whole of it.
        let from = self.stderr().len().saturating_sub(STDERR_SHOWN);
        for line in &self.stderr()[from..] {
            d = d.fact("stderr", line.trim_end());
        }
        let d = d
            .detail(format!("The server `{server}` is not connected: {self}."))
            .state("Nothing was sent to it and nothing was changed. Other servers are not affected.");
        if let ConnectError::Auth { login: Login::Needed, .. } = self {
            return d.next("To log in, run:", format!("swell servers login {server}"));
        }
        d.next("To see how it is started and what it says, run:", format!("swell servers doctor {server}"))
    }
}

impl Explain for CallError {
    fn explain(&self) -> Diagnostic {
        let (server, d) = match self {
            CallError::NotSent { server, reason } => (
                server,
                Diagnostic::error("mcp::not-sent", "A call could not be sent")
                    .detail(format!("The call to `{server}` was not sent: {reason}."))
                    .state("The server did not get the call; it changed nothing."),
            ),
            CallError::Refused { server, tool, message, .. } => (
                server,
                Diagnostic::error("mcp::refused", "The server reported an error")
                    .fact("tool", tool.to_string())
                    .detail(format!("`{server}` answered: \"{message}\""))
                    .state("As far as the server says, this call changed nothing."),
            ),
            CallError::Unknown { server, tool, reason } => (
                server,
                Diagnostic::error("mcp::unknown", "The outcome of a call is unknown")
                    .fact("tool", tool.to_string())
                    .detail(format!("The call was sent to `{server}`, and nobody knows what came of it: {reason}."))
                    .state("What it was to do may or may not be done. It is not sent again by itself."),
            ),
        };
        d.server(server).fact("server", server.to_string()).next("To see how the server is, run:", format!("swell servers doctor {server}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, STDERR_SHOWN, last_words};
    use crate::diagnostic::Explain;

    #[test]
    fn the_last_words_are_three_lines_at_most_and_none_of_them_is_empty() {
        let lines = |all: &[&str]| all.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        assert_eq!(last_words(&[]), None);
        assert_eq!(last_words(&lines(&["  "])), None);
        let said = lines(&[
            "INFO start",
            "could not connect: refused",
            "   Is the server running on that host",
            "      and accepting connections?",
        ]);
        assert_eq!(
            last_words(&said).as_deref(),
            Some("could not connect: refused / Is the server running on that host / and accepting connections?")
        );
    }

    #[test]
    fn each_line_of_stderr_is_a_line_of_its_own_and_only_the_last_ones_are_there() {
        let stderr = (0..30).map(|n| format!("    at frame {n}")).collect();
        let error = ConnectError::Exited { server: "s".parse().unwrap(), status: "exit code 1".to_owned(), stderr };
        let facts = error.explain().facts;
        let said: Vec<&str> = facts.iter().filter(|(label, _)| *label == "stderr").map(|(_, line)| line.as_str()).collect();
        assert_eq!(said.len(), STDERR_SHOWN);
        assert_eq!(said.last(), Some(&"    at frame 29"));
    }
}
