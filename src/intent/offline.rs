//! Offline parser.
