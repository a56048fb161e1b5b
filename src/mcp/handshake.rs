//! Handshakes that failed: what is said about them, and which other one is worth a try.

use rmcp::{
    ClientLifecycleMode,
    model::{ErrorCode, ProtocolVersion},
    service::ClientInitializeError,
};

use super::{
    connection::Endpoint,
    http::{cause, innermost},
    wire::Ledger,
};
use crate::domain::text::clean_line;

/// The words, and the noise that came instead of an answer.
pub(super) fn with_noise(mut words: String, ledger: Option<&Ledger>) -> String {
    if let Some((count @ 1.., last)) = ledger.map(Ledger::noise) {
        words.push_str(&format!("; {count} lines that are no MCP messages came, the last: {}", last.last().map_or("", String::as_str)));
    }
    words
}

/// The reason without dumps of whole messages.
pub(super) fn handshake_words(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::JsonRpcError(e) => format!("the server answered \"{}\" (error {})", clean_line(&e.message, 300), e.code.0),
        ClientInitializeError::NoCompatibleProtocolVersion { server_supported, .. } => {
            let versions: Vec<&str> = server_supported.iter().map(ProtocolVersion::as_str).collect();
            format!("it speaks only MCP {}", clean_line(&versions.join(", "), 200))
        }
        ClientInitializeError::ConnectionClosed(_) => "the connection was closed".to_owned(),
        ClientInitializeError::ExpectedInitResponse(_)
        | ClientInitializeError::ExpectedInitResult(_)
        | ClientInitializeError::ConflictInitResponseId(..)
        | ClientInitializeError::UncorrelatedErrorResponse { .. } => "the answer is no MCP handshake".to_owned(),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => handshake_words(fallback),
        other => innermost(cause(other)),
    }
}

/// The handshake to try on a new connection after one failed, if its words say that the other era would be understood.
pub(super) fn other_lifecycle(error: &ClientInitializeError, endpoint: &Endpoint) -> Option<ClientLifecycleMode> {
    match error {
        // Older servers answer the question of the new era with anything at all, an empty result among it.
        ClientInitializeError::ExpectedInitResponse(_) | ClientInitializeError::ExpectedInitResult(_)
            if matches!(endpoint, Endpoint::Http(_)) =>
        {
            Some(ClientLifecycleMode::Initialize)
        }
        ClientInitializeError::NoCompatibleProtocolVersion { server_supported, .. }
            if server_supported.iter().any(ProtocolVersion::has_initialize) =>
        {
            Some(ClientLifecycleMode::Initialize)
        }
        ClientInitializeError::JsonRpcError(e)
            if e.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION || e.code == ErrorCode::METHOD_NOT_FOUND =>
        {
            Some(ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] })
        }
        _ => None,
    }
}
