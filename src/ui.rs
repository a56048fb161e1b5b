//! What a person sees. Only this module and its children make text for the screen.

pub mod diagnostic;
